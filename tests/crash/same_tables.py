# SPDX-License-Identifier: MIT
"""The same seed gives the same trials, whatever the number of workers.

    same_tables.py ONCE_WORKER [TRIALS [SIDE]]

TRIALS random ones, and a grid of SIDE x SIDE cells: by one worker, 32 threads, 32 processes, and 4 processes with 8 threads; suggesting one by
one (define-by-run) and asking with the space (define-and-run). All tables of numbers, parameters and values are equal, and another
seed's is not.
"""

import replayed
import storm
from replayed import COMPLETE

CROWDS = [(1, 1), (1, 32), (32, 1), (4, 8)]  # (processes, threads)


def table(program, journal, sampler, processes, threads, **options):
    argv = [program, "run", journal, sampler, f"threads={threads}", "work_us=1000"] + [f"{k}={v}" for k, v in options.items()]
    crowd = [storm.start(argv) for _ in range(processes)]
    codes = [p.wait() for p in crowd]
    storm.require(not any(codes), f"workers ended with {codes}")
    study = replayed.read(journal)
    workers = len({t.worker for t in study.trials})
    storm.require(all(t.state == COMPLETE for t in study.trials), "not every trial is COMPLETE")
    storm.require(workers > processes // 2, f"only {workers} of {processes} workers had a trial")
    return [(t.number, sorted(t.params.items()), t.values) for t in study.trials]


def compare(program, scratch, sampler, trials, **options):
    tables = {}
    for define in (0, 1):
        for processes, threads in CROWDS:
            journal = scratch.file(f"{sampler}-{define}-{processes}-{threads}.log")
            tables[define, processes, threads] = table(program, journal, sampler, processes, threads, define=define, seed=7, **options)
    first = tables[0, 1, 1]
    storm.require(len(first) == trials, f"{len(first)} trials, not {trials}")
    for way, other in tables.items():
        storm.require(other == first, f"{sampler}: {way} differs: {[x for x in zip(first, other) if x[0] != x[1]][:2]}")
    other = table(program, scratch.file(f"{sampler}-other.log"), sampler, 1, 1, define=0, seed=8, **options)
    storm.require(other != first, f"{sampler}: another seed gives the same trials")


def run(program, trials, side):
    with storm.Scratch() as scratch:
        compare(program, scratch, "random", trials, budget=trials)
        compare(program, scratch, "grid", side * side, side=side)
    print(f"same_tables: {trials} random trials and a grid of {side * side} cells: equal tables by (processes, threads) {CROWDS}, by run and "
          "with the space")


if __name__ == "__main__":
    storm.main(run, 1000, 30)
