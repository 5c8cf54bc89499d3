# SPDX-License-Identifier: MIT
"""The native API beside Optuna: every scenario of native_scenarios.py on both modules, equal in results, exceptions and warnings."""
import importlib
import math
import warnings

import pytest

import native_scenarios

BUILTIN_WARNINGS = (RuntimeWarning, FutureWarning, DeprecationWarning, UserWarning)
SCENARIOS = sorted(name for name, f in vars(native_scenarios).items() if callable(f) and not name.startswith("_"))


def plain(value):
    """A result without what may differ: classes of the two modules, NaN that is not itself."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return value


def kind(error):
    for cls in type(error).__mro__:
        if cls.__module__ == "builtins" or cls.__name__ in native_scenarios._OWN:
            return cls.__name__


def run(scenario, module):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = ("returned", plain(scenario(importlib.import_module(module))))
        except Exception as e:
            result = ("raised", kind(e))
    seen = [next(c.__name__ for c in BUILTIN_WARNINGS if issubclass(w.category, c)) for w in caught
            if issubclass(w.category, BUILTIN_WARNINGS)]  # Optuna's experimental warnings are its own
    return result, seen


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_as_optuna(name):
    scenario = getattr(native_scenarios, name)
    ours, optunas = run(scenario, "trialog"), run(scenario, "optuna")
    assert ours == optunas
