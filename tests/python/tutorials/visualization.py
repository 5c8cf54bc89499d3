# SPDX-License-Identifier: MIT
# Key feature 5: plots of a study. Trialog hands them to Optuna's own plots, so here Optuna and plotly must be installed.
import random

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
random.seed(1)


def objective(trial):
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    depth = trial.suggest_int("depth", 1, 9)
    value = 1.0
    for step in range(10):
        value *= 1 - rate * depth
        trial.report(value + random.random() / 100, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return value


study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=10), pruner=optuna.pruners.MedianPruner())
study.optimize(objective, n_trials=60)
plots = optuna.visualization
for figure in (
    plots.plot_optimization_history(study),
    plots.plot_intermediate_values(study),
    plots.plot_parallel_coordinate(study),
    plots.plot_parallel_coordinate(study, params=["rate", "depth"]),
    plots.plot_contour(study, params=["rate", "depth"]),
    plots.plot_slice(study),
    plots.plot_edf(study),
    plots.plot_rank(study, params=["rate"]),
    plots.plot_timeline(study),
):
    print(type(figure).__name__, len(figure.data) > 0)
