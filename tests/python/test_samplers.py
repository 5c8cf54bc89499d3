# SPDX-License-Identifier: MIT
"""Our samplers in Optuna's studies: Optuna's own test classes for samplers, as Optuna applies them, on Optuna's storage in memory and on
ours, with Optuna's implementation of the tested class out of reach; then what is ours: storages, callables, pickling, grids, threads, forks.
"""
import copy
import itertools
import json
import logging
import multiprocessing
import os
import pickle
import random
import sys

import optuna
import pytest
from optuna.testing import pytest_samplers

import trialog
from trialog.samplers import GridSampler, RandomSampler, TPESampler

optuna.logging.set_verbosity(optuna.logging.WARNING)


def out_of_reach(monkeypatch, names, modules):
    class Gone:
        def __init__(self, *args, **kwargs):
            raise AssertionError("Optuna's own implementation was used")

    for name in names:
        monkeypatch.setattr("optuna.samplers." + name, Gone)
    for name in [n for n in sys.modules if n.startswith(modules)]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError):
        __import__(modules[0])


@pytest.fixture
def no_tpe_of_optuna(monkeypatch):
    out_of_reach(monkeypatch, ["TPESampler", "RandomSampler"], ("optuna.samplers._tpe.sampler", "optuna.samplers._tpe"))


@pytest.fixture
def no_random_of_optuna(monkeypatch):
    out_of_reach(monkeypatch, ["RandomSampler", "TPESampler"], ("optuna.samplers._random",))


def use_by_default(monkeypatch, make):
    monkeypatch.setattr("optuna.storages.get_storage", lambda s: make() if s is None else s)
    assert isinstance(optuna.create_study(sampler=RandomSampler())._storage, trialog.JournalStorage)


@pytest.fixture
def on_our_storage(monkeypatch):
    """Studies that are created without a storage get one of ours."""
    use_by_default(monkeypatch, lambda: trialog.JournalStorage("memory://"))


@pytest.fixture
def on_our_files(monkeypatch, tmp_path):
    numbers = itertools.count()
    use_by_default(monkeypatch, lambda: trialog.JournalStorage(tmp_path / str(next(numbers)), durability="off"))


# ---- Optuna's classes ----


