# SPDX-License-Identifier: MIT
"""Stock Optuna workers beside ours on one grid, one queue, one budget: what they do counts, and ours stay exact.

    once_mixed.py ONCE_WORKER [SIDE [QUEUED [BUDGET]]]

Four of Optuna (two current, two 3.1) and four of ours on one journal. At each line in which ours begin a trial, the log so far must have left
room for it: a cell that nobody holds or has done, a trial that is the oldest of the queue, a budget that is not used up. And
afterwards every cell is COMPLETE, every queued trial ran once, and the budget is met. How often Optuna's workers repeat a cell is printed.
"""
import collections
import os
import subprocess
import sys

import interop

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "crash"))
import replayed  # noqa: E402
import storm  # noqa: E402
from replayed import COMPLETE, RUNNING  # noqa: E402

OURS = 4


def crowd(program, pythons, journal, theirs, ours):
    """Optuna's are ready before any begins."""
    mix = (list(pythons.values()) * 4)[:4]
    optunas = [subprocess.Popen([python, os.path.join(HERE, "once_optuna.py"), theirs[0], journal, str(theirs[1])],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE) for python in mix]
    for p in optunas:
        storm.require(p.stdout.readline() == b"ready\n", "an Optuna worker did not begin")
    for p in optunas:
        p.stdin.write(b"go\n")
        p.stdin.close()
    workers = [subprocess.Popen([program, "run", journal] + ours) for _ in range(OURS)]
    codes = [p.wait() for p in workers + optunas]
    for p in optunas:
        p.stdout.close()
    storm.require(not any(codes), f"workers ended with {codes}")


def walk(journal, at_begin):
    """Replays; at_begin(study, trial, op, ours) is called before a line that begins a trial, with the trial that it takes (None: new)."""
    study = replayed.Study()
    owners = collections.Counter()
    for op in replayed.lines(journal):
        ours = "n" in op
        takes = op["op_code"] == 6 and op["state"] == RUNNING and study.trials[op["trial_id"]].state == replayed.WAITING
        creates = op["op_code"] == 4 and op.get("state", RUNNING) == RUNNING
        if takes or creates:
            at_begin(study, study.trials[op["trial_id"]] if takes else None, op, ours)
            owners[ours] += 1
        study.apply(op)
    storm.require(owners[True] > 0 and owners[False] > 0, f"one kind had nothing to do: {owners}")
    storm.require(study.counts[RUNNING] == 0, "trials are RUNNING for ever")
    return study, owners


def grid(program, pythons, scratch, side):
    journal = scratch.file("grid.log")
    subprocess.run([program, "fill", journal, "0"], check=True)
    crowd(program, pythons, journal, ("grid", side), ["grid", f"side={side}", "define=1", "seed=0", "work_us=20000"])

    def cell(params):
        return (params.get("a"), params.get("b"))

    old = set()  # trials of 3.1, which numbers its cells in another order: which one it runs is certain when it has ended

    def room(study, trial, op, ours):
        if not ours:
            if "+" not in op["datetime_start"]:
                old.add(len(study.trials))
            return
        holders = [t.number for t in study.trials if t.state == COMPLETE or (t.state == RUNNING and t.number not in old)]
        holders = [n for n in holders if cell(study.trials[n].params) == cell(op["params"])]
        storm.require(not holders, f"ours takes cell {cell(op['params'])}, which trial {holders} has")

    study, owners = walk(journal, room)
    done = collections.Counter(cell(t.params) for t in study.trials if t.state == COMPLETE)
    storm.require(len(done) == side * side, f"{side * side - len(done)} cells are missing")
    print(f"once_mixed: grid of {side * side} cells: {owners[True]} trials of ours, {owners[False]} of Optuna's; every cell COMPLETE, none begun "
          f"by ours that was held or done, {sum(done.values()) - len(done)} repeated by Optuna's")


def queue(program, pythons, scratch, n):
    journal = scratch.file("queue.log")
    subprocess.run([program, "fill", journal, str(n)], check=True)
    crowd(program, pythons, journal, ("some", n // 4), ["queue", "work_us=2000"])

    def oldest(study, trial, op, ours):
        if ours:
            storm.require(trial is not None and trial.number == study.first_waiting(), f"ours takes {trial and trial.number}, not the oldest")

    study, owners = walk(journal, oldest)
    queued = study.trials[:n]
    storm.require(all(t.runs == 1 and t.state == COMPLETE and t.params["x"] == t.number for t in queued), "not every queued trial ran once")
    print(f"once_mixed: {n} queued trials: each ran once; {owners[True]} trials of ours, {owners[False]} of Optuna's")


def budget(program, pythons, scratch, n):
    journal = scratch.file("budget.log")
    subprocess.run([program, "fill", journal, "0"], check=True)
    crowd(program, pythons, journal, ("two", n // 10), ["random", f"budget={n}", "work_us=20000"])

    def room(study, trial, op, ours):
        storm.require(not ours or study.used(False) < n, f"ours begins a trial when {study.used(False)} of {n} are used")

    study, owners = walk(journal, room)
    storm.require(study.used(False) >= n, f"only {study.used(False)} of {n} are used")
    print(f"once_mixed: budget of {n}: {study.used(False)} trials, {owners[True]} of ours, {owners[False]} of Optuna's, which know no budget; ours "
          "stopped at the line that used it up")


def run(program, side, queued, n):
    pythons = interop.need_pythons()
    storm.seed()
    with storm.Scratch() as scratch:
        grid(program, pythons, scratch, side)
        queue(program, pythons, scratch, queued)
        budget(program, pythons, scratch, n)


if __name__ == "__main__":
    storm.main(run, 15, 400, 200)
