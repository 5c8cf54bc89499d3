# SPDX-License-Identifier: MIT
"""The random sampler."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trialog._source import source_of
from trialog.samplers._base import BaseSampler

if TYPE_CHECKING:
    from trialog.distributions import BaseDistribution
    from trialog.study import Study
    from trialog.trial import FrozenTrial


def check_seed(seed: Any, most: int = 2**64 - 1) -> int | None:
    if seed is None:
        return None
    number = int(seed)
    if number != seed or not 0 <= number <= most:
        raise ValueError(f"The seed must be a whole number from 0 to {most}, not {seed!r}.")
    return number


class RandomSampler(BaseSampler):
    """Every parameter independently and uniformly, uniformly in the logarithm with ``log=True``.

    A value depends on the seed, the trial's number and the parameter's name only, so the same seed gives the same trials with one worker
    or with many.

    Args:
        seed: from 0 to 2**64 - 1; None: one from the operating system.
    """

    _name = "random"

    def __init__(self, seed: int | None = None) -> None:
        self._seed = check_seed(seed)
        self._ready()

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The value of one parameter; the study is not looked at."""
        return self._for(source_of(study)).independent(None, 0, trial.number, 0, param_name, param_distribution)
