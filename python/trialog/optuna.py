# SPDX-License-Identifier: MIT
"""Trialog inside Optuna: the storage.

`JournalStorage` subclasses Optuna's own base classes, so importing this module imports Optuna (from 3.1 on); `import trialog` does not.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Container, Sequence
from typing import Any, Callable

from optuna import distributions as _distributions
from optuna import exceptions as _exceptions
from optuna.storages import BaseStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.study._frozen import FrozenStudy
from optuna.study._study_direction import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from trialog import _native
from trialog._url import pickled

__all__ = ["JournalStorage", "UnknownOutcomeError"]


class UnknownOutcomeError(_exceptions.StorageInternalError):
    """It is not known whether an operation took effect; `op_id` is its number (see `JournalStorage.landed`)."""

    op_id: int


_kit = _native.Kit(
    FrozenTrial,
    [TrialState(i) for i in range(5)],
    (_distributions.FloatDistribution, _distributions.IntDistribution, _distributions.CategoricalDistribution),
    (
        _exceptions.DuplicatedStudyError,
        getattr(_exceptions, "UpdateFinishedTrialError", RuntimeError),  # RuntimeError before Optuna 3.3
        _exceptions.StorageInternalError,
        UnknownOutcomeError,
    ),
    [StudyDirection(i) for i in range(3)],
)


def _frozen_study(
    study_id: int, name: str, directions: list[StudyDirection], user_attrs: dict[str, Any], system_attrs: dict[str, Any]
) -> FrozenStudy:
    return FrozenStudy(
        study_name=name, direction=None, directions=directions, user_attrs=user_attrs, system_attrs=system_attrs, study_id=study_id
    )


def _quick_study(
    study_id: int, name: str, directions: list[StudyDirection], user_attrs: dict[str, Any], system_attrs: dict[str, Any]
) -> FrozenStudy:
    """What the constructor makes of them, in half the time."""
    study: FrozenStudy = FrozenStudy.__new__(FrozenStudy)
    study.__dict__ = {
        "study_name": name,
        "_directions": directions,
        "user_attrs": user_attrs,
        "system_attrs": system_attrs,
        "_study_id": study_id,
    }
    return study


_probe = (7, "s", [StudyDirection.MINIMIZE], {"u": 1}, {"s": 2})
if vars(_quick_study(*_probe)) == vars(_frozen_study(*_probe)):  # as in every Optuna so far
    _frozen_study = _quick_study


class _Retry:
    """Calls a callback for a lost trial without the mark by which the engine tells why it failed: a retried trial is not lost."""

    def __init__(self, callback: Callable[[Any, FrozenTrial], None]) -> None:
        self.callback = callback

    def __call__(self, study: Any, trial: FrozenTrial) -> None:
        attrs = {k: v for k, v in trial.system_attrs.items() if k != _native.LOST_ATTR}
        trial = copy.copy(trial)
        trial._system_attrs = attrs
        self.callback(study, trial)


class JournalStorage(BaseStorage, BaseHeartbeat):
    """A journal as a storage for Optuna: `optuna.create_study(storage=trialog.JournalStorage("study.journal"))`.

    The file is Optuna's journal format: workers with this class and with Optuna's `JournalStorage` may use it at the same time.

    Args:
        url: a path, `memory://` (this object's own), `memory://NAME` (shared inside the process), or the URL of a backend.
        durability: `full` (an answer means that it is on the disk), `relaxed` (flushed within a second) or `off`.
        lock: `both` (the kernel's lock and Optuna's lock file) or `kernel` (faster; only when no process with Optuna's own
            `JournalStorage` writes to the file).
        timeout: longest wait for the lock in seconds; 60 by default.
        lease: seconds without a sign of life after which another worker's running trials count as lost and are failed. Given, it
            appears as Optuna's heartbeat, so `optuna.storages.fail_stale_trials` and retry callbacks work; signs of life are kept
            outside the journal. Without it no trial of this storage is ever failed so.
        retry_lost: how often a lost trial goes back into the queue with the same parameters, in the same write that fails it. Use
            this or a retry callback, not both.
        defer: seconds that a parameter or attribute of a running trial of this storage's own may wait for the next report or state, with
            which it is written; other workers see it that much later, this storage at once. 0.05 on databases and nothing
            elsewhere when not given; 0: nothing waits.
        snapshot: keep a snapshot beside the journal, from which it opens quickly.
        heartbeat_stale_trial_callback: called with study and trial after a lost trial was failed, such as
            `optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=3)`.
        failed_trial_callback: the same under the name that it had before Optuna 4.9.
        read_only: write nothing.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        durability: str = "full",
        lock: str = "both",
        timeout: float | None = None,
        lease: float | None = None,
        retry_lost: int = 0,
        defer: float | None = None,
        snapshot: bool = True,
        heartbeat_stale_trial_callback: Callable[[Any, FrozenTrial], None] | None = None,
        failed_trial_callback: Callable[[Any, FrozenTrial], None] | None = None,
        read_only: bool = False,
    ) -> None:
        if (retry_lost or heartbeat_stale_trial_callback or failed_trial_callback) and lease is None:
            raise ValueError("retrying lost trials needs lease=SECONDS")
        if retry_lost and (heartbeat_stale_trial_callback or failed_trial_callback):
            raise ValueError("retry_lost and a callback for stale trials would both retry: give one of them")
        self._options: dict[str, Any] = {
            "durability": durability,
            "lock": lock,
            "timeout": timeout,
            "lease": lease,
            "retry_lost": retry_lost,
            "defer": defer,
            "snapshot": snapshot,
            "read_only": read_only,
        }
        self._url = os.fsdecode(url)
        callback = heartbeat_stale_trial_callback or failed_trial_callback
        self._stale_callback = _Retry(callback) if callback else None
        self._open()

    def _open(self) -> None:
        self._native = _native.Storage(self._url, kit=_kit, **self._options)
        # With a callback, Optuna has to be told of each trial that is lost: it asks by itself at the beginning of a trial.
        self._looks_itself = self._options["lease"] is not None and self._stale_callback is None
        self._just_failed: set[int] = set()  # lost trials that the engine failed and Optuna is about to fail

    # ---- pickling: URL and options, without passwords (trialog._url); what lives in memory brings its log along ----

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_url"] = pickled(self._url)
        del state["_native"], state["_just_failed"], state["_looks_itself"]
        if self._url.startswith("memory://"):
            state["_log"] = self._native.export_lines()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        log = state.pop("_log", b"")
        self.__dict__.update(state)
        self._open()
        if log:
            try:
                self._native.import_lines(log)
            except _exceptions.DuplicatedStudyError:
                pass  # memory://NAME of this process: it is there already

    def __copy__(self) -> JournalStorage:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> JournalStorage:
        if self._url.startswith("memory://"):
            other = JournalStorage.__new__(JournalStorage)
            other.__setstate__(self.__getstate__())
            return other
        return self  # one journal, however many refer to it

    # ---- studies ----

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self._native.create_study(study_name, directions)

    def delete_study(self, study_id: int) -> None:
        self._native.delete_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._native.set_study_attr(study_id, False, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._native.set_study_attr(study_id, True, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._native.find_study(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._native.study_name(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._native.study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._native.study_attrs(study_id, False)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._native.study_attrs(study_id, True)

    def get_all_studies(self) -> list[FrozenStudy]:
        return [_frozen_study(*facts) for facts in self._native.studies()]

    # ---- trials ----

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        if self._looks_itself:
            self._native.fail_lost(study_id)
        return self._native.create_trial(study_id, template_trial)[0]

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: _distributions.BaseDistribution
    ) -> None:
        self._native.set_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        if self._just_failed and state == TrialState.FAIL and trial_id in self._just_failed:
            self._just_failed.discard(trial_id)  # Optuna's fail_stale_trials: it is done already
            return True
        return self._native.set_state(trial_id, state, values)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._native.report(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._native.set_trial_attr(trial_id, False, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._native.set_trial_attr(trial_id, True, key, value)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return self._native.trial_id(study_id, trial_number)

    def get_trial_number_from_id(self, trial_id: int) -> int:
        return self._native.trial_number(trial_id)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        trial: FrozenTrial = self._native.trial(_kit, trial_id)
        return trial

    def get_trial_param(self, trial_id: int, param_name: str) -> float:
        return self._native.trial_param(_kit, trial_id, param_name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._native.trials(_kit, study_id, states, deepcopy)

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        return self._native.best_trial(_kit, study_id)

    def get_n_trials(self, study_id: int, state: tuple[TrialState, ...] | TrialState | None = None) -> int:
        counts = self._native.counts(study_id)
        if state is None:
            return sum(counts)
        if isinstance(state, TrialState):
            state = (state,)
        return sum(counts[s] for s in set(state))

    # ---- heartbeat ----

    # The engine renews the lease by itself and fails lost trials in one append, decided under the journal's lock. Optuna's
    # fail_stale_trials asks for stale trials, fails each, and calls the callback for those that it has failed: it is told of the trials
    # that this very call has failed, so each is handed to one callback, in whichever process that is.

    def record_heartbeat(self, trial_id: int) -> None:
        """Nothing: a thread of the engine gives the sign of life, outside the journal."""

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        if self._options["lease"] is None:
            return []
        ids = self._native.fail_lost(study_id)
        self._just_failed.update(ids)
        return ids

    def get_heartbeat_interval(self) -> int | None:
        lease = self._options["lease"]
        return None if lease is None else max(1, int(lease / 3))

    def get_heartbeat_stale_trial_callback(self) -> Callable[[Any, FrozenTrial], None] | None:
        return self._stale_callback

    def get_failed_trial_callback(self) -> Callable[[Any, FrozenTrial], None] | None:
        return self._stale_callback

    # ---- the handle ----

    def remove_session(self) -> None:
        """Optuna calls it between uses; a journal has nothing to give back."""

    def close(self) -> None:
        """Flushes and closes the journal. Without it that happens when the storage is no longer referred to, or at exit."""
        self._native.close()

    def landed(self, worker_id: str, op_id: int) -> bool:
        """After UnknownOutcomeError: did the operation reach the journal?"""
        return self._native.landed(worker_id, op_id)
