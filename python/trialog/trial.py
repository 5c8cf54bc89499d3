# SPDX-License-Identifier: MIT
"""Trials: one that runs (Trial), one as it was at some time (FrozenTrial), one with given parameters (FixedTrial).

The names and meanings are Optuna's. What a running trial does all the time (suggest, report, should_prune) is in the extension,
python/csrc/trial.c. Instances of FrozenTrial must keep exactly these attributes, in ``__dict__``: the extension fills them in
without calling ``__init__``.
"""
from __future__ import annotations

import copy
import datetime
import enum
import math
import warnings
from typing import TYPE_CHECKING, Any, Sequence

from trialog import _native
from trialog.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    _modern,
    check_distribution_compatibility,
)

if TYPE_CHECKING:
    from trialog.study import Study

__all__ = ["BaseTrial", "FixedTrial", "FrozenTrial", "Trial", "TrialState", "create_trial"]

_CONSTRAINTS = "constraints"


class TrialState(enum.IntEnum):
    """What became of a trial; the numbers are those of the journal."""

    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4

    def is_finished(self) -> bool:
        """COMPLETE, PRUNED or FAIL?"""
        return self not in (TrialState.RUNNING, TrialState.WAITING)

    def __str__(self) -> str:
        return f"TrialState.{self.name}"


def _old_name(name: str, instead: str) -> None:
    warnings.warn(f"{name} is an old name: use {instead}.", FutureWarning, stacklevel=3)


class BaseTrial:
    """What an objective may use of any trial."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        """A number from ``low`` to ``high``, both included; with ``log`` the small ones are denser, with ``step`` it is one of
        ``low``, ``low + step`` …"""
        raise NotImplementedError

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        raise NotImplementedError

    def suggest_categorical(self, name: str, choices: Sequence[CategoricalChoiceType]) -> Any:
        """One of the choices."""
        raise NotImplementedError

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """An old name of ``suggest_float(name, low, high)``."""
        _old_name("suggest_uniform", "suggest_float(name, low, high)")
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """An old name of ``suggest_float(name, low, high, log=True)``."""
        _old_name("suggest_loguniform", "suggest_float(name, low, high, log=True)")
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """An old name of ``suggest_float(name, low, high, step=q)``."""
        _old_name("suggest_discrete_uniform", "suggest_float(name, low, high, step=q)")
        return self.suggest_float(name, low, high, step=q)

    def report(self, value: float, step: int) -> None:
        """Reports an intermediate value, for pruners. Of several values for one step the first counts."""
        raise NotImplementedError

    def should_prune(self) -> bool:
        """Should the objective give up, by ``raise TrialPruned``?"""
        raise NotImplementedError

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keeps a value, anything that JSON can hold, with the trial."""
        raise NotImplementedError

    def set_constraint(self, key: str, value: float) -> None:
        """Sets a constraint, which the trial meets when the value is 0 or less. Of several values the first counts."""
        raise NotImplementedError

    @property
    def params(self) -> dict[str, Any]:
        """The parameters suggested so far, by name."""
        raise NotImplementedError

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Their distributions, by name."""
        raise NotImplementedError

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What ``set_user_attr`` has kept."""
        raise NotImplementedError

    @property
    def system_attrs(self) -> dict[str, Any]:
        """What samplers, pruners and the queue keep with the trial."""
        raise NotImplementedError

    @property
    def constraints(self) -> dict[str, float]:
        """The constraints set so far, by name."""
        return _constraints(self.system_attrs)

    @property
    def datetime_start(self) -> datetime.datetime | None:
        """When the trial began to run, in local time."""
        raise NotImplementedError

    @property
    def number(self) -> int:
        """The trial's place in its study, from 0."""
        raise NotImplementedError


def _constraints(system_attrs: dict[str, Any]) -> dict[str, float]:
    found = {str(i): value for i, value in enumerate(system_attrs.get(_CONSTRAINTS) or ())}
    begin = _CONSTRAINTS + ":"
    found.update((key[len(begin) :], value) for key, value in system_attrs.items() if key.startswith(begin))
    return found