@pytest.mark.usefixtures("no_random_of_optuna")
class TestRandom(pytest_samplers.BasicSamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return RandomSampler


@pytest.mark.usefixtures("no_tpe_of_optuna")
class TestTPE(pytest_samplers.BasicSamplerTestCase, pytest_samplers.MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return lambda: TPESampler(n_startup_trials=0)


@pytest.mark.usefixtures("no_tpe_of_optuna")
class TestMultivariateTPE(
    pytest_samplers.BasicSamplerTestCase,
    pytest_samplers.RelativeSamplerTestCase,
    pytest_samplers.MultiObjectiveSamplerTestCase,
):
    @pytest.fixture
    def sampler(self):
        return lambda: TPESampler(n_startup_trials=0, multivariate=True)


class TestMultivariateTPEOfOptuna5(TestMultivariateTPE):
    @pytest.fixture
    def sampler(self):
        return lambda: TPESampler(n_startup_trials=0, multivariate=True, preset="optuna5")


class TestUnivariateTPE(TestTPE):
    @pytest.fixture
    def sampler(self):
        return lambda: TPESampler(n_startup_trials=0, multivariate=False)


class TestGroupTPE(TestMultivariateTPE):
    @pytest.fixture
    def sampler(self):
        return lambda: TPESampler(n_startup_trials=0, multivariate=True, group=True)


class TestTPEWithFunctions(TestMultivariateTPE):
    @pytest.fixture
    def sampler(self):
        return lambda: TPESampler(n_startup_trials=0, multivariate=True, gamma=lambda n: (n + 4) // 5, weights=lambda n: [1.0] * n)


@pytest.mark.usefixtures("on_our_storage")
class TestRandomOnOurs(TestRandom):
    pass


@pytest.mark.usefixtures("on_our_storage")
class TestTPEOnOurs(TestTPE):
    pass


@pytest.mark.usefixtures("on_our_storage")
class TestMultivariateTPEOnOurs(TestMultivariateTPE):
    pass


@pytest.mark.usefixtures("on_our_files")
class TestMultivariateTPEOnOurFiles(TestMultivariateTPE):
    pass


# ---- both faces ----


def mixed(trial):
    """A space with a branch."""
    x = trial.suggest_float("x", -5, 5)
    k = trial.suggest_categorical("k", ["a", "b", None, 2.5])
    if k == "a":
        return x * x + trial.suggest_int("n", 1, 64, log=True)
    return x * x + trial.suggest_float("y", 0, 1, step=0.25) + (k is None)


def run(storage, sampler, n=60, objective=mixed, **kwargs):
    study = optuna.create_study(storage=storage, sampler=sampler)
    study.optimize(objective, n_trials=n, **kwargs)
    return study


def params(study):
    return [t.params for t in study.trials]


@pytest.mark.parametrize(
    "options",
    [{}, {"preset": "optuna5"}, {"preset": "optuna4"}, {"group": True}, {"multivariate": False}, {"n_startup_trials": 0}],
    ids=lambda o: json.dumps(o),
)
def test_any_storage_gives_the_same_trials(options, tmp_path):
    """A mirror tells the sampler what our storage tells it, and the native study what Optuna's does."""
    seed = random.randrange(2**32)
    print("seed", seed)
    journal = optuna.storages.journal
    storages = [
        None,
        trialog.JournalStorage("memory://"),
        trialog.JournalStorage(tmp_path / "a"),
        journal and optuna.storages.JournalStorage(journal.JournalFileBackend(str(tmp_path / "b"))),
        optuna.storages.RDBStorage("sqlite:///" + str(tmp_path / "c")),
    ]
    found = [params(run(s, TPESampler(seed=seed, **options), 45)) for s in storages]
    for other in found[1:]:
        assert other == found[0]
    native = trialog.create_study(sampler=TPESampler(seed=seed, **options))
    native.optimize(mixed, n_trials=45)
    assert [t.params for t in native.trials] == found[0]


def test_a_sampler_is_optunas_too():
    sampler = TPESampler()
    assert isinstance(sampler, optuna.samplers.BaseSampler) and isinstance(sampler, TPESampler)
    assert str(sampler) == "TPESampler" and str(RandomSampler()) == "RandomSampler"

    class Mine(TPESampler):
        def sample_independent(self, study, trial, name, distribution):
            return super().sample_independent(study, trial, name, distribution)

    assert isinstance(Mine(), optuna.samplers.BaseSampler)
    run(None, Mine(n_startup_trials=2), 5)


def test_studies_with_a_pruner_of_brackets(tmp_path):
    """Optuna's Hyperband hands samplers a study with few attributes."""

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(1, 9):
            trial.report(x * step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x

    for storage in (None, trialog.JournalStorage(tmp_path / "a")):
        for sampler in (TPESampler(), GridSampler({"x": [i / 30 for i in range(30)]})):
            study = optuna.create_study(storage=storage, sampler=sampler, pruner=optuna.pruners.HyperbandPruner(max_resource=8))
            study.optimize(objective, n_trials=30)
            assert len(study.trials) == 30


def test_unseeded_samplers_differ_and_seeded_ones_do_not():
    for cls in (RandomSampler, TPESampler):
        shared = cls()
        first, second = (params(run(None, shared, 5)) for _ in range(2))
        assert first != second, "studies that share a sampler"
        for twin in (copy.copy(shared), copy.deepcopy(shared), pickle.loads(pickle.dumps(shared))):
            assert params(run(None, twin, 5)) not in (first, second)
        seeded = cls(seed=7)
        expected = params(run(None, seeded, 20))
        for twin in (cls(seed=7), seeded, copy.copy(seeded), copy.deepcopy(seeded), pickle.loads(pickle.dumps(seeded))):
            assert params(run(None, twin, 20)) == expected
        seeded.reseed_rng()
        assert params(run(None, seeded, 20)) == expected
        shared.reseed_rng()
        assert params(run(None, shared, 5)) not in (first, second)


def test_pickled_with_functions():
    sampler = TPESampler(gamma=gamma_of_tests, constraints_func=constraints_of_tests, n_startup_trials=2, seed=3)
    first = run(None, sampler, 12)
    twin = pickle.loads(pickle.dumps(sampler))
    assert params(run(None, twin, 12)) == params(first)
    assert first.trials[0].system_attrs["constraints"] == (0.25,)
    study = run(trialog.JournalStorage("memory://"), TPESampler(seed=1), 5)
    again = pickle.loads(pickle.dumps(study))
    again.optimize(mixed, n_trials=5)
    assert len(again.trials) == 10


def gamma_of_tests(n):
    return n // 2


def constraints_of_tests(trial):
    return (0.25,)


# ---- arguments ----


def test_arguments_of_optuna():
    with pytest.raises(ValueError, match="n_ei_candidates"):
        TPESampler(n_ei_candidates=0)
    with pytest.raises(ValueError, match="preset"):
        TPESampler(preset="best")
    with pytest.raises(ValueError, match="group"):
        TPESampler(group=True, multivariate=False)
    with pytest.raises(ValueError, match="categorical_distance_func"):
        TPESampler(categorical_distance_func={"k": lambda a, b: 1.0})
    with pytest.raises(ValueError, match="seed"):
        TPESampler(seed=-1)
    with pytest.raises(TypeError):
        TPESampler(n_startup=1)
    with pytest.raises(TypeError):
        TPESampler(*range(10))
    TPESampler(True, 1.0, True, False, 10, 24, None, None, 5, constant_liar=True, consider_prior=False)
    import numpy as np

    TPESampler(seed=np.int64(5), n_startup_trials=np.int32(3), prior_weight=np.float64(1.5))
    own = TPESampler(**TPESampler.hyperopt_parameters())
    theirs = TPESampler(**optuna.samplers.TPESampler.hyperopt_parameters())
    assert own._gamma is None and own._weights is None and theirs._gamma is None and theirs._weights is None


def test_functions_equal_to_options_change_nothing():
    from trialog.samplers._tpe import default_weights

    expected = params(run(None, TPESampler(seed=5, preset="optuna5"), 50))
    calls = []

    def gamma(n):
        calls.append(n)
        return min((n + 9) // 10, 25)

    def weights(n):
        return default_weights(n)

    assert params(run(None, TPESampler(seed=5, preset="optuna5", gamma=gamma, weights=weights), 50)) == expected
    assert calls and max(calls) == 49
    assert params(run(None, TPESampler(seed=5, preset="optuna5", gamma=lambda n: n), 50)) != expected
    import numpy as np

    assert params(run(None, TPESampler(seed=5, preset="optuna5", weights=lambda n: np.asarray(default_weights(n))), 50)) == expected


def test_functions_that_fail():
    def broken(n):
        raise ZeroDivisionError("of the test")

    for bad, error in (
        ({"gamma": broken}, ZeroDivisionError), ({"weights": broken}, ZeroDivisionError), ({"gamma": lambda n: -1}, ValueError),
        ({"gamma": lambda n: "many"}, TypeError), ({"weights": lambda n: [1.0]}, ValueError), ({"weights": lambda n: [-1.0] * n}, ValueError),
    ):
        study = optuna.create_study(sampler=TPESampler(n_startup_trials=3, **bad))
        with pytest.raises(error):
            study.optimize(mixed, n_trials=10)


def test_constraints():
    def infeasible(trial):
        return [trial.params["x"] - 1]

    for storage in (None, trialog.JournalStorage("memory://")):
        study = run(storage, TPESampler(seed=2, constraints_func=infeasible), 60, lambda t: -t.suggest_float("x", -5, 5))
        late = [t.params["x"] for t in study.trials[30:]]
        assert max(x for x in late if x <= 1) > 0.9 and sum(x > 2 for x in late) <= 3
        assert all("constraints" in t.system_attrs for t in study.trials)
    study = optuna.create_study(sampler=TPESampler(constraints_func=lambda t: [float("nan")]))
    with pytest.raises(ValueError, match="NaN"):
        study.optimize(lambda t: 1.0, n_trials=1)
    assert study.trials[0].system_attrs["constraints"] is None


def test_several_objectives():
    for storage in (None, trialog.JournalStorage("memory://")):
        study = optuna.create_study(storage=storage, directions=["minimize", "maximize"], sampler=TPESampler(seed=1))
        study.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)), n_trials=60)
        late = study.trials[30:]
        assert sum(t.params["x"] for t in late) < 10 and sum(t.params["y"] for t in late) > 20


def test_warning_of_independent_sampling(caplog):
    for options, expected in (({}, False), ({"warn_independent_sampling": True}, True),
                              ({"warn_independent_sampling": True, "multivariate": False}, False)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "trialog.samplers"):
            run(None, TPESampler(seed=1, n_startup_trials=4, **options), 25)
        assert bool(caplog.records) == expected
    assert all(r.name.startswith("trialog") for r in caplog.records)


# ---- what others do ----


def test_a_mirror_follows_what_others_do():
    """Trials that are added, enqueued, changed by others, with parameters that do not fit, and a storage that begins anew."""
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, sampler=TPESampler(n_startup_trials=2))
    study.optimize(mixed, n_trials=6)
    study.enqueue_trial({"x": 1.5, "k": "a", "n": 3})
    other = study.ask()
    other.suggest_float("x", -5, 5)
    study.add_trial(optuna.create_trial(params={"x": 3}, distributions={"x": optuna.distributions.IntDistribution(0, 9)}, value=1.0))
    study.optimize(mixed, n_trials=3)
    study.tell(other, state=optuna.trial.TrialState.FAIL)
    study.optimize(mixed, n_trials=6)
    from trialog._source import source_of

    source = source_of(study)
    source.refresh(study)
    counts = source.store.counts(source.study_id)
    assert sum(counts) == len(study.trials) and counts[3] == 1 and counts[1] == len(study.trials) - 1
    assert not source._open
    first = source.store
    storage._studies[study._study_id].trials.pop()  # as a storage does whose data was replaced
    source.refresh(study)
    assert source.store is not first and sum(source.store.counts(source.study_id)) == len(study.trials)


@pytest.mark.parametrize("ours", [True, False])
def test_many_studies_on_one_storage(ours):
    """What is remembered of them does not grow for ever, and one that comes back goes on as before."""
    from trialog._source import _STUDIES_MAX, _sources

    storage = trialog.JournalStorage("memory://") if ours else optuna.storages.InMemoryStorage()
    sampler = TPESampler(seed=1, n_startup_trials=3)
    first = run(storage, sampler, 8)
    for _ in range(_STUDIES_MAX + 10):
        run(storage, sampler, 1)
    assert len(_sources[storage]) == len(sampler._natives) == _STUDIES_MAX
    first.optimize(mixed, n_trials=8)
    assert params(first) == params(run(None, TPESampler(seed=1, n_startup_trials=3), 16))


def test_running_trials_keep_others_away():
    """The constant liar, through what is published before a trial has its parameters."""
    for storage in (trialog.JournalStorage("memory://"), optuna.storages.InMemoryStorage()):
        study = optuna.create_study(storage=storage, sampler=TPESampler(seed=1))
        study.optimize(lambda t: t.suggest_float("x", 0, 1) ** 2, n_trials=30)
        first, second = study.ask(), study.ask()
        a = first.suggest_float("x", 0, 1)
        b = second.suggest_float("x", 0, 1)
        assert a != b
        assert "tpe:relative_params:0" in storage.get_trial(second._trial_id).system_attrs


# ---- grids ----

AXES = {"x": [-1, 0, 2.5], "k": ["a", None], "n": [1, 2]}


def on_grid(trial):
    return trial.suggest_float("x", -5, 5) + trial.suggest_int("n", 1, 2) + (trial.suggest_categorical("k", ["a", None]) is None)


def cells(study):
    return sorted(repr(sorted(t.params.items())) for t in study.trials if t.params)


@pytest.mark.parametrize("ours", [True, False])
def test_grid_in_optunas_order(ours):
    study = optuna.create_study(storage=trialog.JournalStorage("memory://") if ours else None, sampler=GridSampler(AXES, seed=4))
    study.optimize(on_grid)
    optunas = optuna.create_study(sampler=optuna.samplers.GridSampler(AXES, seed=4))
    optunas.optimize(on_grid)
    assert params(study) == params(optunas)
    assert [t.system_attrs["grid_id"] for t in study.trials] == list(range(12))
    assert study.sampler.is_exhausted(study)
    study.optimize(on_grid)  # one trial finds nothing, and says so
    assert [t.state.name for t in study.trials[12:]] == ["PRUNED"]
    with pytest.raises(RuntimeError, match="grid"):
        study.ask()
    assert study.trials[13].state.name == "FAIL"


@pytest.mark.parametrize("ours", [True, False])
def test_grid_tries_failed_cells_again(ours):
    study = optuna.create_study(storage=trialog.JournalStorage("memory://") if ours else None, sampler=GridSampler(AXES))
    failed = []

    def objective(trial):
        value = on_grid(trial)
        if trial.number % 5 == 2:
            failed.append(trial.number)
            raise ArithmeticError
        return value

    study.optimize(objective, catch=ArithmeticError)
    complete = [t for t in study.trials if t.state.name == "COMPLETE"]
    assert failed and len({repr(t.params) for t in complete}) == len(complete) == 12
    assert len(study.trials) == 12 + len(failed)


def test_grid_and_enqueued_trials():
    for storage in (None, trialog.JournalStorage("memory://")):
        study = optuna.create_study(storage=storage, sampler=GridSampler(AXES))
        study.enqueue_trial({"x": 0, "k": "a", "n": 1})
        study.enqueue_trial({"x": 0})
        with pytest.raises(ValueError, match="enqueued"):
            study.optimize(on_grid)
        study.optimize(on_grid)
        assert len(set(cells(study))) == 13  # with the one that only got x
    with pytest.warns(UserWarning, match="outside"):
        optuna.create_study(sampler=GridSampler({"x": [7]})).optimize(lambda t: t.suggest_float("x", 0, 1))
    with pytest.warns(UserWarning, match="type"):
        GridSampler({"x": [(1, 2)]})
    with pytest.raises(ValueError, match="no parameter"):
        optuna.create_study(sampler=GridSampler({"x": [7]})).optimize(lambda t: t.suggest_float("y", 0, 1))


@pytest.mark.parametrize("ours", [True, False])
def test_grid_threads(ours):
    axes = {"x": list(range(15)), "y": list(range(8))}
    study = optuna.create_study(storage=trialog.JournalStorage("memory://") if ours else None, sampler=GridSampler(axes))
    study.optimize(lambda t: t.suggest_int("x", 0, 20) + t.suggest_int("y", 0, 20), n_jobs=8)
    assert len(cells(study)) == len(set(cells(study))) == 120
    assert all(t.state.name in ("COMPLETE", "PRUNED") for t in study.trials)


def work_on_grid(path, axes):
    study = optuna.load_study(study_name="g", storage=trialog.JournalStorage(path), sampler=GridSampler(axes))
    study.optimize(lambda t: t.suggest_int("x", 0, 20) + t.suggest_int("y", 0, 20))


def test_grid_processes(tmp_path):
    axes = {"x": list(range(15)), "y": list(range(8))}
    path = str(tmp_path / "a")
    optuna.create_study(study_name="g", storage=trialog.JournalStorage(path))
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work_on_grid, args=(path, axes)) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(120)
        assert w.exitcode == 0
    study = optuna.load_study(study_name="g", storage=trialog.JournalStorage(path))
    assert len(cells(study)) == len(set(cells(study))) == 120


