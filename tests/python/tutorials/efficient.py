# SPDX-License-Identifier: MIT
# Key feature 3: samplers by name, and trials that are stopped early by a pruner.
import logging
import random
import sys

import optuna

study = optuna.create_study()
print("by default:", type(study.sampler).__name__, type(study.pruner).__name__)
study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
print("chosen:", type(study.sampler).__name__)
grid = optuna.create_study(sampler=optuna.samplers.GridSampler({"x": [-1, 0, 1], "c": ["a", "b"]}))
optuna.logging.set_verbosity(optuna.logging.WARNING)
grid.optimize(lambda trial: trial.suggest_int("x", -1, 1) ** 2 + len(trial.suggest_categorical("c", ["a", "b"])))
print("grid:", len(grid.trials), grid.best_params["x"])


class Model:
    """Learns a slope by gradient descent, sample by sample."""

    def __init__(self, rate):
        self.rate = rate
        self.slope = 0.0

    def partial_fit(self, data):
        for x, y in data:
            self.slope -= self.rate * (self.slope * x - y) * x

    def error(self, data):
        return sum((self.slope * x - y) ** 2 for x, y in data) / len(data)


r = random.Random(1)
points = [(x, 3 * x + r.gauss(0, 0.1)) for x in (r.uniform(-1, 1) for _ in range(60))]


def objective(trial):
    model = Model(trial.suggest_float("rate", 1e-5, 1e-1, log=True))
    for step in range(30):
        model.partial_fit(points[:40])
        trial.report(model.error(points[40:]), step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return model.error(points[40:])


handler = logging.StreamHandler(sys.stderr)
optuna.logging.get_logger("optuna").addHandler(handler)
for pruner in (
    optuna.pruners.MedianPruner(),
    optuna.pruners.SuccessiveHalvingPruner(),
    optuna.pruners.HyperbandPruner(max_resource=30),
    optuna.pruners.PercentilePruner(25.0, n_startup_trials=3),
    optuna.pruners.ThresholdPruner(upper=2.0, n_warmup_steps=5),
    optuna.pruners.PatientPruner(optuna.pruners.MedianPruner(), patience=2),
    optuna.pruners.NopPruner(),
):
    study = optuna.create_study(pruner=pruner, sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(objective, n_trials=30)
    states = [t.state for t in study.trials]
    pruned = states.count(optuna.trial.TrialState.PRUNED)
    print(type(pruner).__name__, "stops some:", pruned > 0, "and not all:", pruned < 30, study.best_value < 1)
optuna.logging.get_logger("optuna").removeHandler(handler)
