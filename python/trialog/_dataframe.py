# SPDX-License-Identifier: MIT
"""Study.trials_dataframe: the trials as a table, with the columns that Optuna's has. pandas is imported here alone."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trialog.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    import pandas as pd

    from trialog.study import Study


def _cells(trial: FrozenTrial, attr: str, names: list[str] | None, n_objectives: int) -> dict[Any, Any]:
    """What one attribute of one trial puts into the table, by the second part of the column's name."""
    value: Any = getattr(trial, attr)
    if attr == "value":
        return {names[0] if names else "": value}
    if attr == "values":
        values = value if value is not None else [None] * n_objectives
        return dict(zip(names, values)) if names else dict(enumerate(values))
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return dict(enumerate(value))
    return {"": value.name if isinstance(value, TrialState) else value}


def trials_dataframe(study: Study, attrs: tuple[str, ...], multi_index: bool) -> pd.DataFrame:
    """A row for each trial. A column's name is a pair: the attribute, and the name of a parameter, say, or empty."""
    try:
        import pandas as pd
    except ImportError as e:
        raise ImportError("trials_dataframe needs pandas: pip install pandas") from e

    trials = study.get_trials(deepcopy=False)
    if not trials:
        return pd.DataFrame()
    several = len(study.directions) > 1
    names = study.metric_names
    rows: list[dict[tuple[str, Any], Any]] = [{} for _ in trials]
    columns: list[tuple[str, Any]] = []
    for attr in attrs:
        if attr == "value" and several:
            attr = "values"
        found: dict[Any, None] = {}
        for row, trial in zip(rows, trials):
            for name, value in _cells(trial, attr, names, len(study.directions)).items():
                row[attr.lstrip("_"), name] = value
                found[name] = None
        in_order = list(found) if attr == "values" else sorted(found)
        columns.extend((attr.lstrip("_"), name) for name in in_order)
    frame = pd.DataFrame(rows, columns=pd.MultiIndex.from_tuples(columns))
    if not multi_index:
        frame.columns = ["_".join(str(part) for part in column if part != "") for column in columns]
    return frame
