# SPDX-License-Identifier: MIT
"""The grid sampler."""
from __future__ import annotations

import json
import logging
import warnings
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from trialog._source import source_of
from trialog.samplers._base import BaseSampler
from trialog.samplers._random import check_seed

if TYPE_CHECKING:
    from trialog.distributions import BaseDistribution
    from trialog.study import Study
    from trialog.trial import FrozenTrial, TrialState

_logger = logging.getLogger("trialog.samplers")


def _plain_value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    warnings.warn(
        f"{name} has a value of type {type(value)}: a grid's values should be str, int, float, bool or None.", stacklevel=4
    )
    return value.item() if hasattr(value, "item") else value


class GridSampler(BaseSampler):
    """Every combination of the listed values (a cell), each tried once.

    On a storage of ours that holds over all workers: a cell is claimed under the journal's lock. A cell whose trial fails is free again,
    up to ``retries`` times. On other storages, which have nothing to decide under, it holds within one process; workers in several processes
    may now and then try the same cell. Cells are numbered as in Optuna, so both kinds of workers can share a study.

    When no cell is left that nobody tries, the study stops. A trial that began although none was left (another worker was faster) is
    pruned at its first parameter, or, outside of ``optimize``, failed, and ``study.ask`` raises RuntimeError.

    Args:
        search_space: name -> values. They are used as they are, also outside of the range that the objective asks for.
        seed: order of the cells; the same for all workers. None is 0.
        retries: how often a cell whose trial failed is issued again; -1: never.
    """

    _name = "grid"

    def __init__(self, search_space: Mapping[str, Sequence[Any]], seed: int | None = None, *, retries: int = 6) -> None:
        self._seed = check_seed(seed, 2**32 - 1) or 0
        self._retries = int(retries)
        self._search_space = {str(name): list(values) for name, values in sorted(search_space.items())}
        self._text = json.dumps(
            {name: [_plain_value(name, v) for v in values] for name, values in self._search_space.items()}
        )
        # the library has its axes in the order of UTF-8, which is that of str
        self._axes = {name: i for i, name in enumerate(self._search_space)}
        self._ready()

    def _options(self) -> dict[str, str]:
        return {"search_space": self._text, "seed": str(self._seed), "retries": str(self._retries)}

    def before_trial(self, study: Any, trial: FrozenTrial) -> None:
        """Claims a cell, unless the trial has one or comes with parameters."""
        if "grid_id" in trial.system_attrs or "fixed_params" in trial.system_attrs:
            return
        source = source_of(study)
        native = self._for(source)
        if source.exact:
            claimed = native.claim(source.store, trial._trial_id, source.handle)
        else:
            with source.claims:
                source.refresh(study)
                attrs = native.preview(source.store, source.study_id, trial.number, source.handle)
                claimed = attrs is not None
                for key, value in (attrs or {}).items():
                    study._storage.set_trial_system_attr(trial._trial_id, key, value)
        if not claimed:
            self._nothing_left(study, source, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing is proposed jointly. Before 3.3, Optuna calls this first of all when a trial begins."""
        import optuna

        if not hasattr(optuna.samplers.BaseSampler, "before_trial"):
            self.before_trial(study, trial)
        return {}

    def _nothing_left(self, study: Any, source: Any, trial: Any) -> None:
        source.spent.add(trial._trial_id)
        if not _stop(study):
            from optuna.trial import TrialState

            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            raise RuntimeError("Every cell of the grid is done or being tried: the trial that was just begun has been failed.")
        _logger.info("Trial %d finds no cell of the grid that nobody tries; the study stops.", trial.number)

    def sample_independent(
        self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The cell's value of this parameter."""
        source = source_of(study)
        if trial._trial_id in source.spent:
            from optuna.exceptions import TrialPruned

            raise TrialPruned("every cell of the grid is done or being tried")
        attrs = trial.system_attrs
        if "grid_id" not in attrs:
            raise ValueError("All parameters must be given when a trial is enqueued for a grid.")
        if param_name not in self._axes:
            raise ValueError(f"The grid has no parameter '{param_name}'.")
        cell = self._for(source).cell(attrs["grid_id"], len(self._axes))
        value = self._search_space[param_name][cell[self._axes[param_name]]]
        if not param_distribution._contains(param_distribution.to_internal_repr(value)):
            warnings.warn(
                f"The grid's value {value!r} of parameter '{param_name}' is outside of {param_distribution}; it is used all the same.",
                stacklevel=2,
            )
        return value

    def after_trial(
        self, study: Any, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Stops the study when no cell is left."""
        source = source_of(study)
        source.spent.discard(trial._trial_id)
        if (int(state) != 3 or self._retries < 0) and self._exhausted(study, source, trial.number + 1):
            _stop(study)

    def _exhausted(self, study: Any, source: Any, number: int) -> bool:
        source.refresh(study)
        return self._for(source).preview(source.store, source.study_id, number, source.handle) is None

    def is_exhausted(self, study: Any) -> bool:
        """Is every cell done or being tried?"""
        return self._exhausted(study, source_of(study), 2**62)

    def reseed_rng(self) -> None:
        """Nothing: the order of cells must be the same for all workers."""


def _stop(study: Any) -> bool:
    """False: there is no loop to stop."""
    try:
        study.stop()
    except RuntimeError:
        return False
    return True