# ---- threads and forks ----


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("options", [{}, {"gamma": gamma_of_tests}, {"group": True, "preset": "optuna5"}], ids=["plain", "gamma", "group"])
def test_threads(ours, options):
    study = run(trialog.JournalStorage("memory://") if ours else None, TPESampler(n_startup_trials=5, **options), 120, n_jobs=8)
    assert [t.number for t in study.trials] == list(range(120))
    assert all(t.state.name == "COMPLETE" for t in study.trials)
    assert len({repr(t.params) for t in study.trials}) > 100


def test_forks():
    """A child goes on with the parent's study and sampler, and draws other numbers."""
    for storage in (None, trialog.JournalStorage("memory://")):
        sampler = TPESampler(n_startup_trials=3)
        study = run(storage, sampler, 8)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                study.optimize(mixed, n_trials=6)
                os.write(write, pickle.dumps(params(study)))
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as f:
            theirs = pickle.load(f)
        os.waitpid(pid, 0)
        study.optimize(mixed, n_trials=6)
        ours = params(study)
        assert len(theirs) == len(ours) == 14 and theirs[:8] == ours[:8] and theirs[8:] != ours[8:]


# ---- a native study ----


def test_constraints_in_a_native_study():
    study = trialog.create_study(sampler=TPESampler(constraints_func=lambda t: (t.params["x"] - 1,), seed=1, n_startup_trials=4))
    study.optimize(lambda t: -t.suggest_float("x", -5, 5), n_trials=10)
    trial = study.ask()
    study.tell(trial, -trial.suggest_float("x", -5, 5))
    assert [t.system_attrs["constraints"] for t in study.trials] == [[t.params["x"] - 1] for t in study.trials]
    assert study.best_trial.params["x"] <= 1

    def broken(trial):
        raise ArithmeticError

    study = trialog.create_study(sampler=TPESampler(constraints_func=broken))
    with pytest.raises(ArithmeticError):
        study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=1)
    assert study.trials[0].state.name == "COMPLETE" and study.trials[0].system_attrs["constraints"] is None


def test_functions_that_fail_in_a_native_study():
    def broken(n):
        if n > 5:
            raise ZeroDivisionError("of the test")
        return 2

    study = trialog.create_study(sampler=TPESampler(n_startup_trials=2, gamma=broken))
    with pytest.raises(ZeroDivisionError):
        study.optimize(mixed, n_trials=20)
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 6 + ["FAIL"]
    with pytest.raises(ZeroDivisionError):
        study.ask({"x": trialog.distributions.FloatDistribution(0, 1)})


def test_native_studies_take_them():
    for sampler in (TPESampler(seed=1), RandomSampler(), GridSampler(AXES), TPESampler(gamma=gamma_of_tests, n_startup_trials=4)):
        study = trialog.create_study(sampler=sampler)
        study.optimize(on_grid, n_trials=20)
        assert len(study.trials) == (12 if isinstance(sampler, GridSampler) else 20)
