# SPDX-License-Identifier: MIT
"""Where samplers and pruners look: one study of one storage, as the extension reads it.

For a study on a storage of ours that is the storage itself. For any other storage of Optuna's it is a journal in memory which mirrors the
study: each finished trial is fed to it once, and of unfinished ones what is new. Sources are kept by storage and study, for as long as
the storage lives, and shared by all samplers and pruners; after a fork they begin anew. Of many studies on one storage those that were not
looked at for longest are forgotten, and read anew when they come back.

A mirror reads with `get_all_trials(deepcopy=False)`. When there are fewer trials than before, or others, it begins anew. Of system
attributes it only takes what samplers and pruners of ours look at.
"""
from __future__ import annotations

import itertools
import os
import threading
import weakref
from typing import Any

from trialog import _native

# attributes that matter here, by how they begin
_ATTRS = ("tpe:relative_params:", "constraints", "completed_rung_", "grid_id", "grid_perm", "search_space", "fixed_params")

_RUNNING = 0
_WAITING = 4

_STUDIES_MAX = 64  # of one storage

_clock = itertools.count(1)
_sources: weakref.WeakKeyDictionary[Any, dict[int, Source]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class Source:
    """One study of a storage of ours."""

    exact = True  # what is decided here is decided under the journal's lock

    def __init__(self, store: Any, study_id: int) -> None:
        self.store = store
        self.study_id = study_id
        self.handle = _native.new_handle()
        self.used = 0  # when it was last asked for, by _clock
        self.spent: set[int] = set()  # trials for which no cell of a grid was left
        self.claims = threading.Lock()

    def refresh(self, study: Any, number: int | None = None, use: str = "") -> None:
        """Before a question about trial `number`: there is nothing to do, because each question reads the news."""


class Mirror(Source):
    """One study of somebody else's storage."""

    exact = False

    def __init__(self, study: Any) -> None:
        super().__init__(None, 0)
        self._feeding = threading.Lock()
        self._fresh = threading.local()
        self._begin(study)

    def _begin(self, study: Any) -> None:
        store = _native.Storage("memory://", durability="off")
        study_id = store.create_study(study.study_name, [int(d) for d in study.directions])
        self._n = 0
        self._last_id = -1
        self._open: dict[int, _Open] = {}  # unfinished trials, by number
        self.study_id = study_id
        self.store = store

    def refresh(self, study: Any, number: int | None = None, use: str = "") -> None:
        """Feeds what is new. A trial's joint values and single ones are asked for one after another: `use` "single" is content with what
        this thread fed for the same trial before, "joint" with what "space" just did."""
        done = getattr(self._fresh, "done", None)
        if done == (number, "space") and use in ("joint", "single") or done == (number, "joint") and use == "single":
            self._fresh.done = (number, "joint")
            return
        with self._feeding:
            self._feed(study)
        self._fresh.done = (number, use if use != "single" else "joint")

    def _feed(self, study: Any) -> None:
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        if len(trials) < self._n or (self._n and trials[self._n - 1]._trial_id != self._last_id):
            self._begin(study)
        for number, known in list(self._open.items()):
            trial = trials[number]
            if known.follow(self.store, trial):
                del self._open[number]
        for i in range(self._n, len(trials)):
            trial = trials[i]
            if trial.number != i:
                break  # one is still missing: the rest next time
            self._add(trial)
            self._n = i + 1
            self._last_id = trial._trial_id

    def _add(self, trial: Any) -> None:
        state = trial.state
        if state.is_finished():
            try:
                self.store.create_trial(self.study_id, _Lean(trial, state))
                return
            except ValueError:  # a parameter that does not fit earlier ones, which Optuna lets pass in added trials: left out below
                pass
        waiting = int(state) == _WAITING
        trial_id = self.store.create_trial(self.study_id, _Lean(None, _WAITING if waiting else _RUNNING))[0]
        known = _Open(trial_id, waiting)
        if not known.follow(self.store, trial):
            self._open[trial.number] = known


class _Lean:
    """What the mirror takes of a trial, in the form of a trial."""

    __slots__ = ("state", "values", "params", "distributions", "system_attrs", "intermediate_values")
    user_attrs: dict[str, Any] = {}
    datetime_start = None
    datetime_complete = None

    def __init__(self, trial: Any, state: Any) -> None:
        self.state = state
        if trial is None:
            self.values = None
            self.system_attrs: dict[str, Any]
            self.params = self.distributions = self.system_attrs = self.intermediate_values = {}
            return
        self.values = trial.values
        self.params = trial.params
        self.distributions = trial.distributions
        self.intermediate_values = trial.intermediate_values
        attrs = trial.system_attrs
        self.system_attrs = {k: v for k, v in attrs.items() if k.startswith(_ATTRS)} if attrs else attrs


class _Open:
    """An unfinished trial of a mirror: what it has been given."""

    __slots__ = ("trial_id", "waiting", "params", "attrs", "reports")

    def __init__(self, trial_id: int, waiting: bool) -> None:
        self.trial_id = trial_id
        self.waiting = waiting
        self.params: set[str] = set()
        self.attrs: dict[str, Any] = {}
        self.reports: dict[int, float] = {}

    def follow(self, store: Any, trial: Any) -> bool:
        """Feeds what is new in the trial; True when it has finished."""
        trial_id = self.trial_id
        state = trial.state
        if self.waiting and int(state) != _WAITING:
            store.set_state(trial_id, _RUNNING, None)
            self.waiting = False
        params = trial.params
        if len(params) != len(self.params):
            distributions = trial.distributions
            for name in [name for name in params if name not in self.params]:
                distribution = distributions[name]
                try:
                    store.set_param(trial_id, name, distribution.to_internal_repr(params[name]), distribution)
                except ValueError:  # it does not fit earlier ones: left out
                    pass
                self.params.add(name)
        for key, value in list(trial.system_attrs.items()):
            if key.startswith(_ATTRS) and (key not in self.attrs or self.attrs[key] != value):
                store.set_trial_attr(trial_id, True, key, value)
                self.attrs[key] = value
        reports = trial.intermediate_values
        if reports != self.reports:
            for step, value in list(reports.items()):
                if step not in self.reports or self.reports[step] != value:
                    store.report(trial_id, step, value)
                    self.reports[step] = value
        if not state.is_finished():
            return False
        store.set_state(trial_id, int(state), trial.values)
        return True


def source_of(study: Any) -> Source:
    """The source of an Optuna study."""
    storage = study._storage
    study_id = study._study_id
    try:
        source = _sources[storage][study_id]
    except KeyError:
        source = _new_source(study, storage, study_id)
    source.used = next(_clock)
    return source


def _new_source(study: Any, storage: Any, study_id: int) -> Source:
    with _lock:
        known = _sources.setdefault(storage, {})
        source = known.get(study_id)
        if source is None:
            store = getattr(storage, "_native", None)
            source = Source(store, study_id) if isinstance(store, _native.Storage) else Mirror(study)
            while len(known) >= _STUDIES_MAX:
                del known[min(known, key=lambda k: known[k].used)]
            known[study_id] = source
        return source


def _in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _sources.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
