# SPDX-License-Identifier: MIT
"""Studies of the native API: create, load, ask and tell, the queue, results. The names and meanings are Optuna's.

A Study is a thin object over ``_native.Study`` (python/csrc/study.c): what Optuna says about arguments stands here, the work is done
there. The optimisation loop is in ``trialog._optimize``. Trials that ``Study.ask`` hands out write each suggestion at once, because anybody
may tell them by number; those of ``Study.optimize`` write with their next report or their end.
"""
from __future__ import annotations

import copy
import enum
import math
import threading
import warnings
from typing import TYPE_CHECKING, Any, Callable, Container, Iterable, Mapping, Sequence, Union

from trialog import _native
from trialog._url import shown
from trialog.distributions import BaseDistribution, _modern
from trialog.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from trialog.logging import get_logger
from trialog.storages import _kit, get_storage
from trialog.trial import FrozenTrial, Trial, TrialState, create_trial

if TYPE_CHECKING:
    import datetime

    import pandas as pd

__all__ = [
    "MaxTrialsCallback",
    "Study",
    "StudyDirection",
    "StudySummary",
    "copy_study",
    "create_study",
    "delete_study",
    "get_all_study_names",
    "get_all_study_summaries",
    "load_study",
]

ObjectiveFuncType = Callable[[Trial], Union[float, Sequence[float]]]
_METRIC_NAMES = "study:metric_names"
_logger = get_logger(__name__)


class StudyDirection(enum.IntEnum):
    """Which way is better; the numbers are those of the journal."""

    NOT_SET = 0
    MINIMIZE = 1
    MAXIMIZE = 2


class _Local(threading.local):
    in_loop = False
    trial: Trial | None = None  # that this thread runs


