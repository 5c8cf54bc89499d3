# SPDX-License-Identifier: MIT
"""The names by which scripts for Optuna make a journal file. How it is locked is up to ``trialog.storages.JournalStorage(lock=...)``: with
"both" all of Optuna's lock objects are met."""
from __future__ import annotations

import os
from typing import Any

__all__ = ["JournalFileBackend", "JournalFileOpenLock", "JournalFileStorage", "JournalFileSymlinkLock", "JournalStorage"]


class JournalFileBackend:
    """The file of a journal."""

    def __init__(self, file_path: str | os.PathLike[str], lock_obj: Any = None) -> None:
        self._file_path = os.fspath(file_path)


class JournalFileSymlinkLock:
    """Accepted and not needed."""

    def __init__(self, filepath: str, grace_period: int | None = 30) -> None:
        self._filepath = filepath


class JournalFileOpenLock(JournalFileSymlinkLock):
    """Accepted and not needed."""


JournalFileStorage = JournalFileBackend  # its name before Optuna 4.0


def __getattr__(name: str) -> Any:
    if name == "JournalStorage":
        from trialog import storages

        return storages.JournalStorage
    raise AttributeError(f"module 'trialog.storages.journal' has no attribute {name!r}")
