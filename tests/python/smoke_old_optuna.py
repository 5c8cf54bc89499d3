# SPDX-License-Identifier: MIT
"""The storage under an older Optuna: a study with all kinds of parameters, attributes and ends, the queue, pickling, a copy, the heartbeat.

usage: smoke_old_optuna.py [database] (with the Python of that Optuna; run.py --with TRIALOG_PYTHON_OPTUNA31 --script)

The journal is a file, or with "database" where databases.py says.
"""
import os
import pickle
import sys
import tempfile
import warnings

import optuna

import databases
import trialog

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    n = trial.suggest_int("n", 1, 100, log=True)
    c = trial.suggest_categorical("c", ["a", None, 2.5, True])
    s = trial.suggest_float("s", 0, 1, step=0.25)
    trial.set_user_attr("é", {"list": [1, 2.5, None, float("inf"), 10**30]})
    if trial.number == 5:
        raise RuntimeError("fails")
    for step in range(4):
        trial.report(x + step, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return x * n + s + (c is None)


def main():
    print("Optuna", optuna.__version__, "Python", sys.version.split()[0])
    with tempfile.TemporaryDirectory() as folder:
        url = databases.new_url(folder) if sys.argv[1:] == ["database"] else os.path.join(folder, "j")
        storage = trialog.JournalStorage(url)
        study = optuna.create_study(study_name="s", storage=storage, pruner=optuna.pruners.MedianPruner(n_startup_trials=3))
        study.enqueue_trial({"x": 0.5, "n": 7, "c": None, "s": 0.25})
        study.optimize(objective, n_trials=25, catch=(RuntimeError,))
        study.set_user_attr("k", [1])
        states = [t.state.name for t in study.trials]
        assert states[5] == "FAIL" and states.count("COMPLETE") >= 3 and len(states) == 25
        assert study.trials[0].params == {"x": 0.5, "n": 7, "c": None, "s": 0.25}
        try:
            study.tell(0, 1.0)
        except ValueError:
            pass
        else:
            raise AssertionError("a finished trial was told again")
        try:
            storage.set_trial_user_attr(study.trials[0]._trial_id, "a", 1)
        except RuntimeError:
            pass
        else:
            raise AssertionError("a finished trial was changed")
        try:
            optuna.create_study(study_name="s", storage=storage)
        except optuna.exceptions.DuplicatedStudyError:
            pass
        else:
            raise AssertionError("two studies of one name")
        assert pickle.loads(pickle.dumps(study)).trials == study.trials

        for name, other in (("rdb", optuna.storages.RDBStorage(f"sqlite:///{folder}/db")), ("memory", optuna.storages.InMemoryStorage())):
            optuna.copy_study(from_study_name="s", from_storage=storage, to_storage=other)
            optuna.copy_study(from_study_name="s", from_storage=other, to_storage=storage, to_study_name=name)
            back = optuna.load_study(study_name=name, storage=storage)
            for a, b in zip(study.trials, back.trials):
                assert (a.params, a.values, a.state, a.datetime_start, a.user_attrs, a.intermediate_values) == (
                    b.params, b.values, b.state, b.datetime_start, b.user_attrs, b.intermediate_values), (a, b)

        leased = trialog.JournalStorage(url, lease=5, failed_trial_callback=optuna.storages.RetryFailedTrialCallback())
        assert leased.get_heartbeat_interval() == 1 and leased.get_failed_trial_callback() is not None
        optuna.load_study(study_name="s", storage=leased).optimize(objective, n_trials=2)
        assert len(study.trials) == 27

        # a several-objective study in memory
        many = optuna.create_study(storage=trialog.JournalStorage("memory://"), directions=["minimize", "maximize"])
        many.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=12)
        assert len(many.best_trials) >= 1
    print("fine")


main()