class Study:
    """A study: trials, and what decides about the next one. Make one by ``create_study`` or ``load_study``."""

    def __init__(self, study_name: str, storage: Any, sampler: Any = None, pruner: Any = None) -> None:
        self.study_name = study_name
        self._storage = get_storage(storage)
        self._native_storage: _native.Storage = self._storage._native
        self._kit = _kit()
        self._sampler = sampler
        self._pruner = pruner
        self._local = _Local()
        self._stop_flag = False
        self._open()

    def _open(self) -> None:
        self._native = _native.Study(
            self._native_storage, self.study_name, _part(self._sampler, "sampler"), _part(self._pruner, "pruner") or ("median", {})
        )
        self._study_id = self._native.id
        self._directions = [StudyDirection(d) for d in self._native_storage.study_directions(self._study_id)]

    def __getstate__(self) -> dict[str, Any]:
        return {
            "study_name": self.study_name,
            "storage": self._storage,
            "sampler": self._sampler,
            "pruner": self._pruner,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"<trialog.Study {self.study_name!r} in {shown(self._native_storage.url)!r}>"

    # ---- what it is made of ----

    @property
    def sampler(self) -> Any:
        """Who chooses parameters. It may be replaced between trials."""
        if self._sampler is None:
            from trialog.samplers import TPESampler

            self._sampler = TPESampler()
        return self._sampler

    @sampler.setter
    def sampler(self, sampler: Any) -> None:
        self._sampler = sampler
        self._open()

    @property
    def pruner(self) -> Any:
        """Who says which trials should give up. It may be replaced between trials."""
        if self._pruner is None:
            from trialog.pruners import MedianPruner

            self._pruner = MedianPruner()
        return self._pruner

    @pruner.setter
    def pruner(self, pruner: Any) -> None:
        self._pruner = pruner
        self._open()

    @property
    def direction(self) -> StudyDirection:
        """The direction of a study with one objective."""
        if len(self._directions) > 1:
            raise RuntimeError("This study has several objectives: see `directions`.")
        return self._directions[0]

    @property
    def directions(self) -> list[StudyDirection]:
        """The direction of each objective."""
        return self._directions

    def _is_multi_objective(self) -> bool:
        return len(self._directions) > 1

    # ---- attributes ----

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What ``set_user_attr`` has kept."""
        return self._native_storage.study_attrs(self._study_id, False)

    @property
    def system_attrs(self) -> dict[str, Any]:
        """What samplers and others keep with the study."""
        return self._native_storage.study_attrs(self._study_id, True)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keeps a value, anything that JSON can hold, with the study."""
        self._native_storage.set_study_attr(self._study_id, False, key, value)

    def set_system_attr(self, key: str, value: Any) -> None:
        """Keeps a value like ``set_user_attr``, but apart from the user's."""
        self._native_storage.set_study_attr(self._study_id, True, key, value)

    @property
    def metric_names(self) -> list[str] | None:
        """The names of the objectives' values; None when they were not set."""
        names: list[str] | None = self.system_attrs.get(_METRIC_NAMES)
        return names

    def set_metric_names(self, metric_names: list[str]) -> None:
        """Names the values that the objective returns, one for each."""
        if len(metric_names) != len(self._directions):
            raise ValueError(f"{len(self._directions)} names are needed, one for each objective; {len(metric_names)} were given.")
        self.set_system_attr(_METRIC_NAMES, metric_names)

    # ---- trials ----

    def _flush_own(self) -> None:
        """An objective that looks at its study finds its own trial up to date."""
        if self._local.trial is not None:
            self._local.trial._flush()

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """The trials by number. Without ``deepcopy`` finished ones are shared with later calls and must not be changed."""
        self._flush_own()
        wanted = None if states is None else [state for state in TrialState if state in states]
        trials: list[FrozenTrial] = self._native_storage.trials(self._kit, self._study_id, wanted, deepcopy)
        return trials

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials by number, as copies."""
        return self.get_trials()

    def _trial(self, number: int) -> FrozenTrial:
        trial: FrozenTrial = self._native_storage.trial(self._kit, self._native.find(number)[0])
        return trial

    def _best_number(self) -> int:
        if len(self._directions) > 1:
            raise RuntimeError("A study with several objectives has no single best trial: see `best_trials`.")
        best = self._native.best()
        if best is None:
            raise ValueError("No trial is complete yet, or none meets its constraints.")
        return best[0]

    @property
    def best_trial(self) -> FrozenTrial:
        """The best trial that is complete and meets its constraints. ValueError when there is none."""
        return copy.deepcopy(self._trial(self._best_number()))

    @property
    def best_value(self) -> float:
        """The value of the best trial."""
        value = self._trial(self._best_number()).value
        assert value is not None
        return value

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial."""
        return copy.deepcopy(self._trial(self._best_number()).params)

    @property
    def best_trials(self) -> list[FrozenTrial]:
        """The trials on the Pareto front: those that no other one beats in one objective without being worse in another. With one
        objective: all that are as good as the best one."""
        if len(self._directions) == 1:
            best = self._native.best()
            complete = self.get_trials(False, (TrialState.COMPLETE,)) if best is not None else []
            found = [t for t in complete if best is not None and t.value == best[1]]
            return [copy.deepcopy(t) for t in found if all(limit <= 0 for limit in t.constraints.values())]
        return [copy.deepcopy(self._trial(number)) for number in self._native.front()]

    def trials_dataframe(
        self,
        attrs: tuple[str, ...] = (
            "number",
            "value",
            "datetime_start",
            "datetime_complete",
            "duration",
            "params",
            "user_attrs",
            "system_attrs",
            "state",
        ),
        multi_index: bool = False,
    ) -> pd.DataFrame:
        """The trials as a pandas DataFrame, a row for each; pandas must be installed."""
        from trialog._dataframe import trials_dataframe

        return trials_dataframe(self, attrs, multi_index)

    # ---- running trials ----

    def optimize(
        self,
        func: ObjectiveFuncType,
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: Iterable[type[Exception]] | type[Exception] = (),
        callbacks: Iterable[Callable[[Study, FrozenTrial], None]] | None = None,
        gc_after_trial: bool = False,
        show_progress_bar: bool = False,
    ) -> None:
        """Runs trials of the objective until ``n_trials`` have begun, ``timeout`` seconds have passed, ``stop`` is called, or the
        sampler has nothing left; without a limit, until Ctrl-C.

        An exception of ``func`` ends its trial as FAIL and is raised, unless it is one of ``catch``; TrialPruned ends it as PRUNED.
        ``n_jobs`` threads run trials at once (-1: one for each processor). After each trial the ``callbacks`` get the study and a
        copy of the trial.
        """
        from trialog._optimize import optimize

        optimize(self, func, n_trials, timeout, n_jobs, catch, callbacks, gc_after_trial, show_progress_bar)

    def stop(self) -> None:
        """From an objective or a callback: running trials finish, no new one begins."""
        if not self._local.in_loop:
            raise RuntimeError("`stop` is for objectives and callbacks of a running `optimize`.")
        self._stop_flag = True

    def ask(self, fixed_distributions: Mapping[str, BaseDistribution] | None = None) -> Trial:
        """The next trial: the oldest of the queue, else a new one. It is to be ended by ``tell``. The parameters of
        ``fixed_distributions`` are chosen right away; the others when the trial is asked for them."""
        space = {name: _modern(d) for name, d in fixed_distributions.items()} if fixed_distributions else None
        trial: Trial | None = self._native.ask(Trial, self, space, True)
        if trial is None:
            raise RuntimeError("The sampler has nothing left to try.")
        return trial

    def tell(
        self,
        trial: Trial | int,
        values: float | Sequence[float] | None = None,
        state: TrialState | None = None,
        skip_if_finished: bool = False,
    ) -> FrozenTrial:
        """Ends a trial, given itself or by its number, with its value or values; without ``state`` it is COMPLETE, or FAIL with a
        warning when the values cannot be used. PRUNED and FAIL come without values; a PRUNED trial takes its last report."""
        if not isinstance(trial, (Trial, int)):
            raise TypeError(f"A trial or its number is wanted, not {trial!r}.")
        number = trial if isinstance(trial, int) else trial.number
        try:
            trial_id, known = self._native.find(number)
        except KeyError:
            raise ValueError(f"There is no trial {number} to tell about.") from None
        if known != TrialState.RUNNING:
            if not (skip_if_finished and TrialState(known).is_finished()):
                raise ValueError(f"Trial {number} is {TrialState(known).name}: only a RUNNING trial can be told.")
            _logger.info(f"Trial {number} is {TrialState(known).name} already; what was told is dropped.")
        else:
            final, told, why = _judge(self, values, state)
            if why is not None:
                warnings.warn(f"Trial {number} is FAIL: {why}", UserWarning, stacklevel=2)
            try:
                self._end(trial, trial_id, final, told)
            except Exception as e:
                if not _is(e, UpdateFinishedTrialError):
                    raise
                if not skip_if_finished:
                    raise ValueError(f"Trial {number} was ended by somebody else.") from None
        frozen: FrozenTrial = self._native_storage.trial(self._kit, trial_id)
        return copy.deepcopy(frozen)

    def _end(self, trial: Trial | int, trial_id: int, state: TrialState, values: list[float] | None) -> None:
        """Ends a trial; a sampler with a function for constraints has its say before."""
        if getattr(self._sampler, "_constraints_func", None) is None or state is TrialState.FAIL:
            self._native.tell(trial, state, values)
            return
        store = self._native_storage
        try:
            frozen = copy.deepcopy(trial._frozen() if isinstance(trial, Trial) else store.trial(self._kit, trial_id))
            self._sampler._constrain(frozen, lambda key, value: store.set_trial_attr(trial_id, True, key, value))
        finally:
            self._native.tell(trial, state, values)

    def enqueue_trial(
        self, params: dict[str, Any], user_attrs: dict[str, Any] | None = None, skip_if_exists: bool = False
    ) -> None:
        """Puts a trial into the queue in which some parameters have given values. With ``skip_if_exists`` nothing happens when a trial
        with just these is there already, decided for all workers at once."""
        if not isinstance(params, dict):
            raise TypeError(f"The parameters must be a dict, not {type(params).__name__}.")
        if self._native.enqueue(params, user_attrs, skip_if_exists) is None:
            _logger.info(f"There is a trial with {params} already: nothing was put into the queue.")

    def add_trial(self, trial: FrozenTrial) -> None:
        """Adds a trial that ran elsewhere; see ``trialog.create_trial``."""
        trial._validate()
        if trial.values is not None and len(trial.values) != len(self._directions):
            raise ValueError(f"The trial has {len(trial.values)} values, the study {len(self._directions)} objectives.")
        self._native_storage.create_trial(self._study_id, trial)

    def add_trials(self, trials: Iterable[FrozenTrial]) -> None:
        """Adds trials that ran elsewhere, in this order."""
        for trial in trials:
            self.add_trial(trial)


def _part(part: Any, kind: str) -> Any:
    """What _native.Study takes for a sampler or pruner of ours; None: the default."""
    if part is None:
        return None
    native = getattr(part, "_native", None)
    if native is None:
        raise TypeError(
            f"{part!r} is no {kind} of Trialog's: a native study takes those of trialog.{kind}s; for another one use "
            "optuna.create_study with a trialog.JournalStorage."
        )
    return native


def _judge(study: Study, values: Any, state: TrialState | None) -> tuple[TrialState, list[float] | None, str | None]:
    """What a trial becomes by what was told: state, values, and why it failed if ``state`` did not say so. ValueError when the two do not
    go together."""
    if state in (TrialState.PRUNED, TrialState.FAIL):
        if values is not None:
            raise ValueError(f"A {state.name} trial comes without values.")
        return state, None, None
    if state not in (None, TrialState.COMPLETE):
        raise ValueError(f"A trial cannot be told to be {state!r}: COMPLETE, PRUNED or FAIL.")
    numbers: list[float] = []
    why = None
    if type(values) is float:
        numbers.append(values)
    elif values is None:
        if state is TrialState.COMPLETE:
            raise ValueError("A COMPLETE trial needs its values.")
        why = "there is no value: None is no float."
    else:
        for value in values if isinstance(values, Sequence) and not isinstance(values, str) else (values,):
            try:
                numbers.append(float(value))
            except (TypeError, ValueError):
                why = f"{value!r} is no float."
                break
    if why is None and any(map(math.isnan, numbers)):
        why = f"the value is NaN: {values!r}."
    if why is None and len(numbers) != len(study._directions):
        why = f"{len(numbers)} values came for {len(study._directions)} objectives."
    if why is None:
        return TrialState.COMPLETE, numbers, None
    if state is TrialState.COMPLETE:
        raise ValueError(why[0].upper() + why[1:])
    return TrialState.FAIL, None, why


class MaxTrialsCallback:
    """A callback that stops the study when it has ``n_trials`` trials in one of ``states`` (None: in any)."""

    def __init__(self, n_trials: int, states: Container[TrialState] | None = (TrialState.COMPLETE,)) -> None:
        self._n_trials = n_trials
        self._states = states

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        counts = study._native.counts()
        if sum(counts[s] for s in TrialState if self._states is None or s in self._states) >= self._n_trials:
            study.stop()


class StudySummary:
    """One line about a study, as ``get_all_study_summaries`` gives it."""

    def __init__(
        self,
        study_name: str,
        direction: StudyDirection | None,
        best_trial: FrozenTrial | None,
        user_attrs: dict[str, Any],
        n_trials: int,
        datetime_start: datetime.datetime | None,
        study_id: int,
        *,
        directions: Sequence[StudyDirection] | None = None,
    ) -> None:
        if (direction is None) == (directions is None):
            raise ValueError("Either `direction` or `directions` must be given.")
        self.study_name = study_name
        self._directions = list(directions or ()) if direction is None else [direction]
        self.best_trial = best_trial
        self.user_attrs = user_attrs
        self.n_trials = n_trials
        self.datetime_start = datetime_start
        self._study_id = study_id

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if isinstance(other, StudySummary) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: StudySummary) -> bool:
        return self._study_id < other._study_id if isinstance(other, StudySummary) else NotImplemented

    def __le__(self, other: StudySummary) -> bool:
        return self._study_id <= other._study_id if isinstance(other, StudySummary) else NotImplemented

    @property
    def direction(self) -> StudyDirection:
        """The direction of a study with one objective."""
        if len(self._directions) > 1:
            raise RuntimeError("This study has several objectives: see `directions`.")
        return self._directions[0]

    @property
    def directions(self) -> Sequence[StudyDirection]:
        """The direction of each objective."""
        return self._directions


