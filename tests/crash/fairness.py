# SPDX-License-Identifier: MIT
"""Many writers in tight loops: how evenly do they get their turns?

    fairness.py STORM_WORKER [SECONDS]

2, 8 and 32 of ours: none below a quarter of its equal share. Then 4 of ours beside 4 of Optuna's: Optuna's four together must get about what
four of eight Optunas get among themselves (four fifths: of eight, one takes most turns by chance, and that chance differs from run to run; so one of
three tries may show it), or else close to half of all appends, where a flush costs next to nothing.
"""

import storm
from stopped_holder import OptunaWriter


TRIES = 3


def share(counts):
    return min(counts) * len(counts) / max(1, sum(counts))


def crowd(program, seconds, n):
    """Among ours."""
    with storm.Scratch() as scratch:
        journal = scratch.file("fair.log")
        storm.Probe(program, journal, "first").close()
        workers = [storm.Worker(program, journal, scratch.path, barrier=1, seconds=seconds) for _ in range(n)]
        for w in workers:
            w.ready()
        for w in workers:
            w.go()
        ends = [w.finish() for w in workers]
        checker = storm.Checker(journal)
        checker.check(workers)
    counts, longest = [e[0] for e in ends], max(e[1] for e in ends) / 1e3
    mean_ms = seconds * 1000 / max(1, sum(counts))
    print(f"fairness: {n} writers, {seconds} s: {sum(counts) / seconds:.0f} durable appends/s, the poorest has {share(counts):.2f} of its "
          f"equal share, longest wait {longest:.0f} ms ({longest / mean_ms / n:.1f} x the mean turn of all {n}), 0 lost")
    storm.require(share(counts) >= 0.25, f"unfair: {sorted(counts)}")


def mixed(program, seconds, ours, optunas):
    """Appends of ours and of Optuna's, side by side, and Optuna's longest wait."""
    with storm.Scratch() as scratch:
        journal = scratch.file("mixed.log")
        storm.Probe(program, journal, "first").close()
        theirs = [OptunaWriter(journal, -seconds, f"optuna{i}") for i in range(optunas)]
        workers = [storm.Worker(program, journal, scratch.path, barrier=1, seconds=seconds) for _ in range(ours)]
        for w in theirs + workers:
            w.ready()
        for w in theirs + workers:
            w.go()
        counts = [w.finish()[0] for w in workers]
        for w in theirs:
            w.finish()
        checker = storm.Checker(journal)
        checker.check(workers + theirs)
    return counts, [len(w.new_acks()) for w in theirs], max(w.summary["longest"] for w in theirs)


def beside_optuna(program, seconds):
    _, alone, alone_longest = mixed(program, seconds, 0, 8)
    ours, theirs, longest = mixed(program, seconds, 4, 4)
    four_of_eight = sum(alone) / 2
    print(f"fairness: 8 Optunas, {seconds} s: {sum(alone)} appends, from {min(alone)} to {max(alone)} each, longest wait "
          f"{alone_longest:.1f} s; 4 Optunas beside 4 of ours: {sum(theirs)} (4 of 8 had {four_of_eight:.0f}), from {min(theirs)} to "
          f"{max(theirs)} each, longest wait {longest:.1f} s; ours {sum(ours)}, the poorest with {share(ours):.2f} of its share")
    storm.require(share(ours) >= 0.25, f"unfair: {sorted(ours)}")
    return sum(theirs) >= 0.8 * four_of_eight or sum(theirs) >= 0.4 * (sum(theirs) + sum(ours))


def run(program, seconds):
    storm.seed()
    for n in (2, 8, 32):
        crowd(program, seconds, n)
    if storm.OPTUNA and not any(beside_optuna(program, seconds) for _ in range(TRIES)):
        storm.require(False, f"Optuna's writers got less beside ours than among themselves, {TRIES} times in a row")


if __name__ == "__main__":
    storm.main(run, 10)
