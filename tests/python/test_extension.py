# SPDX-License-Identifier: MIT
"""What Python code can do to the extension while it works: it runs whenever an object is made, a value is turned into JSON or a warning is
shown, and may close the storage or change what it was called with. Whatever it does, nothing crashes and nothing is lost.
"""
import copy
import fcntl
import multiprocessing
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import threading
import traceback
import warnings

import pytest

import trialog
from trialog import _native, distributions, exceptions, study, trial

SEED = int(os.environ.get("TRIALOG_SEED", random.randrange(2**32)))
HERE = os.path.dirname(os.path.abspath(__file__))
ERRORS = (
    exceptions.DuplicatedStudyError,
    exceptions.UpdateFinishedTrialError,
    exceptions.StorageInternalError,
    exceptions.UnknownOutcomeError,
)


def kit_with(float_distribution):
    kinds = (float_distribution, distributions.IntDistribution, distributions.CategoricalDistribution)
    return _native.Kit(trial.FrozenTrial, list(trial.TrialState), kinds, ERRORS, list(study.StudyDirection))


def with_debug(code):
    """Runs code in a Python that notices writing beside memory and using it after it was freed."""
    run = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


FILLED = """
import sys; sys.path.insert(0, %r)
from test_extension import *
from test_extension import _native
storage = _native.Storage("memory://")
study_id = storage.create_study("s", [1])
for i in range(60):
    name, dist = f"x{i}", distributions.FloatDistribution(0, 1 + i)
    storage.create_trial(study_id, trialog.create_trial(value=i, params={name: 0.5}, distributions={name: dist}))
made = 0
class Float(distributions.FloatDistribution):
    def __init__(self, *args, **kwargs):
        global made
        super().__init__(*args, **kwargs)
        made += 1
        if made == 3:
            act()
kit = kit_with(Float)
""" % HERE


def test_closed_while_objects_are_made():
    code = "act = storage.close\ntrials = storage.trials(kit, study_id)\n"
    code += "print(storage.closed, [t.number for t in trials] == list(range(60)), [*trials[7].params, *trials[7].distributions])"
    assert with_debug(FILLED + code) == "True True ['x7', 'x7']\n"


def test_closed_while_one_object_is_made():
    code = "made = 2\nact = storage.close\nt = storage.trial(kit, storage.trial_id(study_id, 5))\nprint(t.number, t.params, made)"
    assert with_debug(FILLED + code) == "5 {'x5': 0.5} 3\n"


def test_read_while_objects_are_made():
    code = "inner = []\nact = lambda: inner.extend(storage.trials(kit, study_id, [trial.TrialState.COMPLETE]))\n"
    code += "outer = storage.trials(kit, study_id)\nprint(len(inner), inner == outer, all(a is b for a, b in zip(inner, outer)))"
    assert with_debug(FILLED + code) == "60 True True\n"


def test_params_grow_while_they_are_queued():
    code = """
import sys; sys.path.insert(0, %r)
from test_extension import *
class Growing(dict):
    def items(self):
        for i in range(5000):
            params[f"p{i}"] = attrs[f"a{i}"] = i
        return super().items()
study = trialog.create_study()
params, attrs = {"x": Growing(a=1), "y": 2}, {"b": Growing(c=3)}
study.enqueue_trial(params, attrs)
t = study.trials[0]
print(t.system_attrs["fixed_params"], t.user_attrs["b"])
""" % HERE
    assert with_debug(code) == "{'x': {'a': 1}, 'y': 2} {'c': 3}\n"


def test_closed_while_a_trial_begins():
    code = """
import sys; sys.path.insert(0, %r)
from test_extension import *
study = trialog.create_study()
study.enqueue_trial({"x": 5.0, "y": 7.0})
warnings.simplefilter("always")
warnings.showwarning = lambda *args: study._storage.close()
space = {name: distributions.FloatDistribution(0, 1) for name in "xy"}
t = study.ask(space)
print(t.number, t.params)
try:
    t.suggest_float("z", 0, 1)
except ValueError as e:
    print(e)
""" % HERE
    assert with_debug(code) == "0 {'x': 5.0, 'y': 7.0}\nthe storage is closed\n"


