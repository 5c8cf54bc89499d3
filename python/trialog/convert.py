# SPDX-License-Identifier: MIT
"""Between native objects and Optuna's: studies, trials, distributions, states and directions.

Nothing is lost on the way: both have the same parts. A study that goes to Optuna is not copied, it is the same journal opened a second
time, so Optuna sees later trials as well. A study that comes from Optuna is copied, trial by trial, unless it lies in a journal of ours.
"""
from __future__ import annotations

from typing import Any

from trialog import distributions as _ours
from trialog.study import Study, StudyDirection, create_study
from trialog.trial import FrozenTrial, TrialState

__all__ = ["from_optuna", "to_optuna"]

# What the objects are made of; the same in all Optunas from 3.1 on.
_KINDS = ("FloatDistribution", "IntDistribution", "CategoricalDistribution")


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as e:
        raise ImportError("This needs Optuna: pip install optuna") from e
    return optuna


def _dist(d: Any, module: Any) -> Any:
    name = type(d).__name__
    if name not in _KINDS:
        d = _ours._modern(d) if isinstance(d, _ours.BaseDistribution) else _ours.json_to_distribution(
            _optuna().distributions.distribution_to_json(d)
        )
        d = _ours._modern(d)
        name = type(d).__name__
    if name == "CategoricalDistribution":
        return getattr(module, name)(d.choices)
    return getattr(module, name)(d.low, d.high, log=d.log, step=d.step)


def _trial(trial: Any, cls: Any, state: Any, module: Any) -> Any:
    return cls(
        number=trial.number,
        state=state(int(trial.state)),
        value=None,
        values=trial.values,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=dict(trial.params),
        distributions={name: _dist(d, module) for name, d in trial.distributions.items()},
        user_attrs=dict(trial.user_attrs),
        system_attrs=dict(trial.system_attrs),
        intermediate_values=dict(trial.intermediate_values),
        trial_id=trial._trial_id,
    )


def to_optuna(obj: Any) -> Any:
    """Optuna's object for a native one: a Study, FrozenTrial, distribution, TrialState or StudyDirection.

    A study shares its journal with the result, whose sampler and pruner are Optuna's defaults. ``trialog.visualization`` does this by
    itself.
    """
    optuna = _optuna()
    if isinstance(obj, Study):
        from trialog.optuna import JournalStorage

        storage = JournalStorage(obj._native_storage.url)
        return optuna.load_study(study_name=obj.study_name, storage=storage)
    if isinstance(obj, FrozenTrial):
        return _trial(obj, optuna.trial.FrozenTrial, optuna.trial.TrialState, optuna.distributions)
    if isinstance(obj, _ours.BaseDistribution):
        return _dist(obj, optuna.distributions)
    if isinstance(obj, TrialState):
        return optuna.trial.TrialState(int(obj))
    if isinstance(obj, StudyDirection):
        return optuna.study.StudyDirection(int(obj))
    raise TypeError(f"{obj!r} is no object of a native study")


def from_optuna(obj: Any, storage: Any = None, study_name: str | None = None) -> Any:
    """The native object for one of Optuna's: a Study, FrozenTrial, distribution, TrialState or StudyDirection.

    A study is copied to ``storage`` (as for ``create_study``) under its own name or ``study_name``, with all trials, attributes and times.
    """
    optuna = _optuna()
    if isinstance(obj, optuna.study.Study):
        return _study_from(obj, storage, study_name)
    if isinstance(obj, optuna.trial.FrozenTrial):
        return _trial(obj, FrozenTrial, TrialState, _ours)
    if isinstance(obj, optuna.distributions.BaseDistribution):
        return _dist(obj, _ours)
    if isinstance(obj, optuna.trial.TrialState):
        return TrialState(int(obj))
    if isinstance(obj, optuna.study.StudyDirection):
        return StudyDirection(int(obj))
    raise TypeError(f"{obj!r} is none of Optuna's objects")


def _study_from(source: Any, storage: Any, study_name: str | None) -> Study:
    target = create_study(
        storage=storage,
        study_name=study_name or source.study_name,
        directions=[StudyDirection(int(d)) for d in source.directions],
    )
    for key, value in source._storage.get_study_system_attrs(source._study_id).items():
        target.set_system_attr(key, value)
    for key, value in source.user_attrs.items():
        target.set_user_attr(key, value)
    for trial in source.get_trials(deepcopy=False):
        target._native_storage.create_trial(target._study_id, trial)
    return target
