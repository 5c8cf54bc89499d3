# SPDX-License-Identifier: MIT
"""Workers that die, and workers that are stopped, with leases.

    lost_workers.py LEASE_WORKER [WORKERS [KILLED [LEASE_MS]]]

Each worker holds one trial. First nothing happens for some renewals: the journal must not grow by a byte. Then KILLED of them die
by SIGKILL at the same moment, three are stopped until after their lease, and three for less than that. Others fail the
trials of the dead and of those stopped for long, each exactly once and not before its lease ran out, and queue each once more
with the same parameters; nobody else's trial is touched. Then all go on: who was stopped for long finds its trial ended, the
queued trials are run, and no lease is left. A RUNNING trial of a worker without a lease, such as Optuna's, stays what it is.
"""
import datetime
import json
import os
import random
import signal
import subprocess
import sys
import time

import storm


class Worker:
    every = []

    def __init__(self, program, journal, lease_ms, budget):
        self.every.append(self)
        self.process = storm.start([program, journal, str(lease_ms), "3", str(budget)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)

    def asked(self):
        word, number, x = self.process.stdout.readline().split()
        storm.require(word == "asked", f"a worker said {word}")
        self.number, self.x = int(number), float(x)

    @classmethod
    def end_all(cls):
        for w in cls.every:
            if w.process.poll() is None:
                w.process.kill()
                w.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self):
        """What it said after it was told to go on."""
        out, _ = self.process.communicate("go\n", timeout=120)
        storm.require(self.process.returncode == 0, f"a worker ended with {self.process.returncode}")
        return [line.split() for line in out.splitlines()]


class Journal:
    """What stands in it, by trial."""

    def __init__(self, path):
        self.states, self.xs, self.lost, self.failed_at, self.created = {}, {}, {}, {}, []
        with open(path, encoding="utf-8") as f:
            for line in f:
                op = json.loads(line)
                if op["op_code"] == 4:
                    number = len(self.created)
                    self.created.append(op)
                    self.states[number] = [op.get("state", 0)]
                    self.xs[number] = op.get("params", {}).get("x")
                elif op["op_code"] == 5:
                    self.xs[op["trial_id"]] = op["param_value_internal"]
                elif op["op_code"] == 6:
                    self.states[op["trial_id"]].append(op["state"])
                    if op["state"] == 3:
                        self.failed_at[op["trial_id"]] = datetime.datetime.fromisoformat(op["datetime_complete"]).timestamp()
                elif op["op_code"] == 9 and "trialog:lost" in op["system_attr"]:
                    self.lost[op["trial_id"]] = self.lost.get(op["trial_id"], 0) + 1

    def in_state(self, state):
        return {n for n, s in self.states.items() if s[-1] == state}


def leases(folder):
    return [n for n in os.listdir(folder) if ".lease." in n and "+" not in n]


def times(folder):
    return {n: os.stat(os.path.join(folder, n)).st_mtime_ns for n in leases(folder)}


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        storm.require(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(0.05)


def main():
    program = sys.argv[1]
    n, killed, lease_ms = (int(a) for a in (sys.argv[2:] + ["100", "30", "4000"][len(sys.argv) - 2:])[:3])
    lease = lease_ms / 1000
    storm.seed()
    with storm.Scratch() as scratch:
        journal = scratch.file("lost.log")
        lost_in_all = killed + 3
        budget = n + 1 + lost_in_all
        first = Worker(program, journal, lease_ms, budget)
        first.asked()
        with open(journal, "a", encoding="utf-8") as f:  # as Optuna writes it
            f.write('{"op_code":4,"worker_id":"optuna-1","study_id":0,"datetime_start":"2026-01-01T00:00:00.000000"}\n')
        workers = [first] + [Worker(program, journal, lease_ms, budget) for _ in range(n - 1)]
        for w in workers[1:]:
            w.asked()

        storm.require(len(leases(scratch.path)) == n, f"{len(leases(scratch.path))} leases")
        size, before = os.stat(journal).st_size, times(scratch.path)
        until(lambda: all(t > before[name] for name, t in times(scratch.path).items()), 10 * lease, "renewals of all workers")
        time.sleep(lease)  # what is tested is that nothing happens
        renewed = sum(t > before[name] for name, t in times(scratch.path).items())
        storm.require(os.stat(journal).st_size == size, "the journal grew by renewals")

        random.shuffle(workers)
        dead, gone, pausing, alive = workers[:killed], workers[killed:killed + 3], workers[killed + 3:killed + 6], workers[killed + 3:]
        lost = {w.number for w in dead + gone}
        at = time.time()
        for w in dead:
            w.signal(signal.SIGKILL)
        for w in gone + pausing:
            w.signal(signal.SIGSTOP)
        time.sleep(lease / 3)
        for w in pausing:
            w.signal(signal.SIGCONT)
        until(lambda: len(Journal(journal).failed_at) >= lost_in_all, 6 * lease, "lost trials failed")
        j = Journal(journal)
        delays = sorted(j.failed_at[number] - at for number in lost)
        storm.require(set(j.failed_at) == lost, f"failed: {sorted(set(j.failed_at) ^ lost)}")
        storm.require(delays[0] > lease * 2 / 3 - 0.1, f"failed after {delays[0]:.2f} s, before the lease of {lease} s ran out")
        queued = j.in_state(4)
        storm.require(len(queued) == lost_in_all, f"{len(queued)} queued again")
        storm.require(sorted(json.dumps(j.xs[q]) for q in queued) == sorted(json.dumps(j.xs[number]) for number in lost),
                      "other parameters were queued")

        for w in gone:
            w.signal(signal.SIGCONT)
        late = {int(number) for w in gone for word, number in w.finish() if word == "late"}
        storm.require(late == {w.number for w in gone}, f"late: {late}")
        for w in alive:
            storm.require(["told", str(w.number)] in w.finish(), f"trial {w.number} of a worker that lived could not be told")
        for w in dead:
            w.process.wait()
            w.process.stdin.close()
        j = Journal(journal)
        for number in lost:
            storm.require(j.states[number] == [0, 3] and j.lost[number] == 1, f"trial {number}: {j.states[number]}")
        for number in queued:
            storm.require(j.states[number] == [4, 0, 1], f"queued trial {number}: {j.states[number]}")
        storm.require(j.in_state(0) == {1} and "params" not in j.created[1], "the trial without a lease was touched")
        storm.require(len(j.in_state(1)) == n, f"{len(j.in_state(1))} complete")
        storm.require(set(j.lost) == lost, "marked as lost")
        storm.require(leases(scratch.path) == [], f"leases left: {leases(scratch.path)}")
        print(f"{n} workers, leases of {lease:g} s: {renewed} renewed while the journal grew by 0 bytes; {killed} killed, 3 stopped "
              f"for longer, 3 for less: {lost_in_all} trials failed once and queued once, {delays[0] / lease:.2f} to "
              f"{delays[-1] / lease:.2f} leases after; {n} complete in the end, {len(late)} told too late")


try:
    main()
finally:
    Worker.end_all()
