#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our workers and Optuna's prune in one study, on one journal.

usage: with_optuna.py TRIALOG

Runs itself under each Python in TRIALOG_PYTHON_OPTUNA and TRIALOG_PYTHON_OPTUNA31; none set: exit status 77 (skipped). Ours are
`trialog optimize` with a program that prints its reports. What a trial reports follows from its number, so workers of both kinds that take
turns must leave the very study that Optuna leaves alone: states, values, reports and rungs. Then workers of both kinds run at once.
"""
import json
import os
import subprocess
import sys
import tempfile

STEPS = 9
PRUNERS = {
    "SuccessiveHalvingPruner": {"min_resource": 1, "reduction_factor": 2},
    "HyperbandPruner": {"min_resource": 1, "max_resource": STEPS, "reduction_factor": 2},
    "MedianPruner": {"n_startup_trials": 2, "n_warmup_steps": 2},
}
# whole numbers, so that a shell can do it; some trials are bad at first and good later
PROGRAM = "for s in 1 2 3 4 5 6 7 8 9; do echo trialog-report $s $(( ({trial} * 37 + 11) % 64 - s * (({trial} * 5) % 7) )); done; echo $(( ({trial} * 37 + 11) % 64 ))"


def value(number, step):
    return float((number * 37 + 11) % 64 - step * ((number * 5) % 7))


def main():
    pythons = [os.environ.get(v) for v in ("TRIALOG_PYTHON_OPTUNA", "TRIALOG_PYTHON_OPTUNA31")]
    pythons = [p for p in pythons if p]
    if not pythons:
        print("no Python with Optuna: set TRIALOG_PYTHON_OPTUNA or TRIALOG_PYTHON_OPTUNA31")
        return 77
    for python in pythons:
        subprocess.run([python, __file__, os.path.abspath(sys.argv[1]), "inside"], check=True)
    return 0


# ---- under Optuna's Python ----

def load(path, pruner, direction="maximize"):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = getattr(optuna.pruners, pruner)(**PRUNERS[pruner])
    storage = None
    if path:
        try:
            from optuna.storages.journal import JournalFileBackend as Backend
        except ImportError:
            from optuna.storages import JournalFileStorage as Backend
        storage = optuna.storages.JournalStorage(Backend(path))
    return optuna.create_study(storage=storage, study_name="s", pruner=made, direction=direction, load_if_exists=True)


def objective(trial):
    import optuna

    for step in range(1, STEPS + 1):
        trial.report(value(trial.number, step), step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return value(trial.number, 0)


def ours(trialog, path, pruner, *more):
    return [trialog, "optimize", "--storage", path, "--study-name", "s", "--direction", "maximize", "--progress", "none", "-q",
            "--pruner", pruner, "--pruner-kwargs", json.dumps(PRUNERS[pruner]), *more, "--", "sh", "-c", PROGRAM]


def facts(study):
    return [(t.number, t.state.name, t.values, sorted(t.intermediate_values.items()),
             sorted((k, v) for k, v in t.system_attrs.items() if k.startswith("completed_rung_")))
            for t in study.get_trials(deepcopy=False)]


def in_turns(trialog, folder, pruner, n):
    path = os.path.join(folder, pruner + ".log")
    alone, both = load(None, pruner), load(path, pruner)
    alone.optimize(objective, n_trials=n)
    while len(both.get_trials(deepcopy=False)) < n:
        done = subprocess.run(ours(trialog, path, pruner, "--trials-here", "1"), stderr=subprocess.PIPE, text=True)
        assert done.returncode in (0, 1), done.stderr # 1: nothing is complete yet
        both.optimize(objective, n_trials=1)
    want, got = facts(alone), facts(both)
    for a, b in zip(want, got):
        assert a == b, "%s: Optuna alone\n%s\nboth kinds in turns\n%s" % (pruner, a, b)
    pruned = sum(f[1] == "PRUNED" for f in got)
    print("%s: %d trials in turns, %d of them pruned" % (pruner, n, pruned))
    assert n // 5 < pruned < n


def at_once(trialog, folder, n):
    pruner = "SuccessiveHalvingPruner"
    path = os.path.join(folder, "at-once.log")
    study = load(path, pruner)
    code = ("import sys; sys.argv[1:] = []; import runpy; m = runpy.run_path(%r); "
            "m['load'](%r, %r).optimize(m['objective'], n_trials=%d)" % (__file__, path, pruner, n // 4))
    procs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    procs += [subprocess.Popen(ours(trialog, path, pruner, "--jobs", "2", "--trials-here", str(n // 4))) for _ in range(2)]
    assert all(p.wait(timeout=240) in (0, 1) for p in procs)
    trials = study.get_trials(deepcopy=False)
    assert [t.number for t in trials] == list(range(4 * (n // 4))) and {t.state.name for t in trials} == {"PRUNED", "COMPLETE"}
    rungs = [1, 2, 4, 8]
    for t in trials:
        left = {k: v for k, v in t.system_attrs.items() if k.startswith("completed_rung_")}
        assert left == {"completed_rung_%d" % k: value(t.number, s) for k, s in enumerate(rungs) if k < len(left)}, t
        # a pruned trial ended in the last rung that it reached, a complete one went through all
        last = max(t.intermediate_values)
        assert last == (rungs[len(left) - 1] if t.state.name == "PRUNED" else STEPS), t
        assert t.state.name == "PRUNED" or len(left) == len(rungs), t
    print("%d trials by workers of both kinds at once, %d complete" % (len(trials), sum(t.state.name == "COMPLETE" for t in trials)))


def inside(trialog):
    import warnings

    warnings.simplefilter("ignore")
    import optuna

    print("Optuna", optuna.__version__)
    with tempfile.TemporaryDirectory() as folder:
        for pruner in PRUNERS:
            in_turns(trialog, folder, pruner, 24)
        at_once(trialog, folder, 24)


if __name__ == "__main__":
    sys.exit(inside(sys.argv[1]) if sys.argv[2:] == ["inside"] else main())
