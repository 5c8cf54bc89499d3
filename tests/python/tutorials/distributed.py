# SPDX-License-Identifier: MIT
# Key feature 4: threads, then processes that share a journal file: a study is created once and loaded by each worker.
import multiprocessing
import os
import tempfile

import optuna


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    return (x - 2) ** 2


def storage(path):
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))


def work(path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name="distributed", storage=storage(path))
    study.optimize(objective, n_trials=20)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    study.optimize(objective, n_trials=20, n_jobs=4)
    print("threads:", sorted(t.number for t in study.trials) == list(range(20)))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "journal.log")
        study = optuna.create_study(study_name="distributed", storage=storage(path))
        again = optuna.create_study(study_name="distributed", storage=storage(path), load_if_exists=True)
        print("the same:", again.study_name == study.study_name)
        workers = [multiprocessing.get_context("spawn").Process(target=work, args=(path,)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print("processes:", [w.exitcode for w in workers], [t.number for t in study.trials] == list(range(60)))
        print("stopped together:", end=" ")
        study.optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(70, states=(optuna.trial.TrialState.COMPLETE,))])
        print(len(study.trials), optuna.study.get_all_study_names(storage(path)), study.best_value < 1)
        url = "sqlite:///" + os.path.join(folder, "example.db")
        study = optuna.create_study(study_name="database", storage=url)
        study.optimize(objective, n_trials=5)
        study = optuna.create_study(study_name="database", storage=url, load_if_exists=True)
        study.optimize(objective, n_trials=5)
        print("database:", [t.number for t in study.trials], sorted(study.trials[9].params))
        print(optuna.study.get_all_study_names(url), optuna.load_study(study_name="database", storage=url).best_value == study.best_value)
