"""Faults on a world's calls: which call each strikes, in an order that follows from the seed alone.

A fault counts the calls it matches, in the store, so that all processes on it count alike: "the next three" are the
first three numbers, and "10 %" is a choice drawn from seed, fault and number. The same calls in the same order meet the
same faults, in every run and on every store.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from upsim.errors import InvalidInput, NotFound
from upsim.globs import expression
from upsim.model import WorldRecord
from upsim.records import dataclass
from upsim.world import World

EFFECTS: Final = {
    "status": "the answer is this status, with `body` or an error of its own",
    "drop": "the connection is closed without an answer",
    "cut": "the answer stops half way",
    "malformed": "the answer's JSON is broken",
    "content-type": "the answer says it is text/html",
    "latency": "the answer comes late, and is otherwise untouched",
}
"""What a fault can do to a call."""

MAX_LATENCY_MS: Final = 60_000
MAX_FAULTS: Final = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a world.

    Attributes:
        id: "fault-1", "fault-2", … in the order in which they were added.
        method, path, account: which calls it matches; None matches all. In a path * stands for any text.
        effect: a key of EFFECTS.
        status, body: for the effect "status": what is answered instead.
        latency_ms: how long the answer waits, drawn anew for each call between the two.
        times: it strikes the next so many calls that it matches, and then is over; None has no end.
        share: it strikes this share of the calls that it matches.
        after: true lets the call do its work first, so that only the answer is lost.
    """

    id: str
    effect: str
    method: str | None = None
    path: str | None = None
    account: str | None = None
    status: int = 503
    body: Any = None
    latency_ms: tuple[int, int] = (0, 0)
    times: int | None = None
    share: float = 1.0
    after: bool = False

    def matches(self, method: str, path: str, account: str | None) -> bool:
        """Whether the call is one of those it is for."""
        return (
            self.method in (None, method)
            and self.account in (None, account)
            and (self.path is None or re.fullmatch(expression(self.path), path) is not None)
        )


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that strikes a call, and how long the call has to wait."""

    fault: Fault
    wait_ms: int


def list_faults(record: WorldRecord) -> list[Fault]:
    """The world's faults, in the order in which they are tried."""
    found: Any = record.options.get("faults", ())
    return [_from_doc(doc) for doc in found]


def add_fault(world: World, fault: Fault) -> Fault:
    """Add a fault behind those there are; answers it with its id.

    Raises:
        InvalidInput: it cannot be.
    """
    if fault.latency_ms[0] > fault.latency_ms[1]:
        raise InvalidInput("latency_ms", "the first number must not be greater than the second.")
    added = replace(fault, id=f"fault-{world.store.next_number(world.id, 'faults') + 1}")

    def with_it(record: WorldRecord) -> WorldRecord:
        known = list_faults(record)
        if len(known) >= MAX_FAULTS:
            raise InvalidInput("faults", f"a world has at most {MAX_FAULTS}; remove some first.")
        return _with(record, [*known, added])

    world.store.change_world(world.id, with_it)
    return added


def remove_fault(world: World, fault_id: str) -> None:
    """Remove a fault.

    Raises:
        NotFound: the world has no such fault.
    """

    def without_it(record: WorldRecord) -> WorldRecord:
        known = list_faults(record)
        left = [fault for fault in known if fault.id != fault_id]
        if len(left) == len(known):
            raise NotFound("Fault", fault_id)
        return _with(record, left)

    world.store.change_world(world.id, without_it)


def remove_faults(world: World) -> None:
    """Remove all faults."""
    world.store.change_world(world.id, lambda record: _with(record, []))


def has_faults(world: World) -> bool:
    """Whether any call of the world may be struck."""
    return bool(world.record.options.get("faults"))


def strike(world: World, method: str, path: str, account: str | None) -> Strike | None:
    """The fault that strikes this call: the first that matches it and whose turn it is."""
    if not has_faults(world):
        return None
    for fault in list_faults(world.record):
        if not fault.matches(method, path, account):
            continue
        number = world.store.next_number(world.id, f"fault:{fault.id}")
        if fault.times is not None and number >= fault.times:
            continue
        chance = random.Random(f"{world.seed}:{fault.id}:{number}")
        if chance.random() < fault.share:
            return Strike(fault, chance.randint(*fault.latency_ms))
    return None


def doc_of(fault: Fault) -> dict[str, Any]:
    """The fault as plain data."""
    return {**asdict(fault), "latency_ms": list(fault.latency_ms)}


def _from_doc(doc: Mapping[str, Any]) -> Fault:
    least, most = doc["latency_ms"]
    return Fault(**{**doc, "latency_ms": (least, most)})


def _with(record: WorldRecord, faults: list[Fault]) -> WorldRecord:
    return replace(record, options={**record.options, "faults": [doc_of(fault) for fault in faults]})