def _constraint(key: str, value: Any, known: dict[str, Any]) -> tuple[str, float] | None:
    """The attribute that keeps a constraint; None, with a warning, when it is set already."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"The value of constraint {key!r} must be a float, not {type(value).__name__}.") from None
    if math.isnan(number):
        raise ValueError(f"The value of constraint {key!r} must not be NaN.")
    name = f"{_CONSTRAINTS}:{key}"
    if name in known:
        warnings.warn(f"Constraint {key!r} is set already; the new value is dropped.", UserWarning, stacklevel=3)
        return None
    return name, number


class Trial(_native.Trial, BaseTrial):
    """A trial that runs, as an objective or ``Study.ask`` gets it. One thread at a time may use it."""

    # suggest_float, suggest_int, suggest_categorical, report, should_prune, number, _trial_id and study come from the extension.

    study: Study

    @property
    def params(self) -> dict[str, Any]:
        return copy.deepcopy(self._params())

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        found: dict[str, BaseDistribution] | None = self._native_distributions(self.study._kit)
        return copy.deepcopy(self._frozen().distributions) if found is None else found

    def _frozen(self) -> FrozenTrial:
        self._flush()
        frozen: FrozenTrial = self.study._native_storage.trial(self.study._kit, self._trial_id)
        return frozen

    @property
    def user_attrs(self) -> dict[str, Any]:
        return copy.deepcopy(self._frozen().user_attrs)

    @property
    def system_attrs(self) -> dict[str, Any]:
        return copy.deepcopy(self._frozen().system_attrs)

    @property
    def datetime_start(self) -> datetime.datetime | None:
        return self._frozen().datetime_start

    @property
    def constraints(self) -> dict[str, float]:
        return _constraints(self._frozen().system_attrs)

    @property
    def relative_params(self) -> dict[str, Any]:
        """What the sampler proposes jointly, before the objective asks for it, by name."""
        return self._relative_params()

    def set_user_attr(self, key: str, value: Any) -> None:
        self._set_attr(False, key, value)

    def set_system_attr(self, key: str, value: Any) -> None:
        """Keeps a value like ``set_user_attr``, but apart from the user's."""
        self._set_attr(True, key, value)

    def set_constraint(self, key: str, value: float) -> None:
        attr = _constraint(key, value, self._frozen().system_attrs)
        if attr is not None:
            self._set_attr(True, *attr)

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        d = _modern(distribution)
        if isinstance(d, FloatDistribution):
            return self.suggest_float(name, d.low, d.high, step=d.step, log=d.log)
        if isinstance(d, IntDistribution):
            return self.suggest_int(name, d.low, d.high, step=d.step, log=d.log)
        if isinstance(d, CategoricalDistribution):
            return self.suggest_categorical(name, d.choices)
        raise TypeError(f"Parameter {name!r}: {distribution!r} is no distribution.")

    def __repr__(self) -> str:
        return f"<trialog.Trial {self.number} of study {self.study.study_name!r}>"


