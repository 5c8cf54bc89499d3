# SPDX-License-Identifier: MIT
"""The optimisation loop of the native API.

With one job, trials run in the thread that called; with more, in as many threads, each of which takes trial after trial, and the caller
waits for them, open to Ctrl-C. What ends it early (an exception that is not caught, an error of the storage, Ctrl-C) lets running trials of
other threads finish and is raised then. A trial that somebody else ended meanwhile, because this process was taken for dead, is told
and left.
"""
from __future__ import annotations

import copy
import gc
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable

from trialog.exceptions import TrialPruned, UpdateFinishedTrialError
from trialog.logging import INFO, get_logger
from trialog.trial import FrozenTrial, Trial, TrialState

if TYPE_CHECKING:
    from trialog.study import ObjectiveFuncType, Study

_logger = get_logger("trialog.study")


def _pruned_classes() -> tuple[type[BaseException], ...]:
    """Code that was written for Optuna may raise Optuna's own exception."""
    optuna: Any = sys.modules.get("optuna")
    other = getattr(optuna, "TrialPruned", None)
    return (TrialPruned,) if other is None else (TrialPruned, other)


class _Loop:
    def __init__(
        self,
        study: Study,
        func: ObjectiveFuncType,
        n_trials: int | None,
        timeout: float | None,
        catch: tuple[type[Exception], ...],
        callbacks: list[Callable[[Study, FrozenTrial], None]],
        gc_after_trial: bool,
        progress: Any,
    ) -> None:
        self.study = study
        self.func = func
        self.left = n_trials
        self.end = None if timeout is None else time.monotonic() + timeout
        self.catch = catch
        self.callbacks = callbacks
        self.gc_after_trial = gc_after_trial
        self.progress = progress
        self.pruned = _pruned_classes()
        self.lock = threading.Lock()
        self.error: BaseException | None = None

    def take(self) -> bool:
        """May another trial begin?"""
        with self.lock:
            if self.study._stop_flag or self.error is not None or (self.left is not None and self.left <= 0):
                return False
            if self.end is not None and time.monotonic() >= self.end:
                return False
            if self.left is not None:
                self.left -= 1
            return True

    def run(self) -> None:
        """Trial after trial, in this thread."""
        local = self.study._local
        local.in_loop = True
        try:
            while self.take():
                try:
                    number = self.one()
                finally:
                    local.trial = None
                    if self.gc_after_trial:
                        gc.collect()
                if number is None:
                    break
                self.after(number)
        finally:
            local.in_loop = False

    def run_thread(self, ended: threading.Event) -> None:
        try:
            self.run()
        except BaseException as e:
            with self.lock:
                self.error = self.error or e
        finally:
            ended.set()

    def one(self) -> int | None:
        """Runs one trial; its number, None when nothing is left to try."""
        study = self.study
        trial: Trial | None = study._native.ask(Trial, study, None, False)
        if trial is None:
            return None
        study._local.trial = trial
        value: Any = None
        error: BaseException | None = None
        state: TrialState | None = None
        try:
            value = self.func(trial)
        except self.pruned as e:
            error, state = e, TrialState.PRUNED
        except (Exception, KeyboardInterrupt) as e:
            error, state = e, TrialState.FAIL
        self.tell(trial, value, state, error)
        if state is TrialState.FAIL and error is not None and not isinstance(error, self.catch):
            raise error
        return trial.number

    def tell(self, trial: Trial, value: Any, state: TrialState | None, error: BaseException | None) -> None:
        from trialog.study import _is, _judge

        final, values, why = _judge(self.study, value, state)
        try:
            self.study._end(trial, trial._trial_id, final, values)
        except Exception as e:
            if not _is(e, UpdateFinishedTrialError):
                raise
            _logger.warning(f"Trial {trial.number}: {e}; what it found is dropped.")
            return
        if final is TrialState.COMPLETE:
            if _logger.isEnabledFor(INFO):
                self.log_complete(trial, values or [])
        elif final is TrialState.PRUNED:
            _logger.info(f"Trial {trial.number} was pruned. {error}".rstrip())
        else:
            failed = None if error is None else (type(error), error, error.__traceback__)
            reason = why if error is None else f"{error!r}."
            _logger.warning(f"Trial {trial.number} failed with parameters {trial._params()}: {reason}", exc_info=failed)
            _logger.warning(f"Trial {trial.number}: the objective's value was {value!r}.")

    def log_complete(self, trial: Trial, values: list[float]) -> None:
        study = self.study
        names = study.metric_names
        shown: Any = values[0] if len(values) == 1 else values
        if names is not None:
            shown = dict(zip(names, values))
        text = f"Trial {trial.number}: {shown} with {trial._params()}."
        best = study._native.best() if len(values) == 1 else None
        if best is not None:
            text += f" Best so far: {best[1]} of trial {best[0]}."
        _logger.info(text)

    def after(self, number: int) -> None:
        study = self.study
        if self.callbacks:
            frozen = study._trial(number)
            for callback in self.callbacks:
                callback(study, copy.deepcopy(frozen))
        if self.progress is not None:
            best = study._native.best() if not study._is_multi_objective() else None
            self.progress.step(best)


def _run_threads(loop: _Loop, n: int) -> None:
    # By events: a Thread.join that was interrupted takes its thread for ended (until Python 3.12), and another one would not wait.
    ends = [threading.Event() for _ in range(n)]
    threads: list[threading.Thread] = []
    try:
        for i, ended in enumerate(ends):
            threads.append(threading.Thread(target=loop.run_thread, args=(ended,), name=f"trialog-{i}"))
            threads[-1].start()
        for ended in ends:
            ended.wait()
    except BaseException as e:  # Ctrl-C: no new trials; a second one gives up waiting for those that run
        with loop.lock:
            loop.error = loop.error or e
        for thread, ended in zip(threads, ends):
            if thread.ident is not None:
                ended.wait()
    if loop.error is not None:
        raise loop.error


def optimize(
    study: Study,
    func: ObjectiveFuncType,
    n_trials: int | None,
    timeout: float | None,
    n_jobs: int,
    catch: Iterable[type[Exception]] | type[Exception],
    callbacks: Iterable[Callable[[Study, FrozenTrial], None]] | None,
    gc_after_trial: bool,
    show_progress_bar: bool,
) -> None:
    """What Study.optimize does."""
    caught = tuple(catch) if isinstance(catch, Iterable) else (catch,)
    if study._local.in_loop:
        raise RuntimeError("`optimize` cannot be called from an objective or a callback of the same study.")
    progress = None
    if show_progress_bar:
        from trialog.progress import progress_bar

        progress = progress_bar(n_trials, timeout, n_jobs)
    study._stop_flag = False
    loop = _Loop(study, func, n_trials, timeout, caught, list(callbacks or ()), gc_after_trial, progress)
    try:
        if n_jobs == 1:
            loop.run()
        else:
            n = (os.cpu_count() or 1) if n_jobs == -1 else n_jobs
            if n < 1:
                raise ValueError(f"n_jobs is a number of threads, or -1 for one per processor; not {n_jobs}.")
            _run_threads(loop, n)
    finally:
        if progress is not None:
            progress.close()
