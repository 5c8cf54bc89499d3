# SPDX-License-Identifier: MIT
"""Functions of Optuna's modules that take native studies."""
from __future__ import annotations

import functools
import importlib
from typing import Any


def _converted(value: Any) -> Any:
    from trialog.convert import to_optuna
    from trialog.study import Study
    from trialog.trial import FrozenTrial

    if isinstance(value, (Study, FrozenTrial)):
        return to_optuna(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, (Study, FrozenTrial)) for v in value):
        return type(value)(_converted(v) for v in value)
    return value


def wrapped(module: str, name: str) -> Any:
    """The attribute ``name`` of a module of Optuna's; a function converts the native objects among its arguments first."""
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError as e:
        raise ImportError(f"trialog.{module.partition('.')[2]} needs Optuna: pip install optuna") from e
    if isinstance(found, type) or not callable(found):
        return found

    @functools.wraps(found)
    def call(*args: Any, **kwargs: Any) -> Any:
        return found(*map(_converted, args), **{key: _converted(value) for key, value in kwargs.items()})

    return call
