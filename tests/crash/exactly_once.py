# SPDX-License-Identifier: MIT
"""Exactly once, whatever dies: many workers on one journal file, SIGKILLs at random moments, a replacement for each of the dead.

    exactly_once.py ONCE_WORKER [WORKERS [SIDE [QUEUED [BUDGET [KILLS]]]]]

Five studies, each walked by WORKERS processes until they all find nothing left and end by themselves:
  grid    SIDE x SIDE cells, 5 % of the objectives fail: every cell COMPLETE exactly once;
  rush    a 25th of these cells by a quarter of the workers, with objectives that take no time and fail more often;
  queue   QUEUED trials, one in twenty fails for good: each is told COMPLETE (or that failure) exactly once;
  budget  ends at exactly BUDGET trials, failed and lost ones counted;
  refund  the same with failed and lost ones given back: exactly BUDGET are COMPLETE.
KILLS is the number of kills in the grid; the others get a part of it. Beside it: what Optuna's GridSampler makes of 16 cells with 8
workers.
"""
import collections
import os
import random
import signal
import subprocess
import time

import replayed
import storm
from replayed import COMPLETE, FAIL, RUNNING, WAITING

LEASE_MS = 2000
POINTS = ("locked", "stat", "before-write", "half-write", "after-write", "release", "moved")
RETRIES = 1000  # a lost trial of the queue goes back into it, however often
WORK_US = 200000  # an objective lasts up to that long


class Crowd:
    """Workers on one journal, until none finds anything to do. Two thirds of the kills come from here, at any moment; the others are
    workers that were told to kill themselves at a point inside the critical section (storm_hooks.h)."""

    def __init__(self, program, journal, sampler, workers, kills, **options):
        options = {"fail": 5, "work_us": WORK_US, "lease_ms": LEASE_MS, **options}
        self.argv = [program, "run", journal, sampler] + [f"{k}={v}" for k, v in options.items()]
        self.kills, self.inside, self.ended = 0, 0, 0
        self.to_kill, self.to_arm = kills - kills // 3, kills // 3
        began = time.monotonic()
        self.alive = {}
        for _ in range(workers):
            self.start()
        while self.alive:
            time.sleep(random.uniform(0, 0.03))
            self.gather()
            if self.to_kill > 0 and self.alive:
                self.to_kill -= 1
                self.kill_one()
        self.took = time.monotonic() - began
        storm.require(self.ended == workers, f"{self.ended} workers ended by themselves, not {workers}")

    def start(self):
        argv = self.argv
        if self.to_arm > 0 and random.random() < 0.5:
            self.to_arm -= 1
            argv = argv + [f"at={random.choice(POINTS)}", f"nth={random.randrange(1, 12)}"]
        p = storm.start(argv, stdin=subprocess.DEVNULL)
        p.armed = argv is not self.argv
        self.alive[p.pid] = p

    def gather(self):
        for p in list(self.alive.values()):
            code = p.poll()
            if code is not None:
                self.inside += code == -signal.SIGKILL and p.armed
                self.count_death(p, code)

    def kill_one(self):
        p = random.choice(list(self.alive.values()))
        p.kill()
        self.count_death(p, p.wait())

    def count_death(self, p, code):
        del self.alive[p.pid]
        if code == -signal.SIGKILL:
            self.kills += 1
            self.start()
        else:
            storm.require(code == 0, f"a worker ended with {code}")
            self.ended += 1

    def figures(self, journal):
        return (f"{self.kills} kills ({self.inside} inside the critical section), {os.path.getsize(journal) >> 10} KiB, "
                f"{self.took:.1f} s")


def nobody_left(study, waiting=0):
    storm.require(study.counts[RUNNING] == 0, f"{study.counts[RUNNING]} trials are RUNNING for ever")
    if waiting is not None:
        storm.require(study.counts[WAITING] == waiting, f"{study.counts[WAITING]} trials wait for ever")


