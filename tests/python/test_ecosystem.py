# SPDX-License-Identifier: MIT
"""Among Optuna's own: copies to and from its storages, both kinds of storage on one file, optuna-dashboard on a journal of ours."""
import json
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import optuna
import pytest

import equality
import generate
import trialog

optuna.logging.set_verbosity(optuna.logging.WARNING)
SEED = int(os.environ.get("TRIALOG_TEST_SEED", str(random.randrange(10**6))))
print("seed", SEED)


def optuna_journal(path):
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))


# ---- copies ----

OTHERS = {
    "sqlite": lambda folder: optuna.storages.RDBStorage(f"sqlite:///{folder}/db.sqlite3"),
    "journal": lambda folder: optuna_journal(folder / "optuna.journal"),
    "memory": lambda folder: optuna.storages.InMemoryStorage(),
    "ours": lambda folder: trialog.JournalStorage(folder / "other.journal"),
}


@pytest.mark.parametrize("other", sorted(OTHERS))
@pytest.mark.parametrize("n_objectives", [1, 3])
def test_copy_both_ways(tmp_path, other, n_objectives):
    storages = {"here": trialog.JournalStorage(tmp_path / "here.journal"), "there": OTHERS[other](tmp_path)}
    for number, (a, b) in enumerate([("here", "there"), ("there", "here")]):
        directions = ["minimize", "maximize", "minimize"][:n_objectives]
        name = f"study {number} é"
        source = optuna.create_study(study_name=name, storage=storages[a], directions=directions)
        generate.fill(source, SEED + number)
        optuna.copy_study(from_study_name=name, from_storage=storages[a], to_storage=storages[b], to_study_name="copy " + name)
        copied = optuna.load_study(study_name="copy " + name, storage=storages[b])
        equality.check(source, copied)
        # and back again
        optuna.copy_study(from_study_name="copy " + name, from_storage=storages[b], to_storage=storages[a], to_study_name="back " + name)
        equality.check(source, optuna.load_study(study_name="back " + name, storage=storages[a]))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
