#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an ask of TPE costs at 1,000, 10,000 and 100,000 trials, beside Optuna and Rustuna in the same run. bench.py calls it.

    tpe.py --tool BENCH_TPE_ASK [--runs N] [--quick]     prints tables
    tpe.py --peer MODULE N D HISTORY ASKS                the peer's side: one line of JSON

The same job on all sides: a study in memory with N finished trials of D float parameters (tpe_ask.c says how they lie), then trials
that are asked for, get all their parameters, and are told; the ask and its suggestions are timed, in processor time, except for
the pairs a second. Optuna is the one of $TRIALOG_PYTHON_OPTUNA, Rustuna of $TRIALOG_PYTHON_RUSTUNA; both with
multivariate=True, which is what Trialog does. Peers that would take minutes are left out, and it is said.
"""
import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time

SIZES = (1000, 10000, 100000)
DIMS = (2, 10, 50)
HISTORIES = ("spread", "clustered")
# trials * parameters up to which a peer runs: beyond, its asks or the making of its history take minutes.
LIMITS = {"optuna": 100000, "rustuna": 500000}
PEERS = (("optuna", "Optuna", "TRIALOG_PYTHON_OPTUNA"), ("rustuna", "Rustuna", "TRIALOG_PYTHON_RUSTUNA"))


def peer(module, n, d, history, asks):
    import importlib
    import warnings

    warnings.filterwarnings("ignore")
    lib = importlib.import_module(module)
    if module == "optuna":
        lib.logging.set_verbosity(lib.logging.ERROR)
    r = random.Random(5)
    study = lib.create_study(sampler=lib.samplers.TPESampler(seed=1, multivariate=True))
    dist = {"x%d" % j: lib.distributions.FloatDistribution(-5, 5) for j in range(d)}
    make = lib.trial.create_trial if module == "optuna" else lib.create_trial
    for i in range(n):
        if history == "clustered" and i >= n // 10:
            xs = [min(5.0, max(-5.0, r.gauss(-1.3, 0.3))) for _ in range(d)]
        else:
            xs = [r.uniform(-5, 5) for _ in range(d)]
        study.add_trial(make(params=dict(zip(dist, xs)), distributions=dist, value=sum(x * x for x in xs)))
    times, start = [], 0.0
    for i in range(asks + 1):
        if i == 1:  # the first takes in the history
            start = time.perf_counter()
        t = time.process_time()
        trial = study.ask()
        xs = [trial.suggest_float(name, -5, 5) for name in dist]
        us = 1e6 * (time.process_time() - t)
        study.tell(trial.number if module == "rustuna" else trial, sum(x * x for x in xs))
        times.append(us)
    times = sorted(times[1:])
    print(json.dumps({"p50": statistics.median(times), "p99": times[math.ceil(0.99 * len(times)) - 1],
                      "rate": asks / (time.perf_counter() - start)}))


def run(command):
    out = subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def version(python, module):
    code = "import importlib.metadata as m; print(m.version(%r))" % module
    done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def middle(rows, what):
    return statistics.median(r[what] for r in rows)


def cell(rows, ours):
    if not rows:
        return "-"
    p50 = middle(rows, "p50")
    return "%.0f (%.0f times)" % (p50, p50 / ours)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--quick", action="store_true", help="10,000 trials of 10 parameters only")
    p.add_argument("--peer", nargs=5, metavar=("MODULE", "N", "D", "HISTORY", "ASKS"))
    a = p.parse_args()
    if a.peer:
        peer(a.peer[0], int(a.peer[1]), int(a.peer[2]), a.peer[3], int(a.peer[4]))
        return
    pythons = {}
    for module, name, variable in PEERS:
        python = os.environ.get(variable)
        found = version(python, module) if python else None
        if found:
            pythons[module] = python
            print("%s %s" % (name, found), end="; ")
        else:
            print("**%s is not there** (%s): left out" % (name, variable), end="; ")
    print("medians of %d runs, microseconds of processor time\n" % a.runs)
    print("| trials | parameters | history | Trialog: median | p99 | p99 / median | tell | pairs/s, 1 thread | 2 threads | Optuna | Rustuna |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    cases = [(10000, 10)] if a.quick else [(n, d) for n in SIZES for d in DIMS]
    for n, d in cases:
        for history in HISTORIES:
            asks = 400 if n * d <= 1000000 else 100
            rows = {"one": [], "two": [], "optuna": [], "rustuna": []}
            for _ in range(a.runs if n * d <= 1000000 else 1):
                rows["one"].append(run([a.tool, n, d, history, asks, 1]))
                rows["two"].append(run([a.tool, n, d, history, asks, 2]))
                for module, python in pythons.items():
                    if n * d <= LIMITS[module]:
                        rows[module].append(run([python, os.path.abspath(__file__), "--peer", module, n, d, history, 15]))
            ours, p99 = middle(rows["one"], "p50"), middle(rows["one"], "p99")
            print("| %d | %d | %s | %.0f | %.0f | %.1f | %.0f | %.0f | %.0f (%.2f) | %s | %s |" % (
                n, d, history, ours, p99, p99 / ours, middle(rows["one"], "tell"), middle(rows["one"], "rate"), middle(rows["two"], "rate"),
                middle(rows["two"], "rate") / middle(rows["one"], "rate"), cell(rows["optuna"], ours), cell(rows["rustuna"], ours)))
            sys.stdout.flush()
    print("\n-: not run, it would take minutes (Optuna beyond %d, Rustuna beyond %d trials * parameters) or is not there." %
          (LIMITS["optuna"], LIMITS["rustuna"]))


main()
