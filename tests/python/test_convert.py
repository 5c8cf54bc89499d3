# SPDX-License-Identifier: MIT
"""Native studies and Optuna's: what goes over is equal in every part, and Optuna's plots and tables work on it.

The one difference that is allowed is told in `facts`: JSON has no tuples, so choices that are tuples come back from a storage as lists.
"""
import math
import warnings

import optuna
import pytest

import trialog
from native_scenarios import _trial_facts

trialog.logging.set_verbosity(trialog.logging.ERROR)
optuna.logging.set_verbosity(optuna.logging.ERROR)


def facts(study):
    """All that a study is, except the random part: what its trials hold, with their times."""
    trials = study.get_trials(deepcopy=False)
    return {
        "name": study.study_name,
        "directions": [d.name for d in study.directions],
        "user_attrs": study.user_attrs,
        "metric_names": study.metric_names,
        "trials": [(_trial_facts(t), t.system_attrs, t.datetime_start, t.datetime_complete, list(t.params), list(t.distributions)) for t in trials],
    }


def fill(o, study):
    """Trials of every state, with everything that a trial can hold."""
    study.set_user_attr("k", {"deep": [1, 2.5, None, True, "ü\U0001f600"], "big": 2**70})
    study.set_user_attr("inf", math.inf)
    study.set_metric_names(["loss"])

    def objective(t):
        x = t.suggest_float("x", -1, 1)
        t.suggest_float("log", 1e-5, 1, log=True)
        t.suggest_float("step", 0, 1, step=0.25)
        t.suggest_int("n", 1, 64, log=True)
        t.suggest_int("m", 0, 9, step=3)
        t.suggest_categorical("c", [None, True, 1.5, "ü", 7])
        for step in (0, 3, 1):
            t.report(x * step if step else math.inf, step)
        t.set_user_attr("a", [t.number, {"b": None}])
        t.set_constraint("limit", x if t.number else -1)  # one trial at least can be the best
        if t.number == 3:
            raise o.TrialPruned
        if t.number == 4:
            raise ValueError
        return -math.inf if t.number == 5 else x

    study.optimize(objective, n_trials=8, catch=(ValueError,))
    study.enqueue_trial({"x": 0.5, "c": "ü"}, user_attrs={"queued": True})
    study.ask()
    study.enqueue_trial({"x": 0.25})


@pytest.mark.parametrize("where", ["memory", "file"])
def test_ours_to_optunas_and_back(tmp_path, where):
    ours = trialog.create_study(storage=None if where == "memory" else tmp_path / "j", study_name="s", direction="maximize")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fill(trialog, ours)
    theirs = trialog.to_optuna(ours)
    assert isinstance(theirs, optuna.Study) and facts(theirs) == facts(ours)
    assert theirs.best_trial.number == ours.best_trial.number
    back = trialog.from_optuna(theirs, storage=tmp_path / "k")
    assert isinstance(back, trialog.Study) and facts(back) == facts(ours)
    ours.enqueue_trial({"x": 0.125})  # the same journal: Optuna sees what comes later
    assert len(theirs.trials) == len(ours.trials)


