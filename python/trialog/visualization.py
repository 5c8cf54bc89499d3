# SPDX-License-Identifier: MIT
"""Optuna's plots of native studies: ``trialog.visualization.plot_optimization_history(study)``.

Each function of optuna.visualization is here; native studies among its arguments become Optuna's (trialog.to_optuna). Needs Optuna and what
its plots need (plotly). Without them, `trialog plot` draws in the terminal.
"""
from __future__ import annotations

from typing import Any

from trialog._with_optuna import wrapped


def __getattr__(name: str) -> Any:
    return wrapped("optuna.visualization", name)
