# SPDX-License-Identifier: MIT
"""Optuna's parameter importances of native studies: ``trialog.importance.get_param_importances(study)``. Needs Optuna, and scikit-learn for
its default evaluator."""
from __future__ import annotations

from typing import Any

from trialog._with_optuna import wrapped


def __getattr__(name: str) -> Any:
    return wrapped("optuna.importance", name)
