# SPDX-License-Identifier: MIT
"""What Python does to a process that has a storage open: threads, fork, spawn, forkserver, pickling, Ctrl-C, the end of the interpreter,
garbage collection, subinterpreters, many calls.

Figures are small here; TRIALOG_TEST_ROUNDS multiplies them.
"""
import copy
import fcntl
import gc
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time

import optuna
import pytest

import trialog
from trialog import _native

optuna.logging.set_verbosity(optuna.logging.WARNING)
ROUNDS = int(os.environ.get("TRIALOG_TEST_ROUNDS", "1"))
SEED = int(os.environ.get("TRIALOG_TEST_SEED", str(random.randrange(10**6))))
MINIMIZE = [optuna.study.StudyDirection.MINIMIZE]
COMPLETE = optuna.trial.TrialState.COMPLETE
print("seed", SEED)


def check_journal(path, n):
    """Dense numbers, nothing lost, no lock left behind; Optuna reads the same."""
    trials = trialog.JournalStorage(path, read_only=True).get_all_trials(0)
    assert [t.number for t in trials] == list(range(n))
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    assert optuna.storages.JournalStorage(backend).get_all_trials(0) == trials
    left = [f for f in os.listdir(os.path.dirname(path)) if ".lock" in f and ".lock.own" not in f]
    assert left == []
    return trials


# ---- threads ----


@pytest.mark.parametrize("url", ["memory://", "file"])
def test_sixteen_threads(tmp_path, url):
    path = str(tmp_path / "j")
    study = optuna.create_study(storage=trialog.JournalStorage(path if url == "file" else url, durability="off"))

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(3):
            trial.report(x, step)
        trial.set_user_attr("thread", threading.get_ident())
        return x + len(trial.study.get_trials(deepcopy=False)) * 0

    study.sampler = optuna.samplers.RandomSampler()
    study.optimize(objective, n_trials=96 * ROUNDS, n_jobs=16)
    trials = study.trials
    assert [t.number for t in trials] == list(range(96 * ROUNDS))
    assert all(t.state == COMPLETE and len(t.intermediate_values) == 3 and "thread" in t.user_attrs for t in trials)
    if url == "file":
        check_journal(path, 96 * ROUNDS)


def test_a_storage_is_closed_while_threads_use_it(tmp_path):
    for _ in range(10 * ROUNDS):
        storage = trialog.JournalStorage(tmp_path / "j", durability="off")
        study_id = storage.create_new_study(MINIMIZE)
        ends = []

        def work():
            try:
                while True:
                    storage.create_new_trial(study_id)
                    storage.get_all_trials(study_id, deepcopy=False)
            except ValueError as error:
                ends.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        while storage.get_n_trials(study_id) < 8:
            pass
        storage.close()
        for t in threads:
            t.join(20)
        assert ends == ["the storage is closed"] * 4
        storage.close()


# ---- fork, spawn, forkserver ----


def in_child(storage, study_id, n, answers):
    ids = [storage.create_new_trial(study_id) for _ in range(n)]
    for trial_id in ids:
        storage.set_trial_state_values(trial_id, COMPLETE, [1.0])
    answers.put((storage._native.worker_id, len(storage.get_all_trials(study_id))))


