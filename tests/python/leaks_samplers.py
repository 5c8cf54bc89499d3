# SPDX-License-Identifier: MIT
"""Samplers and pruners lose no memory: 100,000 questions, answered and refused, and the process stays as large as it was."""
import gc
import sys

import optuna

import trialog
from trialog import _native
from trialog._source import source_of
from trialog.samplers._base import _kit

ROUNDS = 10000  # of ten questions


def resident():
    gc.collect()
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096


def refuse(call, *args):
    try:
        call(*args)
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return
    raise AssertionError("that should have failed")


def broken(n):
    raise ZeroDivisionError


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=trialog.JournalStorage("memory://"), sampler=trialog.samplers.TPESampler(n_startup_trials=3))
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + (t.suggest_categorical("c", ["a", "b"]) == "a"), n_trials=12)
    trial = study.ask()
    for step in range(4):
        trial.report(1.0, step)
    s = source_of(study)
    at = (s.store, s.study_id, trial.number, s.handle)
    tpe, group = _native.Sampler("tpe", {"n_startup_trials": "3"}), _native.Sampler("tpe", {"n_startup_trials": "3", "group": "true"})
    failing, rand = _native.Sampler("tpe", {"n_startup_trials": "3"}, broken), _native.Sampler("random", {})
    halving = _native.Pruner("successive_halving", {"min_resource": "1"})
    dist = optuna.distributions.FloatDistribution(0, 1)
    space = {"x": dist, "c": optuna.distributions.CategoricalDistribution(["a", "b"])}

    def questions():
        assert set(tpe.space(*at, _kit())) == set(group.space(*at, _kit())) == {"x", "c"}
        params, attrs = tpe.joint(*at, space)
        assert len(params) == 2
        tpe.independent(*at, "y", dist)
        rand.independent(None, 0, 1, 0, "x", dist)
        stop, rungs = halving.decide(*at)
        assert rungs
        refuse(failing.joint, *at, space)
        refuse(tpe.independent, s.store, 99, 0, 0, "x", dist)
        refuse(tpe.joint, *at, {"x": 5})
        refuse(_native.Sampler, "tpe", {"nothing": "1"})

    for _ in range(ROUNDS // 10):
        questions()
    before = resident()
    for _ in range(ROUNDS):
        questions()
    grown = resident() - before
    print("%d questions: %+d KiB" % (10 * ROUNDS, grown // 1024))
    return grown > 3 << 20


sys.exit(main())
