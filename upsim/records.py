"""Frozen records: dataclasses that cost next to nothing until the first of a class is made.

The standard library's `dataclass(frozen=True, slots=True)` compiles six methods for each class when it is defined, half
a millisecond that starting up pays for each of a hundred classes, and a new record then sets each field through
object.__setattr__. Here the one method that is worth compiling, `__init__`, is compiled once a few records of the class
were made, and sets slots directly; until then, and for all else, one function does for all classes. To type checkers it
is the standard library's own; `replace`, `fields` and `asdict` of dataclasses work as ever.

    from upsim.records import dataclass

    @dataclass(frozen=True, slots=True)
    class Hit: ...

For plain records only: without bases but Generic, and with fields that differ in default, and in whether they are
shown and compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen, slots, eq=True):
        """Make a class of annotated fields a record; as in dataclasses, where frozen and slots must be true here."""
        if not (frozen and slots):
            raise TypeError("a record is frozen and has slots; for others there is dataclasses.dataclass")
        return lambda cls: _record(cls, eq)


__all__ = ["dataclass"]

_FEW: Final = 24
"""Records of a class that are made before anything is compiled, which takes as long as making some fifty of them so."""

_NOT_COPIED: Final = frozenset({"__dict__", "__weakref__"})


def _record(cls: type, eq: bool) -> type:
    if cls.__bases__ not in ((object,), (Generic,)):
        raise TypeError(f"{cls.__name__}: a record has no bases but Generic; use dataclasses.dataclass")
    own = cls.__dict__
    notes: Mapping[str, Any] = cls.__annotations__
    names = tuple(notes)
    defaults = {name: own[name] for name in names if name in own}
    namespace = {name: own[name] for name in own if name not in _NOT_COPIED and name not in defaults}
    compared = [name for name in names if getattr(defaults.get(name), "compare", True) is not False]
    values: Callable[[Any], Any] = attrgetter(*compared) if compared else _no_values
    namespace.update(
        __slots__=names,
        __match_args__=names,
        __annotations__=notes,
        __dataclass_fields__=_Fields(notes, defaults),
        __setattr__=_refuse,
        __delattr__=_refuse,
        __reduce__=_reduce,
    )
    namespace.setdefault("__repr__", _repr)
    if eq:

        def equals(self: Any, other: object) -> bool:
            return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

        namespace.update(__eq__=equals, __hash__=lambda self: hash(values(self)))
    made: Any = type(cls)(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__

    made.__init__ = _first_init(made, names, defaults)
    found: type = made
    return found


def _first_init(cls: Any, names: tuple[str, ...], defaults: Mapping[str, Any]) -> Callable[..., None]:
    """What sets the slots of the first few records; then, one that is compiled takes its place."""
    made = 0

    def init(self: Any, *given: Any, **named: Any) -> None:
        nonlocal made
        made += 1
        values = _values(names, defaults, given, named) if made <= _FEW else None
        if values is None:
            cls.__init__ = _compiled_init(cls, names, defaults)
            cls.__init__(self, *given, **named)
            return
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if hasattr(cls, "__post_init__"):
            self.__post_init__()

    return init


def _values(
    names: tuple[str, ...], defaults: Mapping[str, Any], given: tuple[Any, ...], named: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """The value of each field; None where the arguments do not fit: what is compiled knows what to say of them."""
    values = dict(zip(names, given, strict=False))
    if len(given) > len(names) or not values.keys().isdisjoint(named):
        return None
    values.update(named)
    for name in names:
        if name not in values:
            value = defaults.get(name, MISSING)
            if isinstance(value, Field):
                value = value.default if value.default_factory is MISSING else value.default_factory()
            if value is MISSING:
                return None
            values[name] = value
    return values if len(values) == len(names) else None


def _compiled_init(cls: Any, names: tuple[str, ...], defaults: Mapping[str, Any]) -> Callable[..., None]:
    """What sets the slots of a new record: `def __init__(self, a, b=…)`."""
    known: dict[str, Any] = {"_MISSING": MISSING}
    heads, lines = [], []
    for name in names:
        known[f"_set_{name}"] = getattr(cls, name).__set__
        value, default = name, defaults.get(name, MISSING)
        if isinstance(default, Field):
            known[f"_make_{name}"] = factory = default.default_factory
            if factory is not MISSING:
                value, default = f"_make_{name}() if {name} is _MISSING else {name}", MISSING
                heads.append(f"{name}=_MISSING")
            else:
                default = default.default
                heads.append(name if default is MISSING else f"{name}=_default_{name}")
        else:
            heads.append(name if default is MISSING else f"{name}=_default_{name}")
        known[f"_default_{name}"] = default
        lines.append(f"  _set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("  self.__post_init__()")
    text = f"def make({', '.join(known)}):\n def __init__(self, {', '.join(heads)}):\n" + "\n".join(lines or ["  pass"])
    found: dict[str, Any] = {}
    exec(text + "\n return __init__", {}, found)  # noqa: S102 - of names in our own source, as dataclasses does it
    init: Callable[..., None] = found["make"](**known)
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


class _Fields:
    """A record's fields as dataclasses has them, for those who ask: made by it when they do."""

    def __init__(self, notes: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._notes = notes
        self._defaults = defaults

    def __get__(self, record: Any, cls: Any) -> Mapping[str, Field[Any]]:
        wanted: list[Any] = [
            (name, note, self._defaults[name]) if name in self._defaults else (name, note)
            for name, note in self._notes.items()
        ]
        described = {
            "__doc__": cls.__doc__ or cls.__name__
        }  # else it makes up a text, which takes longer than all else
        twin: Any = dataclasses.make_dataclass(
            cls.__name__, wanted, namespace=described, init=False, repr=False, eq=False
        )
        cls.__dataclass_fields__ = found = twin.__dataclass_fields__
        known: Mapping[str, Field[Any]] = found
        return known


def _no_values(_: object) -> tuple[()]:
    return ()


def _refuse(record: object, name: str, value: object = None) -> NoReturn:
    raise FrozenInstanceError(f"cannot change field {name!r}")


def _reduce(record: Any) -> tuple[type, tuple[Any, ...]]:
    return type(record), tuple(getattr(record, name) for name in record.__slots__)


def _repr(record: Any) -> str:
    shown = (field.name for field in dataclasses.fields(record) if field.repr)
    return f"{type(record).__qualname__}({', '.join(f'{name}={getattr(record, name)!r}' for name in shown)})"
