# SPDX-License-Identifier: MIT
"""What samplers and pruners have in common: two faces, one native object per study, pickling, forks.

Two faces. A class such as TPESampler stands for itself in a study of ours. When Optuna has been imported, what its constructor makes is also
an instance of Optuna's base class: of a subclass of both, built when first needed (`face`). So `isinstance` holds on both sides, and what
later versions of Optuna add to their base class is there.

Native objects. Each source (one study of one storage) has a native object of its own, so that studies which share a sampler do not share
random numbers, and what it remembers of a study goes with it. Without a seed each one draws its own; with a seed all have that one.

Forks and copies. A copy, an unpickled object and one in a forked child begin with no native objects: without a seed they draw new seeds.
"""
from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import Any, Callable

_faces: dict[type, type] = {}
_parts: weakref.WeakSet[Part] = weakref.WeakSet()
_abandoned: list[Any] = []  # natives of the parent in a forked child: other threads may have been inside, so they are never touched


def face(cls: type, module: str, base_name: str) -> type:
    """`cls`, or its subclass that is Optuna's, too."""
    known = _faces.get(cls)
    if known is not None:
        return known
    base = getattr(sys.modules.get("optuna." + module), base_name, None)
    if base is None or issubclass(cls, base):
        return cls
    made = type(base)(
        cls.__name__, (cls, base), {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__, "_plain": cls}
    )
    return _faces.setdefault(cls, made)


def text(value: Any) -> str:
    """An option's value as the library reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if hasattr(value, "item") and not isinstance(value, (int, float, str)):  # a scalar of numpy's
        value = value.item()
    if isinstance(value, float):
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(float(value)), repr(float(value)))
    return str(value)


class Part:
    """A sampler or a pruner."""

    _plain: type
    _natives: weakref.WeakKeyDictionary[Any, Any]
    _own: Any
    _optuna = ("", "")  # module and name of Optuna's base class

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self: Any = object.__new__(face(cls, *cls._optuna))
        self._natives = weakref.WeakKeyDictionary()
        self._making = threading.Lock()
        self._own = None
        return self

    def _make(self) -> Any:
        """A new native object."""
        raise NotImplementedError

    def _ready(self) -> None:
        """At the end of __init__: makes a first native object, which checks the arguments."""
        self._own = self._make()
        _parts.add(self)

    @property
    def _native(self) -> Any:
        """For studies of ours: the object that they share."""
        if self._own is None:
            self._own = self._make()
        return self._own

    def _for(self, source: Any) -> Any:
        """The native object for this source."""
        try:
            return self._natives[source]
        except KeyError:
            pass
        with self._making:
            native = self._natives.get(source)
            if native is None:
                native = self._natives[source] = self._make()
            return native

    def _forget(self) -> None:
        self._natives = weakref.WeakKeyDictionary()
        self._making = threading.Lock()
        self._own = None

    def __str__(self) -> str:
        return type(self).__name__

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_natives", "_making", "_own")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _parts.add(self)

    def __reduce_ex__(self, protocol: Any) -> tuple[Callable[..., Any], tuple[type], dict[str, Any]]:
        return _new, (getattr(type(self), "_plain", type(self)),), self.__getstate__()

    def __copy__(self) -> Any:
        copy = _new(getattr(type(self), "_plain", type(self)))
        copy.__setstate__(self.__getstate__())
        return copy


def _new(cls: Any) -> Any:
    return cls.__new__(cls)


def _in_child() -> None:
    for part in list(_parts):
        _abandoned.append((part._own, part._natives))
        part._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
