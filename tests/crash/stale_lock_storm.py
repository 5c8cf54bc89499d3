# SPDX-License-Identifier: MIT
"""A dead owner's lock and a crowd that waits for it: how many are inside at once?

    stale_lock_storm.py STORM_WORKER [ROUNDS] [ROUNDS_OPTUNA_LOCK] [OPTUNA_ROUNDS]

Each round 2 to 32 workers start together on a journal whose holder died inside; a counter in shared memory is raised when the lock
file is made and lowered before it goes. ROUNDS_OPTUNA_LOCK rounds begin with a dead lock of Optuna's instead, which is only given
up after the grace period (3 s here).
"""
import os
import random
import time

import storm

CROWDS = [2, 4, 8, 16, 32]


def one(program, scratch, journal, counter, crowd, hold_us, dead_optuna):
    everybody = [storm.Worker(program, journal, scratch.path, barrier=1, count=1, counter=counter, hold_us=hold_us,
                              durability="off", grace_ms=3000) for _ in range(crowd)]
    for w in everybody:
        w.ready()
    if dead_optuna:
        os.symlink(os.path.basename(journal), journal + ".lock")
        dead = []
    else:
        dead = [storm.Worker(program, journal, scratch.path, at=random.choice(["locked", "before-write", "after-write"]))]
        dead[0].wait_dead()
        storm.require(storm.lock_holder(journal) == dead[0].pid, "the dead owner left no lock file")
    start = time.monotonic()
    for w in everybody:
        w.go()
    for w in everybody:
        w.finish()
    return time.monotonic() - start, everybody + dead


def run(program, rounds, rounds_optuna_lock, optuna_rounds):
    storm.seed()
    with storm.Scratch() as scratch:
        journal, counter = scratch.file("stale.log"), scratch.file("counters")
        storm.Probe(program, journal, "first").close()
        checker = storm.Checker(journal)
        longest = 0
        for r in range(rounds + rounds_optuna_lock):
            crowd = CROWDS[r % len(CROWDS)]
            hold_us = random.choice([0, 1000, 5000, 50000 if crowd <= 8 else 5000])
            took, workers = one(program, scratch, journal, counter, crowd, hold_us, r >= rounds)
            longest = max(longest, took)
            checker.check(workers)
        c = storm.read_counters(counter)
        print(f"stale_lock_storm: {rounds} rounds after a dead owner and {rounds_optuna_lock} after a dead Optuna, 2 to 32 "
              f"waiters: {c['entries']} holds, {c['overlaps']} while another was inside, 0 errors, 0 lost; longest round "
              f"{longest:.1f} s")
        storm.require(c["overlaps"] == 0 and c["most"] == 1 and c["inside"] == 0, f"overlapping holds: {c}")
    overlaps = 0
    for kind in ("symlink", "open") if optuna_rounds else ():
        figures = storm.optuna_side("stale_lock", kind, optuna_rounds if kind == "symlink" else 1, 8)
        if figures:
            print("Optuna {version}, {kind} lock: {rounds} rounds, {waiters} waiters: {entries} holds, {overlaps} while another "
                  "was inside (up to {most} at once), {errors} errors after a successful append".format(**figures))
            overlaps += figures["overlaps"]
    storm.require(overlaps > 0 or not storm.OPTUNA or not optuna_rounds, "Optuna's locks held: the harness proves nothing")


if __name__ == "__main__":
    storm.main(run, 100, 2, 3)