class _GivenTrial(BaseTrial):
    """A trial whose values are given: it is asked for them, and nothing is written anywhere."""

    _params: dict[str, Any]
    _distributions: dict[str, BaseDistribution]
    _user_attrs: dict[str, Any]
    _system_attrs: dict[str, Any]
    _datetime_start: datetime.datetime | None
    _number: int

    def _given(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._params:
            raise ValueError(f"This {type(self).__name__} was made without a parameter {name!r}.")
        value = self._params[name]
        if not distribution._contains(distribution.to_internal_repr(value)):
            warnings.warn(
                f"The value {value!r} of parameter {name!r} lies outside {distribution}.", UserWarning, stacklevel=3
            )
        if name in self._distributions:
            check_distribution_compatibility(self._distributions[name], distribution)
        self._distributions[name] = distribution
        return value

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        value: float = self._given(name, FloatDistribution(low, high, log=log, step=step))
        return value

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(self._given(name, IntDistribution(low, high, log=log, step=step)))

    def suggest_categorical(self, name: str, choices: Sequence[CategoricalChoiceType]) -> Any:
        return self._given(name, CategoricalDistribution(choices))

    def report(self, value: float, step: int) -> None:
        pass

    def should_prune(self) -> bool:
        return False

    def set_user_attr(self, key: str, value: Any) -> None:
        self._user_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        attr = _constraint(key, value, self._system_attrs)
        if attr is not None:
            self._system_attrs[attr[0]] = attr[1]

    @property
    def params(self) -> dict[str, Any]:
        return self._params

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return self._distributions

    @property
    def user_attrs(self) -> dict[str, Any]:
        return self._user_attrs

    @property
    def system_attrs(self) -> dict[str, Any]:
        return self._system_attrs

    @property
    def datetime_start(self) -> datetime.datetime | None:
        return self._datetime_start

    @property
    def number(self) -> int:
        return self._number


class FixedTrial(_GivenTrial):
    """A trial that suggests what it was made with: to run an objective once, without a study."""

    def __init__(self, params: dict[str, Any], number: int = 0) -> None:
        self._params = params
        self._suggested: dict[str, Any] = {}
        self._distributions = {}
        self._user_attrs = {}
        self._system_attrs = {}
        self._datetime_start = datetime.datetime.now()
        self._number = number

    def _given(self, name: str, distribution: BaseDistribution) -> Any:
        value = super()._given(name, distribution)
        self._suggested[name] = value
        return value

    @property
    def params(self) -> dict[str, Any]:
        return self._suggested


class FrozenTrial(_GivenTrial):
    """A trial as it was when it was read. Changing it changes nothing in the study."""

    state: TrialState
    _values: list[float] | None
    datetime_complete: datetime.datetime | None
    intermediate_values: dict[int, float]
    _trial_id: int

    def __init__(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        datetime_start: datetime.datetime | None,
        datetime_complete: datetime.datetime | None,
        params: dict[str, Any],
        distributions: dict[str, BaseDistribution],
        user_attrs: dict[str, Any],
        system_attrs: dict[str, Any],
        intermediate_values: dict[int, float],
        trial_id: int,
        *,
        values: Sequence[float] | None = None,
    ) -> None:
        if value is not None and values is not None:
            raise ValueError("A trial is made with a value or with values, not with both.")
        self._number = number
        self.state = state
        self._values = [value] if value is not None else None if values is None else list(values)
        self._datetime_start = datetime_start
        self.datetime_complete = datetime_complete
        self._params = params
        self._user_attrs = user_attrs
        self._system_attrs = system_attrs
        self.intermediate_values = intermediate_values
        self._distributions = distributions
        self._trial_id = trial_id

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if isinstance(other, FrozenTrial) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: FrozenTrial) -> bool:
        return self.number < other.number if isinstance(other, FrozenTrial) else NotImplemented

    def __le__(self, other: FrozenTrial) -> bool:
        return self.number <= other.number if isinstance(other, FrozenTrial) else NotImplemented

    def __repr__(self) -> str:
        inside = ", ".join(f"{key.lstrip('_')}={value!r}" for key, value in self.__dict__.items())
        return f"{type(self).__name__}({inside}, value=None)"

    @property
    def number(self) -> int:
        return self._number

    @number.setter
    def number(self, value: int) -> None:
        self._number = value

    def _the_value(self) -> float | None:
        if self._values is None:
            return None
        if len(self._values) > 1:
            raise RuntimeError("A trial of a study with several objectives has no single value; it has `values`.")
        return self._values[0]

    @property
    def value(self) -> float | None:
        """The objective's value; None when the trial has none."""
        return self._the_value()

    @value.setter
    def value(self, value: float | None) -> None:
        self._the_value()
        self._values = None if value is None else [value]

    @property
    def values(self) -> list[float] | None:
        """The values by objective; None when the trial has none."""
        return self._values

    @values.setter
    def values(self, values: Sequence[float] | None) -> None:
        self._values = None if values is None else list(values)

    @property
    def datetime_start(self) -> datetime.datetime | None:
        return self._datetime_start

    @datetime_start.setter
    def datetime_start(self, value: datetime.datetime | None) -> None:
        self._datetime_start = value

    @property
    def params(self) -> dict[str, Any]:
        return self._params

    @params.setter
    def params(self, params: dict[str, Any]) -> None:
        self._params = params

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return self._distributions

    @distributions.setter
    def distributions(self, value: dict[str, BaseDistribution]) -> None:
        self._distributions = value

    @property
    def user_attrs(self) -> dict[str, Any]:
        return self._user_attrs

    @user_attrs.setter
    def user_attrs(self, value: dict[str, Any]) -> None:
        self._user_attrs = value

    @property
    def system_attrs(self) -> dict[str, Any]:
        return self._system_attrs

    @system_attrs.setter
    def system_attrs(self, value: dict[str, Any]) -> None:
        self._system_attrs = value

    @property
    def last_step(self) -> int | None:
        """The highest step with a report; None when nothing was reported."""
        return max(self.intermediate_values, default=None)

    @property
    def duration(self) -> datetime.timedelta | None:
        """How long the trial ran; None while it is not finished."""
        if self.datetime_start is None or self.datetime_complete is None:
            return None
        return self.datetime_complete - self.datetime_start

    def _validate(self) -> None:
        """ValueError when the parts do not go together."""
        if self.state != TrialState.WAITING and self.datetime_start is None:
            raise ValueError("A trial that has begun needs `datetime_start`.")
        if self.state.is_finished() != (self.datetime_complete is not None):
            raise ValueError("`datetime_complete` belongs to finished trials, and to no others.")
        if self.state == TrialState.FAIL and self._values is not None:
            raise ValueError(f"A trial that failed has no values, but these were given: {self._values}.")
        if self.state == TrialState.COMPLETE:
            if self._values is None:
                raise ValueError("A COMPLETE trial needs its value or values.")
            if any(math.isnan(value) for value in self._values):
                raise ValueError("The values of a COMPLETE trial must not be NaN.")
        if self.params.keys() != self.distributions.keys():
            raise ValueError(
                f"Parameters {sorted(self.params)} and distributions {sorted(self.distributions)} must have the same names."
            )
        for name, value in self.params.items():
            distribution = self.distributions[name]
            if not distribution._contains(distribution.to_internal_repr(value)):
                raise ValueError(f"The value {value!r} of parameter {name!r} lies outside {distribution}.")


def create_trial(
    *,
    state: TrialState = TrialState.COMPLETE,
    value: float | None = None,
    values: Sequence[float] | None = None,
    params: dict[str, Any] | None = None,
    distributions: dict[str, BaseDistribution] | None = None,
    user_attrs: dict[str, Any] | None = None,
    system_attrs: dict[str, Any] | None = None,
    intermediate_values: dict[int, float] | None = None,
    constraints: dict[str, float] | None = None,
) -> FrozenTrial:
    """A trial that ran elsewhere, for ``Study.add_trial``. ValueError when the parts do not go together."""
    start = None if state == TrialState.WAITING else datetime.datetime.now()
    trial = FrozenTrial(
        number=-1,
        state=state,
        value=value,
        values=values,
        datetime_start=start,
        datetime_complete=start if state.is_finished() else None,
        params=params or {},
        distributions={name: _modern(d) for name, d in (distributions or {}).items()},
        user_attrs=user_attrs or {},
        system_attrs=system_attrs or {},
        intermediate_values=intermediate_values or {},
        trial_id=-1,
    )
    for key, limit in (constraints or {}).items():
        trial.set_constraint(key, limit)
    trial._validate()
    return trial
