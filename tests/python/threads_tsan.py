# SPDX-License-Identifier: MIT
"""Sixteen threads on one storage, through Optuna and in native studies, for the thread sanitizer: it watches the C part (Python itself is not instrumented).

usage: threads_tsan.py (with libtsan preloaded: run.py --preload). Exit status 66 when it found a race.
"""
import tempfile
import threading

import optuna

import trialog

optuna.logging.set_verbosity(optuna.logging.WARNING)
trialog.logging.set_verbosity(trialog.logging.WARNING)


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


def native(storage):
    """One sampler for all threads; then a trial that all of them use, and a storage that is closed under them."""
    study = trialog.create_study(storage=storage, sampler=trialog.samplers.TPESampler(n_startup_trials=4))
    study.optimize(objective, n_trials=64, n_jobs=16)
    assert [t.number for t in study.trials] == list(range(64))
    shared = study.ask()

    def work():
        try:
            for i in range(8):
                shared.suggest_float(f"x{i}", 0, 1)
                shared.set_user_attr("k", i)
            while True:
                study.tell(study.ask(), 1.0)
        except ValueError as e:
            assert "closed" in str(e)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    while study._native.counts()[1] < 100:
        pass
    storage.close()
    for thread in threads:
        thread.join()


with tempfile.TemporaryDirectory() as folder:
    native(trialog.storages.InMemoryStorage())
    native(trialog.storages.JournalStorage(folder + "/j", lease=5, durability="off"))
print("320 trials and more by 16 threads")
