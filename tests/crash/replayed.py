# SPDX-License-Identifier: MIT
"""A journal with one study, replayed line by line in Python by Optuna's rules, anew and small, so that what the library says about
a prefix of the log can be compared with what the prefix holds.

`Study.apply(op)` takes one decoded line and says what it did: ("create", trial), ("run", trial) for a queued trial that begins,
("end", trial), ("param" | "report" | "attr", trial, key), ("study", key), or None for what the rules ignore.
"""
import heapq
import json

RUNNING, COMPLETE, PRUNED, FAIL, WAITING = range(5)
FINISHED = (COMPLETE, PRUNED, FAIL)


class Trial:
    __slots__ = ("number", "state", "values", "params", "system", "user", "reports", "worker", "runs")

    def __init__(self, number, op):
        self.number = number
        self.state = op.get("state", RUNNING)
        self.values = op.get("values")
        self.params = dict(op.get("params", {}))
        self.system = dict(op.get("system_attrs", {}))
        self.user = dict(op.get("user_attrs", {}))
        self.reports = {int(k): v for k, v in op.get("intermediate_values", {}).items()}
        self.worker = op["worker_id"]
        self.runs = self.state == RUNNING  # how often it began


class Study:
    def __init__(self):
        self.name = None
        self.trials = []
        self.counts = [0] * 5
        self.waiting = []  # a heap; those that wait no more are taken out when they come up
        self.best = None  # (value, number)
        self.ended = []  # (value, number) or None, in the order in which trials ended

    def first_waiting(self):
        while self.waiting and self.trials[self.waiting[0]].state != WAITING:
            heapq.heappop(self.waiting)
        return self.waiting[0] if self.waiting else None

    def used(self, refund):
        """What counts for a budget."""
        return self.counts[RUNNING] + self.counts[COMPLETE] + self.counts[PRUNED] + (0 if refund else self.counts[FAIL])

    def apply(self, op):
        code = op["op_code"]
        if code == 0:
            assert self.name is None, "one study is expected"
            self.name = op["study_name"]
            return ("study", "")
        if code == 1:
            return None  # a torn tail, completed into the deletion of a study that cannot exist
        if code in (2, 3):
            return ("study", next(iter(op["user_attr" if code == 2 else "system_attr"])))
        if code == 4:
            trial = Trial(len(self.trials), op)
            self.trials.append(trial)
            self.counts[trial.state] += 1
            if trial.state == WAITING:
                heapq.heappush(self.waiting, trial.number)
            self.note_end(trial)
            return ("create", trial)
        if op["trial_id"] >= len(self.trials):
            return None
        trial = self.trials[op["trial_id"]]
        if trial.state in FINISHED:
            return None
        if code == 5:
            trial.params[op["param_name"]] = op["param_value_internal"]
            return ("param", trial, op["param_name"])
        if code == 7:
            trial.reports[op["step"]] = op["intermediate_value"]
            return ("report", trial, op["step"])
        if code in (8, 9):
            attrs = op["user_attr" if code == 8 else "system_attr"]
            (trial.user if code == 8 else trial.system).update(attrs)
            return ("attr", trial, next(iter(attrs)))
        assert code == 6, f"operation {code} is not expected"
        return self.change_state(trial, op)

    def change_state(self, trial, op):
        state = op["state"]
        if state == RUNNING and trial.state == RUNNING:
            return None  # the first claim in the log wins
        self.counts[trial.state] -= 1
        self.counts[state] += 1
        trial.state = state
        if op.get("values") is not None:
            trial.values = op["values"]
        if state == RUNNING:
            trial.worker = op["worker_id"]
            trial.runs += 1
            return ("run", trial)
        if state == WAITING:
            heapq.heappush(self.waiting, trial.number)
            return ("wait", trial)
        self.note_end(trial)
        return ("end", trial)

    def note_end(self, trial):
        if trial.state not in FINISHED:
            return
        entry = None
        if trial.state == COMPLETE and trial.values:
            entry = (trial.values[0], trial.number)
            if self.best is None or entry < self.best:
                self.best = entry
        self.ended.append(entry)


def lines(path):
    """Decoded lines; the file must end with a whole one."""
    with open(path, "rb") as f:
        for raw in f:
            yield json.loads(raw)


def read(path):
    study = Study()
    for op in lines(path):
        study.apply(op)
    return study
