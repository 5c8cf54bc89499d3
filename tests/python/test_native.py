# SPDX-License-Identifier: MIT
"""The native API by itself: what Optuna is no judge of (samplers, threads, Ctrl-C, pickling, closing, the progress bar, typing)."""
import copy
import gc
import io
import os
import pathlib
import pickle
import random
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

import trialog

HERE = pathlib.Path(__file__).resolve().parent
trialog.logging.set_verbosity(trialog.logging.ERROR)
State = trialog.TrialState


def child(code, **kwargs):
    """A Python program of its own."""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


def quick(t):
    return t.suggest_float("x", -1, 1) ** 2


# ---- samplers and pruners ----


def test_a_grid_is_tried_once_by_all_threads_and_then_it_ends(tmp_path):
    space = {"x": [1, 2, 3], "y": ["a", None]}
    study = trialog.create_study(storage=tmp_path / "j", sampler=trialog.samplers.GridSampler(space))
    study.optimize(lambda t: t.suggest_int("x", 1, 3) + bool(t.suggest_categorical("y", ["a", None])), n_jobs=4)
    found = sorted((t.params["x"], str(t.params["y"])) for t in study.trials)
    assert found == sorted((x, str(y)) for x in space["x"] for y in space["y"])
    with pytest.raises(RuntimeError, match="nothing left"):
        study.ask()


def test_a_seed_repeats_the_study():
    def run():
        study = trialog.create_study(sampler=trialog.samplers.TPESampler(seed=7))
        study.optimize(lambda t: quick(t) + t.suggest_int("n", 0, 9), n_trials=30)
        return [t.params for t in study.trials]

    assert run() == run()


def test_sampler_and_pruner_can_be_replaced():
    study = trialog.create_study()
    assert type(study.sampler).__name__ == "TPESampler" and type(study.pruner).__name__ == "MedianPruner"
    trial = study.ask()
    study.sampler = trialog.samplers.RandomSampler(seed=1)
    study.pruner = trialog.pruners.ThresholdPruner(upper=1)
    trial.report(5, 0)
    assert not trial.should_prune()  # asked by the handle that it was made with
    study.tell(trial, quick(trial))
    other = study.ask()
    other.report(5, 0)
    assert other.should_prune()


def test_a_trial_that_was_told_is_judged_as_it_stands():
    study = trialog.create_study(pruner=trialog.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=0))
    for value in (1.0, 2.0):
        trial = study.ask()
        trial.report(value, 0)
        study.tell(trial, value)
    good, bad, silent = study.ask(), study.ask(), study.ask()
    good.report(0.5, 0)
    bad.report(9.0, 0)
    for trial in (good, bad, silent):
        study.tell(trial, 1.0)
    assert [trial.should_prune() for trial in (good, bad, silent)] == [False, True, False]
    assert not trialog.create_study(pruner=trialog.pruners.NopPruner()).ask().should_prune()
    halving = trialog.create_study(pruner=trialog.pruners.SuccessiveHalvingPruner())
    trial = halving.ask()
    trial.report(1.0, 1)
    halving.tell(trial, 1.0)
    with pytest.raises(trialog.exceptions.UpdateFinishedTrialError):  # its rung cannot be stored any more
        trial.should_prune()


def test_a_direction_that_is_not_set_is_refused():
    not_set = trialog.study.StudyDirection.NOT_SET
    for arguments in ({"direction": not_set}, {"directions": [not_set]}, {"direction": ""}):
        with pytest.raises(ValueError, match="'minimize' or 'maximize'"):
            trialog.create_study(**arguments)


@pytest.mark.parametrize("inherit", [False, True])
def test_a_trial_put_back_with_what_it_reported(inherit):
    study = trialog.create_study()
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    trial.report(0.25, 0)
    trial.report(0.5, 1)
    study.tell(trial, state=trialog.trial.TrialState.FAIL)
    retry = trialog.storages.RetryHeartbeatStaleTrialCallback(max_retry=1, inherit_intermediate_values=inherit)
    retry(study, study.trials[0])
    assert study.trials[1].intermediate_values == ({0: 0.25, 1: 0.5} if inherit else {})
    again = study.ask()
    assert (again.number, again.suggest_float("x", 0, 1)) == (1, x)
    again.report(0.75, 1)  # the first report of a step counts
    study.tell(again, 1.0)
    assert study.trials[1].intermediate_values == ({0: 0.25, 1: 0.5} if inherit else {1: 0.75})
    retry(study, study.trials[1])
    assert len(study.trials) == 2
    with pytest.raises(NotImplementedError):
        trialog.storages.RDBStorage(
            "sqlite:///:memory:", heartbeat_stale_trial_callback=trialog.storages.RetryHeartbeatStaleTrialCallback(None, True)
        )


