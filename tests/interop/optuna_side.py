# SPDX-License-Identifier: MIT
"""Optuna's side of the tests with real Optuna (interop_tool.c is ours); runs under either Optuna.

optuna_side.py dump PATH                      all studies of a journal, one line of JSON in interop_tool's form
optuna_side.py make PATH                      a journal that uses everything Optuna can write
optuna_side.py work PATH STUDY INDEX TRIALS   one worker of mixed_writers.py
optuna_side.py create PATH STUDY QUEUED       a study with that many enqueued trials
"""

import datetime
import json
import struct
import sys
import warnings

warnings.simplefilter("ignore")
import optuna  # noqa: E402
from optuna import distributions as od  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)
NEW = int(optuna.__version__.split(".")[0]) >= 5  # all times are made local ones

EPOCH = datetime.datetime(1970, 1, 1)
EPOCH_UTC = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
US = datetime.timedelta(microseconds=1)


def open_storage(path):
    """`path`: of a file, or redis://…?prefix=…; with &cluster=1 Optuna writes a line in two steps, as in a cluster."""
    if path.startswith("redis://"):
        from optuna.storages.journal import JournalRedisBackend

        url, _, query = path.partition("?")
        options = dict(word.split("=", 1) for word in query.split("&"))
        backend = JournalRedisBackend(url, use_cluster="cluster" in options, prefix=options["prefix"])
        return optuna.storages.JournalStorage(backend)
    try:
        return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    except AttributeError:
        return optuna.storages.JournalStorage(optuna.storages.JournalFileStorage(path))


half_lines = 0


def read_half_lines_again():
    """The kernel shows a line that crosses a page boundary in two steps, whoever writes it. Optuna 3.1 takes the first half for
    damage and raises; later ones look for the newline. Here 3.1 reads again."""
    from optuna.storages._journal.file import JournalFileStorage

    read_logs = JournalFileStorage.read_logs

    def patient(self, log_number_from):
        global half_lines
        for _ in range(1000):
            try:
                return read_logs(self, log_number_from)
            except json.JSONDecodeError:
                half_lines += 1
        return read_logs(self, log_number_from)

    JournalFileStorage.read_logs = patient


# ---- printing ----


def bits(v):
    v = float(v)
    return "nan" if v != v else struct.pack(">d", v).hex()


def value(v):
    if v is None:
        return ["z"]
    if isinstance(v, bool):
        return ["b", v]
    if isinstance(v, int):
        return ["i", str(v)]
    if isinstance(v, float):
        return ["f", bits(v)]
    return ["s", v] if isinstance(v, str) else ["j", v]


def external(dist, v):
    return ["f", bits(v)] if isinstance(dist, od.FloatDistribution) else value(v)


