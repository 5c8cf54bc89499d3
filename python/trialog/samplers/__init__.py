# SPDX-License-Identifier: MIT
"""Samplers: who chooses the parameters. For studies of Optuna's, on any storage, and for those of ours."""
from trialog.samplers._base import BaseSampler
from trialog.samplers._grid import GridSampler
from trialog.samplers._random import RandomSampler
from trialog.samplers._tpe import TPESampler

__all__ = ["BaseSampler", "GridSampler", "RandomSampler", "TPESampler"]
