# SPDX-License-Identifier: MIT
"""What goes wrong, by Optuna's names.

Where Optuna itself calls us (trialog.optuna), its own classes are raised; these are for the native API.
"""
from __future__ import annotations

__all__ = [
    "CLIUsageError",
    "DuplicatedStudyError",
    "ExperimentalWarning",
    "OptunaError",
    "StorageInternalError",
    "TrialPruned",
    "TrialogError",
    "UnknownOutcomeError",
    "UpdateFinishedTrialError",
]


class TrialogError(Exception):
    """The base of all errors that are Trialog's own."""


OptunaError = TrialogError  # so that a script's `except optuna.exceptions.OptunaError` goes on working


class TrialPruned(TrialogError):
    """Raised by an objective that gives up, usually because ``trial.should_prune()`` said so."""


class CLIUsageError(TrialogError):
    """Never raised by Trialog, whose command is no Python; here for scripts that name it."""


class StorageInternalError(TrialogError):
    """The storage failed: input or output, the lock's time limit, a damaged journal."""


class UnknownOutcomeError(StorageInternalError):
    """It is not known whether the operation took effect. ``op_id`` is the number of the operation of this storage handle, or None."""

    op_id: int | None = None


class DuplicatedStudyError(TrialogError):
    """A study of this name exists already."""


class UpdateFinishedTrialError(TrialogError, RuntimeError):
    """The trial has finished and cannot change."""


class ExperimentalWarning(Warning):
    """Never raised by Trialog; here for scripts that filter it."""
