# SPDX-License-Identifier: MIT
"""The TPE sampler."""
from __future__ import annotations

import logging
import math
import warnings
from typing import TYPE_CHECKING, Any, Callable, Sequence

from trialog import _native
from trialog._part import text
from trialog._source import source_of
from trialog.samplers._base import BaseSampler, _kit
from trialog.samplers._random import check_seed

if TYPE_CHECKING:
    from trialog.distributions import BaseDistribution
    from trialog.trial import FrozenTrial, TrialState

_logger = logging.getLogger("trialog.samplers")


def default_gamma(x: int) -> int:
    """How many of ``x`` trials are good, as Optuna has it for one objective."""
    return min(math.ceil(0.1 * x), 25)


def hyperopt_default_gamma(x: int) -> int:
    """How many of ``x`` trials are good, as Hyperopt has it."""
    return min(math.ceil(0.25 * math.sqrt(x)), 25)


def default_weights(x: int) -> list[float]:
    """The weights of ``x`` trials, the oldest first: the newest 25 weigh 1, older ones less and less."""
    if x < 25:
        return [1.0] * x
    ramp = x - 25
    return [1 / x + (1 - 1 / x) * i / max(1, ramp - 1) for i in range(ramp)] + [1.0] * 25


# functions that the library has itself, by their names here and in Optuna
_GAMMAS = {"default_gamma": "0.1*n,25", "hyperopt_default_gamma": "0.25*sqrt(n),25"}
_HOMES = ("trialog.samplers._tpe", "optuna.samplers._tpe.sampler")
# Optuna's old order of positional arguments
_POSITIONS = (
    "consider_prior", "prior_weight", "consider_magic_clip", "consider_endpoints", "n_startup_trials", "n_ei_candidates", "gamma",
    "weights", "seed",
)


def _built_in(function: Any) -> str | None:
    return function.__name__ if getattr(function, "__module__", None) in _HOMES else None