def instant(t):
    """An aware time as its instant. Optuna 5 has local times only: those of the test are written with an offset."""
    if t is None:
        return None
    if NEW:
        t = t.astimezone()
    if t.tzinfo is not None:
        return ["u", (t - EPOCH_UTC) // US]
    return ["n", (t - EPOCH) // US]


def dist(d):
    if isinstance(d, od.CategoricalDistribution):
        return ["categorical", [value(c) for c in d.choices]]
    kind = "float" if isinstance(d, od.FloatDistribution) else "int"
    return [kind, bits(d.low), bits(d.high), bits(d.step or 0.0), d.log]


def trial(t):
    return [
        t._trial_id,
        t.number,
        int(t.state),
        instant(t.datetime_start),
        instant(t.datetime_complete),
        None if t.values is None else [bits(v) for v in t.values],
        [[k, external(t.distributions[k], v)] for k, v in t.params.items()],
        [[k] + dist(d) for k, d in t.distributions.items()],
        [[k, v] for k, v in t.user_attrs.items()],
        [[k, v] for k, v in t.system_attrs.items()],
        [[k, bits(v)] for k, v in t.intermediate_values.items()],
    ]


def dump(storage):
    out = []
    for s in storage.get_all_studies():
        trials = storage.get_all_trials(s._study_id, deepcopy=False)
        out.append(
            [
                s._study_id,
                s.study_name,
                [int(d) for d in s.directions],
                [[k, v] for k, v in s.user_attrs.items()],
                [[k, v] for k, v in s.system_attrs.items()],
                [trial(t) for t in trials],
            ]
        )
    print(json.dumps(out), flush=True)


# ---- a journal with everything ----

STRINGS = ["", "a", "名前", "\U0001f600", "\ud800", "x\udfff", 'quote"back\\slash/\n\t\x7f\x01', "k" * 5000]
ANY = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    10**30,
    0.1,
    -0.0,
    1e-5,
    1e16,
    5e-324,
    1.7976931348623157e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    "\ud83d",
    [],
    {},
    [[[[]]]],
    {"a": {"b": [1, 2.0, None]}, "": "\u2028"},
]
CHOICES = [None, True, 7, 0.5, "s", "名前", "\ud801", -(2**62), 1e300]


def make_trial(study, k):
    t = study.ask()
    t.suggest_float("float", -1.5, 2.5)
    t.suggest_float("log", 1e-300, 1e300, log=True)
    t.suggest_float("step", 0.1, 1.05, step=0.1)
    t.suggest_int("int", -5, 12, step=3)
    t.suggest_int("int log", 1, 2**20, log=True)
    t.suggest_categorical("mixed λ", CHOICES)
    t.suggest_categorical("", ["only"])
    for i, v in enumerate(ANY[k % 5 :: 5]):
        t.set_user_attr(STRINGS[i % len(STRINGS)], v)
        study._storage.set_trial_system_attr(t._trial_id, "sys%d" % i, v)
    return t


def make(path):
    storage = open_storage(path)
    study = optuna.create_study(storage=storage, study_name="deleted")
    optuna.delete_study(storage=storage, study_name="deleted")
    study = optuna.create_study(
        storage=storage,
        study_name="single ☃",
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=1),
    )
    for s, v in zip(STRINGS, ANY):
        study.set_user_attr(s, v)
    study.enqueue_trial({"float": 0.1, "int": 4, "mixed λ": "\ud801"}, user_attrs={"who": "queue"})
    for k, v in enumerate([0.1, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), 3]):
        t = make_trial(study, k)
        t.report(float("nan") if k == 0 else v, 0)
        t.report(1 / 3, 100 + k)
        study.tell(t, v)
    for state in (optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL):
        t = make_trial(study, 2)
        t.report(2.5, 3)
        study.tell(t, state=state)
    study.tell(make_trial(study, 3), state=optuna.trial.TrialState.PRUNED)
    make_trial(study, 4)  # stays RUNNING
    study.enqueue_trial({"float": 1})  # stays WAITING
    multi = optuna.create_study(storage=storage, study_name="deleted", directions=["minimize", "maximize"])
    for values in ([0.5, 2e-308], [float("-inf"), 1.0]):
        multi.add_trial(
            optuna.trial.create_trial(
                values=values,
                params={"lr": 3.3e-4, "n": -3, "c": None},
                distributions={
                    "lr": od.FloatDistribution(1e-5, 0.1, log=True),
                    "n": od.IntDistribution(-3, 9, step=2),
                    "c": od.CategoricalDistribution(CHOICES),
                },
                user_attrs={"u": 1, "\ud800": []},
                system_attrs={"s": {}},
                intermediate_values={5: 0.5, 1: float("nan"), -3: 1.0},
            )
        )
    multi.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.WAITING, system_attrs={"fixed_params": {"lr": 0.01}}
        )
    )
    old = optuna.create_study(storage=storage, study_name="old classes")
    t = old.ask()
    for name, d, v in (
        ("u", od.UniformDistribution(-1, 1), 0.25),
        ("l", od.LogUniformDistribution(0.1, 1), 0.5),
        ("d", od.DiscreteUniformDistribution(0, 1, 0.25), 0.5),
        ("i", od.IntUniformDistribution(0, 9, 2), 4),
        ("il", od.IntLogUniformDistribution(1, 9), 3),
    ):
        storage.set_trial_param(t._trial_id, name, v, d)
    old.tell(t, 1.0)
    dump(storage)


# ---- a worker ----


def await_word(word):
    line = sys.stdin.readline()
    if line.strip() != word:
        raise SystemExit("optuna_side: expected %r, got %r" % (word, line))


def ask(study):
    """Optuna 3.1 raises when a waiting trial that it wants to claim was claimed and finished meanwhile; 5.0 goes to the next."""
    while True:
        try:
            return study.ask()
        except RuntimeError as e:
            if NEW or not str(e).endswith("has already finished and can not be updated."):
                raise


def work_one(study, index, k):
    t = ask(study)
    x = t.suggest_float("x", -10, 10)
    n = t.suggest_int("n", 1, 100)
    t.suggest_categorical("c", ["red", "green", "blue"])
    t.set_user_attr("who", [index, k])
    t.report(x, 0)
    t.report(x * x, 1)
    if k % 7 == 3:
        study.tell(t, state=optuna.trial.TrialState.PRUNED)
    elif k % 11 == 5:
        study.tell(t, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(t, x * x + n)
    return t.number


def work(path, name, index, trials):
    if not NEW:
        read_half_lines_again()
    storage = open_storage(path)
    study = optuna.load_study(storage=storage, study_name=name, sampler=optuna.samplers.RandomSampler())
    print("ready", flush=True)
    await_word("go")
    numbers = [work_one(study, index, k) for k in range(trials)]
    print("done " + json.dumps(numbers), flush=True)
    if half_lines:
        print("half lines: %d" % half_lines, file=sys.stderr)
    await_word("dump")
    dump(storage)


def create(path, name, queued):
    study = optuna.create_study(storage=open_storage(path), study_name=name)
    for k in range(queued):
        study.enqueue_trial({"x": k / 8, "n": k % 100 + 1})


if __name__ == "__main__":
    if sys.argv[1] == "dump":
        dump(open_storage(sys.argv[2]))
    elif sys.argv[1] == "make":
        make(sys.argv[2])
    elif sys.argv[1] == "create":
        create(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        work(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
