# SPDX-License-Identifier: MIT
"""The peer's side of bench.py: the same jobs in Optuna. Runs under a Python that has Optuna; prints one line of JSON.

    optuna_jobs.py open PATH                 open a journal, name its best trial
    optuna_jobs.py worker PATH STUDY TRIALS  one worker: 5 parameters and 5 reports a trial
    optuna_jobs.py version
"""
import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import optuna  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)


def storage(path):
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    return JournalStorage(JournalFileBackend(path))


def peak_kib():
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])


def open_journal(path):
    start = time.perf_counter()
    study = optuna.load_study(study_name="bench", storage=storage(path))
    best = study.best_trial.number
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_kib": peak_kib(), "best": best}))


def objective(trial):
    total = 0.0
    for i in range(5):
        x = trial.suggest_float(f"x{i}", -10.0, 10.0)
        total += x * x
    for step in range(5):
        trial.report(total + step, step)
    return total


def worker(path, name, trials):
    study = optuna.create_study(study_name=name, storage=storage(path), load_if_exists=True,
                                sampler=optuna.samplers.RandomSampler())
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.time()
    study.optimize(objective, n_trials=trials)
    print(json.dumps({"trials": trials, "start": start, "end": time.time()}))


if __name__ == "__main__":
    if sys.argv[1] == "open":
        open_journal(sys.argv[2])
    elif sys.argv[1] == "worker":
        worker(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        print(json.dumps({"optuna": optuna.__version__, "python": sys.version.split()[0]}))
