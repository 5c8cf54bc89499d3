# SPDX-License-Identifier: MIT
"""Distributions: what values a parameter may take. Names, attributes, text and rules are Optuna's.

Every value has an internal form, one float: the number itself, or the index of a choice. Instances must keep exactly these
attributes, in ``__dict__``: the extension fills them in without calling ``__init__`` (python/csrc/value.c).
"""
from __future__ import annotations

import math
import warnings
from decimal import Decimal
from typing import Any, Sequence, Union

__all__ = [
    "BaseDistribution",
    "CategoricalChoiceType",
    "CategoricalDistribution",
    "DISTRIBUTION_CLASSES",
    "DiscreteUniformDistribution",
    "FloatDistribution",
    "IntDistribution",
    "IntLogUniformDistribution",
    "IntUniformDistribution",
    "LogUniformDistribution",
    "UniformDistribution",
    "check_distribution_compatibility",
    "distribution_to_json",
    "json_to_distribution",
]

CategoricalChoiceType = Union[None, bool, int, float, str]


class BaseDistribution:
    """What all distributions have."""

    def to_external_repr(self, param_value_in_internal_repr: float) -> Any:
        """The value that an internal one stands for."""
        return param_value_in_internal_repr

    def to_internal_repr(self, param_value_in_external_repr: Any) -> float:
        """The internal form of a value. ValueError when it is none of this kind."""
        raise NotImplementedError

    def single(self) -> bool:
        """Does the distribution hold one value only?"""
        raise NotImplementedError

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        raise NotImplementedError

    def _asdict(self) -> dict[str, Any]:
        return self.__dict__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseDistribution):
            return NotImplemented
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *sorted(self.__dict__.items())))

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value}" for key, value in sorted(self._asdict().items()))
        return f"{type(self).__name__}({inside})"


def _number(value: Any, log: bool) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as e:
        raise ValueError(f"{value!r} is no number.") from e
    if math.isnan(number) or (log and number <= 0):
        raise ValueError(f"{value!r} cannot be a value of this distribution.")
    return number


def _check_bounds(low: float, high: float, step: float | None) -> None:
    if low > high:
        raise ValueError(f"The lower bound {low!r} is above the upper one, {high!r}.")
    if step is not None and step <= 0:
        raise ValueError(f"The step must be above 0, not {step!r}.")


def _warn_moved(low: float, high: float, step: float, reached: float) -> None:
    warnings.warn(
        f"No number of steps of {step!r} leads from {low!r} to {high!r}; the upper bound is now {reached!r}.",
        UserWarning,
        stacklevel=4,
    )


