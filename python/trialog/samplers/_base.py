# SPDX-License-Identifier: MIT
"""The part of all samplers that Optuna calls."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from trialog import _native
from trialog._part import Part
from trialog._source import source_of

if TYPE_CHECKING:
    from trialog.distributions import BaseDistribution
    from trialog.trial import FrozenTrial, TrialState


def _kit() -> Any:
    from trialog.optuna import _kit as kit

    return kit


class BaseSampler(Part):
    """A sampler of Trialog's. The methods are those of Optuna's samplers, which `optuna.study` calls; in a native study the library asks
    its sampler by itself."""

    _optuna = ("samplers", "BaseSampler")
    _name = ""
    _seed: int | None = None

    def _options(self) -> dict[str, str]:
        return {} if self._seed is None else {"seed": str(self._seed)}

    def _make(self) -> Any:
        return _native.Sampler(self._name, self._options())

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that the next call will be asked for."""
        return {}

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Joint values of these parameters, or of some of them."""
        return {}

    def sample_independent(
        self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The value of one parameter by itself."""
        source = source_of(study)
        source.refresh(study, trial.number, "single")
        return self._for(source).independent(
            source.store, source.study_id, trial.number, source.handle, param_name, param_distribution
        )

    def before_trial(self, study: Any, trial: FrozenTrial) -> None:
        """When a trial begins."""

    def after_trial(
        self, study: Any, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Before a trial ends in this state."""

    def reseed_rng(self) -> None:
        """New random numbers, if the sampler was made without a seed. With one there is nothing to do: the values of a trial depend on
        the seed, the trial's number and the finished trials only, so workers that share a seed draw different values all the same."""
        if self._seed is None:
            self._forget()