def test_messages_quote_what_is_no_text():
    storage = _native.Storage("memory://")
    with pytest.raises(KeyError, match="no study named .*xed.*xa0"):
        storage.find_study("\ud800")
    with pytest.raises(KeyError, match="no study named 'ä"):
        storage.find_study("ä" * 2000)


@pytest.mark.skipif(sys.getfilesystemencoding() != "utf-8", reason="what is no text depends on the encoding of file names")
def test_paths_that_are_no_text(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.journal")
    storage = _native.Storage(path)
    storage.create_study("s", [1])
    storage.close()
    assert b"\xff.journal" in os.listdir(os.fsencode(tmp_path))
    assert _native.Storage(path, must_exist=True).find_study("s") == 0
    assert trialog.load_study(study_name="s", storage=os.fsencode(path)).trials == []
    assert [study.study_name for study in trialog.JournalStorage(os.fsencode(path)).get_all_studies()] == ["s"]
    with pytest.raises(ValueError, match="NUL"):
        _native.Storage(f"{tmp_path}/a\0b")


def test_a_trial_that_no_study_asked_for():
    lonely = trialog.Trial()
    calls = [
        lambda: lonely.suggest_float("x", 0, 1),
        lambda: lonely.suggest_int("x", 0, 1),
        lambda: lonely.suggest_categorical("x", [1, 2]),
        lambda: lonely.report(1.0, 0),
        lambda: lonely.should_prune(),
        lambda: lonely.set_user_attr("a", 1),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="trials come from"):
            call()
    assert (lonely.params, lonely.study) == ({}, None)


@pytest.mark.skipif(not hasattr(fcntl, "F_OFD_GETLK"), reason="this Python does not know the locks of open file descriptions")
def test_a_trial_that_another_thread_used_at_a_fork(tmp_path):
    """Its lock will never be given back in the child, so it says so; other trials go on."""

    def lock(f, how, kind, start, size):
        return struct.unpack("hhqqi4x", fcntl.fcntl(f, how, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, size, 0)))[0]

    trials_of = trialog.create_study(storage=tmp_path / "j")
    mine, others = trials_of.ask(), trials_of.ask()
    thread = threading.Thread(target=others.report, args=(1.0, 0))
    with open(tmp_path / "j", "r+b") as f, open(tmp_path / "j", "r+b") as g:
        lock(f, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, 0, 2**62)
        thread.start()
        while lock(g, fcntl.F_OFD_GETLK, fcntl.F_WRLCK, 2**62, 1) == fcntl.F_UNLCK:
            pass  # until it stands at the gate
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            try:
                for _ in range(2):
                    with pytest.raises(RuntimeError, match="trial 1 was being used by another thread when this process was forked"):
                        others.report(2.0, 1)
                assert not mine.should_prune()
                del others
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        lock(f, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, 0, 2**62)
    thread.join(60)
    others.report(3.0, 2)
    assert trials_of.trials[1].intermediate_values == {0: 1.0, 2: 3.0}


@pytest.mark.parametrize("direction", [1, 2])
def test_the_best_trial_while_trials_end(direction):
    rng = random.Random(SEED)
    print(f"test_extension: TRIALOG_SEED={SEED}")
    storage = _native.Storage("memory://")
    kit = kit_with(distributions.FloatDistribution)
    study_id, other_id = (storage.create_study(name, [direction]) for name in "st")
    open_ids, values = {}, {}
    with pytest.raises(ValueError, match="No trials are completed"):
        storage.best_trial(kit, study_id)
    for _ in range(400):
        if rng.random() < 0.5 or not open_ids:
            trial_id, number = storage.create_trial(study_id, None)
            open_ids[trial_id] = number
        else:  # in any order, with ties
            trial_id = rng.choice(list(open_ids))
            state = rng.choice([1, 1, 1, 2, 3])
            value = float(rng.randint(-20, 20))
            storage.set_state(trial_id, state, [value] if state == 1 else None)
            number = open_ids.pop(trial_id)
            if state == 1:
                values[number] = value
        if values:
            best = min(values, key=lambda i: (values[i] if direction == 1 else -values[i], i))
            assert storage.best_trial(kit, study_id).number == best
    storage.create_trial(other_id, trialog.create_trial(value=1000.0))
    assert storage.best_trial(kit, other_id).number == 0


