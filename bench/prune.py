#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What should_prune costs with 1,000, 10,000 and 100,000 finished trials, beside Optuna in the same run. bench.py calls it.

    prune.py --tool BENCH_PRUNE [--runs N]        prints a table; Optuna is the one of $TRIALOG_PYTHON_OPTUNA
    prune.py --peer N PRUNER OPTION=VALUE ...     the peer's side: one line of JSON

The same job on both sides: a study in memory whose finished trials have 20 reports each, then trials that run to step 4 and ask
there, while others finish. Times are processor time of the question alone.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time

SIZES = (1000, 10000, 100000)
PRUNERS = (
    ("median", []), ("successive_halving", ["min_resource=1"]), ("hyperband", ["max_resource=20"]), ("threshold", ["upper=1"]),
    ("patient", ["patience=2", "wrapped_pruner=median"]), ("wilcoxon", []),
)


def peer(n, name, options):
    import warnings

    warnings.filterwarnings("ignore")
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    p = optuna.pruners
    o = {k: v if k == "wrapped_pruner" else float(v) if k == "upper" else int(v) for k, v in options.items()}
    if name == "patient":
        pruner = p.PatientPruner(p.MedianPruner(), o["patience"])
    else:
        pruner = {"median": p.MedianPruner, "successive_halving": p.SuccessiveHalvingPruner, "hyperband": p.HyperbandPruner,
                  "threshold": p.ThresholdPruner, "wilcoxon": p.WilcoxonPruner}[name](**o)
    r = random.Random(1)
    study = optuna.create_study(study_name="bench", pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=1))

    def add():
        level = r.random()
        reports = {i: level + r.random() / (i + 1) for i in range(20)}
        attrs = {"completed_rung_%d" % k: reports[s] for k, s in enumerate((1, 4, 16)) if k == 0 or level < 0.25 * (3 - k)}
        study._storage.create_new_trial(study._study_id, create_trial(value=level, state=TrialState.COMPLETE, system_attrs=attrs,
                                                                      intermediate_values=reports))

    def ask():
        trial = study.ask()
        level = 0.2 * r.random()
        for i in range(5):
            trial.report(level + r.random() / (i + 1), i)
        start = time.process_time()
        trial.should_prune()
        us = 1e6 * (time.process_time() - start)
        study.tell(trial, state=TrialState.PRUNED)
        return us

    for _ in range(n):
        add()
    first, times, end = ask(), [], time.perf_counter() + 3
    while len(times) < 3 or (len(times) < 100 and time.perf_counter() < end):
        add()
        times.append(ask())
    print(json.dumps({"first_us": first, "us": statistics.median(times)}))


def run(command):
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def table(tool, runs):
    python = os.environ.get("TRIALOG_PYTHON_OPTUNA")
    print("\n## should_prune with %s finished trials: microseconds of one question\n" % ", ".join("%d" % n for n in SIZES))
    print("| pruner | trials | Optuna | Trialog | times faster | p99 | first question | flat |\n|---|---|---|---|---|---|---|---|")
    for name, options in PRUNERS:
        least = None
        for n in SIZES:
            ours, theirs = [], []
            for _ in range(runs):
                ours.append(run([tool, str(n), name] + options))
                if python and len(theirs) < (1 if n == SIZES[-1] else runs):
                    theirs.append(run([python, os.path.abspath(__file__), "--peer", str(n), name] + options)["us"])
            us = statistics.median(o["us"] for o in ours)
            least = least or us
            peers = statistics.median(theirs) if theirs else float("nan")
            print("| %s | %d | %.0f | %.2f | %.0f | %.2f | %.0f | %.2f |" % (
                name, n, peers, us, peers / us, statistics.median(o["p99_us"] for o in ours),
                statistics.median(o["first_us"] for o in ours), us / least))
            sys.stdout.flush()
    print("\nThe first question of a handle reads the study; later ones read what is new. Flat: the time beside that with %d trials." % SIZES[0])


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(int(sys.argv[2]), sys.argv[3], dict(w.split("=", 1) for w in sys.argv[4:]))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", required=True)
    p.add_argument("--runs", type=int, default=3)
    a = p.parse_args()
    return table(a.tool, a.runs)


main()
