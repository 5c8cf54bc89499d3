#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trialog beside Optuna's JournalRedisBackend on a private Redis server, both in one run.

    on_redis.py --build DIR [--durable] [--rounds 3] [--workers 1,4,16,64]

One client: calls a second and processor time per call. Workers: trials a second (5 parameters, 5 reports). First look: opening and reading a study
of 10,000 trials. Ours and Optuna's take turns; medians. --durable: appendfsync always, else the server writes no disk. `measure` may be
called from elsewhere with the URL of an empty database per name.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "support"))
import servers  # noqa: E402

THEIRS = os.path.join(HERE, "optuna_calls.py")


def answer(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def crowd(commands):
    """Trials a second of workers that start together; None when one of them failed."""
    ps = [subprocess.Popen(c, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for c in commands]
    for p in ps:
        assert p.stdout.readline() == "ready\n"
    for p in ps:
        p.stdin.write("\n")
        p.stdin.flush()
    out = [p.communicate()[0] for p in ps]
    if any(p.returncode for p in ps):
        return None
    said = [json.loads(o) for o in out]
    return sum(s["trials"] for s in said) / (max(s["end"] for s in said) - min(s["start"] for s in said))


class Side:
    def __init__(self, calls, read, work, share):
        self.calls, self.read, self.work, self.share = calls, read, work, share


def row(what, ours, theirs, better):
    if None in theirs:  # ours never does
        print("| %-44s | %12.6g | %12s | %8s |" % (what, statistics.median(ours), "fails", "-"), flush=True)
        return None
    a, b = statistics.median(ours), statistics.median(theirs)
    ratio = a / b if better == "more" else b / a
    print("| %-44s | %12.6g | %12.6g | %8.1f |" % (what, a, b, ratio), flush=True)
    return ratio


def measure(build, python, new_url, rounds=3, workers=(1, 4, 16, 64), read_trials=10000, bulk=False, share=8):
    """`new_url()`: an empty database's URL. `bulk`: Optuna cannot read what we wrote; its study to read is filled through its
    tables. `share`: how many times its work we do, so that both take a while."""
    program = lambda name: os.path.join(build, "bench", name)
    ours = Side(lambda u, n: [program("bench_calls"), u, "s", str(n)], lambda u: [program("bench_calls"), u, "s", "read"],
                lambda u, n: [program("bench_worker"), u, "s", str(n), "full", "both", "suggest"], share)
    theirs = Side(lambda u, n: [python, THEIRS, "calls", u, "s", str(n)], lambda u: [python, THEIRS, "read", u, "s"],
                  lambda u, n: [python, THEIRS, "work", u, "s", str(n)], 1)
    print("| %-44s | %12s | %12s | %8s |" % ("", "Trialog", "Optuna", "ratio"))
    print("|" + "|".join(["-" * 46, "-" * 14, "-" * 14, "-" * 10]) + "|")
    seen = {side: [answer(side.calls(new_url(), 100 * side.share)) for _ in range(rounds)] for side in (ours, theirs)}
    rate = lambda side: [x["calls"] / x["seconds"] for x in seen[side]]
    cost = lambda side: [x["cpu"] / x["calls"] * 1e6 for x in seen[side]]
    row("calls a second, one client", rate(ours), rate(theirs), "more")
    row("processor time per call, us", cost(ours), cost(theirs), "less")
    for w in workers:
        got = {ours: [], theirs: []}
        for _ in range(rounds):
            for side in (ours, theirs):
                url = new_url()
                if bulk and side is theirs:  # its tables first: of many that start at once most would fail
                    answer([python, THEIRS, "calls", url, "first", "0"])
                got[side].append(crowd([side.work(url, max(2, 160 * side.share // w)) for _ in range(w)]))
        row("trials a second, %d workers" % w, got[ours], got[theirs], "more")
    url = new_url()
    if bulk:  # in a file first, whose calls need not wait for a disk
        with tempfile.TemporaryDirectory(prefix="trialog-bench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
            path = os.path.join(folder, "fill.journal")
            answer(ours.calls(path, read_trials))
            subprocess.run([os.path.join(build, "trialog"), "copy", "--storage", path, "--study-name", "s", "--to", url],
                           stdout=subprocess.DEVNULL, check=True)
    else:
        answer(ours.calls(url, read_trials))
    urls = {ours: url, theirs: url}
    if bulk:
        urls[theirs] = new_url()
        subprocess.run([python, THEIRS, "fill", urls[theirs], "s", str(read_trials)], check=True)
    seconds = {side: [answer(side.read(urls[side]))["seconds"] for _ in range(rounds)] for side in (ours, theirs)}
    row("first look at %d trials, s" % read_trials, seconds[ours], seconds[theirs], "less")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", required=True)
    p.add_argument("--durable", action="store_true")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--workers", default="1,4,16,64")
    args = p.parse_args()
    python = os.environ.get("TRIALOG_PYTHON_OPTUNA")
    if not python:
        raise SystemExit("TRIALOG_PYTHON_OPTUNA names no Python with Optuna")
    with servers.server("redis", durable=args.durable) as s:
        print("Redis, %s" % ("appendfsync always" if args.durable else "nothing on disk"))
        measure(args.build, python, s.new_database, args.rounds, [int(w) for w in args.workers.split(",")])
    return 0


if __name__ == "__main__":
    sys.exit(main())
