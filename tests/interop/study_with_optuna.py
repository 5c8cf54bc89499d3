# SPDX-License-Identifier: MIT
"""One study, two kinds of workers: what our studies write and what Optuna makes of it, and the other way round.

usage: study_with_optuna.py STUDY_TOOL [--seed N]

Runs itself under each Python in TRIALOG_PYTHON_OPTUNA and TRIALOG_PYTHON_OPTUNA31; none set: exit status 77 (skipped). Checks the
form of an ask as one operation, the queue in both directions, skip_if_exists in both directions, how trials end, and a grid that
workers of both kinds walk in turns: every cell once, in Optuna's order.
"""
import json
import math
import os
import random
import subprocess
import sys
import tempfile


def main():
    pythons = [os.environ.get(v) for v in ("TRIALOG_PYTHON_OPTUNA", "TRIALOG_PYTHON_OPTUNA31")]
    pythons = [p for p in pythons if p]
    if not pythons:
        print("no Python with Optuna: set TRIALOG_PYTHON_OPTUNA or TRIALOG_PYTHON_OPTUNA31")
        return 77
    seed = sys.argv[sys.argv.index("--seed") + 1] if "--seed" in sys.argv else str(random.randrange(10**6))
    print("seed", seed)
    for python in pythons:
        subprocess.run([python, __file__, "--inside", sys.argv[1], seed], check=True)
    return 0


# ---- under Optuna's Python ----

CASES = []


def case(fn):
    CASES.append(fn)
    return fn


