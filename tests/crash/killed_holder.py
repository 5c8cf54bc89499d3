# SPDX-License-Identifier: MIT
"""A holder dies inside the critical section: how long does the next append take?

    killed_holder.py STORM_WORKER [ROUNDS] [OPTUNA_ROUNDS]

In each round a worker kills itself at a named point of its append (see storm_hooks.h), so every death is certain to be inside. In
every other round four more writers are waiting for the lock already.
"""
import time

import storm

POINTS = ["locked", "stat", "before-write", "half-write", "after-write", "release", "moved", "flush", "heal", "heal-half", "healed"]
LIMIT_S = 1.0


def tear(journal):
    """Leaves half a line, as a writer that died in its write would."""
    with open(journal, "ab") as f:
        f.write(b'{"op_code":7,"worker_id":"torn","trial_id":0,"st')


def one(program, scratch, journal, probe, point, crowd):
    if point.startswith("heal"):
        tear(journal)
    victim = storm.Worker(program, journal, scratch.path, at=point, signal="stop", durability="full")
    storm.require(victim.wait_stopped(30), f"the holder never came to {point}")
    inside = storm.lock_holder(journal) == victim.pid
    storm.require(inside or point in ("moved", "flush"), f"no lock file of the holder at {point}")
    others = [storm.Worker(program, journal, scratch.path, count=3, durability="off") for _ in range(4 if crowd else 0)]
    for w in others:
        w.ready()
    if crowd:
        probe.ask()
        time.sleep(0.01)
    start = time.monotonic()
    victim.kill()
    victim.wait_dead()
    if not crowd:
        probe.ask()
    probe.answer()
    took = time.monotonic() - start
    for w in others:
        w.finish()
    return took, inside, [victim] + others


def run(program, rounds, optuna_rounds):
    storm.seed()
    with storm.Scratch() as scratch:
        journal = scratch.file("holder.log")
        probe = storm.Probe(program, journal, "probe", durability="off")
        checker = storm.Checker(journal)
        delays, insides = [], 0
        for r in range(rounds):
            point = POINTS[r % len(POINTS)]
            took, inside, workers = one(program, scratch, journal, probe, point, crowd=r // len(POINTS) % 2)
            storm.require(took < LIMIT_S, f"round {r}: the append after a death at {point} took {took:.2f} s")
            delays.append(took)
            insides += inside
            checker.check(workers)
        probe.close()
        print(f"killed_holder: {rounds} holders killed at {len(POINTS)} points ({insides} with the lock file made), next append "
              f"after {storm.percentile(delays, .5) * 1000:.1f} ms in the middle, at most {max(delays) * 1000:.0f} ms; "
              f"{checker.healed} torn tails healed, 0 acknowledged operations lost")
    figures = optuna_rounds and storm.optuna_side("killed_holder", optuna_rounds, 3)
    if figures:
        print("Optuna {version}, grace period {grace} s instead of its 30: next append after {shortest:.1f} to {longest:.1f} s "
              "({rounds} rounds)".format(**figures))
        storm.require(figures["shortest"] > 1, "Optuna was quick too: the harness proves nothing")


if __name__ == "__main__":
    storm.main(run, 200, 3)
