# SPDX-License-Identifier: MIT
"""The same tortures on Optuna's own journal file, for comparison: run by a Python that has Optuna; prints one JSON object.

    optuna_side.py kill ROUNDS                        how often a killed writer leaves its lock, or half a line
    optuna_side.py killed_holder ROUNDS GRACE         delay of the next append after a holder died
    optuna_side.py stale_lock KIND ROUNDS WAITERS     holders at once after one died (KIND: symlink or open)
    optuna_side.py writer PATH SECONDS|-COUNT NAME    appends in a loop, after a byte on standard input; a line per report
    optuna_side.py load PATH…                         opens journals: how many trials, or the error
    optuna_side.py full RESIDUES                      disk full in the middle of a line: how many journals stay readable
    optuna_side.py grid CELLS WORKERS ROUNDS          trials and doubled cells of a GridSampler
"""
import json
import mmap
import multiprocessing
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock
from optuna.study import StudyDirection

optuna.logging.set_verbosity(optuna.logging.CRITICAL)
warnings.simplefilter("ignore")
RECORD = {"op_code": 8, "worker_id": "optuna", "trial_id": 0, "user_attr": {"k": "v" * 50}}
LOCKS = {"symlink": JournalFileSymlinkLock, "open": JournalFileOpenLock}


def fresh(folder, name):
    path = os.path.join(folder, name)
    open(path, "wb").close()
    return path


def kill(folder, rounds):
    left = torn = 0
    for r in range(int(rounds)):
        path = fresh(folder, f"kill{r}.log")
        backend = JournalFileBackend(path)
        rd, wr = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(wr, b"x")
            while True:
                backend.append_logs([RECORD])
        os.read(rd, 1)
        time.sleep(random.uniform(0.001, 0.015))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        left += os.path.lexists(path + ".lock")
        with open(path, "rb") as f:
            data = f.read()
        torn += bool(data) and not data.endswith(b"\n")
    return {"rounds": int(rounds), "left": left, "torn": torn}


def killed_holder(folder, rounds, grace):
    delays = []
    for r in range(int(rounds)):
        path = fresh(folder, f"holder{r}.log")
        pid = os.fork()
        if pid == 0:
            JournalFileSymlinkLock(path, grace_period=int(grace)).acquire()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        backend = JournalFileBackend(path, lock_obj=JournalFileSymlinkLock(path, grace_period=int(grace)))
        start = time.monotonic()
        backend.append_logs([RECORD])
        delays.append(time.monotonic() - start)
    return {"rounds": int(rounds), "grace": int(grace), "longest": max(delays), "shortest": min(delays)}


def waiter(kind, path, counters, guard, hold):
    lock = LOCKS[kind](path, grace_period=3)
    lock.acquire()
    with guard:
        inside, overlaps, entries, most, errors = struct.unpack("<5Q", counters[:40])
        inside += 1
        counters[:40] = struct.pack("<5Q", inside, overlaps + (inside > 1), entries + 1, max(most, inside), errors)
    time.sleep(random.uniform(0, hold))
    with open(path, "ab") as f:
        f.write(b"y\n")
    with guard:
        inside, overlaps, entries, most, errors = struct.unpack("<5Q", counters[:40])
        counters[:40] = struct.pack("<5Q", inside - 1, overlaps, entries, most, errors)
    try:
        lock.release()
    except RuntimeError:
        with guard:
            errors = struct.unpack("<Q", counters[32:40])[0]
            counters[32:40] = struct.pack("<Q", errors + 1)


def stale_lock(folder, kind, rounds, waiters):
    counters, guard = mmap.mmap(-1, 4096), multiprocessing.Lock()
    for r in range(int(rounds)):
        path = fresh(folder, f"stale{r}.log")
        LOCKS[kind](path, grace_period=3).acquire()  # and never released: the holder "died"
        counters[:8] = bytes(8)
        crowd = [multiprocessing.Process(target=waiter, args=(kind, path, counters, guard, 0.05)) for _ in range(int(waiters))]
        for p in crowd:
            p.start()
        for p in crowd:
            p.join(60)
            if p.is_alive():
                p.kill()
    _, overlaps, entries, most, errors = struct.unpack("<5Q", counters[:40])
    return {"kind": kind, "rounds": int(rounds), "waiters": int(waiters), "overlaps": overlaps, "entries": entries, "most": most,
            "errors": errors}


