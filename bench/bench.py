#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Benchmarks beside Optuna, both in one run: `make bench` calls this with a release build.

    bench.py --build DIR --folder DIR [open] [scaling] [workers] [ask] [prune] [tpe] [python] [python_tpe] [native]

Each job is done several times, ours and Optuna's in turn; medians and their ratio are printed. The folder should lie on a real
disk: its flush rate is printed, and both sides are acknowledged as durable. Optuna is the one of $TRIALOG_PYTHON_OPTUNA.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import journal

HERE = os.path.dirname(os.path.abspath(__file__))
JOBS = os.path.join(HERE, "optuna_jobs.py")


def median(xs):
    return statistics.median(xs)


def spread(xs, form="%.3g"):
    return "%s (%s to %s)" % (form % median(xs), form % min(xs), form % max(xs))


def flush_rate(folder):
    """Durable appends a second of one writer that does nothing else."""
    path = os.path.join(folder, "flush-probe")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < 1.5:
        os.write(fd, b"x" * 200)
        os.fdatasync(fd)
        n += 1
    os.close(fd)
    os.unlink(path)
    return n / (time.perf_counter() - start)


class Bench:
    def __init__(self, args):
        self.build = os.path.abspath(args.build)
        self.folder = os.path.abspath(args.folder)
        self.optuna_python = os.environ.get("TRIALOG_PYTHON_OPTUNA")
        self.runs = args.runs
        self.big = args.trials
        os.makedirs(self.folder, exist_ok=True)
        if not self.optuna_python:
            sys.exit("bench.py: set TRIALOG_PYTHON_OPTUNA to a Python with Optuna (make bench does)")

    def program(self, name):
        for place in (os.path.join(self.build, "bench", name), os.path.join(self.build, name)):
            if os.path.exists(place):
                return place
        sys.exit("bench.py: %s is not built" % name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def json(self, *command):
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(out.strip().splitlines()[-1])

    def wipe(self, path):
        base = os.path.basename(path)
        for name in os.listdir(self.folder):
            if name == base or name.startswith(base + "."):
                os.unlink(self.path(name))

    # ---- opening a large journal ----
    def open(self):
        path = self.path("open.log")
        lines, size = journal.write(path, self.big)
        print("\n## Opening a journal of %d trials (%d lines, %.0f MB) and naming its best trial\n" % (self.big, lines, size / 1e6))
        ours = self.program("bench_open_journal")
        log, snap, peer = [], [], []
        self.json(ours, path, "write-snapshot")
        for _ in range(self.runs):
            peer.append(self.json(self.optuna_python, JOBS, "open", path))
            log += [self.json(ours, path, "no-snapshot") for _ in range(3)]
            snap += [self.json(ours, path, "snapshot") for _ in range(5)]
        best = {r["best"] for r in log + snap + peer}
        assert len(best) == 1, "they disagree about the best trial: %s" % best
        assert all(r["from_snapshot"] > 0 for r in snap), "the snapshot was not used"
        p = median([r["seconds"] for r in peer])
        pk = median([r["peak_kib"] for r in peer]) / 1024
        print("| | seconds | times faster | peak memory, MiB | of Optuna's |\n|---|---|---|---|---|")
        print("| Optuna | %s | 1 | %.0f | 1 |" % (spread([r["seconds"] for r in peer]), pk))
        for name, rows in (("Trialog, from the log", log), ("Trialog, with a snapshot", snap)):
            s = median([r["seconds"] for r in rows])
            m = median([r["peak_kib"] for r in rows]) / 1024
            print("| %s | %s | %.0f | %.1f | 1/%.1f |" % (name, spread([r["seconds"] for r in rows]), p / s, m, pk / m))
        s = median([r["seconds"] for r in log])
        print("\nReplay: %.0f MB/s." % (size / 1e6 / s))
        self.wipe(path)

    # ---- no quadratic path ----
    def scaling(self):
        print("\n## Twice the operations: time(2N) / time(N)\n")
        sys.stdout.flush()
        subprocess.run([self.program("bench_scaling"), self.folder], check=True)

    # ---- throughput of many workers ----
    def start_workers(self, commands):
        procs = [subprocess.Popen(c, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for c in commands]
        for p in procs:
            if p.stdout.readline().strip() != "ready":
                sys.exit("bench.py: a worker did not start")
        for p in procs:
            p.stdin.write("go\n")
            p.stdin.flush()
        results = []
        for p in procs:
            out = p.stdout.read()
            if p.wait() != 0:
                sys.exit("bench.py: a worker failed")
            results.append(json.loads(out.strip().splitlines()[-1]))
        seconds = max(r["end"] for r in results) - min(r["start"] for r in results)
        return sum(r["trials"] for r in results) / seconds

    def workers(self):
        print("\n## Trials a second: worker processes on one journal file, 5 parameters and 5 reports a trial, each acknowledged as durable\n")
        ours = self.program("bench_worker")
        print("| workers | Optuna | Trialog | times | Trialog, lock=kernel | times |\n|---|---|---|---|---|---|")
        for n in (1, 4, 16):
            rates = {"peer": [], "ours": [], "kernel": []}
            for run in range(self.runs):
                for kind in rates:
                    path = self.path("workers-%s-%d-%d.log" % (kind, n, run))
                    self.wipe(path)
                    if kind == "peer":
                        share = max(1, (120 if n == 1 else 160) // n)
                        command = [self.optuna_python, JOBS, "worker", path, "s", str(share)]
                        subprocess.run([self.optuna_python, "-c", "import sys; sys.path.insert(0, %r); import optuna_jobs, optuna; "
                                        "optuna.create_study(study_name='s', storage=optuna_jobs.storage(%r))" % (HERE, path)], check=True)
                    else:
                        share = max(1, 4800 // n)
                        command = [ours, path, "s", str(share), "full", "kernel" if kind == "kernel" else "both"]
                    rates[kind].append(self.start_workers([command] * n))
                    self.wipe(path)
            p, o, k = (median(rates[x]) for x in ("peer", "ours", "kernel"))
            print("| %d | %s | %s | %.0f | %s | %.0f |" % (n, spread(rates["peer"]), spread(rates["ours"]), o / p,
                                                          spread(rates["kernel"]), k / p))
            sys.stdout.flush()

    # ---- one command on a study of 10,000 trials ----
    def ask(self):
        path = self.path("ask.log")
        journal.write(path, 10000)
        copy = self.path("ask-optuna.log")
        shutil.copy(path, copy)
        command = self.program("trialog")
        optuna = os.path.join(os.path.dirname(self.optuna_python), "optuna")
        space = json.dumps({"x0": {"name": "FloatDistribution", "attributes": {"step": None, "low": -10.0, "high": 10.0, "log": False}}})
        common = ["ask", "--study-name", "bench", "--sampler", "RandomSampler", "--search-space", space, "--storage"]
        print("\n## `ask` from the shell on a journal of 10,000 trials\n")
        times = {"peer": [], "ours": []}

        def timed(argv):
            start = time.perf_counter()
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return time.perf_counter() - start

        timed([command] + common + [path])  # writes the snapshot
        for _ in range(self.runs):
            times["peer"].append(timed([optuna] + common + [copy]))
            times["ours"] += [timed([command] + common + [path]) for _ in range(5)]
        print("| | seconds | times faster |\n|---|---|---|")
        print("| optuna ask | %s | 1 |" % spread(times["peer"]))
        print("| trialog ask, snapshot beside the journal | %s | %.0f |" % (spread(times["ours"]), median(times["peer"]) / median(times["ours"])))
        self.wipe(path)
        self.wipe(copy)

    # ---- an ask of TPE (tpe.py) ----
    def tpe(self):
        print("\n## An ask of TPE\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, os.path.join(HERE, "tpe.py"), "--tool", self.program("bench_tpe_ask"), "--runs", str(self.runs)], check=True)

    # ---- TPE in Optuna's study.optimize (python_tpe.py) ----
    def python_tpe(self):
        print("\n## A trial of TPE in Optuna's study.optimize\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, os.path.join(HERE, "python_tpe.py"), "--package", os.path.join(self.build, "python"),
                        "--runs", str(self.runs)], check=True)

    # ---- our storage for Optuna (python_storage.py) ----
    def python(self):
        print("\n## The storage for Optuna")
        sys.stdout.flush()
        subprocess.run([sys.executable, os.path.join(HERE, "python_storage.py"), "--package", os.path.join(self.build, "python"),
                        "--folder", self.folder, "--runs", str(self.runs), "--trials", str(self.big)], check=True)

    # ---- the native Python API beside Rustuna (native.py) ----
    def native(self):
        print("\n## The native Python API beside Rustuna\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, os.path.join(HERE, "native.py"), "--package", os.path.join(self.build, "python"), "--folder", self.folder,
                        "--runs", str(self.runs)], check=True)

    # ---- databases, each on a private server (databases.py) ----
    def databases(self):
        print("\n## Databases, every commit flushed\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, os.path.join(HERE, "databases.py"), "--build", self.build, "--folder", self.folder,
                        "--rounds", str(self.runs)], check=True)

    # ---- a pruner's decision (prune.py) ----
    def prune(self):
        sys.stdout.flush()
        subprocess.run([sys.executable, os.path.join(HERE, "prune.py"), "--tool", self.program("bench_prune"), "--runs", str(self.runs)], check=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", required=True)
    p.add_argument("--folder", required=True, help="for journals, on a real disk")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--trials", type=int, default=100000, help="of the journal that is opened")
    p.add_argument("jobs", nargs="*", metavar="job", help="open, scaling, workers, ask, prune, tpe, python, python_tpe, native, databases; all when none is named")
    a = p.parse_args()
    b = Bench(a)
    version = b.json(b.optuna_python, JOBS, "version")
    print("# Trialog beside Optuna %s (Python %s), %d processors" % (version["optuna"], version["python"], os.cpu_count()))
    before = flush_rate(b.folder)
    for job in a.jobs or ["open", "scaling", "workers", "ask", "prune", "tpe", "python", "python_tpe", "native", "databases"]:
        getattr(b, job)()
        sys.stdout.flush()
    print("\nFlush rate of the disk, one writer: %.0f/s before, %.0f/s after." % (before, flush_rate(b.folder)))


main()