def test_what_is_no_sampler_is_refused():
    with pytest.raises(TypeError, match="trialog.samplers"):
        trialog.create_study(sampler=object())
    with pytest.raises(TypeError, match="trialog.pruners"):
        trialog.create_study(pruner=object())


def test_joint_proposals_are_known_before_they_are_asked_for():
    study = trialog.create_study(sampler=trialog.samplers.TPESampler(seed=1))
    study.optimize(lambda t: quick(t) + t.suggest_int("n", 1, 5), n_trials=40)
    trial = study.ask()
    proposed = trial.relative_params
    assert set(proposed) == {"x", "n"} and type(proposed["n"]) is int
    assert trial.suggest_int("n", 1, 5) == proposed["n"] and trial.suggest_float("x", -1, 1) == proposed["x"]


def test_constraints_by_a_function():
    def limits(trial):
        return [trial.params["x"] - 3]

    study = trialog.create_study(direction="maximize", sampler=trialog.samplers.TPESampler(constraints_func=limits))
    for x in (1, 5, 3):
        study.enqueue_trial({"x": x})
    study.optimize(lambda t: t.suggest_int("x", 0, 9), n_trials=3)
    assert study.best_params == {"x": 3} and study.trials[1].constraints == {"0": 2.0}


# ---- threads ----


def test_sixteen_threads_on_one_study(tmp_path):
    study = trialog.create_study(storage=tmp_path / "j")
    study.optimize(lambda t: quick(t) + t.suggest_int("n", 0, 3), n_trials=160, n_jobs=16)
    trials = study.trials
    assert [t.number for t in trials] == list(range(160)) and all(set(t.params) == {"x", "n"} for t in trials)


def test_one_trial_by_many_threads():
    trial = trialog.create_study().ask()
    values = []

    def ask():
        for i in range(50):
            values.append((i, trial.suggest_float(f"x{i}", 0, 1)))
            trial.report(i, i)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    with pytest.warns(UserWarning, match="was reported before"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(values) == 400 and len(set(values)) == 50
    assert len(trial.study.trials[0].intermediate_values) == 50


def test_a_storage_that_is_closed_takes_its_studies_with_it():
    storage = trialog.storages.InMemoryStorage()
    study = trialog.create_study(storage=storage)
    trial = study.ask()
    storage.close()
    for call in (study.ask, lambda: study.trials, lambda: study.tell(trial, 1), lambda: trial.suggest_float("x", 0, 1), lambda: trial.report(1, 0),
                 lambda: study.best_trial, lambda: study.enqueue_trial({})):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert trial.number == 0
    del study, trial
    gc.collect()


def test_closing_while_others_ask():
    for _ in range(20):
        storage = trialog.storages.InMemoryStorage()
        study = trialog.create_study(storage=storage)

        def run():
            try:
                while True:
                    study.tell(study.ask(), 1.0)
            except ValueError as e:
                assert "closed" in str(e)

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(study.get_trials(deepcopy=False)) < 5:
            pass
        storage.close()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


# ---- processes ----


def test_ctrl_c_fails_the_running_trial_and_ends(tmp_path):
    path = tmp_path / "j"
    code = f"""
import trialog, time
study = trialog.create_study(storage={str(path)!r}, study_name="s")
def objective(t):
    print("begun", flush=True)
    while True:  # a signal just before a long sleep would only be noticed after it
        time.sleep(0.01)
try:
    study.optimize(objective)
except KeyboardInterrupt:
    print(study.trials[-1].state.name, len(study.trials))
"""
    process = child(code)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == "FAIL 1\n", err


def test_ctrl_c_with_several_jobs_lets_running_trials_finish(tmp_path):
    code = f"""
import os, threading, trialog
study = trialog.create_study(storage={str(tmp_path / "j")!r}, study_name="s")
go = threading.Event()
def objective(t):
    os.write(1, b"begun\\n")
    go.wait(30)
    return 1.0
import signal
def handler(*_):
    go.set()
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, handler)
try:
    study.optimize(objective, n_jobs=2)
except KeyboardInterrupt:
    print(sorted(t.state.name for t in study.trials))
"""
    process = child(code)
    assert process.stdout.readline() + process.stdout.readline() == "begun\nbegun\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    lines = out.splitlines()
    assert lines[-1].startswith("['COMPLETE', 'COMPLETE'") and "RUNNING" not in lines[-1], err


@pytest.mark.parametrize("storage", ["None", "'PATH'"])
def test_an_interpreter_ends_with_trials_running(tmp_path, storage):
    code = f"""
import trialog
study = trialog.create_study(storage={storage.replace("PATH", str(tmp_path / "j"))})
trial = study.ask()
trial.suggest_float("x", 0, 1)
keep = [study, trial, study.ask()]
"""
    process = child(code)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_daemon_threads_at_the_end(tmp_path):
    code = f"""
import trialog, threading
trialog.logging.set_verbosity(trialog.logging.ERROR)
study = trialog.create_study(storage={str(tmp_path / "j")!r})
for _ in range(4):
    threading.Thread(target=lambda: study.optimize(lambda t: t.suggest_float("x", 0, 1)), daemon=True).start()
while len(study.trials) < 20:
    pass
"""
    process = child(code)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, ""), err


