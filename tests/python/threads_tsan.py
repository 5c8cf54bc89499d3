# SPDX-License-Identifier: MIT
"""Sixteen threads on one storage, for the thread sanitizer: it watches the C part (Python itself is not instrumented).

usage: threads_tsan.py (with libtsan preloaded: run.py --preload). Exit status 66 when it found a race.
"""
import tempfile

import optuna

import trialog

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    trial.suggest_categorical("c", ["a", None])
    trial.report(x, 0)
    trial.set_user_attr("a", [1, {"b": None}])
    trial.study.get_trials(deepcopy=False)
    return x


with tempfile.TemporaryDirectory() as folder:
    for url, options in (("memory://", {}), (folder + "/j", {"lease": 5}), (folder + "/k", {"lock": "kernel", "durability": "relaxed"})):
        storage = trialog.JournalStorage(url, **options)
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler())
        study.optimize(objective, n_trials=64, n_jobs=16)
        assert [t.number for t in study.trials] == list(range(64))
        storage.close()
print("192 trials by 16 threads")
