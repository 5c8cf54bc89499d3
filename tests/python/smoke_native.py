# SPDX-License-Identifier: MIT
"""Native studies beside an old Optuna (3.1): conversion there and back."""
import warnings

import optuna

import trialog
from native_scenarios import _trial_facts

warnings.simplefilter("ignore")
trialog.logging.set_verbosity(trialog.logging.ERROR)
optuna.logging.set_verbosity(optuna.logging.ERROR)


def facts(study):
    def one(t):
        if not hasattr(t, "constraints"):
            type(t).constraints = None
        return {k: v for k, v in _trial_facts(t).items() if k != "constraints"}, t.datetime_start, t.datetime_complete

    return [d.name for d in study.directions], study.user_attrs, [one(t) for t in study.trials]


def objective(t):
    t.report(1.5, 2)
    if t.number == 2:
        raise ValueError
    return t.suggest_float("x", 0, 1, step=0.25) + t.suggest_int("n", 1, 9, log=True) + len(t.suggest_categorical("c", ["a", "bc"]))


ours = trialog.create_study(study_name="s", direction="maximize")
ours.set_user_attr("k", [1, None])
ours.enqueue_trial({"x": 0.5})
ours.optimize(objective, n_trials=6, catch=ValueError)
theirs = trialog.to_optuna(ours)
assert facts(theirs) == facts(ours)
theirs.optimize(objective, n_trials=2, catch=(ValueError,))
assert facts(theirs) == facts(ours) and len(ours.trials) == 8
memory = optuna.create_study(study_name="m")
memory.optimize(objective, n_trials=5, catch=(ValueError,))
assert facts(trialog.from_optuna(memory)) == facts(memory)
print("Optuna", optuna.__version__)
