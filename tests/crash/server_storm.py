# SPDX-License-Identifier: MIT
"""Sixteen writers on one stream of a database server, and everything that can go wrong between them and it.

    server_storm.py STORM_WORKER TAIL_LINES KIND WHAT [SECONDS]

KIND: postgres, mariadb, redis. WHAT:
  kills     workers die by SIGKILL at random moments and are replaced
  restarts  the server dies by SIGKILL every few seconds and comes back
  network   a proxy cuts all connections every few seconds, and all the time it picks single ones: a request is held back until its sender
            has long repeated it elsewhere, or a connection is closed in one direction
All with a server that flushes (Redis: appendfsync always). Two readers follow the stream the whole time. At the end: nothing that was
acknowledged is missing, nothing is doubled, both readers saw the same lines in the same order, and no worker died by itself.
"""
import random
import subprocess
import sys
import time

import storm  # which knows where the others are
import proxy
import servers

WORKERS = 16
LOCAL = (1 << 32) - 1  # the part of a trial's id that its stream knows


class Tail:
    """tail_lines: what a reader is given, in a file that grows."""

    def __init__(self, program, url, path):
        self.path = path
        self.process = storm.start([program, url, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        storm.require(line == "ready\n", f"a reader did not begin: {line!r}")

    def end(self):
        out, _ = self.process.communicate(timeout=120)
        storm.require(self.process.returncode == 0 and out.startswith("done "), f"a reader ended with {self.process.returncode}: {out!r}")
        return [int(x) for x in out.split()[1:]]


class Checker(storm.Checker):
    def acknowledged(self, worker, ack):
        kind, trial, what = ack
        return super().acknowledged(worker, (kind, int(trial) & LOCAL, what))


class Storm:
    def __init__(self, worker, url, folder):
        self.program, self.url, self.folder = worker, url, folder
        self.all, self.alive = [], []

    def start(self, n):
        new = [storm.Worker(self.program, self.url, self.folder, snapshot=0, pause_us=2000, seconds=self.seconds) for _ in range(n)]
        self.all += new
        self.alive += new
        return new

    def kill_some(self, end):
        kills = 0
        while time.monotonic() < end:
            time.sleep(random.uniform(0, 0.2))
            victim = random.choice(self.alive)
            victim.kill()
            victim.wait_dead()
            self.alive.remove(victim)
            self.seconds = max(1, int(end - time.monotonic()))
            self.start(1)
            kills += 1
        return f"{kills} kills"

    def restart_server(self, end, server):
        downs = []
        while time.monotonic() < end - 3:
            time.sleep(random.uniform(1.5, 3))
            began = time.monotonic()
            server.kill()
            time.sleep(random.uniform(0, 0.5))
            server.start()
            downs.append(time.monotonic() - began)
        return f"{len(downs)} restarts after SIGKILL, down for {max(downs):.1f} s at most"

    def bad_network(self, end, bad):
        bad.every(3, bad.cut_now)
        bad.every(0.3, bad.late_now, 1.5)
        bad.every(0.7, bad.half_now)
        while time.monotonic() < end:
            time.sleep(0.1)
        bad.calm()
        return f"{bad.cuts} connections cut, {bad.late} requests held back past their repetition, {bad.halves} half closed"


def run_one(worker, tail, kind, what, seconds):
    storm.seed()
    with storm.Scratch() as scratch, servers.server(kind, durable=True) as server, proxy.Proxy(server.port) as bad:
        direct = server.new_database()
        s = Storm(worker, direct.replace(f":{server.port}/", f":{bad.port}/") if what == "network" else direct, scratch.path)
        s.seconds = 1
        first = s.start(1)[0]
        first.ready()
        tails = [Tail(tail, direct, scratch.file(f"tail{i}")) for i in range(2)]
        s.seconds = seconds
        for w in s.start(WORKERS - 1):
            w.ready()
        end = time.monotonic() + seconds
        if what == "kills":
            done = s.kill_some(end)
        elif what == "restarts":
            done = s.restart_server(end, server)
        else:
            done = s.bad_network(end, bad)
        words = [w.finish() for w in s.alive]
        rewinds = sum(t.end()[2] for t in tails)
        storm.require(rewinds == 0 or what == "restarts", f"{rewinds} times a reader was told that the log went back")
        checker = Checker(tails[0].path)
        acks = checker.check(s.all)
        rest = checker.read()
        storm.require(rest == 0, f"{rest} bytes behind the last line")
        storm.require(acks >= WORKERS * 5, f"only {acks} acknowledgements: the harness proves nothing")
        with open(tails[0].path, "rb") as a, open(tails[1].path, "rb") as b:
            storm.require(a.read() == b.read(), "two readers saw different lines")
        print(f"server_storm: {kind}, {what}: {done}; {acks} acknowledged operations of {checker.lines} in the log, none lost, none doubled; "
              f"{rewinds} times a reader had seen what the crash took before it was acknowledged; "
              f"{sum(w[2] for w in words)} unknown outcomes, longest call {max(w[1] for w in words) / 1e6:.1f} s", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    run_one(*sys.argv[1:5], int(sys.argv[5]) if len(sys.argv) > 5 else 15)