def check_grid(study, side):
    done = collections.Counter((t.params["a"], t.params["b"]) for t in study.trials if t.state == COMPLETE)
    twice = [c for c, n in done.items() if n > 1]
    missing = [(a, b) for a in range(side) for b in range(side) if (a, b) not in done]
    storm.require(not twice and not missing and len(done) == side * side,
                  f"{len(twice)} cells twice {twice[:3]}, {len(missing)} missing {missing[:3]}")
    nobody_left(study)


def check_queue(study, n):
    """By the fixed value: a lost trial is queued again as a trial of its own."""
    told = collections.Counter(t.system["fixed_params"]["x"] for t in study.trials
                               if t.state == COMPLETE or (t.state == FAIL and not was_lost(t)))
    wrong = [(x, told[x]) for x in range(n) if told[x] != 1]
    storm.require(not wrong and len(told) == n, f"not told exactly once: {wrong[:5]}")
    for t in study.trials:
        x = t.system["fixed_params"]["x"]
        storm.require(t.state == COMPLETE and x % 20 != 7 or t.state == FAIL and (was_lost(t) or x % 20 == 7),
                      f"trial {t.number} with x={x} is in state {t.state}")
        storm.require(t.runs == 1, f"trial {t.number} began {t.runs} times")
    nobody_left(study)


def was_lost(trial):
    return "trialog:lost" in trial.system


def lost(study):
    return sum(t.state == FAIL and was_lost(t) for t in study.trials)


def grid(program, scratch, workers, side, kills, name="grid", **options):
    journal = scratch.file(f"{name}.log")
    crowd = Crowd(program, journal, "grid", workers, kills, side=side, **options)
    study = replayed.read(journal)
    check_grid(study, side)
    print(f"exactly_once: {name} of {side * side} cells, {workers} workers: every cell COMPLETE exactly once; {len(study.trials)} trials, "
          f"{study.counts[FAIL] - lost(study)} failed, {lost(study)} lost; {crowd.figures(journal)}", flush=True)


def queue(program, scratch, workers, n, kills):
    journal = scratch.file("queue.log")
    subprocess.run([program, "fill", journal, str(n)], check=True)
    crowd = Crowd(program, journal, "queue", workers, kills, retry_lost=RETRIES)
    study = replayed.read(journal)
    check_queue(study, n)
    print(f"exactly_once: {n} queued trials, {workers} workers: each ran to its end exactly once; {study.counts[COMPLETE]} COMPLETE, "
          f"{study.counts[FAIL] - lost(study)} failed, {lost(study)} lost and queued again; {crowd.figures(journal)}", flush=True)


def budget(program, scratch, workers, n, kills, refund):
    journal = scratch.file(f"budget{refund}.log")
    crowd = Crowd(program, journal, "random", workers, kills, budget=n, refund=refund)
    study = replayed.read(journal)
    used = study.used(refund)
    storm.require(used == n, f"the budget of {n} was met with {used}")
    nobody_left(study, None)
    kind = ", failed and lost ones given back" if refund else ""
    print(f"exactly_once: budget of {n}{kind}, {workers} workers: met exactly; {study.counts[COMPLETE]} COMPLETE, "
          f"{study.counts[FAIL] - lost(study)} failed, {lost(study)} lost; {crowd.figures(journal)}", flush=True)


def beside():
    figures = storm.optuna_side("grid", 16, 8, 3)
    if figures:
        print("Optuna {version}: GridSampler, {cells} cells, {workers} workers: {trials} trials in {rounds} rounds, cells COMPLETE more "
              "than once: {twice}".format(**figures))
        storm.require(sum(figures["twice"]) > 0, "Optuna made no mistake: the harness proves nothing")


def run(program, workers, side, queued, n, kills):
    storm.seed()
    with storm.Scratch() as scratch:
        grid(program, scratch, workers, side, kills)
        grid(program, scratch, workers // 4, side // 5, kills // 10, "rush", fail=20, work_us=0)
        queue(program, scratch, workers, queued, kills // 2)
        budget(program, scratch, workers, n, kills // 4, 0)
        budget(program, scratch, workers, n, kills // 4, 1)
    beside()


if __name__ == "__main__":
    storm.main(run, 64, 100, 1000, 1000, 300)
