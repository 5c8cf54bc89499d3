# SPDX-License-Identifier: MIT
"""Trialog: hyperparameter optimisation on an operation log, for Python.

For Optuna's users: `storage=trialog.JournalStorage("study.journal")`. By itself: `import trialog as optuna` runs plain scripts. Everything
is loaded when it is first asked for, so that `import trialog` costs next to nothing and needs no other package.
"""
from __future__ import annotations

TYPE_CHECKING = False  # typing itself is not imported: it takes its time
if TYPE_CHECKING:
    from typing import Any

    from trialog import (
        distributions,
        exceptions,
        importance,
        logging,
        optuna,
        pruners,
        samplers,
        search_space,
        storages,
        study,
        trial,
        visualization,
    )
    from trialog._native import __version__
    from trialog.convert import from_optuna, to_optuna
    from trialog.exceptions import TrialPruned
    from trialog.optuna import JournalStorage
    from trialog.study import (
        Study,
        copy_study,
        create_study,
        delete_study,
        get_all_study_names,
        get_all_study_summaries,
        load_study,
    )
    from trialog.trial import FixedTrial, FrozenTrial, Trial, TrialState, create_trial

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
    "search_space",
    "storages",
    "study",
    "trial",
    "visualization",
)

__all__ = [
    "FixedTrial",
    "FrozenTrial",
    "JournalStorage",
    "Study",
    "Trial",
    "TrialPruned",
    "TrialState",
    "__version__",
    "copy_study",
    "create_study",
    "create_trial",
    "delete_study",
    "distributions",
    "exceptions",
    "from_optuna",
    "get_all_study_names",
    "get_all_study_summaries",
    "importance",
    "load_study",
    "logging",
    "optuna",
    "pruners",
    "samplers",
    "search_space",
    "storages",
    "study",
    "to_optuna",
    "trial",
    "visualization",
]


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
