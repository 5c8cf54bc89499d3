# SPDX-License-Identifier: MIT
"""Storages of native studies, by Optuna's names. None of this needs Optuna.

A study takes the path of a journal or a URL just as well; these classes are for options, and for scripts that name them. To give Optuna
itself a journal, use ``trialog.JournalStorage``.
"""
from __future__ import annotations

import os
import uuid
from typing import Any

from trialog import _native, exceptions
from trialog._url import pickled, shown
from trialog.storages import journal
from trialog.storages.journal import JournalFileOpenLock, JournalFileStorage, JournalFileSymlinkLock

__all__ = [
    "InMemoryStorage",
    "JournalFileOpenLock",
    "JournalFileStorage",
    "JournalFileSymlinkLock",
    "JournalStorage",
    "RDBStorage",
    "RetryFailedTrialCallback",
    "RetryHeartbeatStaleTrialCallback",
    "get_storage",
    "journal",
]

_LEASE = 60.0  # seconds after which a worker that gives no sign of life has lost its trials; the library's own default
_the_kit: _native.Kit | None = None


def _kit() -> _native.Kit:
    """The classes that the extension builds objects from."""
    global _the_kit
    if _the_kit is None:
        from trialog import distributions, study, trial

        _the_kit = _native.Kit(
            trial.FrozenTrial,
            list(trial.TrialState),
            (distributions.FloatDistribution, distributions.IntDistribution, distributions.CategoricalDistribution),
            (
                exceptions.DuplicatedStudyError,
                exceptions.UpdateFinishedTrialError,
                exceptions.StorageInternalError,
                exceptions.UnknownOutcomeError,
            ),
            list(study.StudyDirection),
        )
    return _the_kit


