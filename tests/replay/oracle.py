# SPDX-License-Identifier: MIT
"""What Optuna makes of operation lists: feeds each line to the replay class of the Optuna that this Python has.

Reads lists from standard input in the form of gen.encode_list and answers each with one line of JSON:
  v       a letter per line, see LETTERS; '-' for lines that are for Trialog alone
  ids     for each applied create operation, the new id
  cells   rule, outcome and own/foreign per line, for the counters
  studies, trials   the state at the end, in canonical form
  notes   what did not go as expected of Optuna itself (a partial change, an exception on a foreign line): must stay empty
  workers highest operation count ("n") of each worker, over all lines that are JSON objects
  facts   only from Optuna 5 on: counts, first waiting trial, best, front, search spaces, as Optuna's own functions see them

Every line is fed as the own worker's or as a foreign one, as its worker_id says. A foreign line that changes nothing is then fed
once more as if its worker were this one: so the verdict is known for every line, and the silence on foreign ones is checked too.
"""

import copy
import datetime
import json
import re
import struct
import sys
import warnings

warnings.simplefilter("ignore")
import optuna  # noqa: E402
from optuna import distributions as od  # noqa: E402
from optuna.exceptions import DuplicatedStudyError  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

try:
    from optuna.storages.journal import _storage as journal
except ImportError:
    from optuna.storages._journal import storage as journal

try:
    from optuna.exceptions import UpdateFinishedTrialError
except ImportError:

    class UpdateFinishedTrialError(RuntimeError):
        pass


optuna.logging.set_verbosity(optuna.logging.ERROR)
LOCAL_TIMES = int(optuna.__version__.split(".")[0]) >= 5  # all times are made local ones
if LOCAL_TIMES:
    from optuna.search_space import intersection_search_space
    from optuna.study import StudyDirection
    from optuna.study._constrained_optimization import _get_feasible_trials
    from optuna.study._multi_objective import _get_pareto_front_trials_by_trials

# A applied, Y not yours, N not found, D not found because deleted, F finished, E exists, K L C incompatible in kind, log flag or
# choices, O raises whoever wrote the line, B the line is no JSON, S skipped
LETTERS = "AYNDFEKLCOBS-"
RULES = [
    "create study",
    "delete study",
    "study user attr",
    "study system attr",
    "create trial",
    "param",
    "state",
    "report",
    "user attr",
    "system attr",
    "discard",
]


class Replay(journal.JournalStorageReplayResult):
    wid = ""
    worker_id = property(lambda self: self.wid)


def mark(r, log):
    """Something that differs after an operation was applied."""
    op = log.get("op_code") if isinstance(log, dict) else None
    try:
        if op in (5, 6, 7, 8, 9):
            return id(r._trials.get(log.get("trial_id")))
    except TypeError:
        pass
    return r._next_study_id, len(r._studies), len(r._trials)


def whole(r):
    return r._next_study_id, tuple(r._studies), tuple(map(id, r._trials.values()))


def verdict_of(e, r, log):
    text = str(e.args[0]) if e.args else ""
    if isinstance(e, KeyError) and text == journal.NOT_FOUND_MSG:
        sid = log.get("study_id")
        return "D" if log["op_code"] <= 4 and type(sid) is int and 0 <= sid < r._next_study_id else "N"
    if isinstance(e, DuplicatedStudyError):
        return "E"
    if isinstance(e, (UpdateFinishedTrialError, RuntimeError)) and text.endswith(
        "has already finished and can not be updated."
    ):
        return "F"
    if isinstance(e, ValueError):
        if text.startswith("Cannot set different distribution kind"):
            return "K"
        if text.startswith("Cannot set different log configuration"):
            return "L"
        if text.endswith("does not support dynamic value space."):
            return "C"
    return "O"


