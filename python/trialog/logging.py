# SPDX-License-Identifier: MIT
"""Messages of the native API, with Optuna's functions to steer them.

One logger, "trialog", writes to standard error until somebody switches its handler off. It is set up at the first use. The name
"optuna" means it as well, so that ``get_logger("optuna").addHandler(...)`` in a script that was written for Optuna does what it says.
"""
from __future__ import annotations

import logging
import sys
import threading
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, WARN, WARNING
from typing import Any

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "WARN",
    "WARNING",
    "create_default_formatter",
    "disable_default_handler",
    "disable_propagation",
    "enable_default_handler",
    "enable_propagation",
    "get_logger",
    "get_verbosity",
    "set_verbosity",
]

_COLOURS = {DEBUG: "36", INFO: "32", WARNING: "33", ERROR: "31", CRITICAL: "1;31"}
_lock = threading.Lock()
_handler: logging.Handler | None = None


class _Formatter(logging.Formatter):
    """``[I 2026-01-31 12:00:00,000] message``, its head coloured on a terminal."""

    def __init__(self, colour: bool) -> None:
        super().__init__("[%(levelname)1.1s %(asctime)s] %(message)s")
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        code = _COLOURS.get(record.levelno)
        if not self._colour or code is None:
            return text
        head, bracket, rest = text.partition("]")
        return f"\x1b[{code}m{head}{bracket}\x1b[0m{rest}"


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error and keeps out of the way of a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        progress: Any = sys.modules.get("trialog.progress")
        if progress is None:
            super().emit(record)
            return
        with progress.above():
            super().emit(record)


def create_default_formatter() -> logging.Formatter:
    """The formatter of the default handler."""
    return _Formatter(bool(getattr(sys.stderr, "isatty", lambda: False)()))


def _root() -> logging.Logger:
    global _handler
    logger = logging.getLogger("trialog")
    if _handler is None:
        with _lock:
            if _handler is None:
                handler = _Handler()
                handler.setFormatter(create_default_formatter())
                logger.addHandler(handler)
                logger.setLevel(INFO)
                logger.propagate = False
                _handler = handler
    return logger


def _default_handler() -> logging.Handler:
    _root()
    assert _handler is not None
    return _handler


def get_logger(name: str) -> logging.Logger:
    """The logger of this name; "optuna" and what is below it mean "trialog"."""
    _root()
    head, dot, rest = name.partition(".")
    return logging.getLogger("trialog" + dot + rest if head == "optuna" else name)


def get_verbosity() -> int:
    """The level from which messages are shown, such as ``trialog.logging.INFO``."""
    return _root().getEffectiveLevel()


def set_verbosity(verbosity: int) -> None:
    """Shows messages from this level on: ``trialog.logging.WARNING`` leaves out the line per trial."""
    _root().setLevel(verbosity)


def disable_default_handler() -> None:
    """Writes nothing to standard error any more."""
    _root().removeHandler(_default_handler())


def enable_default_handler() -> None:
    """Writes to standard error again."""
    _root().addHandler(_default_handler())


def disable_propagation() -> None:
    """Keeps messages from the handlers of Python's root logger, as it is at first."""
    _root().propagate = False


def enable_propagation() -> None:
    """Passes messages on to the handlers of Python's root logger."""
    _root().propagate = True
