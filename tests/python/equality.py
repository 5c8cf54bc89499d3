# SPDX-License-Identifier: MIT
"""When two studies are equal: what "nothing lost" means for copies between storages, and what may differ all the same.

Exceptions, each with its reason (docs/python.md has them in words):

  ids            `_study_id` and `_trial_id` are the storage's own
  study_name     a copy may have another one
  order          of attributes, parameters and reports: databases return them by their own keys
  NaN            equals itself here, wherever it stands
  numbers        1 and 1.0 are one value in objective and intermediate values: they are doubles in every storage
  choices        lists and tuples as categorical choices become lists: JSON has no tuples
  gaps           a local time that a clock skipped (daylight saving) comes back as the instant that it names
"""
import math


def plain(value):
    """A value in which NaN equals NaN, lists equal tuples, and True is not 1."""
    if isinstance(value, float) and math.isnan(value):
        return ("nan",)
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (bool, int, float)):
        return (type(value).__name__, value)
    return value


def distribution(d):
    return (type(d).__name__, {k: plain(v) for k, v in d._asdict().items()})


def trial(t):
    return {
        "number": t.number,
        "state": t.state.name,
        "values": None if t.values is None else [plain(float(v)) for v in t.values],
        "datetime_start": t.datetime_start,
        "datetime_complete": t.datetime_complete,
        "params": plain(t.params),
        "distributions": {k: distribution(d) for k, d in t.distributions.items()},
        "user_attrs": plain(t.user_attrs),
        "system_attrs": plain(t.system_attrs),
        "intermediate_values": {k: plain(float(v)) for k, v in t.intermediate_values.items()},
    }


def study(s):
    return {
        "directions": [d.name for d in s.directions],
        "user_attrs": plain(s.user_attrs),
        "system_attrs": plain(s._storage.get_study_system_attrs(s._study_id)),
        "trials": [trial(t) for t in s.get_trials(deepcopy=False)],
    }


def check(a, b):
    """Raises AssertionError that names the first difference."""
    x, y = study(a), study(b)
    assert len(x["trials"]) == len(y["trials"]), (len(x["trials"]), len(y["trials"]))
    for mine, other in zip(x["trials"], y["trials"]):
        for key in mine:
            assert mine[key] == other[key], (mine["number"], key, mine[key], other[key])
    for key in x:
        assert x[key] == y[key], (key, x[key], y[key])