class FloatDistribution(BaseDistribution):
    """Numbers from ``low`` to ``high``, uniformly or uniformly in the logarithm, or ``low``, ``low + step`` and so on."""

    low: float
    high: float
    log: bool
    step: float | None

    def __init__(self, low: float, high: float, log: bool = False, step: float | None = None) -> None:
        if log and step is not None:
            raise ValueError("A distribution has a step or log=True, not both.")
        _check_bounds(low, high, step)
        if log and low <= 0:
            raise ValueError(f"With log=True the lower bound must be above 0, not {low!r}.")
        if step is not None:
            bottom, top, one = Decimal(str(low)), Decimal(str(high)), Decimal(str(step))
            if (top - bottom) % one != 0:
                reached = float((top - bottom) // one * one + bottom)
                _warn_moved(low, high, step, reached)
                high = reached
        self.step = None if step is None else float(step)
        self.low = float(low)
        self.high = float(high)
        self.log = log

    def single(self) -> bool:
        if self.step is None or self.low == self.high:
            return self.low == self.high
        return Decimal(str(self.high)) - Decimal(str(self.low)) < Decimal(str(self.step))

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        value = param_value_in_internal_repr
        if not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-8

    def to_internal_repr(self, param_value_in_external_repr: float) -> float:
        return _number(param_value_in_external_repr, self.log)


class IntDistribution(BaseDistribution):
    """Whole numbers ``low``, ``low + step`` … ``high``; with ``log`` the small ones are denser (and the step is 1)."""

    low: int
    high: int
    log: bool
    step: int

    def __init__(self, low: int, high: int, log: bool = False, step: int = 1) -> None:
        if log and step != 1:
            raise ValueError("With log=True the step of whole numbers is 1.")
        _check_bounds(low, high, step)
        if log and low < 1:
            raise ValueError(f"With log=True the lower bound must be at least 1, not {low!r}.")
        self.log = log
        self.step = int(step)
        self.low = int(low)
        self.high = int(high)
        beyond = (self.high - self.low) % self.step
        if beyond:
            _warn_moved(low, high, step, self.high - beyond)
            self.high -= beyond

    def to_external_repr(self, param_value_in_internal_repr: float) -> int:
        return int(param_value_in_internal_repr)

    def to_internal_repr(self, param_value_in_external_repr: int) -> float:
        return _number(param_value_in_external_repr, self.log)

    def single(self) -> bool:
        return self.low == self.high if self.log else self.high - self.low < self.step

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        value = param_value_in_internal_repr
        return self.low <= value <= self.high and (value - self.low) % self.step == 0


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _same_choice(one: object, other: object) -> bool:
    return bool(one == other) or (_is_nan(one) and _is_nan(other))


class CategoricalDistribution(BaseDistribution):
    """One of the choices. They are stored as JSON: None, bool, int, float and str, and lists of these."""

    choices: tuple[Any, ...]

    def __init__(self, choices: Sequence[CategoricalChoiceType]) -> None:
        if len(choices) == 0:
            raise ValueError("A categorical distribution needs at least one choice.")
        for choice in choices:
            if choice is not None and not isinstance(choice, (bool, int, float, str)):
                warnings.warn(
                    f"The choice {choice!r} is of type {type(choice).__name__}: only None, bool, int, float and str are sure to "
                    "come back from a storage as they were.",
                    UserWarning,
                    stacklevel=2,
                )
        self.choices = tuple(choices)

    def to_external_repr(self, param_value_in_internal_repr: float) -> Any:
        return self.choices[int(param_value_in_internal_repr)]

    def to_internal_repr(self, param_value_in_external_repr: CategoricalChoiceType) -> float:
        for index, choice in enumerate(self.choices):
            if _same_choice(choice, param_value_in_external_repr):
                return index
        raise ValueError(f"{param_value_in_external_repr!r} is none of the choices {self.choices}.")

    def single(self) -> bool:
        return len(self.choices) == 1

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        return 0 <= int(param_value_in_internal_repr) < len(self.choices)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseDistribution):
            return NotImplemented
        return (
            isinstance(other, CategoricalDistribution)
            and len(self.choices) == len(other.choices)
            and all(map(_same_choice, self.choices, other.choices))
        )

    __hash__ = BaseDistribution.__hash__


# ---- classes of Optuna before 3.0, which old scripts still name ----


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(f"{name} is an old name: use {instead}.", FutureWarning, stacklevel=3)


class UniformDistribution(FloatDistribution):
    """An old name of ``FloatDistribution(low, high)``."""

    def __init__(self, low: float, high: float) -> None:
        _deprecated("UniformDistribution", "FloatDistribution(low, high)")
        super().__init__(low, high)

    def _asdict(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}


class LogUniformDistribution(FloatDistribution):
    """An old name of ``FloatDistribution(low, high, log=True)``."""

    def __init__(self, low: float, high: float) -> None:
        _deprecated("LogUniformDistribution", "FloatDistribution(low, high, log=True)")
        super().__init__(low, high, log=True)

    def _asdict(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}


class DiscreteUniformDistribution(FloatDistribution):
    """An old name of ``FloatDistribution(low, high, step=q)``."""

    def __init__(self, low: float, high: float, q: float) -> None:
        _deprecated("DiscreteUniformDistribution", "FloatDistribution(low, high, step=q)")
        super().__init__(low, high, step=q)

    @property
    def q(self) -> float:
        assert self.step is not None
        return self.step

    @q.setter
    def q(self, value: float) -> None:
        self.step = value

    def _asdict(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "q": self.step}


