#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A study of Optuna's on a Trialog journal, shared by worker processes: start this in several terminals, or on several machines.

    optuna_workers.py JOURNAL [TRIALS] [WORKERS]

Against a plain script for Optuna one line differs: the storage. A worker that is killed loses nothing: after its lease of a minute its trial is
failed and queued again by whoever notices first.
"""
import multiprocessing
import sys

import optuna

import trialog


def objective(trial):
    """Himmelblau's function: four minima of value 0."""
    x = trial.suggest_float("x", -5, 5)
    y = trial.suggest_float("y", -5, 5)
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def work(study, n_trials):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study.optimize(objective, n_trials=n_trials)


def main():
    journal = sys.argv[1] if len(sys.argv) > 1 else "example.journal"
    n_trials = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    n_workers = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    storage = trialog.JournalStorage(journal, lease=60, retry_lost=1)
    study = optuna.create_study(study_name="himmelblau", storage=storage, load_if_exists=True, sampler=trialog.samplers.TPESampler())
    # The study travels to the workers as a pickle, or by fork: either way each is a worker of its own on the same journal.
    workers = [multiprocessing.Process(target=work, args=(study, n_trials // n_workers)) for _ in range(n_workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    failed = [w for w in workers if w.exitcode != 0]
    print(f"{len(study.trials)} trials, best {study.best_value:.3g} with {study.best_params}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
