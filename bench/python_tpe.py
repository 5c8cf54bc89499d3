#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a trial costs in Optuna's study.optimize with our TPESampler, beside Optuna's own in the same run. bench.py calls it.

    python_tpe.py --package BUILD/python [--runs N] [--quick]     prints a table
    python_tpe.py --side SIDE N D TRIALS                          one side: one line of JSON

The same job on all sides: a study with N finished trials of D float parameters, uniform in [-5, 5], whose value is the sum of squares; then
study.optimize runs trials that ask for all parameters one by one. Sides: our sampler on our storage in memory and on a journal file
on tmpfs (lock="kernel", durability="off"), our sampler on Optuna's storage in memory, Optuna's sampler with its defaults there and on ours.
Optuna is the one of $TRIALOG_PYTHON_OPTUNA. Processor time per trial, medians over the runs of the mean over TRIALS; the first trial,
which takes in the history, is not counted.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

SIZES = (1000, 10000)
DIMS = (2, 10, 50)
SIDES = (
    ("memory", "our sampler, our memory://"),
    ("file", "our sampler, our journal file"),
    ("foreign", "our sampler, Optuna's memory"),
    ("optuna", "Optuna's sampler, Optuna's memory"),
    ("optuna-ours", "Optuna's sampler, our memory://"),
)


def side(name, n, d, trials):
    import warnings

    import optuna

    import trialog

    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    r = random.Random(5)
    sampler = optuna.samplers.TPESampler(seed=1) if name.startswith("optuna") else trialog.samplers.TPESampler(seed=1)
    folder = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    storage = {
        "memory": lambda: trialog.JournalStorage("memory://"),
        "optuna-ours": lambda: trialog.JournalStorage("memory://"),
        "file": lambda: trialog.JournalStorage(os.path.join(folder.name, "a"), lock="kernel", durability="off"),
    }.get(name, optuna.storages.InMemoryStorage)()
    study = optuna.create_study(storage=storage, sampler=sampler)
    names = ["x%d" % j for j in range(d)]
    dist = {name: optuna.distributions.FloatDistribution(-5, 5) for name in names}
    for _ in range(n):
        xs = {name: r.uniform(-5, 5) for name in names}
        study.add_trial(optuna.trial.create_trial(params=xs, distributions=dist, value=sum(x * x for x in xs.values())))

    def objective(trial):
        return sum(trial.suggest_float(name, -5, 5) ** 2 for name in names)

    study.optimize(objective, n_trials=1)
    cpu, wall = time.process_time(), time.perf_counter()
    study.optimize(objective, n_trials=trials)
    print(json.dumps({"cpu": 1e6 * (time.process_time() - cpu) / trials, "wall": 1e6 * (time.perf_counter() - wall) / trials}))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--package")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--quick", action="store_true", help="10,000 trials of 10 parameters only")
    p.add_argument("--side", nargs=4, metavar=("SIDE", "N", "D", "TRIALS"))
    a = p.parse_args()
    if a.side:
        return side(a.side[0], *map(int, a.side[1:]))
    python = os.environ.get("TRIALOG_PYTHON_OPTUNA")
    if not python or not a.package or not os.path.isdir(a.package):
        print("**not run**: no Python with Optuna, or the Python package was not built")
        return 0
    env = {**os.environ, "PYTHONPATH": a.package}
    version = subprocess.run([python, "-c", "import optuna; print(optuna.__version__)"], check=True, stdout=subprocess.PIPE, text=True).stdout
    print("Optuna %s; microseconds of processor time per trial of study.optimize, medians of %d runs; in brackets: how many times ours on "
          "memory://\n" % (version.strip(), a.runs))
    print("| trials | parameters | " + " | ".join(title for _, title in SIDES) + " |")
    print("|---|---|" + "---|" * len(SIDES))
    for n, d in [(10000, 10)] if a.quick else [(n, d) for n in SIZES for d in DIMS]:
        rows = {name: [] for name, _ in SIDES}
        for _ in range(a.runs):
            for name, _ in SIDES:
                trials = (40 if n * d < 100000 else 10) if name.startswith("optuna") else 200
                out = subprocess.run([python, os.path.abspath(__file__), "--side", name, str(n), str(d), str(trials)], check=True,
                                     stdout=subprocess.PIPE, text=True, env=env).stdout
                rows[name].append(json.loads(out.splitlines()[-1])["cpu"])
        cpu = {name: statistics.median(r) for name, r in rows.items()}
        print("| %d | %d | %s |" % (n, d, " | ".join("%.0f (%.1f)" % (cpu[name], cpu[name] / cpu["memory"]) for name, _ in SIDES)))
        sys.stdout.flush()
    return 0


sys.exit(main())
