# SPDX-License-Identifier: MIT
"""32 processes open a journal that does not exist yet, all at once, and append 10 trials each.

    start_race.py STORM_WORKER [ROUNDS] [PROCESSES] [APPENDS]

Each time the journal must hold one study and all the trials: a starter that truncates what another one has made would lose some.
"""
import os
import random
import subprocess
import time

import storm


def run(program, rounds, processes, appends):
    storm.seed()
    began = time.monotonic()
    with storm.Scratch() as scratch:
        for r in range(rounds):
            journal = scratch.file(f"race{r}.log")
            durability = random.choice(["full", "relaxed", "off"])
            done = subprocess.run([program, "race", journal, str(processes), str(appends), durability], timeout=120)
            storm.require(done.returncode == 0, f"round {r}: a starter failed")
            checker = storm.Checker(journal)
            storm.require(checker.read() == 0, f"round {r}: a torn tail")
            trials = len(checker.owners)
            storm.require(trials == processes * appends and checker.lines == trials + 1 and len(set(checker.owners)) == processes,
                          f"round {r}: {trials} trials of {len(set(checker.owners))} processes in {checker.lines} lines")
            leases = [n for n in os.listdir(scratch.path) if ".lease." in n]
            storm.require(len(leases) == processes, f"round {r}: {len(leases)} leases, though every process left a trial running")
            for name in [*leases, journal]:
                os.unlink(os.path.join(scratch.path, name))
        left = os.listdir(scratch.path)
        storm.require(not left, f"files left behind: {left[:5]}")
    print(f"start_race: {rounds} rounds, {processes} processes on a missing journal: {processes * appends} trials each time, one "
          f"study, nothing left behind, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    storm.main(run, 200, 32, 10)