def test_a_forked_child_goes_on(tmp_path):
    study = trialog.create_study(storage=tmp_path / "j", study_name="s")
    study.optimize(quick, n_trials=2)
    pid = os.fork()
    if pid == 0:
        try:
            study.optimize(quick, n_trials=3)
            os._exit(0)
        except BaseException:
            os._exit(1)
    study.optimize(quick, n_trials=3)
    assert os.waitpid(pid, 0)[1] == 0
    assert [t.number for t in study.trials] == list(range(8)) and all(t.state is State.COMPLETE for t in study.trials)


def test_ctrl_c_at_any_time_leaves_no_lock_and_no_broken_trial(tmp_path):
    """T41: a KeyboardInterrupt each time, soon; the journal goes on at once, and no trial is lost."""
    path = str(tmp_path / "j")
    study = trialog.create_study(storage=path, study_name="s")
    code = f"""
import sys, trialog
trialog.logging.set_verbosity(trialog.logging.ERROR)
study = trialog.load_study(storage={path!r}, study_name="s")
print("begun", flush=True)
try:
    study.optimize(lambda t: t.report(1, 0) or t.suggest_float("x", 0, 1))
except KeyboardInterrupt:
    print("interrupted")
"""
    seed = random.randrange(2**32)
    print("seed", seed)
    r = random.Random(seed)
    for _ in range(12):
        process = child(code)
        assert process.stdout.readline() == "begun\n"
        select.select([], [], [], r.random() * 0.05)  # at a random time, not for something to happen
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (out, err) == ("interrupted\n", "") and time.monotonic() - sent < 5
        study.tell(study.ask(), 1.0)
    assert [t.number for t in study.get_trials(deepcopy=False)] == list(range(len(study.trials)))


def test_a_worker_that_dies_is_found_out_and_its_trial_retried(tmp_path):
    path = str(tmp_path / "j")
    storage = f"trialog.storages.JournalStorage({path!r}, lease=1, retry_lost=1)"
    code = f"""
import os, trialog
study = trialog.create_study(storage={storage}, study_name="s")
trial = study.ask()
trial.suggest_float("x", 0, 1)
trial.set_user_attr("k", 1)
os._exit(0)
"""
    assert child(code).wait(30) == 0
    study = trialog.load_study(storage=eval(storage), study_name="s")
    end = time.monotonic() + 30
    while study.trials[0].state is State.RUNNING and time.monotonic() < end:
        study._native_storage.wait(0.5)
    lost, retry = study.trials
    assert (lost.state, retry.state) == (State.FAIL, State.WAITING)
    trial = study.ask()
    assert trial.number == 1 and trial.user_attrs == {"k": 1}
    assert trial.suggest_float("x", 0, 1) == lost.params["x"]
    assert trialog.storages.RetryFailedTrialCallback.retried_trial_number(study.trials[1]) == 0


# ---- copies ----


@pytest.mark.parametrize("where", ["file", "memory"])
def test_a_study_is_pickled_and_copied(tmp_path, where):
    study = trialog.create_study(
        storage=tmp_path / "j" if where == "file" else None,
        sampler=trialog.samplers.TPESampler(seed=3),
        pruner=trialog.pruners.NopPruner(),
        directions=["minimize", "maximize"],
    )
    study.enqueue_trial({"x": 0.5})
    study.optimize(lambda t: (quick(t), 1.0), n_trials=3)
    for other in (pickle.loads(pickle.dumps(study)), copy.deepcopy(study)):
        assert other.trials == study.trials and other.directions == study.directions
        assert type(other.sampler) is type(study.sampler) and type(other.pruner) is type(study.pruner)
        n = len(other.trials)
        other.optimize(lambda t: (quick(t), 1.0), n_trials=1)
        assert len(other.trials) == n + 1


def test_frozen_trials_are_pickled_and_copied():
    study = trialog.create_study()
    study.optimize(lambda t: quick(t) + len(t.suggest_categorical("c", ["a", "b"])), n_trials=2)
    for trial in study.trials:
        assert pickle.loads(pickle.dumps(trial)) == trial == copy.deepcopy(trial) and trial != study.trials[trial.number - 1]


