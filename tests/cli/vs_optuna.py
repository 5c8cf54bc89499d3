#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vs_optuna.py TRIALOG [--seed N] [--studies N]: the command beside Optuna's own, byte for byte.

Runs under a Python that has Optuna (TRIALOG_PYTHON_OPTUNA; started by anything else, it starts itself again there). Journals are
written by Optuna's API: hand-made corner cases and random studies. Then both commands show them, in every format, flattened
and not, in several time zones, and their output must be equal; where Optuna ends with an exception, ours must end with an error.
Commands that write (create-study, study set-user-attr, ask, tell, delete-study) run on two copies of a journal, which must
then hold the same studies.
"""
import argparse
import contextlib
import datetime
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest.mock
import warnings

PYTHON = os.environ.get("TRIALOG_PYTHON_OPTUNA")
if PYTHON and os.path.abspath(PYTHON) != os.path.abspath(sys.executable):
    os.execv(PYTHON, [PYTHON] + sys.argv)
try:
    import optuna
    import optuna.cli
    import optuna.storages.journal
except ImportError:
    print("skipped: TRIALOG_PYTHON_OPTUNA names no Python with Optuna")
    sys.exit(77)

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

FORMATS = ["table", "value", "json", "yaml"]
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns"]


# ---- the two commands ----

def optuna_command(args):
    """(failed, stdout) of Optuna's command, run in this process."""
    optuna.cli._Studies._study_list_header[:] = [(n, "") for n in ("name", "direction", "n_trials", "datetime_start")]
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
    failed = False
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()), \
            unittest.mock.patch.object(sys, "argv", ["optuna"] + args), \
            unittest.mock.patch.object(optuna.cli, "_set_verbosity", lambda args: None):
        try:
            failed = optuna.cli.main() != 0
        except SystemExit as e:
            failed = e.code not in (0, None)
        except UnicodeEncodeError:
            failed = None  # a lone surrogate: nothing to compare with
        except Exception:
            failed = True
    out.flush()
    return failed, raw.getvalue()


