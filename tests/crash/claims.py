# SPDX-License-Identifier: MIT
"""Claims of queued trials: each is returned to one claimer, whoever claims and whoever dies.

    claims.py HISTORY_WORKER [TRIALS [KILLS]]

TRIALS are queued. 32 claimers take them and end them at once: 8 processes alone, 4 with two threads on one handle, 4 that fork three times
and go on with one handle on all sides. KILLS of the processes are killed and replaced; what a dead one had taken comes back by its lease.
Every claim's begin and end is on record (history.h). Each trial must have been returned once, or never returned, and then to a call that
died, or to one whose lease ran out; none is left; each x is COMPLETE once.
"""
import collections
import os
import subprocess

import linear
import replayed
import storm
from replayed import COMPLETE, FAIL

KINDS = [(1, 0)] * 8 + [(2, 0)] * 4 + [(1, 3)] * 4  # (threads, forks) of 32 claimers


def check(study, calls, n):
    returned = collections.Counter(c.number for c in calls if c.code == linear.OK)
    pending = collections.Counter(c.worker for c in calls if c.code == linear.EUNKNOWN)
    worker = {c.number: c.worker for c in calls if c.code == linear.OK}
    unknown = 0
    for t in study.trials:
        told = returned[t.number]
        storm.require(told <= 1, f"trial {t.number} was returned {told} times")
        storm.require(t.runs == 1, f"trial {t.number} began {t.runs} times")
        if told == 1:
            storm.require(worker[t.number] == t.worker, f"trial {t.number} is {t.worker}'s, but was returned to {worker[t.number]}")
        else:
            storm.require(pending[t.worker] > 0, f"trial {t.number} was returned to nobody, and no call of {t.worker} died")
            pending[t.worker] -= 1
            unknown += 1
        storm.require(t.state == COMPLETE or t.state == FAIL and "trialog:lost" in t.system, f"trial {t.number} is in state {t.state}")
    complete = collections.Counter(t.system["fixed_params"]["x"] for t in study.trials if t.state == COMPLETE)
    storm.require(complete == {x: 1 for x in range(n)}, "not every x is COMPLETE once")
    return unknown


def run(program, n, kills):
    storm.seed()
    with storm.Scratch() as scratch:
        journal = scratch.file("claims.log")
        os.mkdir(scratch.file("fill"))
        subprocess.run([program, journal, scratch.file("fill"), str(n), "fill", "0"], check=True)
        os.mkdir(scratch.file("claims"))
        claimers = linear.Crowd([program, journal, scratch.file("claims"), str(2 * n), "claim"], KINDS, kills)
        study = replayed.read(journal)
        calls = linear.load_calls(scratch.file("claims"))
        unknown = check(study, calls, n)
        storm.require(len({c.worker for c in calls if c.code == linear.OK}) >= 28, "too few claimers got anything")
        print(f"claims: {n} queued trials, 32 claimers (threads, forks, processes), {claimers.kills} killed, "
              f"{claimers.inside} of them in the critical section: {len(study.trials) - n} trials "
              f"were lost and queued again, {unknown} claims landed and never returned, every other was returned once, none is left; "
              f"{claimers.took:.1f} s")


if __name__ == "__main__":
    storm.main(run, 10000, 60)