class _Storage:
    """An open journal and what it was opened with. Pickled and copied, a file is opened again (without a password of its URL, see
    trialog._url); a journal in memory carries its log and becomes one of its own."""

    _native: _native.Storage

    def _open(self, url: str, **options: Any) -> None:
        self._url = url
        self._options = options
        self._native = _native.Storage(url, kit=_kit(), **options)

    def close(self) -> None:
        """Flushes and closes the journal. Without it that happens when nothing refers to it any more, or at the end."""
        self._native.close()

    def remove_session(self) -> None:
        """Nothing to do: for scripts that call it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown(self._url)!r})"

    def __getstate__(self) -> dict[str, Any]:
        in_memory = self._url.startswith("memory:")
        return {
            "url": _memory() if in_memory else pickled(self._url),
            "options": self._options,
            "log": self._native.export_lines() if in_memory else b"",
        }

    def __copy__(self) -> _Storage:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> _Storage:
        state = self.__getstate__()
        if not self._url.startswith("memory:"):
            state["url"] = self._url  # with its password: it stays in this process
        other: _Storage = object.__new__(type(self))
        other.__setstate__(state)
        return other

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._open(state["url"], **state["options"])
        if state["log"]:
            self._native.import_lines(state["log"])


def _memory() -> str:
    return "memory://native-" + uuid.uuid4().hex  # a name, so that it can be opened a second time, for Optuna


class InMemoryStorage(_Storage):
    """A journal in the memory of this process."""

    def __init__(self) -> None:
        self._open(_memory())


class JournalStorage(_Storage):
    """A journal: a path or URL, or what ``trialog.storages.journal`` has.

    ``durability``: "full" (a call returns when its change is on the disk), "relaxed" (within a second) or "off". ``lock``: "both", or
    "kernel", which is faster, when no Optuna process writes to the file. ``timeout``: longest wait for the lock in seconds.
    ``lease``: seconds after which the trials of a worker that gives no sign of life are failed, None: never; ``retry_lost``: how
    often each of these goes back into the queue. ``defer``: seconds that an attribute of a running trial may wait for the trial's next report or
    end, with which it is written (0: not at all; None: 0.05 on databases).
    """

    def __init__(
        self,
        log_storage: Any,
        *,
        durability: str = "full",
        lock: str = "both",
        timeout: float | None = None,
        lease: float | None = _LEASE,
        retry_lost: int = 0,
        defer: float | None = None,
        snapshot: bool = True,
        read_only: bool = False,
    ) -> None:
        url = os.fsdecode(getattr(log_storage, "_file_path", log_storage))
        if url in ("memory:", "memory://"):
            url = _memory()
        self._open(
            url,
            durability=durability,
            lock=lock,
            timeout=timeout,
            lease=None if url.startswith("memory:") else lease,
            retry_lost=retry_lost,
            defer=defer,
            snapshot=snapshot,
            read_only=read_only,
        )


class RetryHeartbeatStaleTrialCallback:
    """Says that the trials of a worker that is lost go back into the queue, each up to ``max_retry`` times (None: without limit). Called
    with a study and a trial, it does that for one trial, on request with the intermediate values that it had."""

    def __init__(self, max_retry: int | None = None, inherit_intermediate_values: bool = False) -> None:
        self._max_retry = max_retry
        self._inherit_intermediate_values = inherit_intermediate_values

    def __call__(self, study: Any, trial: Any) -> None:
        """Puts a copy of the trial into the queue, unless it was retried that often."""
        from trialog.trial import TrialState, create_trial

        history = [*trial.system_attrs.get("retry_history", []), trial.number]
        if self._max_retry is not None and len(history) > self._max_retry:
            return
        attrs = {"failed_trial": trial.number, **trial.system_attrs, "retry_history": history}
        study.add_trial(
            create_trial(
                state=TrialState.WAITING,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=trial.user_attrs,
                system_attrs=attrs,
                intermediate_values=trial.intermediate_values if self._inherit_intermediate_values else None,
            )
        )

    @staticmethod
    def retried_trial_number(trial: Any) -> int | None:
        """The number of the first trial that this one repeats; None when it repeats none."""
        number: int | None = trial.system_attrs.get("failed_trial")
        return number

    @staticmethod
    def retry_history(trial: Any) -> list[int]:
        """The numbers of all trials that this one repeats."""
        numbers: list[int] = trial.system_attrs.get("retry_history", [])
        return numbers


RetryFailedTrialCallback = RetryHeartbeatStaleTrialCallback


class RDBStorage(_Storage):
    """A database, by its URL, as scripts for Optuna name it. The tables are Trialog's own. A heartbeat becomes a lease:
    ``grace_period`` seconds, or twice ``heartbeat_interval``."""

    def __init__(
        self,
        url: str,
        engine_kwargs: dict[str, Any] | None = None,
        skip_compatibility_check: bool = False,
        *,
        heartbeat_interval: int | None = None,
        grace_period: int | None = None,
        failed_trial_callback: Any = None,
        heartbeat_stale_trial_callback: Any = None,
        skip_table_creation: bool = False,
    ) -> None:
        callback = heartbeat_stale_trial_callback or failed_trial_callback
        retries = 0
        if callback is not None:
            if not isinstance(callback, RetryHeartbeatStaleTrialCallback):
                raise TypeError("A lost trial is retried or not, by RetryHeartbeatStaleTrialCallback: other callbacks are not called.")
            if callback._inherit_intermediate_values:
                raise NotImplementedError("A trial that the storage itself retries begins without intermediate values.")
            retries = 2**31 - 1 if callback._max_retry is None else callback._max_retry
        lease = _LEASE
        if heartbeat_interval is not None:
            lease = float(grace_period if grace_period is not None else 2 * heartbeat_interval)
        self._open(url, lease=lease, retry_lost=retries)


def get_storage(storage: Any) -> Any:
    """The storage object that an argument ``storage`` means."""
    if storage is None:
        return InMemoryStorage()
    if isinstance(storage, (str, bytes, os.PathLike)):
        return JournalStorage(storage)
    if isinstance(getattr(storage, "_native", None), _native.Storage):
        return storage
    raise TypeError(
        f"{storage!r} is no storage of a native study: a path, a URL or one of trialog.storages is. Studies of other storages come "
        "over by trialog.from_optuna."
    )