def writer(folder, path, limit, name, grace="30"):
    """The lines are reports of one trial, as Optuna's storage writes them: "R ID STEP" each, then the summary."""
    backend = JournalFileBackend(path, lock_obj=JournalFileSymlinkLock(path, grace_period=int(grace)))
    storage = JournalStorage(backend)
    study = storage.get_study_id_from_name("storm")
    trial = storage.create_new_trial(study)
    print("ready", flush=True)
    sys.stdin.read(1)
    seconds, count = int(limit), -int(limit)
    end = time.monotonic() + (seconds if seconds > 0 else 1e9)
    done, longest, errors = 0, 0.0, 0
    while time.monotonic() < end and (seconds > 0 or done < count):
        record = {"op_code": 7, "worker_id": name, "trial_id": trial, "step": done + 1, "intermediate_value": 1.0}
        start = time.monotonic()
        try:
            backend.append_logs([record])
        except RuntimeError:
            errors += 1  # the line is in the file, but the lock was somebody else's when it was given back
        longest = max(longest, time.monotonic() - start)
        done += 1
        print(f"R {trial} {done}", flush=seconds < 0)
    return {"done": done, "longest": longest, "errors": errors}


def open_one(path):
    try:
        storage = JournalStorage(JournalFileBackend(path))
        return {"trials": sum(len(storage.get_all_trials(s._study_id)) for s in storage.get_all_studies())}
    except Exception as why:  # whatever it is: this is what a user would see
        return {"error": f"{type(why).__name__}: {str(why)[:100]}"}


def load(folder, *paths):
    return {"files": [open_one(p) for p in paths]}


def full(folder, residues):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    poisoned = 0
    for r in range(int(residues)):
        path = fresh(folder, f"full{r}.log")
        storage = JournalStorage(JournalFileBackend(path))
        study = storage.create_new_study([StudyDirection.MINIMIZE], "s")
        for left in (1 + r * 7 % 100, resource.RLIM_INFINITY, resource.RLIM_INFINITY):
            limit = left if left < 0 else os.path.getsize(path) + left
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                storage.create_new_trial(study)
            except Exception:
                pass
        poisoned += "error" in open_one(path)
    return {"residues": int(residues), "poisoned": poisoned}


def grid_worker(path, cells, start):
    sampler = optuna.samplers.GridSampler({"x": list(range(cells))}, seed=0)
    study = optuna.load_study(storage=JournalStorage(JournalFileBackend(path)), study_name="grid", sampler=sampler)
    start.wait()
    study.optimize(lambda trial: trial.suggest_int("x", 0, cells), n_trials=10 * cells)


def grid(folder, cells, workers, rounds):
    trials, twice = [], []
    for r in range(int(rounds)):
        path = fresh(folder, f"grid{r}.log")
        optuna.create_study(storage=JournalStorage(JournalFileBackend(path)), study_name="grid")
        start = multiprocessing.Barrier(int(workers))
        crowd = [multiprocessing.Process(target=grid_worker, args=(path, int(cells), start)) for _ in range(int(workers))]
        for p in crowd:
            p.start()
        for p in crowd:
            p.join()
        done = optuna.load_study(storage=JournalStorage(JournalFileBackend(path)), study_name="grid").trials
        values = [t.value for t in done if t.state == optuna.trial.TrialState.COMPLETE]
        trials.append(len(done))
        twice.append(len(values) - len(set(values)))
    return {"cells": int(cells), "workers": int(workers), "rounds": int(rounds), "trials": trials, "twice": twice}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="trialog-optuna-") as scratch:
        answer = globals()[sys.argv[1]](scratch, *sys.argv[2:])
    print(json.dumps({"version": optuna.__version__, **answer}))
