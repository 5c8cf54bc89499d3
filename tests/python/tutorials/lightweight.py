# SPDX-License-Identifier: MIT
# Key feature 1: a study in a few lines of plain Python, which writes down how it goes.
import logging
import sys

import optuna

optuna.logging.get_logger("optuna").addHandler(logging.NullHandler())


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    y = trial.suggest_float("y", -10, 10)
    return (x - 1) ** 2 + (y + 3) ** 2


study = optuna.create_study(study_name="few lines", direction="minimize")
study.optimize(objective, n_trials=80, show_progress_bar=True)
sys.stderr.flush()
best = study.best_params
print("parameters:", sorted(best), all(isinstance(v, float) for v in best.values()))
print("better than chance:", study.best_value < 10)
print("trial:", type(study.best_trial).__name__, study.best_trial.state.name, study.best_trial.duration.total_seconds() >= 0)
optuna.logging.set_verbosity(optuna.logging.WARNING)
study.optimize(objective, timeout=0.2)
print("more trials:", len(study.trials) > 80)
