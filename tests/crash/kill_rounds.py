# SPDX-License-Identifier: MIT
"""Random kills: 4 writers on one growing journal, round after round a random part of them dies by SIGKILL at a random moment.

    kill_rounds.py STORM_WORKER [ROUNDS]

In most rounds a victim is stopped first and looked at: does it hold the journal's kernel lock? Then it dies inside the critical section.
After each round: nothing that was acknowledged is lost, nothing is doubled, every line is whole, and the next append comes soon.
At the end nothing lies beside the journal that belonged to the dead.
With TRIALOG_RELEASE_BUILD (a build directory) and ROUNDS negative the worker is built against that library first.
"""
import os
import random
import subprocess
import time

import storm

WRITERS = 4
# killed_holder.py is about the time until the next append. Here up to eight processes come and go beside it, so that on a busy machine one
# append in hundreds may wait that long for a processor.
NEXT_APPEND_S, AT_MOST_S, ROUNDS_A_LATE_ONE = 1.0, 5.0, 400


def against_release(scratch):
    """storm_worker without hooks, linked with the optimised library."""
    build = os.environ.get("TRIALOG_RELEASE_BUILD")
    if not build:
        print("TRIALOG_RELEASE_BUILD is not set: nothing to test")
        raise SystemExit(77)
    include = os.path.join(storm.HERE, "..", "..", "include")
    program = scratch.file("storm_worker")
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-DSTORM_PUBLIC", "-I", include, "-o", program,
                    os.path.join(storm.HERE, "storm_worker.c"), os.path.join(build, "libtrialog.a"), "-lpthread", "-lm"],
                   check=True)
    return program


def new_worker(program, journal, folder):
    """Most of them do not flush: a writer that does is outside the critical section, where dying is easy. The pauses keep the journal
    small enough for the checker."""
    return storm.Worker(program, journal, folder, durability=random.choice(["full", "off", "off"]),
                        pause_us=random.choice([300, 1000, 3000]))


class Rounds:
    def __init__(self, program, scratch):
        self.program, self.folder = program, scratch.path
        self.journal = scratch.file("storm.log")
        self.probe = storm.Probe(program, self.journal, "probe", durability="off")
        self.checker = storm.Checker(self.journal)
        self.opening = []  # that have not said yet that they are ready
        self.workers = [self.fresh() for _ in range(WRITERS)]
        self.dead = []
        self.acks = self.kills = self.inside = self.torn = 0
        self.delays = []

    def fresh(self):
        self.opening.append(new_worker(self.program, self.journal, self.folder))
        return self.opening[-1]

    def one(self):
        if random.random() < 0.8:  # in the other rounds newcomers may die while they open the journal
            while self.opening:
                self.opening.pop().ready()
        time.sleep(random.uniform(0, 0.05))
        victims = random.sample(self.workers, random.randint(1, WRITERS))
        look = random.random() < 0.85  # the others die in the middle of system calls, too
        for w in victims:
            if look:
                w.stop()
                self.inside += storm.holds_kernel_lock(w.pid)
            w.kill()
        for w in victims:
            w.wait_dead()
        self.opening = [w for w in self.opening if w not in victims]
        if len(victims) == WRITERS:
            with open(self.journal, "rb") as f:
                f.seek(-1, os.SEEK_END)
                self.torn += f.read() != b"\n"
        self.delays.append(self.probe.append())
        late = sum(d >= NEXT_APPEND_S for d in self.delays)
        storm.require(self.delays[-1] < AT_MOST_S and late <= 1 + len(self.delays) // ROUNDS_A_LATE_ONE,
                      f"the append after a kill took {self.delays[-1]:.2f} s, {late} of {len(self.delays)} took {NEXT_APPEND_S} s")
        self.kills += len(victims)
        self.acks += self.checker.check(self.workers)
        for w in victims:
            os.unlink(w.acks_path) if os.path.exists(w.acks_path) else None
            self.workers[self.workers.index(w)] = self.fresh()

    def left_lying(self):
        return [name for name in os.listdir(self.folder) if ".lock" in name and f".{self.probe.process.pid}." not in name]

    def end(self):
        for w in self.workers:
            w.kill()
            w.wait_dead()
        self.delays.append(self.probe.append())
        self.acks += self.checker.check(self.workers)
        give_up = time.monotonic() + 60
        left = self.left_lying()
        while left and time.monotonic() < give_up:  # who makes it longer by 64 KiB clears away, once a second at most
            self.probe.append()
            left = self.left_lying()
        storm.require(not left, f"left lying by dead processes: {left}")
        self.probe.close()


def run(program, rounds):
    storm.seed()
    with storm.Scratch() as scratch:
        release = rounds < 0
        if release:
            program, rounds = against_release(scratch), -rounds
        began = time.monotonic()
        r = Rounds(program, scratch)
        for _ in range(rounds):
            r.one()
        r.end()
        print(f"kill_rounds{' (release build)' if release else ''}: {rounds} rounds, {r.kills} kills, {r.inside} seen inside the "
              f"critical section, {r.acks} acknowledged operations, 0 lost, 0 doubled, {r.checker.lines} lines all whole "
              f"({r.checker.healed} healed, {r.torn} torn tails seen), next append at most {max(r.delays) * 1000:.0f} ms, "
              f"{os.path.getsize(r.journal) >> 20} MiB, {time.monotonic() - began:.0f} s")
        need = max(1, rounds * 100 // 2000)
        storm.require(r.inside >= need, f"only {r.inside} kills inside the critical section: at least {need} are needed")
    figures = storm.optuna_side("kill", 50)
    if figures:
        print("Optuna {version}: {rounds} kills, {left} left the lock behind, {torn} torn tails".format(**figures))


if __name__ == "__main__":
    storm.main(run, 2000)
