# SPDX-License-Identifier: MIT
# What Optuna's "first optimization" shows: an objective, a study, its best trial and its history, and going on with it.
import optuna


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    return (x - 2) ** 2


study = optuna.create_study()
study.optimize(objective, n_trials=60)

found = study.best_params["x"]
print("near 2:", abs(found - 2) < 1)
print("the value belongs to it:", study.best_value == (found - 2) ** 2)
print("one of the trials:", study.best_trial.number in range(60), study.best_trial.params == study.best_params)
print("history:", len(study.trials), study.trials[0].state, type(study.trials).__name__)

study.optimize(objective, n_trials=40)
print("after going on:", len(study.trials))
