#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trialog beside Optuna on databases: SQLite, and private PostgreSQL, MariaDB and Redis servers, both in one run.

    databases.py --build DIR --folder FOLDER [--rounds 3] [--workers 1,4,16,64] [--read 10000] [kind…]

At equal durability: every database flushes each commit, and on both sides a call returns when its own is on the disk. One client: calls a
second, processor time per call (the client's). Workers: trials a second, 5 parameters and 5 reports each. First look: opening the storage and
reading all trials. The last lines tell what bounds us. Goals: 4 times the calls, 8 times the trials at 16 workers, 50 times the first look.
"""
import argparse
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "support"))
import on_redis  # noqa: E402
import servers  # noqa: E402

KINDS = ("sqlite", "postgres", "mariadb", "redis")
NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL (fsync, synchronous_commit on)",
         "mariadb": "MariaDB (innodb_flush_log_at_trx_commit 1)", "redis": "Redis (appendfsync always)"}


def as_optuna(url):
    """With the driver that Optuna is to use; ours does not mind."""
    return url.replace("postgresql:", "postgresql+psycopg2:").replace("mysql:", "mysql+pymysql:")


def one(kind, args, python):
    print("\n### %s\n" % NAMES[kind], flush=True)
    workers = [int(w) for w in args.workers.split(",")]
    if kind == "sqlite":
        folder = tempfile.mkdtemp(prefix="databases-", dir=args.folder)
        count = iter(range(1 << 20))
        try:
            return on_redis.measure(args.build, python, lambda: "sqlite:///%s/%d.db" % (folder, next(count)), args.rounds, workers, args.read,
                                    bulk=True, share=2)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    place = tempfile.mkdtemp(prefix="databases-", dir=args.folder)
    os.chmod(place, 0o711)
    try:
        # 64 workers and their pools fit below PostgreSQL's default of 100 connections; Optuna's do not
        settings = {"postgres": {"max_connections": "300"}, "mariadb": {"max_connections": "300"}}.get(kind)
        with servers.server(kind, folder=os.path.join(place, "server"), durable=True, settings=settings) as s:
            return on_redis.measure(args.build, python, lambda: as_optuna(s.new_database()), args.rounds, workers, args.read,
                                    bulk=kind != "redis", share=2)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", required=True)
    p.add_argument("--folder", required=True, help="where the databases lie: on a real disk")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--workers", default="1,4,16,64")
    p.add_argument("--read", type=int, default=10000)
    p.add_argument("kinds", nargs="*", metavar="kind", help=", ".join(KINDS) + "; all when none is named")
    args = p.parse_args()
    args.folder = os.path.abspath(args.folder)
    os.makedirs(args.folder, exist_ok=True)
    python = os.environ.get("TRIALOG_PYTHON_OPTUNA")
    if not python:
        raise SystemExit("databases.py: TRIALOG_PYTHON_OPTUNA names no Python with Optuna")
    for kind in args.kinds or KINDS:
        one(kind, args, python)
    print("\nWhat bounds us: each report and each end is acknowledged when it is on the disk (parameters and attributes go along with the next of them).\n"
          "A study is one stream, whose appends come one after another. On PostgreSQL, MariaDB and Redis appends of many workers\n"
          "share flushes, so it is the server's processor time for an append (under 1 ms) that counts, and for one worker the flush; on SQLite "
          "it\nis one commit, and one flush, per append of a process (threads of a process share it). Several studies do not wait for each other.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
