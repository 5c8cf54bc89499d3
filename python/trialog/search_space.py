# SPDX-License-Identifier: MIT
"""The parameters that all trials of a study have, by Optuna's names."""
from __future__ import annotations

from typing import Any, Sequence

from trialog.distributions import BaseDistribution
from trialog.trial import FrozenTrial, TrialState

__all__ = ["IntersectionSearchSpace", "intersection_search_space"]


def intersection_search_space(trials: Sequence[FrozenTrial], include_pruned: bool = False) -> dict[str, BaseDistribution]:
    """The parameters with equal distributions in all complete (and pruned, if asked) trials, sorted by name."""
    wanted = (TrialState.COMPLETE, TrialState.PRUNED) if include_pruned else (TrialState.COMPLETE,)
    common: dict[str, BaseDistribution] | None = None
    for trial in trials:
        if trial.state in wanted:
            if common is None:
                common = dict(trial.distributions)
            common = {name: d for name, d in common.items() if trial.distributions.get(name) == d}
    return dict(sorted((common or {}).items()))


class IntersectionSearchSpace:
    """The same for one study after another trial: ``calculate(study)``."""

    def __init__(self, include_pruned: bool = False) -> None:
        self._include_pruned = include_pruned

    def calculate(self, study: Any) -> dict[str, BaseDistribution]:
        """The parameters that all trials of the study have so far."""
        return intersection_search_space(study.get_trials(deepcopy=False), self._include_pruned)
