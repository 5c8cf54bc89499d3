# SPDX-License-Identifier: MIT
"""Samplers and pruners with an old Optuna (3.1): on its storage in memory and on ours."""
import pickle
import sys
import warnings

import optuna

import trialog
from trialog.pruners import HyperbandPruner, MedianPruner, PatientPruner
from trialog.samplers import GridSampler, RandomSampler, TPESampler


def objective(trial):
    x = trial.suggest_float("x", -5, 5)
    y = trial.suggest_int("y", 1, 10)
    c = trial.suggest_categorical("c", ["a", "b"])
    for step in range(4):
        trial.report(x * x + step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x * x + y + (c == "a")


def main():
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("Optuna", optuna.__version__)
    seen = []
    for storage in (None, trialog.JournalStorage("memory://")):
        for sampler in (TPESampler(seed=1), TPESampler(seed=1, preset="optuna4", group=True), RandomSampler(seed=1)):
            assert isinstance(sampler, optuna.samplers.BaseSampler)
            for pruner in (MedianPruner(), HyperbandPruner(max_resource=4), PatientPruner(optuna.pruners.MedianPruner(), 0)):
                assert isinstance(pruner, optuna.pruners.BasePruner)
                study = optuna.create_study(study_name=str(len(seen)), storage=storage, sampler=sampler, pruner=pruner)
                study.optimize(objective, n_trials=30)
                assert len(study.trials) == 30
                pickle.loads(pickle.dumps((sampler, pruner)))
                seen.append([t.params for t in study.trials] if not isinstance(pruner, HyperbandPruner) else None)
        grid = GridSampler({"x": [1, 2, 3], "y": [1, 2], "c": ["a", "b"]})
        study = optuna.create_study(storage=storage, sampler=grid)
        study.optimize(objective)
        assert len(study.trials) == len({repr(t.params) for t in study.trials}) == 12 and grid.is_exhausted(study)
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :], "both storages, the same trials"
    print(len(seen), "studies and 2 grids")


sys.exit(main())
