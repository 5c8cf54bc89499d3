# SPDX-License-Identifier: MIT
"""The progress bar of ``Study.optimize(show_progress_bar=True)``: one line on standard error, drawn over and over.

Drawn at most ten times a second; on anything but a terminal only at the end. Messages of ``trialog.logging`` appear above it. It counts
trials, or seconds when there is only a timeout.
"""
from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
import warnings
from typing import Iterator

__all__ = ["ProgressBar", "above", "progress_bar"]

_lock = threading.RLock()
_current: ProgressBar | None = None


@contextlib.contextmanager
def above() -> Iterator[None]:
    """Around writing a line to standard error: the bar makes room and comes back."""
    with _lock:
        bar = _current
        if bar is not None:
            bar._wipe()
        yield
        if bar is not None:
            bar._draw()


def _clock(seconds: float) -> str:
    whole = int(seconds)
    text = f"{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 3600}:{text}" if whole >= 3600 else text


class ProgressBar:
    """See above. ``step`` after each trial, from any thread."""

    def __init__(self, n_trials: int | None, timeout: float | None) -> None:
        global _current
        self._n_trials = n_trials
        self._timeout = timeout
        self._start = time.monotonic()
        self._done = 0
        self._best: tuple[int, float] | None = None
        self._drawn = 0.0
        self._terminal = bool(getattr(sys.stderr, "isatty", lambda: False)())
        with _lock:
            _current = self
            self._draw()

    def step(self, best: tuple[int, float] | None) -> None:
        """One more trial has ended; number and value of the best one so far."""
        with _lock:
            self._done += 1
            self._best = best
            now = time.monotonic()
            if now - self._drawn >= 0.1 or self._done == self._n_trials:
                self._drawn = now
                self._draw()

    def close(self) -> None:
        """Leaves the last state of the line standing."""
        global _current
        with _lock:
            if _current is self:
                _current = None
            self._wipe()
            sys.stderr.write(self.line() + "\n")
            sys.stderr.flush()

    def line(self) -> str:
        """The line without its bar being fitted to a terminal that is narrower than 80 columns."""
        elapsed = time.monotonic() - self._start
        if self._n_trials is not None:
            share = self._done / self._n_trials if self._n_trials else 1.0
            text = f"{self._done}/{self._n_trials} trials, {_clock(elapsed)}"
            if 0 < self._done < self._n_trials:
                text += f", {_clock(elapsed / self._done * (self._n_trials - self._done))} left"
        else:
            assert self._timeout is not None
            share = elapsed / self._timeout if self._timeout else 1.0
            text = f"{self._done} trials, {_clock(min(elapsed, self._timeout))} of {_clock(self._timeout)}"
        if self._best is not None:
            text += f"; best {self._best[1]:.6g} (trial {self._best[0]})"
        filled = int(20 * min(1.0, share) + 1e-9)
        return f"{min(1.0, share):4.0%} |{'#' * filled}{'.' * (20 - filled)}| {text}"

    def _draw(self) -> None:
        if self._terminal:
            columns = max(20, shutil.get_terminal_size().columns - 1)
            sys.stderr.write("\r\x1b[K" + self.line()[:columns])
            sys.stderr.flush()

    def _wipe(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")


def progress_bar(n_trials: int | None, timeout: float | None, n_jobs: int) -> ProgressBar | None:
    """A bar for a run with these limits; None, with a warning, when there is nothing to count towards."""
    if n_trials is None and timeout is None:
        warnings.warn("There is no progress bar without n_trials or timeout.", UserWarning, stacklevel=4)
        return None
    if n_trials is None and n_jobs != 1:
        warnings.warn("A progress bar of seconds is for n_jobs=1 only.", UserWarning, stacklevel=4)
        return None
    return ProgressBar(n_trials, timeout)