class Ours:
    def __init__(self, command):
        self.command = command
        self.calls = 0

    def __call__(self, args):
        self.calls += 1
        done = subprocess.run([self.command] + args, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        if done.returncode < 0 or b"Sanitizer" in done.stderr:
            raise AssertionError(f"{args}: status {done.returncode}\n{done.stderr.decode(errors='replace')}")
        return done.returncode != 0, done.stdout, done.stderr


class Comparison:
    def __init__(self, command):
        self.ours = Ours(command)
        self.compared = self.failed = self.skipped = self.differences = 0

    def same(self, args):
        theirs_failed, theirs = optuna_command(args)
        ours_failed, ours, errors = self.ours(args)
        if theirs_failed is None:
            self.skipped += 1
            return
        self.compared += 1
        self.failed += theirs_failed
        if theirs_failed != ours_failed or (not theirs_failed and theirs != ours):
            self.differences += 1
            if self.differences <= 5:
                print("DIFFERENT:", " ".join(args))
                print("  Optuna (failed: %s): %r" % (theirs_failed, theirs[:3000]))
                print("  ours   (failed: %s): %r %r" % (ours_failed, ours[:3000], errors[:500]))


def storage(path):
    return JournalStorage(JournalFileBackend(path))


# ---- studies to show ----

T0 = datetime.datetime(2024, 3, 30, 22, 30, 15, 123456)  # the night before the clocks change in Berlin


def corner_cases(path):
    """Hand-made studies; Optuna's rules that are easy to get wrong."""
    s = storage(path)
    optuna.create_study(storage=s, study_name="empty")
    optuna.create_study(storage=s, study_name="none-done").ask()
    many = optuna.create_study(storage=s, study_name="many", directions=["minimize", "maximize", "minimize"])
    many.set_user_attr("k", [1, 2.5, {"a": None}])
    one = optuna.create_study(storage=s, study_name="one", direction="maximize")
    dists = {"x": FloatDistribution(0, 1), "n": IntDistribution(1, 9, step=2), "c": CategoricalDistribution([None, True, 1.5, "é", 3])}
    day = datetime.timedelta(days=1)
    for i, (state, value, start, end) in enumerate([
            (TrialState.COMPLETE, 1e-05, T0, T0 + datetime.timedelta(hours=9)), (TrialState.COMPLETE, float("inf"), T0, T0),
            (TrialState.PRUNED, None, T0, T0 + 3 * day), (TrialState.FAIL, None, T0 + day, T0),
            (TrialState.COMPLETE, -0.0, T0, T0 + datetime.timedelta(microseconds=1)), (TrialState.RUNNING, None, T0, None),
            (TrialState.WAITING, None, None, None), (TrialState.COMPLETE, 1e16, T0, T0 + 40 * day)]):
        t = create_trial(state=state, value=value, params={"x": 0.1 * i, "n": 3, "c": [None, True, 1.5, "é", 3][i % 5]},
                         distributions=dists, user_attrs={"a": i, "b": "text"} if i % 2 else {})
        t.datetime_start, t.datetime_complete = start, end
        one.add_trial(t)
    for i in range(6):
        many.add_trial(create_trial(values=[float(i), i % 3 + 0.0, -1.0 * i], params={}, distributions={}))
    many.add_trial(create_trial(state=TrialState.FAIL))
    named = optuna.create_study(storage=s, study_name="named", directions=["minimize", "maximize"])
    named.set_metric_names(["zeta", "alpha"])
    named.add_trial(create_trial(values=[1.0, 2.0]))
    named.ask()
    single = optuna.create_study(storage=s, study_name="named-single")
    single.set_metric_names(["loss"])
    single.add_trial(create_trial(value=0.25, user_attrs={"π": 3.14}))
    for name, rows in {"feasible": [(1.0, [0.5]), (2.0, [0.0]), (3.0, [-1.0]), (0.5, None)], "infeasible": [(1.0, [1.0]), (2.0, [2.0])]}.items():
        c = optuna.create_study(storage=s, study_name=name)
        for value, constraints in rows:
            c.add_trial(create_trial(value=value, system_attrs={} if constraints is None else {"constraints": constraints}))
    gone = optuna.create_study(storage=s, study_name="gone")
    gone.ask()
    optuna.delete_study(study_name="gone", storage=s)
    optuna.create_study(storage=s, study_name="gone")
    deep = optuna.create_study(storage=s, study_name="  blanks at both ends  ")
    nested = 1
    for i in range(60):
        nested = [nested] if i % 3 else {"k%d" % i: nested}
    deep.add_trial(create_trial(value=1.0, user_attrs={"deep": nested, "long": "word " * 60, "q": "it's \"quoted\"", "nl": "a\nb\n"}))


WORDS = ["", "a", "b c", "yes", "null", "~", "1", "1.0", "1e5", "0x1f", "- x", "? y", ": z", "a: b", "a #b", "it's", '"q"', "=", "---",
         "2024-01-01", "2024-01-01 10:00:00", "a\nb", " a", "a ", "\t", "é", "日本", "\u2028", "\x85", "😀", "\x1b", "x" * 90,
         "word " * 25, "é " * 50, "+.inf", "nan", "True", "on", "a,b", "[x", "{y", "\ufeff", "\xa0", "a\\b", "12:30", "0o17", "\u0378"]


class Maker:
    """Random studies from one seed."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def text(self):
        if self.r.random() < 0.7:
            return self.r.choice(WORDS)
        return "".join(self.r.choice(" ab:#-'\"\n,é\\?[]{}0123.\t") for _ in range(self.r.randrange(120)))

    def name(self):
        return self.r.choice(["x", "y", "lr", "n layers", "é", "a'b", "yes", "1", "k" * 125, "Ω", "a\"b", "p\n", "-"])

    def value(self, depth=0):
        k = self.r.random()
        if depth > 3 or k < 0.6:
            return self.r.choice([self.text(), self.text(), None, True, False, 0, -7, 10**25, self.r.random(), 1e-5, 1e16, 1e22, -0.0,
                                  float("nan"), float("inf"), 5e-324])
        if k < 0.8:
            return [self.value(depth + 1) for _ in range(self.r.randrange(4))]
        return {self.text(): self.value(depth + 1) for _ in range(self.r.randrange(4))}

    def attrs(self):
        return {self.text() or "k": self.value() for _ in range(self.r.choice([0, 0, 1, 3]))}

    def distribution(self, name):
        r = random.Random(name)  # one per name, so that kinds agree within a study
        return r.choice([FloatDistribution(-1e3, 1e3), FloatDistribution(1e-8, 1e8, log=True), IntDistribution(-50, 50, step=5),
                         IntDistribution(1, 2**40, log=True), FloatDistribution(0, 1, step=0.1),
                         CategoricalDistribution([None, True, 2, 3.5, "s", "é", "it's"])])

    def internal(self, dist):
        if isinstance(dist, CategoricalDistribution):
            return self.r.choice(dist.choices)
        if isinstance(dist, IntDistribution):
            return dist.low + self.r.randrange((dist.high - dist.low) // dist.step + 1) * dist.step
        if dist.step:
            return dist.low + self.r.randrange(10) * dist.step
        return self.r.uniform(dist.low, dist.high)

    def time(self):
        return datetime.datetime(2023, 10, 20) + datetime.timedelta(seconds=self.r.randrange(2 * 10**7), microseconds=self.r.choice([0, 1, 999999, 500000]))

    def trial(self, n_objectives):
        dists = {n: self.distribution(n) for n in {self.name() for _ in range(self.r.randrange(4))}}
        state = self.r.choice([TrialState.COMPLETE] * 4 + list(TrialState))
        values = None
        if state == TrialState.COMPLETE:
            values = [self.r.choice([self.r.gauss(0, 1), 0.0, 1.0, float("inf"), -1e-300]) for _ in range(n_objectives)]
        elif state == TrialState.PRUNED and n_objectives == 1:
            values = self.r.choice([None, [0.5]])
        t = create_trial(state=state, values=values, params={n: self.internal(d) for n, d in dists.items()}, distributions=dists,
                         user_attrs=self.attrs(), system_attrs=self.r.choice([{}, {}, {"constraints": [self.r.choice([-1, 0, 1])]},
                                                                             {"constraints:a": self.r.choice([-1.0, 2.0])}]),
                         intermediate_values={} if n_objectives > 1 else {i: self.r.random() for i in range(self.r.randrange(3))})
        t.datetime_start = None if state == TrialState.WAITING else self.time()
        t.datetime_complete = self.time() if state.is_finished() else None
        return t

    def study(self, s, name):
        n = self.r.choice([1, 1, 1, 2, 3])
        study = optuna.create_study(storage=s, study_name=name, directions=[self.r.choice(["minimize", "maximize"]) for _ in range(n)])
        if self.r.random() < 0.3:
            study.set_metric_names(self.r.sample(["loss", "acc", "é", "1", "a b"], n))
        for k, v in self.attrs().items():
            study.set_user_attr(k, v)
        for _ in range(self.r.choice([0, 1, 3, 8])):
            study.add_trial(self.trial(n))


def make_naive(path, to):
    """The journal as Optuna up to 4.9 would have written it: local times without offset."""
    with open(path) as f, open(to, "w") as out:
        for line in f:
            op = json.loads(line)
            for key in ("datetime_start", "datetime_complete"):
                if op.get(key):
                    op[key] = op[key].replace("+00:00", "")
            out.write(json.dumps(op, separators=(",", ":")) + "\n")


def show_everything(c, path, names, formats=FORMATS):
    for f in formats:
        c.same(["study-names", "--storage", path, "-f", f])
        for flatten in ([], ["--flatten"]):
            c.same(["studies", "--storage", path, "-f", f] + flatten)
            for name in names:
                for command in ("trials", "best-trial", "best-trials"):
                    c.same([command, "--storage", path, "--study-name", name, "-f", f] + flatten)


# ---- copies ----

def whole_picture(path, ids):
    """Everything that a journal holds; ids when they matter."""
    s = storage(path)
    out = []
    for st in s.get_all_studies():
        trials = [{k: v for k, v in vars(t).items() if ids or k != "_trial_id"} for t in s.get_all_trials(st._study_id)]
        out.append((st.study_name, st._study_id if ids else None, st.directions, st.user_attrs, st.system_attrs, trials))
    return repr(out)


def copies(c, work, path):
    """compact keeps everything, ids too; copy and export keep all that a study has."""
    short = os.path.join(work, "short")
    c.ours(["compact", path, short])
    whole = os.path.join(work, "whole")
    for s in storage(path).get_all_studies():
        c.ours(["copy", "--storage", path, "--study-name", s.study_name, "--to", whole])
    for to, ids in ((short, True), (whole, False)):
        c.compared += 1
        if whole_picture(path, ids) != whole_picture(to, ids):
            c.differences += 1
            print("DIFFERENT:", to)
        os.unlink(to)


# ---- commands that write ----

def picture(path):
    """What a journal holds, without what two runs cannot share."""
    s = storage(path)
    out = []
    for st in s.get_all_studies():
        trials = [(t.number, t.state.name, repr(t.values), list(t.params.items()), list(t.user_attrs.items()), repr(t.distributions))
                  for t in s.get_all_trials(st._study_id)]
        out.append((st.study_name, [d.name for d in st.directions], st.user_attrs, trials))
    return out


def write_both(c, work, name, before, args):
    """Runs one writing command by both, on copies of the journal."""
    paths = [os.path.join(work, f"{name}-{who}") for who in ("optuna", "ours")]
    for p in paths:
        shutil.copyfile(before, p)
    theirs_failed, theirs = optuna_command([args[0], "--storage", paths[0]] + args[1:])
    ours_failed, ours, errors = c.ours([args[0], "--storage", paths[1]] + args[1:])
    c.compared += 1
    c.failed += theirs_failed
    same = theirs_failed == ours_failed and (theirs_failed or theirs == ours) and picture(paths[0]) == picture(paths[1])
    if not same:
        c.differences += 1
        print("DIFFERENT:", " ".join(args))
        print("  Optuna:", theirs_failed, theirs, picture(paths[0]))
        print("  ours:  ", ours_failed, ours, errors, picture(paths[1]))


def single(value):
    return {"name": "FloatDistribution", "attributes": {"low": value, "high": value, "step": None, "log": False}}


def writing(c, work):
    before = os.path.join(work, "before")
    s = storage(before)
    study = optuna.create_study(storage=s, study_name="s")
    for _ in range(4):
        study.ask()
    study.tell(1, 0.5)
    s.set_trial_intermediate_value(s.get_trial_id_from_study_id_trial_number(0, 2), 3, 0.75)
    optuna.create_study(storage=s, study_name="two", directions=["minimize", "maximize"]).ask()
    study.enqueue_trial({"x": 0.25, "c": "b"})

    space = {"x": single(0.125), "n": {"type": "int", "low": 3, "high": 3}, "c": {"type": "categorical", "choices": ["b"]},
             "é": {"type": "float", "low": 2, "high": 2, "log": True},
             "u": {"name": "UniformDistribution", "attributes": {"low": 1.0, "high": 1.0}},
             "l": {"name": "LogUniformDistribution", "attributes": {"low": 1.0, "high": 1.0}},
             "q": {"name": "DiscreteUniformDistribution", "attributes": {"low": 1.0, "high": 1.0, "q": 0.5}},
             "i": {"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 1, "step": 1}},
             "j": {"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 1, "step": 1}}}
    asks = [["--study-name", "two", "--search-space", json.dumps(space)] + x
            for f in FORMATS for x in (["-f", f], ["-f", f, "--flatten"])]
    asks += [["--study-name", "two"] + x for f in FORMATS for x in (["-f", f], ["-f", f, "--flatten"])]
    asks += [["--study-name", "s", "--search-space", json.dumps({"x": {"type": "float", "low": 0, "high": 1}, "c": {
        "name": "CategoricalDistribution", "attributes": {"choices": ["a", "b"]}}})], ["--study-name", "nobody"],
        ["--study-name", "two", "--sampler", "RandomSampler", "--sampler-kwargs", '{"seed": 3}'],
        ["--study-name", "two", "--sampler-kwargs", "{}"], ["--study-name", "two", "--sampler", "NoSampler"],
        ["--study-name", "two", "--search-space", "{"], ["--study-name", "two", "--search-space", '{"x": {"type": "float", "low": 1}}'],
        ["--study-name", "two", "--search-space", '{"x": {"type": "float", "low": 2, "high": 1}}'],
        ["--study-name", "two", "--search-space", '{"x": {"name": "FloatDistribution", "attributes": {"low": 1, "high": 2, "y": 1}}}'], []]
    tells = [["--study-name", "s", "--trial-number", "0"] + x for x in (
        ["--values", "1.5"], ["--values", "1", "2"], ["--values", "nan"], ["--values=-inf"], ["--values", "inf"], ["--values", "-1"], ["--values", "1e-3"],
        [], ["--state", "complete"], ["--state", "complete", "--values", "2"], ["--state", "complete", "--values", "nan"],
        ["--state", "complete", "--values", "1", "2"], ["--state", "fail"], ["--state", "pruned"],
        ["--state", "pruned", "--values", "1"], ["--state", "running"], ["--values", "x"], ["--values", "1_000.5"], ["--values", " 1 "])]
    tells += [["--study-name", "s", "--trial-number"] + x for x in (
        ["1", "--values", "1"], ["1", "--values", "1", "--skip-if-finished"], ["2", "--state", "pruned"], ["4", "--values", "1"],
        ["9", "--values", "1"], ["3", "--values", "1", "--skip-if-finished"], ["x"], ["-1", "--values", "1"])]
    tells += [["--study-name", "two", "--trial-number", "0", "--values", "1", "2"], ["--study-name", "two", "--trial-number", "0", "--values", "1"],
              ["--study-name", "two", "--trial-number", "0", "--state", "pruned"], ["--trial-number", "0", "--values", "1"]]
    others = [["create-study", "--study-name", "new"], ["create-study", "--study-name", "new", "--direction", "maximize"],
              ["create-study", "--study-name", "s"], ["create-study", "--study-name", "s", "--skip-if-exists"],
              ["create-study", "--study-name", "m", "--directions", "minimize", "maximize"],
              ["create-study", "--study-name", "m", "--directions", "sideways"], ["create-study", "--study-name", "m", "--direction", "up"],
              ["create-study", "--study-name", "m", "--direction", "minimize", "--directions", "minimize"],
              ["create-study", "--study-n", "short"], ["create-study", "--study-name=équals"],
              ["delete-study", "--study-name", "s"], ["delete-study", "--study-name", "nobody"],
              ["study", "set-user-attr", "--study-name", "s", "--key", "k", "--value", "v é"],
              ["study set-user-attr", "--study-name", "s", "-k", "k", "--value", "1"],
              ["study", "set-user-attr", "--study-name", "nobody", "-k", "k", "--value", "1"],
              ["study", "set-user-attr", "--study-name", "s", "-k", "k"], ["no-such-command"]]
    for i, args in enumerate([["ask"] + a for a in asks] + [["tell"] + t for t in tells] + others):
        if args[0] == "study":
            args = ["study set-user-attr"] + args[2:]
        write_both(c, work, f"w{i}", before, args)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("trialog")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    p.add_argument("--studies", type=int, default=40)
    args = p.parse_args()
    c = Comparison(args.trialog)
    print(f"Optuna {optuna.__version__}, seed {args.seed}")
    os.environ.pop("OPTUNA_STORAGE", None)
    with tempfile.TemporaryDirectory(prefix="trialog-cli-") as work:
        corner = os.path.join(work, "corner")
        corner_cases(corner)
        naive = os.path.join(work, "naive")
        make_naive(corner, naive)
        names = [s.study_name for s in storage(corner).get_all_studies()]
        for zone in ZONES:
            os.environ["TZ"] = zone
            time.tzset()
            show_everything(c, corner, names + ["nobody"], FORMATS if zone == "UTC" else ["json"])
            show_everything(c, naive, ["one"])
        maker = Maker(args.seed)
        for i in range(0, args.studies, 8):
            path = os.path.join(work, f"random{i}")
            names = [f"study {k} é" for k in range(8)]
            for name in names:
                maker.study(storage(path), name)
            show_everything(c, path, names)
            copies(c, work, path)
        copies(c, work, corner)
        copies(c, work, naive)
        writing(c, work)
    print(f"{c.compared} compared ({c.failed} of them errors), {c.skipped} without comparison, {c.differences} different")
    return 1 if c.differences else 0


sys.exit(main())