def _is(error: Exception, kind: type[Exception]) -> bool:
    """Is it one of ours, or Optuna's of that name? A storage that is shared with Optuna raises Optuna's."""
    return isinstance(error, kind) or any(cls.__name__ == kind.__name__ for cls in type(error).__mro__)


def _direction(given: Any) -> StudyDirection:
    if isinstance(given, StudyDirection) and given != StudyDirection.NOT_SET:
        return given
    if given in ("minimize", "maximize"):
        return StudyDirection[given.upper()]
    raise ValueError(f"A direction is 'minimize' or 'maximize', not {given!r}.")


def create_study(
    *,
    storage: Any = None,
    sampler: Any = None,
    pruner: Any = None,
    study_name: str | None = None,
    direction: str | StudyDirection | None = None,
    load_if_exists: bool = False,
    directions: Sequence[str | StudyDirection] | None = None,
) -> Study:
    """A new study. ``storage``: the path of a journal, a URL or a storage; None: the memory of this process. DuplicatedStudyError when the
    name is in use, unless ``load_if_exists``."""
    if direction is not None and directions is not None:
        raise ValueError("Either `direction` or `directions` may be given.")
    if direction is not None and not isinstance(direction, str) and isinstance(direction, Sequence):
        raise ValueError("Several objectives are given by `directions`.")
    wanted = [_direction(d) for d in (directions if directions is not None else ["minimize" if direction is None else direction])]
    if not wanted:
        raise ValueError("A study needs at least one objective.")
    storage = get_storage(storage)
    native: _native.Storage = storage._native
    try:
        study_id = native.create_study(study_name, wanted)
    except Exception as e:
        if not _is(e, DuplicatedStudyError):
            raise
        if not load_if_exists:
            raise DuplicatedStudyError(
                f"A study {study_name!r} exists already: choose another name, or go on with it by load_if_exists=True."
            ) from None
        assert study_name is not None
        _logger.info(f"Going on with study {study_name!r}, which exists already.")
        study = Study(study_name, storage, sampler, pruner)
        if (direction is not None or directions is not None) and study.directions != wanted:
            _logger.warning(f"Study {study_name!r} has other directions than the ones asked for; it keeps them.")
        return study
    name = study_name if study_name is not None else native.study_name(study_id)
    return Study(name, storage, sampler, pruner)