def test_choices_are_given_back_as_they_came():
    trial = trialog.create_study().ask()
    choices = [(1, 2), (3, 4)]
    with pytest.warns(UserWarning, match="tuple"):
        assert trial.suggest_categorical("layers", choices) in choices
    with pytest.raises(TypeError):
        trial.suggest_categorical("class", [object])


# ---- limits ----


def test_a_timeout_begins_no_more_trials():
    study = trialog.create_study()
    start = time.monotonic()
    study.optimize(lambda t: time.sleep(0.01) or 1.0, timeout=0.2)
    assert 0.2 <= time.monotonic() - start < 5 and len(study.trials) >= 1


def test_nothing_leaks():
    """Studies, trials and what they hold go away; thousands of calls leave no memory behind."""

    def work():
        study = trialog.create_study()
        study.enqueue_trial({"x": 0.25}, user_attrs={"k": [1, 2]})
        for _ in range(20):
            trial = study.ask({"n": trialog.distributions.IntDistribution(0, 9)})
            trial.suggest_float("x", 0, 1)
            trial.suggest_categorical("c", ["a", "b"])
            trial.report(1.0, 0)
            trial.should_prune()
            trial.set_user_attr("k", {"v": 1})
            _ = trial.params, trial.distributions, trial.user_attrs, study.best_trials
            study.tell(trial, 1.0)
        _ = study.best_trial, study.trials

    def rss():
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(30):
        work()
    gc.collect()
    before, objects = rss(), len(gc.get_objects())
    for _ in range(80):
        work()
    gc.collect()
    assert len(gc.get_objects()) - objects < 200
    assert rss() - before < 4 << 20


# ---- the progress bar ----


def test_the_progress_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        trialog.create_study().optimize(lambda t: 1.0, n_trials=3, show_progress_bar=True)
        text = stream.getvalue()
        assert text.endswith("\n") and "100% |####################| 3/3 trials" in text and "best 1 (trial 0)" in text
        assert ("\r" in text) == stream.isatty()
        stream.seek(0)
        trialog.create_study(directions=["minimize", "maximize"]).optimize(
            lambda t: (1.0, 2.0), n_trials=2, timeout=60, n_jobs=2, show_progress_bar=True
        )
        trialog.create_study().optimize(lambda t: 1.0, timeout=0.01, show_progress_bar=True)
        assert "of 00:00" in stream.getvalue()


def test_a_progress_bar_without_an_end_is_none():
    study = trialog.create_study()
    with pytest.warns(UserWarning, match="n_trials or timeout"):
        study.optimize(lambda t: study.stop() or 1.0, show_progress_bar=True)
    with pytest.warns(UserWarning, match="n_jobs=1"):
        study.optimize(lambda t: 1.0, timeout=0.01, n_jobs=2, show_progress_bar=True)


def test_messages_stand_above_the_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    handler = trialog.logging._default_handler()
    old = handler.setStream(stream)
    trialog.logging.set_verbosity(trialog.logging.INFO)
    try:
        trialog.create_study().optimize(lambda t: 1.0, n_trials=2, show_progress_bar=True)
    finally:
        trialog.logging.set_verbosity(trialog.logging.ERROR)
        handler.setStream(old)
    assert stream.getvalue().count("\r\x1b[K[I ") + stream.getvalue().count("\r\x1b[K\x1b[32m[I ") == 2


# ---- the package ----


def test_importing_costs_little_and_loads_little():
    code = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import trialog
took = time.perf_counter() - start
print(took, sorted(set(sys.modules) - before))
"""
    runs = []
    for _ in range(7):
        out, err = child(code).communicate(timeout=30)
        took, _, names = out.partition(" ")
        assert names.strip() == "['__future__', 'trialog']", err
        runs.append(float(took))
    assert min(runs) < 0.03, runs


def test_a_study_needs_no_optuna():
    """Nothing of the native API imports Optuna, or anything that is not Python's own."""
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("optuna", "numpy", "tqdm", "colorlog", "scipy", "pandas"):
            raise ModuleNotFoundError(name, name=name.partition(".")[0])
sys.meta_path.insert(0, Block())
import trialog as optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(storage=optuna.JournalStorage("memory://"), sampler=optuna.samplers.TPESampler(), pruner=optuna.pruners.HyperbandPruner())
study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=20, show_progress_bar=True)
for name in optuna.__all__:
    if name not in ("optuna",):
        getattr(optuna, name)
try:
    study.trials_dataframe()
except ImportError as e:
    print(e)
try:
    optuna.visualization.plot_slice(study)
except ImportError as e:
    print(e)
try:
    optuna.to_optuna(study)
except ImportError as e:
    print(e)
"""
    process = child(code)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.splitlines() == [
        "trials_dataframe needs pandas: pip install pandas",
        "trialog.visualization needs Optuna: pip install optuna",
        "This needs Optuna: pip install optuna",
    ]