@pytest.mark.parametrize("where", ["memory", "file", "database"])
def test_optunas_to_ours_and_back(tmp_path, where):
    storage = {
        "memory": optuna.storages.InMemoryStorage,
        "file": lambda: optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "j"))),
        "database": lambda: optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'd'}"),
    }[where]()
    theirs = optuna.create_study(storage=storage, study_name="s", sampler=optuna.samplers.RandomSampler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fill(optuna, theirs)
    ours = trialog.from_optuna(theirs, study_name="t")
    expected = facts(theirs)
    expected["name"] = "t"
    assert facts(ours) == expected
    assert facts(trialog.to_optuna(ours)) == expected


def test_parts():
    d = trialog.distributions
    every = [d.FloatDistribution(0, 1), d.FloatDistribution(1, 2, log=True), d.FloatDistribution(0, 1, step=0.5), d.IntDistribution(0, 9, step=3),
             d.IntDistribution(1, 9, log=True), d.CategoricalDistribution(("a", None))]
    for ours in every:
        theirs = trialog.to_optuna(ours)
        assert repr(theirs) == repr(ours) and isinstance(theirs, optuna.distributions.BaseDistribution)
        assert trialog.from_optuna(theirs) == ours
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = optuna.distributions.UniformDistribution(0, 1)
        assert trialog.from_optuna(old) == d.FloatDistribution(0, 1)
        assert trialog.to_optuna(d.LogUniformDistribution(1, 2)) == optuna.distributions.FloatDistribution(1, 2, log=True)
    for state in trialog.TrialState:
        assert trialog.to_optuna(state) is optuna.trial.TrialState(int(state)) and trialog.from_optuna(trialog.to_optuna(state)) is state
    assert trialog.to_optuna(trialog.study.StudyDirection.MAXIMIZE) is optuna.study.StudyDirection.MAXIMIZE
    trial = trialog.create_trial(value=1.0, params={"x": 0.5}, distributions={"x": every[0]}, intermediate_values={0: 1.0})
    theirs = trialog.to_optuna(trial)
    assert isinstance(theirs, optuna.trial.FrozenTrial) and trialog.from_optuna(theirs) == trial
    for call in (trialog.to_optuna, trialog.from_optuna):
        with pytest.raises(TypeError):
            call(5)


def test_one_file_for_both(tmp_path):
    """Our study and Optuna's on one journal, in turns."""
    path = str(tmp_path / "j")
    ours = trialog.create_study(storage=path, study_name="s")
    theirs = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path)))
    for _ in range(3):
        ours.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=2)
        theirs.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=2)
    assert [t.number for t in ours.trials] == list(range(12)) and facts(ours) == facts(theirs)


def test_an_objective_may_raise_optunas_exception():
    study = trialog.create_study()

    def objective(t):
        raise optuna.TrialPruned

    study.optimize(objective, n_trials=1)
    assert study.trials[0].state is trialog.TrialState.PRUNED


def test_a_storage_of_optunas_face(tmp_path):
    """What was opened for Optuna is a storage of native studies, too."""
    storage = trialog.JournalStorage(tmp_path / "j")
    assert isinstance(storage, optuna.storages.BaseStorage)
    study = trialog.create_study(storage=storage, study_name="s")
    with pytest.raises(trialog.exceptions.DuplicatedStudyError):
        trialog.create_study(storage=storage, study_name="s")
    assert trialog.create_study(storage=storage, study_name="s", load_if_exists=True).study_name == "s"
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=2)
    trial = study.ask()
    study.tell(trial, 1.0)
    with pytest.raises(ValueError):
        study.tell(trial, 1.0)
    assert facts(study) == facts(optuna.load_study(study_name="s", storage=storage))
    with pytest.raises(TypeError, match="from_optuna"):
        trialog.create_study(storage=optuna.storages.InMemoryStorage())


def test_tables():
    pytest.importorskip("pandas", reason="pandas is not installed: tools/setup.sh check installs it")
    import pandas

    several = trialog.create_study(directions=["minimize", "maximize"])
    several.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0) if t.number else None, n_trials=3)
    named = trialog.create_study()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fill(trialog, named)
    empty = trialog.create_study()
    for study in (several, named, empty):
        for kwargs in ({}, {"multi_index": True}, {"attrs": ("number", "state", "params", "intermediate_values", "values", "_trial_id")}):
            pandas.testing.assert_frame_equal(study.trials_dataframe(**kwargs), trialog.to_optuna(study).trials_dataframe(**kwargs))


def test_plots():
    """Optuna's plots take native studies through trialog.visualization."""
    pytest.importorskip("plotly", reason="plotly is not installed: tools/setup.sh check installs it")
    study = trialog.create_study()

    def objective(t):
        x, y = t.suggest_float("x", -1, 1), t.suggest_int("y", 1, 9)
        t.report(x, 0)
        return x**2 + y

    study.optimize(objective, n_trials=20)
    other = trialog.create_study(directions=["minimize", "maximize"])
    other.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)), n_trials=10)
    v = trialog.visualization
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for plot in (v.plot_optimization_history, v.plot_slice, v.plot_contour, v.plot_parallel_coordinate, v.plot_edf, v.plot_intermediate_values,
                     v.plot_rank, v.plot_timeline):
            assert plot(study).to_dict()["data"], plot.__name__
        assert v.plot_optimization_history([study, study]).to_dict()["data"]
        assert v.plot_pareto_front(other).to_dict()["data"]