def load_study(*, study_name: str | None, storage: Any, sampler: Any = None, pruner: Any = None) -> Study:
    """A study that exists; the only one of the storage when ``study_name`` is None. KeyError when there is none of the name."""
    storage = get_storage(storage)
    if study_name is None:
        names = get_all_study_names(storage)
        if len(names) != 1:
            raise ValueError(f"The storage has {len(names)} studies; name one of them: {names}.")
        study_name = names[0]
    return Study(study_name, storage, sampler, pruner)


def delete_study(*, study_name: str, storage: Any) -> None:
    """Deletes a study with all its trials. KeyError when there is none of the name."""
    native = get_storage(storage)._native
    native.delete_study(native.find_study(study_name))


def copy_study(*, from_study_name: str, from_storage: Any, to_storage: Any, to_study_name: str | None = None) -> None:
    """Copies a study with all its trials, attributes and times. Unfinished trials are copied as they are."""
    source, target = get_storage(from_storage), get_storage(to_storage)
    _native.Study(source._native, from_study_name).copy(target._native, to_study_name or from_study_name)


def get_all_study_names(storage: Any) -> list[str]:
    """The names of all studies of a storage."""
    return [study[1] for study in get_storage(storage)._native.studies()]


def get_all_study_summaries(storage: Any, include_best_trial: bool = True) -> list[StudySummary]:
    """A line about each study of a storage."""
    native: _native.Storage = get_storage(storage)._native
    kit = _kit()
    found = []
    for study_id, name, numbers, user_attrs, _ in native.studies():
        study = _native.Study(native, name)
        directions = [StudyDirection(d) for d in numbers]
        best = study.best() if include_best_trial and len(directions) == 1 else None
        found.append(
            StudySummary(
                name,
                directions[0] if len(directions) == 1 else None,
                native.trial(kit, study.find(best[0])[0]) if best is not None else None,
                user_attrs,
                sum(study.counts()),
                study.start(),
                study_id,
                directions=directions if len(directions) > 1 else None,
            )
        )
    return found
