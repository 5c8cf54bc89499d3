# SPDX-License-Identifier: MIT
"""Pruners: whether a running trial is worth going on with. For studies of Optuna's, on any storage, and for those of ours.

Arguments, defaults and decisions are those of Optuna's pruners of the same names, and what either side writes with a trial (the rungs of
successive halving) counts for the other.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trialog import _native
from trialog._part import Part, text
from trialog._source import source_of

if TYPE_CHECKING:
    from trialog.trial import FrozenTrial

__all__ = [
    "BasePruner",
    "HyperbandPruner",
    "MedianPruner",
    "NopPruner",
    "PatientPruner",
    "PercentilePruner",
    "SuccessiveHalvingPruner",
    "ThresholdPruner",
    "WilcoxonPruner",
]


class BasePruner(Part):
    """A pruner of Trialog's. Optuna calls `prune`; in a native study the library asks its pruner by itself."""

    _optuna = ("pruners", "BasePruner")
    _name = ""
    _texts: dict[str, str] = {}

    def _start(self, **options: Any) -> None:
        self._texts = {k: text(v) for k, v in options.items() if v is not None}
        self._ready()

    def _make(self) -> Any:
        return _native.Pruner(self._name, self._texts)

    def prune(self, study: Any, trial: FrozenTrial) -> bool:
        """Should this trial stop, by what it has reported so far?"""
        source = source_of(study)
        source.refresh(study)
        stop: bool
        stop, attrs = self._for(source).decide(source.store, source.study_id, trial.number, source.handle)
        if attrs:  # before anybody acts on the answer
            for key, value in attrs.items():
                study._storage.set_trial_system_attr(trial._trial_id, key, value)
        return stop


class NopPruner(BasePruner):
    """Never prunes."""

    _name = "nop"

    def __init__(self) -> None:
        self._start()


class MedianPruner(BasePruner):
    """Stops a trial whose best value so far is worse than the median of the others at the same step.

    Args:
        n_startup_trials: nothing is pruned before so many trials are complete.
        n_warmup_steps: nothing is pruned at steps below this one.
        interval_steps: one check per so many steps, from ``n_warmup_steps`` on.
        n_min_trials: nothing is pruned while fewer complete trials have reported the step.
    """

    _name = "median"

    def __init__(
        self, n_startup_trials: int = 5, n_warmup_steps: int = 0, interval_steps: int = 1, *, n_min_trials: int = 1
    ) -> None:
        self._start(
            n_startup_trials=n_startup_trials, n_warmup_steps=n_warmup_steps, interval_steps=interval_steps,
            n_min_trials=n_min_trials,
        )


class PercentilePruner(BasePruner):
    """As `MedianPruner`, with another percentile: 25.0 lets the best quarter go on."""

    _name = "percentile"

    def __init__(
        self, percentile: float, n_startup_trials: int = 5, n_warmup_steps: int = 0, interval_steps: int = 1, *,
        n_min_trials: int = 1,
    ) -> None:
        self._start(
            percentile=percentile, n_startup_trials=n_startup_trials, n_warmup_steps=n_warmup_steps,
            interval_steps=interval_steps, n_min_trials=n_min_trials,
        )


class SuccessiveHalvingPruner(BasePruner):
    """Lets the best trials go on from rung to rung (asynchronous successive halving).

    Args:
        min_resource: the step of the first rung, or ``"auto"``: a hundredth of the first complete trials' last step.
        reduction_factor: one in so many trials goes on from a rung, and the next one is so many times as far.
        min_early_stopping_rate: how many times the first rung is moved up by the factor.
        bootstrap_count: no trial goes on from a rung before more than so many have reached it; not with ``"auto"``.
    """

    _name = "successive_halving"

    def __init__(
        self, min_resource: str | int = "auto", reduction_factor: int = 4, min_early_stopping_rate: int = 0,
        bootstrap_count: int = 0,
    ) -> None:
        self._start(
            min_resource=min_resource, reduction_factor=reduction_factor, min_early_stopping_rate=min_early_stopping_rate,
            bootstrap_count=bootstrap_count,
        )


class HyperbandPruner(BasePruner):
    """Several successive halvings that begin sooner and later; a trial's bracket follows from the study's name and its number.

    Samplers look at the whole study, not at the trials of one bracket only as with Optuna's own pruner of this name.

    Args:
        min_resource: the step of the first rung of the first bracket.
        max_resource: the last step of a trial, or ``"auto"``: that of the first complete trials, and 1.
        reduction_factor, bootstrap_count: as for `SuccessiveHalvingPruner`.
    """

    _name = "hyperband"

    def __init__(
        self, min_resource: int = 1, max_resource: str | int = "auto", reduction_factor: int = 3, bootstrap_count: int = 0
    ) -> None:
        self._start(
            min_resource=min_resource, max_resource=max_resource, reduction_factor=reduction_factor,
            bootstrap_count=bootstrap_count,
        )


class ThresholdPruner(BasePruner):
    """Stops a trial whose value is below ``lower``, above ``upper`` or NaN; one bound at least must be given.

    Args:
        n_warmup_steps, interval_steps: as for `MedianPruner`.
    """

    _name = "threshold"

    def __init__(
        self, lower: float | None = None, upper: float | None = None, n_warmup_steps: int = 0, interval_steps: int = 1
    ) -> None:
        if lower is None and upper is None:
            raise TypeError("ThresholdPruner needs lower or upper.")
        self._start(
            lower=None if lower is None else float(lower), upper=None if upper is None else float(upper),
            n_warmup_steps=n_warmup_steps, interval_steps=interval_steps,
        )


class PatientPruner(BasePruner):
    """Lets another pruner decide once the last ``patience`` + 1 steps are all worse than the best before them.

    Args:
        wrapped_pruner: a pruner of Trialog's, of Optuna's, or anything with a method ``prune(study, trial)``; None: the trial stops
            then. In a native study: one of Trialog's, or None.
        min_delta: by how much they must be worse.
    """

    _name = "patient"

    def __init__(self, wrapped_pruner: Any, patience: int, min_delta: float = 0.0) -> None:
        inner = wrapped_pruner if isinstance(wrapped_pruner, BasePruner) else None
        if isinstance(inner, PatientPruner) and inner._other is not None:
            inner = None  # what it wraps is not ours: Python asks it
        self._other: Any = wrapped_pruner if inner is None else None
        options: dict[str, Any] = {"patience": patience, "min_delta": float(min_delta)}
        if inner is not None:
            options["wrapped_pruner"] = inner._name
            options.update({"wrapped_pruner." + k: v for k, v in inner._texts.items()})
        self._start(**options)

    def prune(self, study: Any, trial: FrozenTrial) -> bool:
        """Should this trial stop, by what it has reported so far?"""
        stop = super().prune(study, trial)
        return bool(self._other.prune(study, trial)) if stop and self._other is not None else stop

    @property
    def _native(self) -> Any:
        if self._other is not None:
            raise TypeError(f"{self._other!r} is no pruner of Trialog's: a native study cannot ask it.")
        return super()._native


class WilcoxonPruner(BasePruner):
    """Steps are instances of a problem: stops a trial that a signed-rank test says is worse than the best one.

    Args:
        p_threshold: prune when a difference like this is less likely than that by chance.
        n_startup_steps: nothing is pruned before so many steps can be compared.
    """

    _name = "wilcoxon"

    def __init__(self, *, p_threshold: float = 0.1, n_startup_steps: int = 2) -> None:
        self._start(p_threshold=float(p_threshold), n_startup_steps=n_startup_steps)