def test_local_times(tmp_path, zone, monkeypatch):
    """Naive local times come back as they were, and Optuna reads the same from the journal."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        study = optuna.create_study(study_name="s", storage=trialog.JournalStorage(tmp_path / "j"))
        rng = random.Random(SEED)
        times = [generate.moment(rng) for _ in range(40)]
        times = [t for t in times if type(t).fromtimestamp(t.timestamp()) == t]  # not in the hour that the clock skips
        for t in times:
            trial = optuna.create_trial(value=0.0)
            trial.datetime_start = trial.datetime_complete = t
            study.add_trial(trial)
        assert [t.datetime_start for t in study.trials] == [t.datetime_complete for t in study.trials] == times
        equality.check(study, optuna.load_study(study_name="s", storage=optuna_journal(tmp_path / "j")))
        started = study.ask().datetime_start
        assert abs((started - started.now()).total_seconds()) < 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_journals_of_optuna_before_5_hold_local_times(tmp_path):
    line = {"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]}
    trial = {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "2024-05-06T07:08:09.123456", "state": 1, "value": 1.0,
             "values": None, "datetime_complete": "2024-05-06T07:08:10.000001", "distributions": {}, "params": {}, "user_attrs": {},
             "system_attrs": {}, "intermediate_values": {}}
    (tmp_path / "j").write_text(json.dumps(line) + "\n" + json.dumps(trial) + "\n")
    ours = trialog.JournalStorage(tmp_path / "j").get_all_trials(0)
    assert ours[0].datetime_start.isoformat() == "2024-05-06T07:08:09.123456"
    assert ours == optuna_journal(tmp_path / "j").get_all_trials(0)


def test_every_attribute_as_optuna_reads_it(tmp_path):
    rng = random.Random(SEED)
    study = optuna.create_study(study_name="s", storage=trialog.JournalStorage(tmp_path / "j"))
    values = [generate.attribute(rng) for _ in range(300)] + generate.TEXTS + generate.NUMBERS + [(1, (2,)), {"a": {"b": []}}]
    trial = study.ask()
    for i, value in enumerate(values):
        trial.set_user_attr(f"k{i}", value)
    for text in generate.TEXTS[1:]:
        trial.set_user_attr(text, 1)
    trial.set_user_attr("numpy", __import__("numpy").float64(0.1))
    with pytest.raises(TypeError):
        trial.set_user_attr("bad", {1, 2})
    with pytest.raises(ValueError, match="NUL"):
        trial.set_user_attr("a\0b", 1)
    mine = study.trials[0].user_attrs
    assert equality.plain([mine[f"k{i}"] for i in range(len(values))]) == equality.plain(values)
    theirs = optuna.load_study(study_name="s", storage=optuna_journal(tmp_path / "j"))
    equality.check(study, theirs)


# ---- both kinds of storage on one file ----


def run_worker(path, kind, n, start):
    storage = trialog.JournalStorage(path) if kind == "ours" else optuna_journal(path)
    study = optuna.load_study(study_name="s", storage=storage, sampler=optuna.samplers.RandomSampler())

    def objective(trial):
        x = trial.suggest_float("x", -1, 1)
        trial.suggest_categorical("c", ["a", None, 2.5])
        trial.report(x, 0)
        trial.set_user_attr("who", [kind, os.getpid(), trial.number])
        return x * x

    start.wait()
    study.optimize(objective, n_trials=n)


def test_eight_processes_of_each_kind(tmp_path):
    path, n = str(tmp_path / "j"), 4
    study = optuna.create_study(study_name="s", storage=trialog.JournalStorage(path))
    context = multiprocessing.get_context("fork")
    start = context.Event()
    workers = [context.Process(target=run_worker, args=(path, kind, n, start)) for kind in ("ours", "optuna") * 8]
    for w in workers:
        w.start()
    start.set()
    for w in workers:
        w.join(240)
        assert w.exitcode == 0
    trials = study.trials
    assert [t.number for t in trials] == list(range(16 * n))
    assert all(t.state == optuna.trial.TrialState.COMPLETE and t.user_attrs["who"][2] == t.number for t in trials)
    who = [tuple(t.user_attrs["who"][:2]) for t in trials]
    assert sorted({w: who.count(w) for w in who}.values()) == [n] * 16
    # the handle that watched, one that is opened now, and Optuna: one view
    equality.check(study, optuna.load_study(study_name="s", storage=trialog.JournalStorage(path)))
    equality.check(study, optuna.load_study(study_name="s", storage=optuna_journal(path)))


# ---- the dashboard ----


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api{path}", timeout=10) as answer:
        return json.load(answer)


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            result = what()
            if result:
                return result
        except (urllib.error.URLError, ConnectionError):
            pass
        assert time.monotonic() < end
        time.sleep(0.1)


def test_dashboard(tmp_path):
    program = shutil.which("optuna-dashboard", path=os.path.dirname(sys.executable))
    if not program:
        pytest.skip("optuna-dashboard is not installed beside this Python (tools/setup.sh check does it)")
    path = str(tmp_path / "j")
    study = optuna.create_study(study_name="shown", storage=trialog.JournalStorage(path), direction="maximize")
    generate.fill(study, SEED, 5)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    log = open(tmp_path / "log", "w")
    server = subprocess.Popen([program, path, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log)
    try:
        shown = wait_for(lambda: get(port, "/studies")["study_summaries"])
        assert [(s["study_name"], s["directions"]) for s in shown] == [("shown", ["maximize"])]
        detail = get(port, "/studies/0?after=0")
        assert [t["number"] for t in detail["trials"]] == list(range(5))
        study.optimize(lambda trial: trial.suggest_float("live", 0, 1), n_trials=3)  # while it runs

        def live():  # (waiting trials of the generated study may have been run)
            trials = get(port, "/studies/0?after=0")["trials"]
            done = [t for t in trials if t["state"] == "Complete" and "live" in [p["name"] for p in t["params"]]]
            return len(done) == 3 and trials

        assert [t["number"] for t in wait_for(live)] == [t.number for t in study.trials]
        # what the dashboard writes, we see
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/studies/0/note", method="PUT",
                                         data=json.dumps({"body": "a note", "version": 1}).encode(),
                                         headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).read()
        attrs = study._storage.get_study_system_attrs(0)
        assert any("a note" in str(v) for v in attrs.values()), attrs
    finally:
        server.terminate()
        server.wait(20)
        log.close()
