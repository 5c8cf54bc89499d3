# SPDX-License-Identifier: MIT
"""Our pruners in Optuna's studies and in ours: arguments, pickling, what they wrap, threads. (That they decide as Optuna's do is
pruners_vs_optuna.py.)"""
import copy
import pickle

import optuna
import pytest

import trialog
from trialog import pruners

optuna.logging.set_verbosity(optuna.logging.ERROR)


def climbing(trial):
    x = trial.suggest_float("x", 0, 1)
    for step in range(9):
        trial.report(x + step * 0.01, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x


def states(storage, pruner, n=40, **kwargs):
    study = optuna.create_study(study_name="n", storage=storage, pruner=pruner, sampler=trialog.samplers.RandomSampler(seed=3))
    study.optimize(climbing, n_trials=n, **kwargs)
    return [(t.state.name, t.intermediate_values) for t in study.trials]


MAKERS = [
    lambda p: p.NopPruner(),
    lambda p: p.MedianPruner(),
    lambda p: p.MedianPruner(2, 1, 2, n_min_trials=2),
    lambda p: p.PercentilePruner(25.0, n_startup_trials=2),
    lambda p: p.SuccessiveHalvingPruner(),
    lambda p: p.SuccessiveHalvingPruner(1, 2, 0, 1),
    lambda p: p.HyperbandPruner(),
    lambda p: p.HyperbandPruner(1, 9, 2),
    lambda p: p.ThresholdPruner(upper=0.6),
    lambda p: p.ThresholdPruner(0.1, 0.9, 2, 3),
    lambda p: p.PatientPruner(None, 1, 0.0),
    lambda p: p.PatientPruner(p.MedianPruner(1), patience=0),
    lambda p: p.WilcoxonPruner(p_threshold=0.2, n_startup_steps=1),
]


@pytest.mark.parametrize("make", MAKERS)
def test_defaults_and_arguments_are_optunas(make, tmp_path):
    expected = states(None, make(optuna.pruners))
    assert states(None, make(pruners)) == expected
    assert states(trialog.JournalStorage(tmp_path / "a", durability="off"), make(pruners)) == expected
    if MAKERS.index(make) in (1, 5) and hasattr(optuna.storages, "journal"):  # slow
        backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "b"))
        assert states(optuna.storages.JournalStorage(backend), make(pruners)) == expected
    native = trialog.create_study(study_name="n", pruner=make(pruners), sampler=trialog.samplers.RandomSampler(seed=3))
    native.optimize(climbing_natively, n_trials=40)
    assert [(t.state.name, t.intermediate_values) for t in native.trials] == expected


def climbing_natively(trial):
    x = trial.suggest_float("x", 0, 1)
    for step in range(9):
        trial.report(x + step * 0.01, step)
        if trial.should_prune():
            raise trialog.TrialPruned
    return x


@pytest.mark.parametrize("make", MAKERS)
def test_copies_and_pickles(make):
    pruner = make(pruners)
    assert isinstance(pruner, optuna.pruners.BasePruner) and str(pruner) == type(make(optuna.pruners)).__name__
    expected = states(None, pruner)
    for twin in (copy.copy(pruner), copy.deepcopy(pruner), pickle.loads(pickle.dumps(pruner))):
        assert type(twin) is type(pruner) and states(None, twin) == expected


def test_bad_arguments():
    for make in (
        lambda p: p.MedianPruner(n_startup_trials=-1),
        lambda p: p.MedianPruner(interval_steps=0),
        lambda p: p.PercentilePruner(101.0),
        lambda p: p.SuccessiveHalvingPruner(min_resource=0),
        lambda p: p.SuccessiveHalvingPruner("auto", bootstrap_count=1),
        lambda p: p.HyperbandPruner(max_resource="later"),
        lambda p: p.ThresholdPruner(2.0, 1.0),
        lambda p: p.PatientPruner(None, -1),
        lambda p: p.WilcoxonPruner(p_threshold=2.0),
    ):
        for module in (optuna.pruners, pruners):
            with pytest.raises(ValueError):
                make(module)
    for module in (optuna.pruners, pruners):
        with pytest.raises(TypeError):
            module.ThresholdPruner()
        with pytest.raises(TypeError):
            module.WilcoxonPruner(0.1)


class EveryOther(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        return trial.number % 2 == 1


def falling(trial):
    for step, value in enumerate((1.0, 2.0, 3.0)):
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return 1.0


def test_patient_around_others():
    for inner in (EveryOther(), pruners.PatientPruner(EveryOther(), 0)):
        pruner = pruners.PatientPruner(inner, 0)
        study = optuna.create_study(pruner=pickle.loads(pickle.dumps(pruner)))
        study.optimize(falling, n_trials=6)
        assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED"] * 3
        with pytest.raises(TypeError, match="native"):
            trialog.create_study(pruner=pruner)
    nested = pruners.PatientPruner(pruners.PatientPruner(pruners.ThresholdPruner(upper=2.5), 0), 0)
    study = optuna.create_study(pruner=nested)
    study.optimize(falling, n_trials=1)
    assert study.trials[0].state.name == "PRUNED" and len(study.trials[0].intermediate_values) == 3


@pytest.mark.parametrize("ours", [True, False])
def test_threads(ours):
    found = states(trialog.JournalStorage("memory://") if ours else None, pruners.SuccessiveHalvingPruner(1, 2), 80, n_jobs=8)
    assert len(found) == 80 and {s for s, _ in found} == {"COMPLETE", "PRUNED"}


def test_one_pruner_and_sampler_share_a_mirror():
    from trialog._source import source_of

    study = optuna.create_study(pruner=pruners.MedianPruner(), sampler=trialog.samplers.TPESampler())
    study.optimize(climbing, n_trials=15)
    source = source_of(study)
    assert not source.exact and sum(source.store.counts(source.study_id)) == 15
    assert len(study.pruner._natives) == len(study.sampler._natives) == 1
    study.pruner.prune(study, study.ask().__dict__["_cached_frozen_trial"])
    del source
    pruner, sampler = study.pruner, study.sampler
    del study
    import gc

    gc.collect()
    assert len(pruner._natives) == len(sampler._natives) == 0, "what is remembered of a study goes with its storage"
