# SPDX-License-Identifier: MIT
"""Trialog: hyperparameter optimisation on an operation log, for Python.

For Optuna's users: `storage=trialog.JournalStorage("study.journal")`. Everything else is loaded when it is first asked for, so that
`import trialog` costs next to nothing and needs no other package.
"""

# name -> module that has it
_LAZY = {
    "JournalStorage": "trialog.optuna",
}
# submodules that may be named without importing them first
_MODULES = ("optuna",)

__all__ = sorted([*_LAZY, *_MODULES, "__version__"])


def __getattr__(name):
    import importlib

    if name == "__version__":
        from trialog._native import __version__ as value
    elif name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
    elif name in _MODULES:
        return importlib.import_module("trialog." + name)
    else:
        raise AttributeError(f"module 'trialog' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