class World:
    def __init__(self, tool, folder):
        self.tool, self.path = tool, os.path.join(folder, "journal.log")

    def ours(self, *args):
        out = subprocess.run([self.tool, self.path, *map(str, args)], check=True, stdout=subprocess.PIPE, text=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def study(self, sampler=None):
        import optuna

        try:
            from optuna.storages.journal import JournalFileBackend as Backend
        except ImportError:
            from optuna.storages import JournalFileStorage as Backend
        storage = optuna.storages.JournalStorage(Backend(self.path))
        return optuna.create_study(storage=storage, study_name="s", sampler=sampler, load_if_exists=True)


def objective(trial):
    x = trial.suggest_float("x", 0, 10)
    c = trial.suggest_categorical("c", ["a", "b", "c"])
    return x + "abc".index(c)


@case
def a_space_is_one_line(w):
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.trial import TrialState

    w.ours("create")
    lines = open(w.path).read().count("\n")
    got = w.ours("space")[0]
    assert open(w.path).read().count("\n") == lines + 1
    t = w.study().trials[0]
    assert t.state == TrialState.RUNNING and t.datetime_start is not None and t.datetime_complete is None
    assert t.distributions == {
        "lr": FloatDistribution(1e-5, 1, log=True), "step": FloatDistribution(0, 1, step=0.25), "n": IntDistribution(1, 64, log=True),
        "m": IntDistribution(0, 10, step=2), "mixed": CategoricalDistribution([None, True, 2.5, "\u00e9\""])}
    assert list(t.params) == ["lr", "step", "n", "m", "mixed"]
    for name in t.params:
        assert t.distributions[name].to_internal_repr(t.params[name]) == got[name], name
    study = w.study()
    study.tell(0, 1.5)  # Optuna ends what we began
    assert w.study().best_value == 1.5
    trial = study.ask(dict(t.distributions))  # and finds nothing incompatible
    study.tell(trial, 1.0)
    assert w.ours("space")[0]["number"] == 2


@case
def our_queue_their_worker(w):
    from optuna.trial import TrialState

    assert w.ours("enqueue", 2.5) == [{"number": 0}]
    assert w.ours("enqueue", 2.5, "skip") == [{"number": -1}]
    study = w.study()
    t = study.trials[0]
    assert t.state == TrialState.WAITING and t.datetime_start is None and t.user_attrs == {"from": "c"}
    assert t.system_attrs == {"fixed_params": {"x": 2.5, "c": "b"}}
    study.enqueue_trial({"x": 2.5, "c": "b"}, skip_if_exists=True)
    assert len(study.trials) == 1
    study.optimize(objective, n_trials=1)
    assert study.trials[0].params == {"x": 2.5, "c": "b"} and study.trials[0].value == 3.5
    assert w.ours("enqueue", 2.50000001, "skip") == [{"number": -1}]
    assert w.ours("enqueue", 2.6, "skip") == [{"number": 1}]


@case
def their_queue_our_worker(w):
    study = w.study()
    study.enqueue_trial({"x": 4, "c": "c"}, user_attrs={"k": 1})
    study.enqueue_trial({"c": "b"})
    assert w.ours("ask") == [{"number": 0, "x": 4, "c": "c"}]
    second = w.ours("ask")[0]
    assert second["number"] == 1 and second["c"] == "b"
    assert w.study().trials[0].params == {"x": 4.0, "c": "c"}
    assert w.study().trials[0].user_attrs == {"k": 1}
    # parameters of a trial that was never queued count too
    import optuna
    study.add_trial(optuna.create_trial(params={"x": 7.0, "c": "b"}, value=1.0, distributions=study.trials[0].distributions))
    assert w.ours("enqueue", 7, "skip") == [{"number": -1}]
    assert w.ours("enqueue", 8, "skip") == [{"number": 3}]


@case
def how_trials_end(w):
    from optuna.trial import TrialState

    w.ours("mixed")
    t = w.study().trials
    assert [x.state for x in t] == [TrialState.PRUNED, TrialState.FAIL, TrialState.PRUNED]
    assert t[0].value == 30 and t[0].intermediate_values == {3: 30, 1: 10}
    assert math.isnan(t[0].system_attrs["sys"][1])
    assert t[1].value is None and t[2].value is None and math.isnan(t[2].intermediate_values[0])
    assert all(x.datetime_complete >= x.datetime_start for x in t)


@case
def one_grid(w, rng):
    """Workers of both kinds in turns. Optuna 3.1 does not shuffle its cells, so it may repeat ours there; ours never repeat one."""
    import optuna

    space = {"x": [0.5, 1.0, 99.0, 2.0, 3.0], "c": ["b", "a", "c"]}
    same_order = optuna.__version__ != "3.1.0"
    sampler = optuna.samplers.GridSampler(space, seed=0)
    study = w.study(sampler)
    tried, taken, ended = set(), 0, False
    while not ended:
        n = rng.randint(1, 3)
        if rng.random() < 0.5 or len(tried) == 15:
            for line in w.ours("grid", n):
                ended = "exhausted" in line
                if not ended:
                    assert (line["x"], line["c"]) not in tried, line
                    tried.add((line["x"], line["c"]))
                    taken += 1
        else:
            n = min(n, 15 - len(tried))
            study.optimize(objective, n_trials=n)
            tried |= {(t.params["x"], t.params["c"]) for t in w.study().trials}
            taken += n
    trials = w.study().trials
    assert len(tried) == 15 and {t.system_attrs["search_space"]["x"][2] for t in trials} == {99.0}
    if same_order:
        assert taken == len(trials) == 15
        for i, t in enumerate(trials):
            assert t.system_attrs["grid_id"] == i and t.system_attrs["search_space"] == {"c": ["b", "a", "c"], "x": space["x"]}
            assert (t.params["c"], t.params["x"]) == tuple(sampler._all_grids[i]), (i, t.params)
        assert sampler._get_unvisited_grid_ids(study) == []


def inside():
    import warnings

    import optuna

    tool, seed = os.path.abspath(sys.argv[2]), int(sys.argv[3])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    for fn in CASES:
        with tempfile.TemporaryDirectory() as folder:
            fn(World(tool, folder), *([random.Random(seed)] if fn is one_grid else []))
    print("Optuna %s: %d cases" % (optuna.__version__, len(CASES)))


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside()
    else:
        sys.exit(main())