class IntUniformDistribution(IntDistribution):
    """An old name of ``IntDistribution(low, high, step=step)``."""

    def __init__(self, low: int, high: int, step: int = 1) -> None:
        _deprecated("IntUniformDistribution", "IntDistribution(low, high, step=step)")
        super().__init__(low, high, step=step)

    def _asdict(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "log"}


class IntLogUniformDistribution(IntDistribution):
    """An old name of ``IntDistribution(low, high, log=True)``."""

    def __init__(self, low: int, high: int, step: int = 1) -> None:
        _deprecated("IntLogUniformDistribution", "IntDistribution(low, high, log=True)")
        super().__init__(low, high, log=True, step=step)

    def _asdict(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "log"}


DISTRIBUTION_CLASSES: tuple[type[BaseDistribution], ...] = (
    IntDistribution,
    IntLogUniformDistribution,
    IntUniformDistribution,
    FloatDistribution,
    UniformDistribution,
    LogUniformDistribution,
    DiscreteUniformDistribution,
    CategoricalDistribution,
)


def _modern(distribution: BaseDistribution) -> BaseDistribution:
    """The same distribution by one of the three classes that are in use."""
    kind = type(distribution)
    if kind in (FloatDistribution, IntDistribution, CategoricalDistribution):
        return distribution
    if isinstance(distribution, FloatDistribution):
        new: BaseDistribution = FloatDistribution(distribution.low, distribution.high, distribution.log, distribution.step)
    elif isinstance(distribution, IntDistribution):
        new = IntDistribution(distribution.low, distribution.high, distribution.log, distribution.step)
    else:
        return distribution
    warnings.warn(f"{distribution} is taken as {new}.", FutureWarning, stacklevel=3)
    return new


# ---- text ----


def distribution_to_json(dist: BaseDistribution) -> str:
    """The distribution as it stands in a journal."""
    import json

    return json.dumps({"name": type(dist).__name__, "attributes": dist._asdict()})


def _from_kind(fields: dict[str, Any]) -> BaseDistribution:
    kind = fields["type"]
    if kind == "categorical":
        return CategoricalDistribution(fields["choices"])
    log = fields.get("log", False)
    if kind == "float":
        return FloatDistribution(fields["low"], fields["high"], log=log, step=fields.get("step"))
    if kind == "int":
        return IntDistribution(fields["low"], fields["high"], log=log, step=fields.get("step") or 1)
    raise ValueError(f"There is no distribution of type {kind!r}.")


def json_to_distribution(json_str: str) -> BaseDistribution:
    """Reads ``{"name": ..., "attributes": {...}}``, or ``{"type": "float", "low": ...}`` as people write it."""
    import json

    fields = json.loads(json_str)
    if "name" not in fields:
        return _from_kind(fields)
    for cls in DISTRIBUTION_CLASSES:
        if cls.__name__ == fields["name"]:
            return cls(**fields["attributes"])
    raise ValueError(f"There is no distribution class {fields['name']!r}.")


def check_distribution_compatibility(dist_old: BaseDistribution, dist_new: BaseDistribution) -> None:
    """ValueError when a parameter of the first distribution cannot go on with the second one: kind and log must be the same, and
    all choices; bounds and step may change."""
    if type(dist_old) is not type(dist_new):
        raise ValueError(f"A parameter cannot change from {dist_old} to {dist_new}: these are different kinds.")
    if isinstance(dist_old, (FloatDistribution, IntDistribution)):
        assert isinstance(dist_new, (FloatDistribution, IntDistribution))
        if dist_old.log != dist_new.log:
            raise ValueError("A parameter is logarithmic in all trials or in none.")
    elif dist_old != dist_new:
        raise ValueError("The choices of a CategoricalDistribution are the same in all trials.")