def test_internal_values_of_parameters():
    storage = _native.Storage("memory://")
    kit = kit_with(distributions.FloatDistribution)
    trial_id = storage.create_trial(storage.create_study("s", [1]), None)[0]
    given = {
        "float": (0.25, distributions.FloatDistribution(0, 1)),
        "int": (3.0, distributions.IntDistribution(0, 9)),
        "choice": (1.0, distributions.CategoricalDistribution([0.5, 7.5, None])),
    }
    for name, (internal, distribution) in given.items():
        storage.set_param(trial_id, name, internal, distribution)
    for name, (internal, _) in given.items():
        assert storage.trial_param(kit, trial_id, name) == internal
    with pytest.raises(KeyError, match="none"):
        storage.trial_param(kit, trial_id, "none")
    with pytest.raises(KeyError):
        storage.trial_param(kit, 99, "float")
    with pytest.raises(TypeError):
        storage.trial_param(kit, trial_id)


def test_integers_of_numpy():
    import numpy

    study = trialog.create_study()
    study.enqueue_trial({"n": numpy.int64(3), "c": numpy.int32(7)})
    t = study.ask()
    assert (t.suggest_int("n", 0, 5), t.suggest_categorical("c", [numpy.int64(6), numpy.int64(7)])) == (3, 7)
    assert study.trials[0].params == {"n": 3, "c": 7}


def test_opening_raises_the_callers_classes(tmp_path):
    optuna = pytest.importorskip("optuna")
    (tmp_path / "j").mkdir()
    with pytest.raises(optuna.exceptions.StorageInternalError):
        trialog.JournalStorage(tmp_path / "j")
    with pytest.raises(exceptions.StorageInternalError):
        trialog.create_study(storage=tmp_path / "j")
    for way in (trialog.JournalStorage, lambda path: trialog.create_study(storage=path)):
        with pytest.raises(FileNotFoundError, match="cannot open"):
            way(tmp_path / "none" / "j")
    with pytest.raises(ValueError, match="retry_lost"):
        _native.Storage("memory://", retry_lost=-1)
    with pytest.raises(TypeError, match="kit"):
        _native.Storage("memory://", kit=1)


class Opened:
    """In the place of _native.Storage: no server is asked."""

    def __init__(self, url, **options):
        self.url = url


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("redis://:secret@h:1/0", "redis://h:1/0"),
        ("redis://user:secr@:secret@h:6379/1?prefix=p", "redis://user@h:6379/1?prefix=p"),
        ("postgresql://me@db/x", "postgresql://me@db/x"),
        ("postgresql+psycopg2://u:secret@h/d?a=b", "postgresql+psycopg2://u@h/d?a=b"),
        ("mysql://u@h/d?password=secret&a=b", "mysql://u@h/d?a=b"),
        ("postgresql:///d?password=secret", "postgresql:///d"),
        ("sqlite:////tmp/u:x@y", "sqlite:////tmp/u:x@y"),
        ("/tmp/u:x@y?z", "/tmp/u:x@y?z"),
    ],
)
def test_passwords_are_not_pickled(monkeypatch, url, public):
    pytest.importorskip("optuna")
    monkeypatch.setattr(_native, "Storage", Opened)
    for storage in (trialog.JournalStorage(url), trialog.storages.JournalStorage(url)):
        assert pickle.loads(pickle.dumps(storage))._native.url == public
        assert copy.copy(storage)._native.url == copy.deepcopy(storage)._native.url == url
        assert "secret" not in repr(storage)
        monkeypatch.setattr(multiprocessing.context, "get_spawning_popen", lambda: 1)
        assert pickle.loads(pickle.dumps(storage))._native.url == url
        monkeypatch.undo()
        monkeypatch.setattr(_native, "Storage", Opened)


