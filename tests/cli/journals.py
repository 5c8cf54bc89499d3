# SPDX-License-Identifier: MIT
"""Journals with studies of any shape, written line by line in Optuna's format: for tests that look at studies."""
import datetime
import json

STATES = {"RUNNING": 0, "COMPLETE": 1, "PRUNED": 2, "FAIL": 3, "WAITING": 4}
BEGIN = datetime.datetime(2026, 1, 31, 9, 30, tzinfo=datetime.timezone.utc)


def at(seconds):
    return (BEGIN + datetime.timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def floats(low, high, log=False):
    return json.dumps({"name": "FloatDistribution", "attributes": {"step": None, "low": low, "high": high, "log": log}})


def ints(low, high, log=False):
    return json.dumps({"name": "IntDistribution", "attributes": {"log": log, "step": 1, "low": low, "high": high}})


def choices(*values):
    return json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": values}})


class Journal:
    """Lines of a journal; `write` puts them into a file."""

    def __init__(self, worker="w"):
        self.lines, self.worker, self.studies, self.trials = [], worker, 0, 0

    def add(self, code, **fields):
        self.lines.append(json.dumps({"op_code": code, "worker_id": self.worker, **fields}, separators=(",", ":")))

    def study(self, name, *directions, metric_names=None):
        """The study's id; directions are 1 (minimise) or 2."""
        self.add(0, study_name=name, directions=list(directions) or [1])
        self.studies += 1
        if metric_names:
            self.add(3, study_id=self.studies - 1, system_attr={"study:metric_names": metric_names})
        return self.studies - 1

    def trial(self, study, *values, state="COMPLETE", params=None, reports=None, system=None, user=None, start=0, seconds=1):
        """`params`: {name: (internal value, distribution)}."""
        params = params or {}
        finished = state in ("COMPLETE", "PRUNED", "FAIL")
        fields = {"study_id": study, "datetime_start": at(start) if state != "WAITING" else None,
                  "distributions": {k: v[1] for k, v in params.items()}, "params": {k: v[0] for k, v in params.items()},
                  "user_attrs": user or {}, "system_attrs": system or {},
                  "intermediate_values": {str(k): v for k, v in (reports or {}).items()}, "state": STATES[state],
                  "value": None, "values": None}
        if finished:
            fields["datetime_complete"] = at(start + seconds)
        if len(values) == 1:
            fields["value"] = values[0]
        elif values:
            fields["values"] = list(values)
        self.add(4, **fields)
        self.trials += 1
        return self.trials - 1

    def text(self):
        return "".join(line + "\n" for line in self.lines)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.text())
