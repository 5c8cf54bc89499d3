# SPDX-License-Identifier: MIT
"""A holder is stopped for twice the grace period, at each point of its append, and then goes on.

    stopped_holder.py STORM_WORKER

Each point has a journal of its own, all at the same time. Once the waiters are ours: they must wait (the holder lives), nobody
else is inside, all come through afterwards. Once they are Optuna's: they take the lock away after the grace period, as is their rule;
then the holder must notice, and nothing that anybody was told may be lost or doubled. (Stopped before it could heal a torn
tail, with Optuna's waiters, is left out: Optuna appends to the torn line, and its own record is lost with ours or without.)
"""
import json
import os
import signal
import subprocess
import time

import storm

HELD = ["locked", "stat", "heal", "healed", "before-write", "after-write", "release"]  # with the lock file made
POINTS = ["open", "locked", "stat", "heal", "healed", "before-write", "after-write", "release", "moved", "flush"]
GRACE_S = 3
WAITERS = 3


class OptunaWriter:
    """A writer of Optuna's that appends `count` reports (negative: so many seconds long); its lines "R ID STEP" are
    acknowledgements."""

    def __init__(self, journal, count, name, grace_s=30):
        script = os.path.join(storm.HERE, "optuna_side.py")
        self.name = name
        self.process = storm.start([storm.OPTUNA, script, "writer", journal, str(-count), name, str(grace_s)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def ready(self):
        storm.require(self.process.stdout.readline() == b"ready\n", "Optuna's writer did not begin")

    def go(self):
        self.process.stdin.write(b"g")

    def finish(self):
        *self.lines, last = self.process.stdout.read().decode().splitlines()
        storm.require(self.process.wait(60) == 0, "Optuna's writer failed")
        self.summary = json.loads(last)

    def new_acks(self):
        return [tuple(line.split()) for line in self.lines if line.startswith("R ")]


class Point:
    """One journal whose holder stops at one point."""

    def __init__(self, program, scratch, point, with_optuna):
        self.point, self.with_optuna = point, with_optuna
        self.journal = scratch.file(f"{point}-{'optuna' if with_optuna else 'ours'}.log")
        self.counter = self.journal + ".counters"
        options = {"counter": self.counter, "grace_ms": GRACE_S * 1000, "barrier": 1}
        storm.Probe(program, self.journal, "first").close()
        self.holder = storm.Worker(program, self.journal, scratch.path, count=3, at=point, signal="stop", **options)
        if with_optuna:
            self.waiters = [OptunaWriter(self.journal, 3, f"optuna{i}", GRACE_S) for i in range(WAITERS)]
        else:
            self.waiters = [storm.Worker(program, self.journal, scratch.path, count=3, **options) for _ in range(WAITERS)]

    def stop(self):
        for w in self.waiters + [self.holder] * (self.point != "open"):
            w.ready()
        if self.point.startswith("heal"):
            with open(self.journal, "ab") as f:
                f.write(b'{"op_code":7,"worker_id":"torn","trial_id":0,"st')
        self.holder.go()
        storm.require(self.holder.wait_stopped(30), f"the holder never came to {self.point}")
        for w in self.waiters:
            w.go()

    def resume(self):
        self.robbed = self.point in HELD and storm.lock_holder(self.journal) != self.holder.pid
        os.kill(self.holder.pid, signal.SIGCONT)

    def end(self):
        done, _, unknown, retried = self.holder.finish()
        for w in self.waiters:
            w.finish()
        checker = storm.Checker(self.journal)
        acks = checker.check([self.holder] + self.waiters)
        counters = storm.read_counters(self.counter)
        storm.require(counters["overlaps"] == 0, f"{self.point}: two of ours were inside at once: {counters}")
        storm.require(done == 3 and acks == 3 * (1 + WAITERS), f"{self.point}: {done} and {acks} acknowledgements")
        storm.require(self.with_optuna or not self.robbed, f"{self.point}: one of ours robbed a stopped holder")
        return acks, unknown, retried


def run(program):
    storm.seed()
    for with_optuna in (False, True) if storm.OPTUNA else (False,):
        with storm.Scratch() as scratch:
            points = [Point(program, scratch, p, with_optuna) for p in POINTS if p != "heal" or not with_optuna]
            for p in points:
                p.stop()
            time.sleep(2 * GRACE_S + 0.5)
            for p in points:
                p.resume()
            ends = [p.end() for p in points]
            robbed = sum(p.robbed for p in points)
            print(f"stopped_holder: {len(points)} points, stopped for {2 * GRACE_S} s, {WAITERS} waiters of "
                  f"{'Optuna' if with_optuna else 'ours'}: 0 of ours inside together, "
                  f"{sum(e[0] for e in ends)} acknowledged operations, 0 lost, 0 doubled; {robbed} holders lost their lock file, "
                  f"{sum(e[1] for e in ends)} unknown outcomes, {sum(e[2] for e in ends)} repeated")


if __name__ == "__main__":
    storm.main(run)
