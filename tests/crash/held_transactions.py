# SPDX-License-Identifier: MIT
"""Transactions that are held open at the worst moments, while sixteen workers write and two readers follow.

    held_transactions.py STORM_WORKER TAIL_LINES KIND [SECONDS]

KIND: postgres, mariadb, sqlite. A client of our own does by hand, and slowly, what an append does: it locks the stream, writes an operation at
the head, raises the head, waits, and then commits, rolls back or dies. Others hold the lock alone, read in a snapshot that grows old, or make
a new study and do not finish. What is checked: both readers saw the same lines in the same order, every operation that was acknowledged or
committed by hand once, none that was rolled back. Beside it, on servers: what becomes of a log whose order is an auto-increment column.
"""
import json
import random
import subprocess
import sys
import time

import storm
from server_storm import WORKERS, Checker, Storm, Tail

import servers

SQLITE = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
for line in sys.stdin:
    if line.startswith("select 'done"):
        print(line.split("'")[1], flush=True)
    else:
        c.execute(line)
"""


class Client:
    """One session that is told what to do line by line."""

    def __init__(self, kind, server, place):
        self.kind = kind
        if kind == "postgres":
            argv = [server.psql, "-h", "127.0.0.1", "-p", str(server.port), "-U", "trialog", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", place]
        elif kind == "mariadb":
            argv = [server.client, "--no-defaults", "-u", "root", "-S", server.path("sock"), "-BNn", place]
        else:
            argv = [sys.executable, "-c", SQLITE, place]
        self.process = storm.start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def tell(self, *statements):
        """Returns when they were carried out."""
        mark = f"done{random.getrandbits(40)}"
        for s in statements:
            self.process.stdin.write(s + (";\n" if self.kind != "sqlite" else "\n"))
        self.process.stdin.write(f"select '{mark}'" + (";\n" if self.kind != "sqlite" else "\n"))
        self.process.stdin.flush()
        for line in self.process.stdout:
            if mark in line:
                return
        storm.require(False, f"a client by hand failed at {statements}")

    def die(self):
        self.process.kill()
        self.close()

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()
        self.process.stdout.close()


class Holder:
    def __init__(self, kind, connect):
        self.kind, self.connect = kind, connect
        self.committed, self.undone = [], []

    def begin(self, c):
        if self.kind == "sqlite":
            c.tell("BEGIN IMMEDIATE")
        else:
            c.tell("BEGIN", "SELECT head FROM trialog_stream WHERE id = 1 FOR UPDATE")

    def write(self, c):
        name = f"holder-{len(self.committed) + len(self.undone)}"
        line = json.dumps({"op_code": 2, "worker_id": name, "study_id": 0, "user_attr": {name: 1}}) + "\n"

        def literal(text):
            digits = text.encode().hex()
            return f"'\\x{digits}'::bytea" if self.kind == "postgres" else f"x'{digits}'"
        c.tell("INSERT INTO trialog_op (stream, first_seq, count, worker, n, payload) "
               f"SELECT 1, head, 1, {literal(name)}, 1, {literal(line)} FROM trialog_stream WHERE id = 1",
               "UPDATE trialog_stream SET head = head + 1 WHERE id = 1")
        return name

    def append(self, seconds, end):
        c = self.connect()
        self.begin(c)
        time.sleep(seconds / 2)
        name = self.write(c)
        time.sleep(seconds / 2)
        if end == "die":
            c.die()
        else:
            c.tell(end)
            c.close()
        (self.committed if end == "COMMIT" else self.undone).append(name)

    def lock(self, seconds):
        c = self.connect()
        self.begin(c)
        time.sleep(seconds)
        c.tell("ROLLBACK")
        c.close()

    def look(self, seconds):
        """A snapshot that grows old: nobody waits for it, and it for nobody."""
        c = self.connect()
        c.tell("BEGIN" if self.kind == "sqlite" else "START TRANSACTION ISOLATION LEVEL REPEATABLE READ" if self.kind == "postgres" else
               "START TRANSACTION WITH CONSISTENT SNAPSHOT", "SELECT count(*) FROM trialog_op")
        time.sleep(seconds)
        c.tell("COMMIT")
        c.close()

    def catalog(self, seconds):
        c = self.connect()
        c.tell("BEGIN IMMEDIATE" if self.kind == "sqlite" else "BEGIN",
               "UPDATE trialog_meta SET next_stream = next_stream + 1")
        time.sleep(seconds)
        c.die()

    def once(self, i):
        seconds = random.choice([0.05, 0.3, 1.0]) if i else 3.0
        what = i % 6
        if what < 3:
            self.append(seconds, ("COMMIT", "ROLLBACK", "die")[what])
        else:
            (self.lock, self.look, self.catalog)[what - 3](seconds)


def naive(kind, server, place):
    """The museum's piece: rows ordered by an auto-increment column, and a reader that remembers the last one it saw."""
    column = "bigserial" if kind == "postgres" else "bigint auto_increment"
    server.sql(f"create table naive (id {column} primary key, v varchar(9))", place)
    early = Client(kind, server, place)
    early.tell("BEGIN", "INSERT INTO naive (v) VALUES ('early')")
    server.sql("insert into naive (v) values ('late')", place)
    last = int(server.sql("select max(id) from naive", place))
    early.tell("COMMIT")
    early.close()
    seen = server.sql(f"select count(*) from naive where id > {last}", place).strip()
    storm.require(seen == "0", "the auto-increment reader missed nothing: the harness proves nothing")
    print(f"held_transactions: {kind}: a reader of an auto-increment column loses a committed row for ever", flush=True)