@pytest.mark.parametrize("parent", ["idle", "threads", "waiting"])
def test_fork_after_open(tmp_path, parent):
    """Children work on, each as a worker of its own, whatever the parent's threads were doing."""
    path = str(tmp_path / "j")
    storage = trialog.JournalStorage(path, durability="off")
    study_id = storage.create_new_study(MINIMIZE)
    context = multiprocessing.get_context("fork")
    stop, created = threading.Event(), []

    def busy():
        while not stop.is_set():
            created.append(storage.create_new_trial(study_id))
            storage.get_all_trials(study_id, deepcopy=False)
            if parent == "waiting":
                time.sleep(0.001)

    threads = [threading.Thread(target=busy) for _ in range({"idle": 0, "threads": 3, "waiting": 1}[parent])]
    for t in threads:
        t.start()
    seen = {storage._native.worker_id}
    n = 0
    try:
        for _ in range(6 * ROUNDS):
            answers = context.SimpleQueue()
            lock = None
            if parent == "waiting":  # somebody has Optuna's lock, so the parent's thread waits for it at the fork
                lock = optuna.storages.journal.JournalFileSymlinkLock(path)
                lock.acquire()
                time.sleep(0.01)
            children = [context.Process(target=in_child, args=(storage, study_id, 5, answers)) for _ in range(2)]
            for child in children:
                child.start()
            if lock:
                lock.release()
            for child in children:
                child.join(30)
                assert child.exitcode == 0
                seen.add(answers.get()[0])
                n += 5
    finally:
        stop.set()
        for t in threads:
            t.join(30)
    assert len(seen) == 1 + 12 * ROUNDS
    check_journal(path, n + len(created))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_start_methods(tmp_path, method):
    path = str(tmp_path / "j")
    storage = trialog.JournalStorage(path)
    study_id = storage.create_new_study(MINIMIZE)
    storage.create_new_trial(study_id)
    context = multiprocessing.get_context(method)
    answers = context.SimpleQueue()
    children = [context.Process(target=in_child, args=(storage, study_id, 3, answers)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert len({answers.get()[0], answers.get()[0], storage._native.worker_id}) == 3
    check_journal(path, 7)


def optimize_in_child(study):
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return len(study.trials)


def test_a_study_in_a_pool(tmp_path):
    study = optuna.create_study(study_name="s", storage=trialog.JournalStorage(tmp_path / "j"))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(optimize_in_child, [study] * 4)
    check_journal(str(tmp_path / "j"), 12)


# ---- pickling ----


def test_pickle_and_deepcopy(tmp_path):
    storage = trialog.JournalStorage(tmp_path / "j", lock="kernel", durability="relaxed", timeout=7, lease=9)
    study = optuna.create_study(study_name="s", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    for other in (pickle.loads(pickle.dumps(storage)), copy.deepcopy(storage)):
        assert other._options == storage._options and other._url == storage._url
        assert other.get_all_trials(0) == storage.get_all_trials(0)
    assert pickle.loads(pickle.dumps(study)).trials == study.trials == copy.deepcopy(study).trials


def test_memory_travels_with_its_log():
    storage = trialog.JournalStorage("memory://")
    study = optuna.create_study(study_name="s", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    study.set_user_attr("a", [1, None])
    study.enqueue_trial({"x": 0.5})
    other = pickle.loads(pickle.dumps(study))
    assert other.trials == study.trials and other.user_attrs == study.user_attrs
    assert other._storage._native.worker_id != storage._native.worker_id
    other.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert len(study.get_trials(states=[COMPLETE])) == 3 and other.trials[3].params == {"x": 0.5}


# ---- Ctrl-C ----

WRITER = """
import os, sys, time
import trialog
storage = trialog.JournalStorage(sys.argv[1], durability="off")
study_id = storage.get_study_id_from_name("s")
n = 0
try:
    print("ready", flush=True)
    while True:
        storage.create_new_trial(study_id)
        n += 1
except KeyboardInterrupt:
    print("interrupted", time.monotonic(), n, flush=True)
# the handle works on
storage.create_new_trial(study_id)
print("after", n + 1, flush=True)
"""


def run_writer(path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_ctrl_c_during_writes(tmp_path):
    path = str(tmp_path / "j")
    trialog.JournalStorage(path).create_new_study(MINIMIZE, "s")
    rng = random.Random(SEED)
    lost = 0
    waits = []
    total = 0
    for _ in range(12 * ROUNDS):
        process = run_writer(path)
        time.sleep(rng.random() * 0.05)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        word, at, _ = process.stdout.readline().split()
        assert word == "interrupted"
        waits.append(float(at) - sent)
        word, n = process.stdout.readline().split()
        assert process.wait(20) == 0
        total += int(n)
        lost += 1  # the interrupt may have come between the write and the count
    n = trialog.JournalStorage(path).get_n_trials(0)
    assert total <= n <= total + lost
    check_journal(path, n)
    print("waits", sorted(waits)[-3:])
    assert sorted(waits)[len(waits) // 2] <= 1  # a tenth of a second, were it not for other programs


def test_ctrl_c_during_a_lock_wait(tmp_path):
    path = str(tmp_path / "j")
    trialog.JournalStorage(path).create_new_study(MINIMIZE, "s")
    waits = []
    for _ in range(5 * ROUNDS):
        lock = optuna.storages.journal.JournalFileSymlinkLock(path)
        lock.acquire()
        process = run_writer(path)
        time.sleep(0.1)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        word, at, n = process.stdout.readline().split()
        waits.append(float(at) - sent)
        assert (word, n) == ("interrupted", "0")
        lock.release()
        assert process.stdout.readline() == "after 1\n"
        assert process.wait(20) == 0
    assert sorted(waits)[len(waits) // 2] <= 1, waits  # a tenth of a second, were it not for other programs
    check_journal(path, 5 * ROUNDS)


BEHIND = """
import fcntl, os, struct, sys, threading, time
import trialog
if sys.argv[2] == "a trial":
    trial = trialog.load_study(study_name="s", storage=sys.argv[1]).ask()
    call = lambda step: trial.report(1.0, step)
else:
    storage = trialog.JournalStorage(sys.argv[1])
    call = lambda step: storage.create_new_trial(0)
print("open", flush=True)
sys.stdin.readline()
first = threading.Thread(target=call, args=(1,))
first.start()
kernel_lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
with open(sys.argv[1], "r+b") as f:  # until the thread has it, and waits for Optuna's lock
    while struct.unpack("hhqqi4x", fcntl.fcntl(f, fcntl.F_OFD_GETLK, kernel_lock))[0] == fcntl.F_UNLCK:
        pass
try:
    print("ready", flush=True)
    call(2)
except KeyboardInterrupt:
    print("interrupted", flush=True)
first.join()
"""


@pytest.mark.skipif(not hasattr(fcntl, "F_OFD_GETLK"), reason="this Python does not know the locks of open file descriptions")
@pytest.mark.parametrize("what", ["a write", "a trial"])
def test_ctrl_c_behind_another_thread(tmp_path, what):
    """A call that waits for another thread, which waits for the lock, can be interrupted all the same: one that waits for that thread's write,
    and one that waits for its turn with a trial."""
    path = str(tmp_path / "j")
    trialog.JournalStorage(path).create_new_study(MINIMIZE, "s")
    process = subprocess.Popen([sys.executable, "-c", BEHIND, path, what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "open\n"
    lock = optuna.storages.journal.JournalFileSymlinkLock(path)
    lock.acquire()
    try:
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)  # so that it is inside; if it is not yet, it is interrupted before
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"  # while the lock is still held
    finally:
        lock.release()
    process.stdin.close()
    assert process.stdout.read() == "" and process.wait(20) == 0
    trials = trialog.JournalStorage(path, read_only=True).get_all_trials(0)
    assert [t.intermediate_values for t in trials] == [{1: 1.0} if what == "a trial" else {}]


HANDLER = """
import signal, sys
import trialog
storage = trialog.JournalStorage(sys.argv[1])
told = []
def handler(*_):
    try:
        storage.get_all_studies()
    except RuntimeError as error:
        told.append(str(error))
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
print("ready", flush=True)
storage.create_new_trial(0)
signal.setitimer(signal.ITIMER_REAL, 0)
assert told and "signal handler" in told[0], told
print("done", flush=True)
"""


def test_a_handler_may_not_use_the_storage_that_waits(tmp_path):
    path = str(tmp_path / "j")
    trialog.JournalStorage(path).create_new_study(MINIMIZE, "s")
    lock = optuna.storages.journal.JournalFileSymlinkLock(path)
    lock.acquire()
    process = subprocess.Popen([sys.executable, "-c", HANDLER, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    lock.release()
    assert process.stdout.readline() == "done\n"
    assert process.wait(20) == 0


# ---- the end ----

EXITS = {
    "open": "storage.create_new_trial(study_id)",
    "thread": """
import threading
def work():
    while True:
        storage.create_new_trial(study_id)
        storage.get_all_trials(study_id)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
while storage.get_n_trials(study_id) < 20:
    pass
""",
    "lease": """
other = trialog.JournalStorage(sys.argv[1], lease=1)
other.create_new_trial(study_id)
""",
    "exception": "storage.create_new_trial(study_id); raise SystemExit(0)",
    "cycle": "storage.myself = storage; storage.trials = storage.get_all_trials(study_id, deepcopy=False)",
    "closed": "storage.close()",
}


@pytest.mark.parametrize("how", sorted(EXITS))
def test_interpreter_exit(tmp_path, how):
    code = "import sys, trialog\nstorage = trialog.JournalStorage(sys.argv[1], durability='relaxed')\n"
    code += "from optuna.study import StudyDirection\nstudy_id = storage.create_new_study([StudyDirection.MINIMIZE])\n" + EXITS[how]
    for i in range(2 * ROUNDS):
        done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", code, str(tmp_path / f"j{i}")], timeout=60,
                              capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        n = trialog.JournalStorage(tmp_path / f"j{i}").get_n_trials(0)
        check_journal(str(tmp_path / f"j{i}"), n)


def test_garbage(tmp_path):
    """Cycles through a storage are collected, and so are its objects; a trial object outlives the storage."""
    gc.collect()
    for i in range(5):
        storage = trialog.JournalStorage(tmp_path / f"j{i}")
        study = optuna.create_study(storage=storage)
        study.optimize(lambda trial: trial.suggest_categorical("c", ["a", None]) is None, n_trials=3)
        trial = study.get_trials(deepcopy=False)[0]
        storage.cycle = [storage, trial]
        handle = storage._native
        del storage, study
        gc.collect()
        assert sys.getrefcount(handle) == 2
        del handle
    gc.collect()
    assert trial.params.keys() == {"c"}
    assert not [o for o in gc.get_objects() if type(o) is _native.Storage]


SUBINTERPRETER = """
from trialog import _native
storage = _native.Storage("memory://")
study = storage.create_study("s", [1])
for i in range(50):
    trial, number = storage.create_trial(study, None)
    storage.set_trial_attr(trial, False, "key", {"a": [1, 2.5, None, "x"]})
    storage.set_state(trial, 1, [float(i)])
assert storage.counts(study) == (0, 50, 0, 0, 0)
try:
    storage.study_name(99)
except KeyError:
    pass
else:
    raise AssertionError
"""


def test_subinterpreters():
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        interpreters = pytest.importorskip("_interpreters", reason="this Python has no subinterpreters")
    before = _native.Storage("memory://")
    path = "import sys; sys.path[:] = %r\n" % sys.path
    for _ in range(3):
        ids = [interpreters.create() for _ in range(2)]
        for i in ids:
            interpreters.run_string(i, path + SUBINTERPRETER)
        for i in ids:
            interpreters.destroy(i)
    assert before.create_study("s", [1]) == 0


# ---- many calls ----


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_no_leaks(tmp_path):
    storage = trialog.JournalStorage(tmp_path / "j", lock="kernel", durability="off", snapshot=False)
    study_id = storage.create_new_study(MINIMIZE, "s")
    trial_id = storage.create_new_trial(study_id)
    done = storage.create_new_trial(study_id)
    template = optuna.create_trial(value=1.0, params={"x": 0.5, "c": None}, user_attrs={"u": ["\udc80", 10**30]},
                                   distributions={"x": optuna.distributions.FloatDistribution(0, 1),
                                                  "c": optuna.distributions.CategoricalDistribution([None, "a"])})
    storage.set_trial_state_values(done, COMPLETE, [1.0])
    storage.create_new_trial(study_id, template)
    dist = template.distributions["x"]

    def fails(error, call, *args):
        with pytest.raises(error):
            call(*args)

    calls = [
        lambda: storage.get_all_trials(study_id),
        lambda: storage.get_all_trials(study_id, deepcopy=False, states=(COMPLETE,)),
        lambda: storage.get_trial(trial_id),
        lambda: storage.get_best_trial(study_id),
        lambda: storage.get_n_trials(study_id),
        lambda: storage.get_all_studies(),
        lambda: storage.get_study_directions(study_id),
        lambda: storage.get_study_id_from_name("s"),
        lambda: storage.set_study_user_attr(study_id, "k", {"a": [1, 2.5, "é", None, True, float("nan")]}),
        lambda: storage.get_study_user_attrs(study_id),
        lambda: storage.set_trial_user_attr(trial_id, "k", {"a": [1, 2.5, "\ud800", 10**40]}),
        lambda: storage.set_trial_param(trial_id, "c", 1.0, template.distributions["c"]),
        lambda: storage.set_trial_param(trial_id, "x", 0.25, dist),
        lambda: storage.set_trial_intermediate_value(trial_id, 3, 0.5),
        lambda: fails(KeyError, storage.get_trial, 10**6),
        lambda: fails(KeyError, storage.get_study_id_from_name, "nobody"),
        lambda: fails(TypeError, storage.set_trial_user_attr, trial_id, "k", {1, 2}),
        lambda: fails(ValueError, storage.set_trial_param, trial_id, "x", 1.0, template.distributions["c"]),
        lambda: fails(RuntimeError, storage.set_trial_state_values, done, COMPLETE, [2.0]),
        lambda: fails(optuna.exceptions.DuplicatedStudyError, storage.create_new_study, MINIMIZE, "s"),
    ]
    n = 5000 * ROUNDS  # 100,000 calls

    def run(n):
        for _ in range(n):
            for call in calls:
                call()
        gc.collect()
        return sys.getallocatedblocks(), resident()

    run(n // 10)
    before = run(n // 10)
    after = run(n)
    assert after[0] - before[0] < 200, (before, after)
    assert after[1] - before[1] < 4 << 20, (before, after)
