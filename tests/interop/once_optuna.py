# SPDX-License-Identifier: MIT
"""Optuna's workers of once_mixed.py, under either Optuna: grid, queue and budget as tests/crash/once_worker.c does them.

once_optuna.py grid PATH SIDE       GridSampler until it stops by itself
once_optuna.py some PATH TRIALS     that many trials, from the queue or random, with one x each
once_optuna.py two PATH TRIALS      the same with parameters a and b
"""
import sys

import optuna
import optuna_side


def objective(trial):
    return trial.suggest_int("a", 0, 1000) * 1000 + trial.suggest_float("b", 0, 1000)


def main(kind, path, n):
    if not optuna_side.NEW:
        optuna_side.read_half_lines_again()
    values = list(range(n))
    sampler = optuna.samplers.GridSampler({"a": values, "b": values}) if kind == "grid" else optuna.samplers.RandomSampler()
    study = optuna.load_study(storage=optuna_side.open_storage(path), study_name="once", sampler=sampler)
    print("ready", flush=True)
    sys.stdin.readline()
    if kind == "grid":
        return study.optimize(objective)
    for _ in range(n):
        trial = optuna_side.ask(study)
        study.tell(trial, objective(trial) if kind == "two" else trial.suggest_int("x", 0, 1000000))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
