# SPDX-License-Identifier: MIT
"""Trialog: hyperparameter optimisation on an operation log, for Python.

For Optuna's users: `storage=trialog.JournalStorage("study.journal")`. By itself: `import trialog as optuna` runs plain scripts. Everything
is loaded when it is first asked for, so that `import trialog` costs next to nothing and needs no other package.
"""
from __future__ import annotations

from typing import Any

# name -> module that has it
_LAZY = {
    "FixedTrial": "trialog.trial",
    "FrozenTrial": "trialog.trial",
    "JournalStorage": "trialog.optuna",
    "Study": "trialog.study",
    "Trial": "trialog.trial",
    "TrialPruned": "trialog.exceptions",
    "TrialState": "trialog.trial",
    "copy_study": "trialog.study",
    "create_study": "trialog.study",
    "create_trial": "trialog.trial",
    "delete_study": "trialog.study",
    "from_optuna": "trialog.convert",
    "get_all_study_names": "trialog.study",
    "get_all_study_summaries": "trialog.study",
    "load_study": "trialog.study",
    "to_optuna": "trialog.convert",
}
# submodules that may be named without importing them first
_MODULES = (
    "distributions",
    "exceptions",
    "importance",
    "logging",
    "optuna",
    "pruners",
    "samplers",
    "storages",
    "study",
    "trial",
    "visualization",
)

__all__ = sorted([*_LAZY, *_MODULES, "__version__"])


def _find(name: str) -> Any:
    import importlib

    if name == "__version__":
        from trialog._native import __version__

        return __version__
    if name == "JournalStorage":
        try:
            return importlib.import_module("trialog.optuna").JournalStorage
        except ModuleNotFoundError as e:
            if (e.name or "").partition(".")[0] != "optuna":
                raise
            return importlib.import_module("trialog.storages").JournalStorage  # without Optuna: for native studies
    return getattr(importlib.import_module(_LAZY[name]), name)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        import importlib

        return importlib.import_module("trialog." + name)
    if name not in _LAZY and name != "__version__":
        raise AttributeError(f"module 'trialog' has no attribute {name!r}")
    value = _find(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
