"""How each thing in a world is spelt in a saved world's document, and read back, field by field.

Knows single things and what each field may be; what they have to do with each other is portable's to judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from upsim.algorithms import ALGORITHMS
from upsim.clock import Instant, iso, parse_iso
from upsim.errors import InvalidInput
from upsim.fleet.cells import CELLS
from upsim.fleet.device import WEIGHTS
from upsim.fleet.hardware import HARDWARE
from upsim.fleet.history import EventKind
from upsim.fleet.measured import LEVELS
from upsim.model import MEASURED, HealthStatus, Scope, Tier
from upsim.records import dataclass

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a field's value is written, and read.

    Attributes:
        read: from JSON, given the field's place; raises InvalidInput where it cannot be.
    """

    write: Callable[[Any], Any]
    read: Callable[[Any, str], Any]


def _refuse(place: str, wanted: str, got: object) -> NoReturn:
    kind = "nothing" if got is None else "a list or an object" if isinstance(got, list | dict) else repr(got)[:60]
    raise InvalidInput(place, f"must be {wanted}, got {kind}.")


def _text(most: int = 1000) -> Spelling:
    def read(value: Any, place: str) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= most:
            _refuse(place, f"a text of 1 to {most} characters", value)
        return value

    return Spelling(str, read)


def _id() -> Spelling:
    def read(value: Any, place: str) -> str:
        if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{24}", value):
            _refuse(place, "24 hexadecimal characters", value)
        return value

    return Spelling(str, read)


def _digest() -> Spelling:
    def read(value: Any, place: str) -> str:
        if not isinstance(value, str) or not re.fullmatch("([0-9a-f]{24})?", value):
            _refuse(place, "the name of one of the tracks, or empty", value)
        return value

    return Spelling(str, read)