class Feeder:
    def __init__(self, own):
        self.own = own
        self.r = Replay("")
        self.r.wid = own
        self.owner = {}  # trial id -> worker whose operation made it RUNNING
        self.mine = None  # the own worker's last one
        self.notes = []
        self.ids = []

    def apply(self, log):
        """One operation: a letter, or the exception."""
        before = mark(self.r, log)
        try:
            self.r.apply_logs([log])
        except Exception as e:
            return verdict_of(e, self.r, log), False
        op = log["op_code"]
        if op == 10:
            return "S", False
        if op in (2, 3):  # an equal value is no visible change: known by the study's being there
            return "A", log["study_id"] in self.r._studies
        return "A", mark(self.r, log) != before

    def line(self, data):
        r = self.r
        try:
            log = json.loads(data)
        except (ValueError, RecursionError):
            return "B", "damaged line", False
        own = isinstance(log, dict) and log.get("worker_id") == self.own
        op = log.get("op_code") if isinstance(log, dict) else None
        rule = RULES[op] if type(op) is int and 0 <= op < len(RULES) else "other"
        before = whole(r)
        detail = ""
        if op == 6:
            t = r._trials.get(log.get("trial_id")) if isinstance(log.get("trial_id"), int) else None
            if t is not None and not t.state.is_finished() and log.get("state") in (0, 1, 2, 3, 4):
                detail = " %d>%s" % (t.state, log["state"])
        elif op == 4 and isinstance(log, dict) and "state" in log:
            rule = "create template"
        letter, changed = self.apply(log)
        if letter == "A" and not changed:
            if own:
                letter = "Y" if op == 6 else "?"
            else:
                r.wid = log.get("worker_id")
                letter, changed = self.apply(log)
                r.wid = self.own
                if letter == "A":
                    letter = "Y" if op == 6 else "?"
                if changed or letter in "O?" or whole(r) != before:
                    self.notes.append("foreign line not skipped cleanly: %s %r" % (letter, data))
        elif letter not in "AOS" and not own:
            self.notes.append("raises %s on a foreign line: %r" % (letter, data))
        if letter != "A" and whole(r) != before:
            self.notes.append("%s, but something changed: %r" % (letter, data))
        if letter == "A":
            self.applied(log, op, own)
            if (
                op == 6
                and r._trials[log["trial_id"]].state == TrialState.RUNNING
                and own
                and r.owned_trial_id != log["trial_id"]
            ):
                self.notes.append("claim not won: %r" % data)
        if letter == "O":
            self.mine = r.owned_trial_id  # may move although the line raises
        elif r.owned_trial_id != self.mine:
            self.notes.append("owned trial: %r, expected %r" % (r.owned_trial_id, self.mine))
        if letter not in "AY":
            detail = ""
        return letter, rule + detail, own

    def applied(self, log, op, own):
        r = self.r
        trial = None
        if op == 0:
            self.ids.append(r._next_study_id - 1)
        elif op == 4:
            trial = len(r._trials) - 1
            self.ids.append(trial)
        elif op == 6:
            trial = log["trial_id"]
        if trial is not None and r._trials[trial].state == TrialState.RUNNING:
            self.owner[trial] = log["worker_id"]
            if own:
                self.mine = trial


# ---- the canonical form ----

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|NaN|-?Infinity")


def bits(v):
    """A double; where Optuna keeps something else, what we make of it: text that is a number is that number, all else NaN."""
    if isinstance(v, str) and NUMBER.fullmatch(v):
        v = float(v)
    elif not isinstance(v, (int, float)):
        v = float("nan")
    try:
        v = float(v)
    except OverflowError:
        v = float("inf") if v > 0 else float("-inf")
    return "nan" if v != v else struct.pack(">d", v).hex()


def scalar(v):
    if v is None:
        return ["z"]
    if v is True or v is False:
        return ["b", v]
    if isinstance(v, int):
        return ["i", str(v)]
    if isinstance(v, float):
        return ["f", bits(v)]
    if isinstance(v, str):
        return ["s", v]
    return ["j", v]


def external(dist, v):
    if isinstance(dist, od.FloatDistribution) or (isinstance(dist, od.IntDistribution) and abs(v) >= 2**53):
        return ["f", bits(v)]
    return scalar(v)


EPOCH = datetime.datetime(1970, 1, 1)
EPOCH_UTC = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
US = datetime.timedelta(microseconds=1)


