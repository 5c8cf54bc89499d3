# SPDX-License-Identifier: MIT
"""A user's typed program, for mypy --strict (test_native.py, test_types). It is not run."""
from __future__ import annotations

import trialog
from trialog.distributions import BaseDistribution, FloatDistribution
from trialog.samplers import GridSampler, RandomSampler, TPESampler


def objective(trial: trialog.Trial) -> float:
    x: float = trial.suggest_float("x", -1, 1, log=False)
    n: int = trial.suggest_int("n", 0, 5, step=2)
    trial.report(x, 0)
    if trial.should_prune():
        raise trialog.TrialPruned
    trial.set_user_attr("k", [n])
    return x**2 + n


def told(study: trialog.Study, trial: trialog.FrozenTrial) -> None:
    if trial.value is not None and trial.value < 0.1:
        study.stop()


study = trialog.create_study(sampler=TPESampler(seed=1), pruner=trialog.pruners.MedianPruner(), direction="maximize")
study.optimize(objective, n_trials=10, callbacks=[told], catch=(ValueError,))
best: trialog.FrozenTrial = study.best_trial
value: float = study.best_value
states: list[trialog.TrialState] = [trial.state for trial in study.trials]
space: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}
asked: trialog.Trial = study.ask(space)
frozen: trialog.FrozenTrial = study.tell(asked, 1.0)
names: list[str] = trialog.get_all_study_names("study.journal")
study.sampler = RandomSampler(seed=1)
study.sampler = GridSampler({"x": [0.0, 1.0]})
direction: trialog.study.StudyDirection = study.direction