def _whole(least: int, most: int) -> Spelling:
    def read(value: Any, place: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            _refuse(place, f"a whole number from {least} to {most}", value)
        return value

    return Spelling(int, read)


def _flag() -> Spelling:
    def read(value: Any, place: str) -> bool:
        if not isinstance(value, bool):
            _refuse(place, "true or false", value)
        return value

    return Spelling(bool, read)


def _time() -> Spelling:
    def read(value: Any, place: str) -> Instant:
        try:
            return parse_iso(value)
        except (TypeError, ValueError):
            _refuse(place, "a time such as 2026-01-05T08:00:00.000Z", value)

    return Spelling(iso, read)


def _one_of(choices: type[StrEnum]) -> Spelling:
    def read(value: Any, place: str) -> StrEnum:
        try:
            return choices(value)
        except ValueError:
            _refuse(place, f"one of {', '.join(choices)}", value)

    return Spelling(str, read)


def _key_of(table: Mapping[str, object]) -> Spelling:
    def read(value: Any, place: str) -> str:
        if not isinstance(value, str) or value not in table:
            _refuse(place, f"one of {', '.join(table)}", value)
        return value

    return Spelling(str, read)


def _maybe(inner: Spelling) -> Spelling:
    return Spelling(
        lambda value: None if value is None else inner.write(value),
        lambda value, place: None if value is None else inner.read(value, place),
    )


def _list(inner: Spelling, length: int | None = None, made: Callable[[Any], Any] = tuple) -> Spelling:
    def read(value: Any, place: str) -> Any:
        if not isinstance(value, list) or (length is not None and len(value) != length):
            _refuse(place, "a list" if length is None else f"a list of {length}", value)
        return made(inner.read(one, f"{place}[{number}]") for number, one in enumerate(value))

    return Spelling(lambda value: [inner.write(one) for one in value], read)


def _row(*columns: Spelling) -> Spelling:
    def read(value: Any, place: str) -> Any:
        if not isinstance(value, list) or len(value) != len(columns):
            _refuse(place, f"a list of {len(columns)}", value)
        return tuple(
            column.read(one, f"{place}[{number}]")
            for number, (column, one) in enumerate(zip(columns, value, strict=True))
        )

    return Spelling(lambda value: [column.write(one) for column, one in zip(columns, value, strict=True)], read)


_NAME: Final = _text(100)
_COUNT: Final = _whole(0, 2**53)
_SIGNED: Final = _whole(-(2**53), 2**53)

Fields = Mapping[str, Spelling]

ACCOUNT: Final[Fields] = {"id": _id(), "name": _text(63), "tier": _one_of(Tier), "created_at": _time()}

KEY: Final[Fields] = {
    "id": _id(),
    "account_id": _id(),
    "name": _NAME,
    "scopes": Spelling(sorted, _list(_one_of(Scope), made=frozenset).read),
    "networks": _list(_text(60)),
    "created_at": _time(),
    "expires_at": _maybe(_time()),
    "revoked_at": _maybe(_time()),
    "exhausted": _flag(),
}

POOL: Final[Fields] = {
    "id": _id(),
    "account_id": _id(),
    "name": _NAME,
    "algorithm": _key_of(ALGORITHMS),
    "host": _text(253),
    "port": _whole(1, 65535),
    "tls": _flag(),
    "username": _text(255),
    "created_at": _time(),
    "updated_at": _time(),
}

HEALTH: Final[Fields] = {
    "status": _one_of(HealthStatus),
    "last_checked_at": _maybe(_time()),
    "last_error": _maybe(_text()),
    "consecutive_failures": _COUNT,
    "latency_ms": _maybe(_COUNT),
}

PROFILE: Final[Fields] = {
    "id": _id(),
    "account_id": _id(),
    "name": _NAME,
    "algorithm": _key_of(ALGORITHMS),
    "pool_ids": _list(_id()),
    "is_default": _flag(),
    "created_at": _time(),
    "updated_at": _time(),
}

COURSE: Final[Fields] = {
    "profile_id": _id(),
    "account_id": _id(),
    "entries": _list(_row(_time(), _maybe(_id()))),
    "ended_at": _maybe(_time()),
}

WORKER: Final[Fields] = {
    "id": _id(),
    "account_id": _id(),
    "name": _NAME,
    "algorithm": _key_of(ALGORITHMS),
    "profile_id": _id(),
    "model": _key_of({**HARDWARE, MEASURED: None}),
    "nominal": _COUNT,
    "home": _whole(0, CELLS - 1),
    "cell": _SIGNED,
    "weights": _list(_SIGNED, WEIGHTS),
    "created_at": _time(),
    "updated_at": _time(),
    "retired_at": _maybe(_time()),
    "history": _list(_row(_time(), _one_of(EventKind), _SIGNED, Spelling(str, lambda value, _: str(value)))),
    "track": _digest(),
}

_LATER: Final = {"track": ""}
"""Fields that documents of earlier versions do not have, and what they meant."""

MEASURED_WORKER: Final[Fields] = {
    "accepted": _COUNT,
    "stale": _COUNT,
    "rejected": _COUNT,
    "since": _maybe(_time()),
    "work": _whole(0, 2**63 - 1),
    "last_at": _maybe(_time()),
}

WORK: Final = _list(_row(_text(100), _whole(0, len(LEVELS) - 1), _COUNT, _whole(0, 2**63 - 1)))


def spelt(thing: object, fields: Fields) -> dict[str, Any]:
    """A thing as it stands in the document."""
    return {name: field.write(getattr(thing, name)) for name, field in fields.items()}


def read(doc: Any, place: str, fields: Fields) -> dict[str, Any]:
    """A thing's values as they were spelt.

    Raises:
        InvalidInput: a field is missing, or is not what it has to be; the text names its place.
    """
    if not isinstance(doc, Mapping):
        _refuse(place, "a JSON object", doc)
    doc = {**{name: value for name, value in _LATER.items() if name in fields}, **doc}
    missing = [name for name in fields if name not in doc]
    if missing:
        raise InvalidInput(f"{place}.{missing[0]}", "is missing.")
    return {name: field.read(doc[name], f"{place}.{name}") for name, field in fields.items()}


def read_all(
    document: Mapping[str, Any], kind: str, fields: Fields, named_by: str = "id"
) -> list[tuple[dict[str, Any], Any]]:
    """The values of each thing of a kind, with the thing as it stands in the document.

    Args:
        named_by: the field that tells them apart.

    Raises:
        InvalidInput: see `read`; or two have one id.
    """
    docs = document.get(kind)
    if not isinstance(docs, list):
        _refuse(f"snapshot.{kind}", "a list", docs)
    found = [(read(doc, f"snapshot.{kind}[{number}]", fields), doc) for number, doc in enumerate(docs)]
    seen: set[str] = set()
    for number, (values, _) in enumerate(found):
        if values[named_by] in seen:
            raise InvalidInput(f"snapshot.{kind}[{number}].{named_by}", f"{values[named_by]} is there twice.")
        seen.add(values[named_by])
    return found