class TPESampler(BaseSampler):
    """The tree-structured Parzen estimator, on the library's engine.

    Arguments are those of ``optuna.samplers.TPESampler``; what differs:

    Args:
        preset: the defaults of everything else. ``"tpe2"`` (the default) finds good values in fewer trials; ``"optuna5"`` and
            ``"optuna4"`` choose as those versions of Optuna do.
        multivariate: None: jointly with one objective (``"optuna4"``: one by one).
        constant_liar: None: keep away from what others are trying (``"optuna4"``: do not).
        gamma, weights: functions take a slow way, which reads all finished trials for each proposal; Optuna's own ones and
            None do not. ``gamma`` may also be a text such as ``"0.1*n,25"``.
        consider_prior: taken and ignored: there always is a prior.
        warn_independent_sampling: off by default.
        mo_weights, constraint_scale: see ``trialog sampler tpe`` or docs/samplers.md.
        categorical_distance_func: not supported: Optuna 5 has taken it away, and a categorical parameter has no distances here. Use
            an int parameter where choices have an order.
    """

    _name = "tpe"

    def __init__(
        self,
        *args: Any,
        consider_prior: bool | None = None,
        prior_weight: float | None = None,
        consider_magic_clip: bool | None = None,
        consider_endpoints: bool | None = None,
        n_startup_trials: int = 10,
        n_ei_candidates: int = 24,
        gamma: Callable[[int], int] | str | None = None,
        weights: Callable[[int], Sequence[float]] | None = None,
        seed: int | None = None,
        multivariate: bool | None = None,
        group: bool = False,
        warn_independent_sampling: bool | None = None,
        constant_liar: bool | None = None,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        categorical_distance_func: dict[str, Callable[[Any, Any], float]] | None = None,
        preset: str = "tpe2",
        mo_weights: str | None = None,
        constraint_scale: str | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "consider_prior": consider_prior, "prior_weight": prior_weight, "consider_magic_clip": consider_magic_clip,
            "consider_endpoints": consider_endpoints, "n_startup_trials": n_startup_trials, "n_ei_candidates": n_ei_candidates,
            "gamma": gamma, "weights": weights, "seed": seed, "multivariate": multivariate, "group": group,
            "constant_liar": constant_liar, "preset": preset, "mo_weights": mo_weights, "constraint_scale": constraint_scale,
        }
        if args:
            if len(args) > len(_POSITIONS):
                raise TypeError(f"TPESampler takes {len(_POSITIONS)} positional arguments at most, {len(args)} were given.")
            given.update(zip(_POSITIONS, args))
        if categorical_distance_func:
            raise ValueError(
                "categorical_distance_func is not supported: Optuna 5 has taken it away, and choices have no distances here. Use an int "
                "parameter where choices have an order."
            )
        if multivariate is False and group:
            raise ValueError("group=True needs multivariate: leave multivariate=False out.")
        self._seed = check_seed(given["seed"])
        self._gamma = self._weights = None
        if given["gamma"] is not None and not isinstance(given["gamma"], str):
            known = _GAMMAS.get(_built_in(given["gamma"]) or "")
            self._gamma = None if known else given["gamma"]
            given["gamma"] = known
        if given["weights"] is not None and _built_in(given["weights"]) != "default_weights":
            self._weights = given["weights"]
        self._n_startup_trials = given["n_startup_trials"]
        self._group = group
        self._multivariate = multivariate
        self._preset = preset
        self._warn_independent_sampling = bool(warn_independent_sampling)
        self._constraints_func = constraints_func
        self._texts = {
            k: text(v) for k, v in given.items() if v is not None and k not in ("consider_prior", "weights", "seed")
        }
        self._ready()

    def _options(self) -> dict[str, str]:
        return {**self._texts, **super()._options()}

    def _make(self) -> Any:
        return _native.Sampler(self._name, self._options(), self._gamma, self._weights)

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that will be proposed jointly."""
        source = source_of(study)
        source.refresh(study, trial.number, "space")
        space: dict[str, BaseDistribution] = self._for(source).space(
            source.store, source.study_id, trial.number, source.handle, _kit()
        )
        return space

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Joint values of these parameters, when there are trials enough."""
        if not search_space:
            return {}
        source = source_of(study)
        source.refresh(study, trial.number, "joint")
        params: dict[str, Any]
        params, attrs = self._for(source).joint(source.store, source.study_id, trial.number, source.handle, search_space)
        if attrs:  # for others to see before the trial has these parameters
            for key, value in attrs.items():
                study._storage.set_trial_system_attr(trial._trial_id, key, value)
        return params

    def sample_independent(
        self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The value of one parameter by itself."""
        source = source_of(study)
        source.refresh(study, trial.number, "single")
        native = self._for(source)
        if self._warn_independent_sampling:
            self._warn(study, native, source, trial, param_name)
        return native.independent(
            source.store, source.study_id, trial.number, source.handle, param_name, param_distribution
        )

    def _warn(self, study: Any, native: Any, source: Any, trial: Any, name: str) -> None:
        joint = self._multivariate
        if joint is None:
            joint = self._group or (self._preset != "optuna4" and len(study.directions) == 1)
        if joint and native.stray(source.store, source.study_id, trial.number, source.handle, name, self._n_startup_trials):
            _logger.warning(
                "Trial %d: parameter '%s' is sampled by itself, without a look at the others, because not all trials have it, or not "
                "with the same range. With group=True parameters that come together are sampled jointly; "
                "warn_independent_sampling=False silences this.",
                trial.number, name,
            )

    def after_trial(
        self, study: Any, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Stores the trial's constraints when there is a function for them."""
        if self._constraints_func is not None and int(state) in (1, 2):
            self._constrain(trial, lambda key, value: study._storage.set_trial_system_attr(trial._trial_id, key, value))

    def _constrain(self, trial: Any, store: Callable[[str, Any], None]) -> None:
        constraints = None
        try:
            found = self._constraints_func(trial)  # type: ignore[misc]
            if any(math.isnan(c) for c in found):
                raise ValueError("A constraint is NaN.")
            if not isinstance(found, (tuple, list)):
                warnings.warn(f"constraints_func should return a sequence of floats, not {type(found).__name__}.", stacklevel=2)
            constraints = tuple(float(c) for c in found)
        finally:
            store("constraints", constraints)

    @staticmethod
    def hyperopt_parameters() -> dict[str, Any]:
        """Arguments with which the sampler is that of Hyperopt 0.1.2."""
        return {
            "consider_prior": True, "prior_weight": 1.0, "consider_magic_clip": True, "consider_endpoints": False,
            "n_startup_trials": 20, "n_ei_candidates": 24, "gamma": hyperopt_default_gamma, "weights": default_weights,
        }
