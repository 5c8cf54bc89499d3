# SPDX-License-Identifier: MIT
"""Leases as Optuna's heartbeat: a worker that dies loses its trial once, one that is stopped for less than its lease loses nothing."""
import os
import signal
import subprocess
import sys
import time

import optuna
import pytest

import trialog

RETRY = getattr(optuna.storages, "RetryHeartbeatStaleTrialCallback", None) or optuna.storages.RetryFailedTrialCallback
STATES = optuna.trial.TrialState

# A worker: says "running", then works until the file `go` exists.
WORKER = """
import os, sys, time
import optuna, trialog
from test_heartbeat import open_storage
path, how, go = sys.argv[1:]
study = optuna.load_study(study_name="s", storage=open_storage(path, how))
def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    print("running", trial.number, flush=True)
    while not os.path.exists(go):
        time.sleep(0.01)
    return x
study.optimize(objective, n_trials=1)
print("done", flush=True)
"""
LEASE = 2.0


def open_storage(path, how):
    if how == "long":
        return trialog.JournalStorage(path, lease=3 * LEASE, heartbeat_stale_trial_callback=RETRY(max_retry=1))
    if how == "callback":
        return trialog.JournalStorage(path, lease=LEASE, heartbeat_stale_trial_callback=RETRY(max_retry=1))
    if how == "engine":
        return trialog.JournalStorage(path, lease=LEASE, retry_lost=1)
    return trialog.JournalStorage(path)


def start_worker(path, how, go):
    worker = subprocess.Popen([sys.executable, "-c", WORKER, path, how, go], stdout=subprocess.PIPE, text=True)
    assert worker.stdout.readline() == "running 0\n"
    return worker


def quick(trial):
    return trial.suggest_float("x", 0, 1)


def run_until(study, done, seconds):
    """Runs trials, as another worker would, until done(trials)."""
    deadline = time.monotonic() + seconds
    while not done(study.get_trials(deepcopy=False)):
        assert time.monotonic() < deadline, study.trials
        study.optimize(quick, n_trials=1)
        time.sleep(0.05)


@pytest.mark.parametrize("how", ["callback", "engine"])
def test_a_killed_worker_loses_its_trial_once(tmp_path, how):
    path, go = str(tmp_path / "j"), str(tmp_path / "go")
    studies = [optuna.create_study(study_name="s", storage=open_storage(path, how))]
    studies += [optuna.load_study(study_name="s", storage=open_storage(path, how)) for _ in range(2)]
    worker = start_worker(path, how, go)
    params = studies[0].get_trials(deepcopy=False)[0].params
    worker.kill()
    worker.wait()

    def retried(trials):
        for study in studies[1:]:  # others look as well
            study.optimize(quick, n_trials=1)
        return any(t.system_attrs.get("failed_trial") == 0 and t.state == STATES.COMPLETE for t in trials)

    run_until(studies[0], retried, 30)
    trials = studies[0].trials
    assert trials[0].state == STATES.FAIL and "trialog:lost" in trials[0].system_attrs
    assert [t.number for t in trials if t.state == STATES.FAIL] == [0]
    retries = [t for t in trials if t.system_attrs.get("failed_trial") == 0]
    assert len(retries) == 1
    assert retries[0].params == params and retries[0].system_attrs["retry_history"] == [0]
    assert "trialog:lost" not in retries[0].system_attrs
    assert RETRY.retried_trial_number(retries[0]) == 0


def test_a_stop_shorter_than_the_lease_costs_nothing(tmp_path):
    path, go = str(tmp_path / "j"), str(tmp_path / "go")
    study = optuna.create_study(study_name="s", storage=open_storage(path, "long"))
    worker = start_worker(path, "long", go)
    os.kill(worker.pid, signal.SIGSTOP)
    end = time.monotonic() + LEASE
    run_until(study, lambda trials: time.monotonic() > end, 30)
    os.kill(worker.pid, signal.SIGCONT)
    end = time.monotonic() + 3 * LEASE
    run_until(study, lambda trials: time.monotonic() > end, 30)
    open(go, "w").close()
    assert worker.communicate(timeout=30)[0] == "done\n"
    assert {t.state for t in study.trials} == {STATES.COMPLETE}


def test_the_log_does_not_grow_over_ten_leases(tmp_path):
    path = tmp_path / "j"
    storage = trialog.JournalStorage(path, lease=0.5)
    assert storage.get_heartbeat_interval() == 1
    study = optuna.create_study(storage=storage)
    sizes = []

    def long(trial):
        sizes.append(path.stat().st_size)
        time.sleep(5)
        sizes.append(path.stat().st_size)
        return 1.0

    study.optimize(long, n_trials=1)
    assert sizes[0] == sizes[1]
    assert study.trials[0].state == STATES.COMPLETE


def test_without_a_lease_there_is_no_heartbeat(tmp_path):
    storage = open_storage(tmp_path / "j", None)
    assert storage.get_heartbeat_interval() is None
    assert not optuna.storages._heartbeat.is_heartbeat_enabled(storage)
    assert storage._get_stale_trial_ids(0) == []
    study = optuna.create_study(storage=storage)
    study.optimize(quick, n_trials=2)
    assert not [n for n in os.listdir(tmp_path) if ".lease." in n]


def test_a_callback_needs_a_lease():
    with pytest.raises(ValueError, match="lease"):
        trialog.JournalStorage("memory://", failed_trial_callback=RETRY())
    with pytest.raises(ValueError, match="one of them"):
        trialog.JournalStorage("memory://", lease=1, retry_lost=1, failed_trial_callback=RETRY())