def test_a_trial_is_used_while_it_is_read():
    code = """
import sys; sys.path.insert(0, %r)
from test_extension import *
study = trialog.create_study()
t = study.ask()
warnings.simplefilter("ignore")
t.suggest_categorical("c", [[1, 2]])
warnings.simplefilter("always")
def show(*args):
    for use in (lambda: t.set_user_attr("warned", True), lambda: study.tell(t, 1.0)):
        try:
            use()
        except RuntimeError as e:
            print(e)
warnings.showwarning = show
print(t.distributions["c"].choices)
warnings.simplefilter("ignore")
t.set_user_attr("later", 1)
print(study.tell(t, 2.0).value)
""" % HERE
    told = "trial 0 is being read by this thread: a warning's or signal's handler must not use it then\n"
    assert with_debug(code) == 2 * told + "([1, 2],)\n2.0\n"


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**70), 2**62, -1])
def test_ids_that_nothing_has(number):
    storage = _native.Storage("memory://")
    study_id = storage.create_study("s", [1])
    kit = kit_with(distributions.FloatDistribution)
    calls = [
        lambda: storage.trials(kit, number),
        lambda: storage.trial(kit, number),
        lambda: storage.best_trial(kit, number),
        lambda: storage.counts(number),
        lambda: storage.trial_number(number),
        lambda: storage.trial_id(study_id, number),
        lambda: storage.trial_id(number, 0),
        lambda: storage.study_name(number),
        lambda: storage.create_trial(number, None),
        lambda: storage.delete_study(number),
        lambda: storage.report(number, 0, 1.0),
        lambda: storage.set_state(number, 3, None),
        lambda: storage.set_trial_attr(number, False, "a", 1),
    ]
    for call in calls:
        with pytest.raises(KeyError):
            call()


def test_writes_wait_for_the_next_one(tmp_path):
    path = str(tmp_path / "study.journal")
    storage = trialog.JournalStorage(path, defer=60)
    other = trialog.JournalStorage(path)
    import optuna

    unit, count = optuna.distributions.FloatDistribution(0, 1), optuna.distributions.IntDistribution(0, 9)
    s = storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "s")
    ids = [storage.create_new_trial(s) for _ in range(2)]
    before = storage.get_all_trials(s, deepcopy=False)
    storage.set_trial_param(ids[0], "x", 0.5, unit)
    storage.set_trial_user_attr(ids[0], "k", [1])
    storage.set_trial_system_attr(ids[0], "k", {"a": None})
    for t in (storage.get_trial(ids[0]), storage.get_all_trials(s)[0], storage.get_all_trials(s, deepcopy=False)[0]):
        assert (t.params, t.distributions, t.user_attrs, t.system_attrs) == ({"x": 0.5}, {"x": unit}, {"k": [1]}, {"k": {"a": None}})
    assert storage.get_trial_param(ids[0], "x") == 0.5 and before[0].params == {}
    assert other.get_trial(ids[0]).params == {} and other.get_trial(ids[0]).system_attrs == {}
    with pytest.raises(ValueError, match="'x'"):
        storage.set_trial_param(ids[1], "x", 3, count)
    storage.set_trial_state_values(ids[0], optuna.trial.TrialState.COMPLETE, [1.0])
    for one in (storage, other):
        t = one.get_trial(ids[0])
        assert (t.params, t.user_attrs, t.system_attrs, t.value) == ({"x": 0.5}, {"k": [1]}, {"k": {"a": None}}, 1.0)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        storage.set_trial_user_attr(ids[0], "k", 2)
    for i in range(50):  # one name's place in memory is not another's later
        t, dist = storage.create_new_trial(s), optuna.distributions.FloatDistribution(0, i + 1)
        storage.set_trial_param(t, f"x{i}", 0.5, dist)
        storage.set_trial_user_attr(t, f"k{i}", i)
        read = storage.get_trial(t)
        assert (read.user_attrs, read.params, read.distributions) == ({f"k{i}": i}, {f"x{i}": 0.5}, {f"x{i}": dist})
        storage.set_trial_state_values(t, optuna.trial.TrialState.FAIL)
    storage.set_trial_user_attr(ids[1], "k", 2)
    assert other.get_trial(ids[1]).user_attrs == {}
    storage.close()
    assert other.get_trial(ids[1]).user_attrs == {"k": 2}
    memory = trialog.JournalStorage("memory://", defer=60)
    t = memory.create_new_trial(memory.create_new_study([optuna.study.StudyDirection.MINIMIZE], "s"))
    memory.set_trial_user_attr(t, "k", 3)
    assert pickle.loads(pickle.dumps(memory)).get_trial(t).user_attrs == {"k": 3}
    for wrong in (-1, "soon", float("nan")):
        with pytest.raises((TypeError, ValueError)):
            trialog.JournalStorage(path, defer=wrong)
    trialog.JournalStorage(path, defer=0).close()
