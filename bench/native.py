#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The native Python API beside Rustuna (Optuna's API on a Rust core): the same program on both. bench.py calls it.

    native.py --package BUILD/python --folder DIR [--runs N] [--quick]     prints a table
    native.py --side MODULE JOB N D FOLDER                                 one side of one job: a line of JSON

Jobs, each in a process of its own, ours and theirs in turn; seconds by the clock and of processor time, without imports:
  optimize    study.optimize of a sum of squares of D parameters with TPE (both multivariate), N trials from none, on a new journal
              file: in memory (none), on tmpfs, and on DIR's disk, where both sides are durable
  open        a journal file that Optuna wrote, with N finished trials of 5 parameters and 5 reports: load_study, the best value, and all
              trials as Python objects; ours without and with a snapshot beside it
Rustuna is the one of $TRIALOG_PYTHON_RUSTUNA; Trialog runs in this Python.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import journal

RAM = "/dev/shm"
# job, trials, parameters, where
CASES = [
    ("optimize", 1000, 2, "memory"), ("optimize", 1000, 10, "memory"), ("optimize", 10000, 2, "memory"), ("optimize", 10000, 10, "memory"),
    ("optimize", 1000, 2, "tmpfs"), ("optimize", 1000, 10, "tmpfs"), ("optimize", 10000, 2, "tmpfs"), ("optimize", 10000, 10, "tmpfs"),
    ("optimize", 1000, 2, "disk"), ("open", 10000, 5, "tmpfs"), ("open", 100000, 5, "tmpfs"),
]
QUICK = [("optimize", 1000, 2, "memory"), ("optimize", 1000, 2, "tmpfs"), ("open", 10000, 5, "tmpfs")]


def storage_of(lib, module, folder):
    if folder == "memory":
        return lib.storages.InMemoryStorage()
    path = os.path.join(folder, "study.journal")
    return lib.storages.JournalFileStorage(path) if module == "rustuna" else lib.storages.JournalStorage(path)


def optimize(lib, module, n, d, folder):
    names = ["x%d" % i for i in range(d)]
    kwargs = {"multivariate": True} if module == "rustuna" else {}
    study = lib.create_study(study_name="bench", storage=storage_of(lib, module, folder), sampler=lib.samplers.TPESampler(seed=1, **kwargs))
    study.optimize(lambda trial: sum(trial.suggest_float(name, -5, 5) ** 2 for name in names), n_trials=n)
    return study


def side(module, job, n, d, folder):
    import importlib

    lib = importlib.import_module(module)
    lib.create_study()  # what is loaded late
    if module == "trialog":
        lib.logging.set_verbosity(lib.logging.WARNING)
    wall, processor = time.perf_counter(), time.process_time()
    if job == "optimize":
        study = optimize(lib, module, n, d, folder)
        best = study.best_trial.values[0]
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    else:
        study = lib.load_study(study_name="bench", storage=storage_of(lib, module, folder))
        best = study.best_trial.values[0]
        found = len(study.trials)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        if found != n:
            sys.exit("%d trials, not %d" % (found, n))
    print(json.dumps({"s": wall, "cpu": processor, "best": best}))


def run(python, package, *words):
    env = dict(os.environ, PYTHONPATH=package)
    out = subprocess.run([python, os.path.abspath(__file__), "--side", *map(str, words)], check=True, stdout=subprocess.PIPE, text=True, env=env).stdout
    return json.loads(out.strip().splitlines()[-1])


class Place:
    """A folder for one run; "memory" needs none."""

    def __init__(self, where, disk):
        self.name = where if where == "memory" else tempfile.mkdtemp(prefix="native-", dir=RAM if where == "tmpfs" else disk)

    def __enter__(self):
        return self.name

    def __exit__(self, *_):
        if self.name != "memory":
            shutil.rmtree(self.name)


def prepare(folder, job, n, d):
    if job == "open":
        journal.write(os.path.join(folder, "study.journal"), n, params=d)


def one(python, module, case, disk, package, again=False):
    job, n, d, where = case
    with Place(where, disk) as folder:
        prepare(folder, job, n, d)
        result = run(python, package, module, job, n, d, folder)
        return run(python, package, module, job, n, d, folder) if again else result


def middle(rows, what):
    return statistics.median(r[what] for r in rows)


def table(cases, runs, pythons, disk, package):
    print("| job | trials | parameters | journal | Trialog: s | CPU s | Rustuna: s | CPU s | times: clock | CPU | best: Trialog | Rustuna |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    behind = 0
    for case in cases:
        job, n, d, where = case
        sides = [("trialog", False)] + ([("rustuna", False)] if "rustuna" in pythons else []) + ([("trialog", True)] if job == "open" else [])
        rows = {key: [] for key in sides}
        for _ in range(runs if n <= 1000 or job == "open" else 1):
            for module, again in sides:
                rows[module, again].append(one(pythons[module], module, case, disk, package, again))
        theirs = rows.get(("rustuna", False))
        for again in (False, True) if job == "open" else (False,):
            ours = rows["trialog", again]
            ratios = [middle(theirs, what) / middle(ours, what) for what in ("s", "cpu")] if theirs else []
            behind += any(r < 1 for r in ratios)
            print("| %s | %d | %d | %s | %.3g | %.3g | %s | %s | %s | %s | %.3g | %s |" % (
                job, n, d, where + (" and snapshot" if again else ""), middle(ours, "s"), middle(ours, "cpu"),
                "%.3g" % middle(theirs, "s") if theirs else "-", "%.3g" % middle(theirs, "cpu") if theirs else "-",
                "%.1f" % ratios[0] if ratios else "-", "%.1f" % ratios[1] if ratios else "-", middle(ours, "best"),
                "%.3g" % middle(theirs, "best") if theirs else "-"))
            sys.stdout.flush()
    if "rustuna" in pythons:
        print("\nrows in which Rustuna is ahead: %d" % behind)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--package")
    p.add_argument("--folder", default=".")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--side", nargs=5, metavar=("MODULE", "JOB", "N", "D", "FOLDER"))
    a = p.parse_args()
    if a.side:
        side(a.side[0], a.side[1], int(a.side[2]), int(a.side[3]), a.side[4])
        return
    pythons = {"trialog": sys.executable}
    if os.environ.get("TRIALOG_PYTHON_RUSTUNA"):
        pythons["rustuna"] = os.environ["TRIALOG_PYTHON_RUSTUNA"]
    else:
        print("**Rustuna is not there** (TRIALOG_PYTHON_RUSTUNA): left out\n")
    table(QUICK if a.quick else CASES, a.runs, pythons, a.folder, os.path.abspath(a.package))


main()