def run_one(worker, tail, kind, seconds):
    storm.seed()
    with storm.Scratch() as scratch:
        server = None if kind == "sqlite" else servers.server(kind)
        try:
            if server:
                url = server.new_database()
                place = url.rpartition("/")[2]
                naive(kind, server, place)
            else:
                place = scratch.file("study.db")
                url = "sqlite:///" + place
            holds(worker, tail, kind, seconds, scratch, url, lambda: Client(kind, server, place))
        finally:
            if server:
                server.stop()


def holds(worker, tail, kind, seconds, scratch, url, connect):
    s = Storm(worker, url, scratch.path)
    s.seconds = 1
    s.start(1)[0].ready()
    tails = [Tail(tail, url, scratch.file(f"tail{i}")) for i in range(2)]
    s.seconds = seconds
    for w in s.start(WORKERS - 1):
        w.ready()
    holder, end, n = Holder(kind, connect), time.monotonic() + seconds - 1, 0
    while time.monotonic() < end or n < 6:
        holder.once(n)
        n += 1
    words = [w.finish() for w in s.alive]
    ends = [t.end() for t in tails]
    storm.require(all(e[2] == 0 for e in ends), "a reader was told that the log went back")
    checker = Checker(tails[0].path)
    acks = checker.check(s.all)
    with open(tails[0].path, "rb") as a, open(tails[1].path, "rb") as b:
        text = a.read()
        storm.require(text == b.read(), "two readers saw different lines")
    for name in holder.committed:
        storm.require(text.count(b'"worker_id": "%s"' % name.encode()) == 1, f"what {name} committed was not seen once")
    for name in holder.undone:
        storm.require(b'"worker_id": "%s"' % name.encode() not in text, f"what {name} took back was seen")
    storm.require(acks >= WORKERS * 5, f"only {acks} acknowledgements: the harness proves nothing")
    print(f"held_transactions: {kind}: {n} transactions held, {len(holder.committed)} of them committed an operation, {len(holder.undone)} took "
          f"one back; {acks} acknowledged operations of {checker.lines}; both readers saw each once, in one order; longest call "
          f"{max(w[1] for w in words) / 1e6:.1f} s", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    run_one(*sys.argv[1:4], int(sys.argv[4]) if len(sys.argv) > 4 else 15)