def instant(t):
    if t is None:
        return None
    if t.tzinfo is not None:
        return ["u", (t - EPOCH_UTC) // US]
    n = (t - EPOCH) // US
    return ["l", n, t.fold] if LOCAL_TIMES else ["n", n]


def dist_text(d):
    """[class, text as the converted distribution]; a log flag that is not true or false as what it counts for."""
    new = od._convert_old_distribution_to_new_distribution(d, suppress_warning=True)
    if not isinstance(getattr(new, "log", True), bool):
        new = copy.copy(new)
        new.log = bool(new.log)
    return [type(d).__name__, od.distribution_to_json(new)]


def steps(values):
    """Steps as whole numbers; those beyond 64 bits, which we leave out, left out."""
    return [[int(k), bits(v)] for k, v in values.items() if -(2**63) <= k < 2**63]


def attrs(d):
    return [[k, v] for k, v in d.items()] if isinstance(d, dict) else []


def dump_trial(i, t, study, owner):
    return [
        i,
        study,
        t.number,
        int(t.state),
        instant(t.datetime_start),
        instant(t.datetime_complete),
        None if t.values is None else [bits(v) for v in t.values],
        [[k, external(t.distributions[k], v)] for k, v in t.params.items()],
        sorted([k] + dist_text(d) for k, d in t.distributions.items()),
        attrs(t.user_attrs),
        attrs(t.system_attrs),
        steps(t.intermediate_values),
        owner.get(i) if t.state == TrialState.RUNNING else None,
    ]


def dump(f):
    r = f.r
    studies = [
        [
            i,
            s.study_name,
            [int(d) for d in s.directions],
            attrs(s.user_attrs),
            attrs(s.system_attrs),
            r._study_id_to_trial_ids[i],
        ]
        for i, s in sorted(r._studies.items())
    ]
    trials = [dump_trial(i, t, r._trial_id_to_study_id[i], f.owner) for i, t in r._trials.items()]
    return studies, trials


# ---- facts ----


def well_shaped(t, n):
    return t.values is not None and len(t.values) == n and not any(bits(v) == "nan" for v in t.values)


def best_and_front(trials, directions):
    """None where Optuna raises."""
    n = len(directions)
    if n == 0:
        return None
    shaped = [t for t in trials if t.state == TrialState.COMPLETE and well_shaped(t, n)]
    try:
        feasible = _get_feasible_trials(shaped)
        if n == 1:
            if not feasible:
                return -1, []
            pick = max if directions[0] == StudyDirection.MAXIMIZE else min
            return pick(feasible, key=lambda t: t.value).number, []
        return -1, (
            sorted(t.number for t in _get_pareto_front_trials_by_trials(shaped, directions, True))
            if shaped
            else []
        )
    except Exception:
        return None


def facts(r):
    out = []
    for i, s in sorted(r._studies.items()):
        trials = r.get_all_trials(i, None)
        counts = [0] * 5
        waiting = -1
        for t in trials:
            counts[t.state] += 1
            if t.state == TrialState.WAITING and waiting < 0:
                waiting = t.number
        spaces = [
            sorted(
                [k, type(d).__name__] for k, d in intersection_search_space(trials, include_pruned=p).items()
            )
            for p in (False, True)
        ]
        out.append([i, counts, waiting, best_and_front(trials, s.directions)] + spaces)
    return out


def note_count(workers, data):
    try:
        log = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(log, dict) or type(log.get("n")) is not int or log["n"] <= 0 or "worker_id" not in log:
        return
    worker = log["worker_id"] if isinstance(log["worker_id"], str) else ""
    op = log.get("op_code")
    if not isinstance(op, (int, float)) or op not in range(11):
        return
    target = [] if op in (0, 10) else log.get("study_id", []) if op <= 4 else log.get("trial_id", [])
    if op in (0, 10) or not isinstance(target, (list, dict)):
        workers[worker] = max(log["n"], workers.get(worker, 0))


def run(own, lines):
    f = Feeder(own)
    out, cells, workers = [], [], {}
    for flag, data in lines:
        if flag in "TC":
            out.append("-")
            cells.append(None)
        else:
            letter, rule, mine = f.line(data)
            out.append(letter)
            cells.append([rule, letter, mine])
        if flag in " T":
            note_count(workers, data)
    studies, trials = dump(f)
    return {
        "v": "".join(out),
        "ids": f.ids,
        "studies": studies,
        "trials": trials,
        "notes": f.notes,
        "cells": cells,
        "workers": sorted(workers.items()),
        "facts": facts(f.r) if LOCAL_TIMES else None,
    }


def main():
    source, sink = sys.stdin.buffer, sys.stdout
    print(optuna.__version__, flush=True)
    for head in source:
        n = int(head.split(b" ", 2)[1])
        own = json.loads(head.split(b" ", 2)[2])
        lines = [(x[:1].decode(), x[1:-1]) for x in (source.readline() for _ in range(n))]
        sink.write(json.dumps(run(own, lines)) + "\n")
        sink.flush()


if __name__ == "__main__":
    main()
