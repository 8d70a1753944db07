"""Values with a fixed outcome, through the ordinary API, with no extra header: as card numbers in a payment sandbox.

The table follows from what is there: the pools' behaviours, and what a fixture's keys and workers are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from upsim import fixture
from upsim.clock import iso
from upsim.model import ApiKey, Worker
from upsim.records import dataclass

HOST_SUFFIX = ".pool.test"
"""Behind a behaviour's name: the host name of a pool that always behaves so."""


@dataclass(frozen=True, slots=True)
class MagicValue:
    """A value and what it does.

    Attributes:
        kind: "pool host", "key" or "worker".
    """

    kind: str
    value: str
    outcome: str


def magic_values(fixture_name: str, behaviours: Mapping[str, str]) -> list[MagicValue]:
    """Every magic value of a fixture's world."""
    hosts = [MagicValue("pool host", f"{name}{HOST_SUFFIX}", outcome) for name, outcome in behaviours.items()]
    return [*hosts, *_of_fixture(fixture_name)]


@lru_cache(maxsize=4)
def _of_fixture(name: str) -> tuple[MagicValue, ...]:
    beginning = fixture.load(name)
    keys = (
        MagicValue("key", secret, outcome)
        for key, secret in zip(beginning.content.keys, beginning.secrets, strict=True)
        if (outcome := _outcome(key)) is not None
    )
    workers = (
        MagicValue("worker", worker.name, outcome)
        for worker in beginning.content.workers
        if (outcome := _state(worker)) is not None
    )
    return (*keys, *workers)


def is_magic(key: ApiKey) -> bool:
    """Whether the key has a fixed outcome."""
    return _outcome(key) is not None


def _outcome(key: ApiKey) -> str | None:
    if key.exhausted:
        return "429: always over its limit"
    if key.expires_at is not None:
        return f"401: expired since {iso(key.expires_at)}"
    if key.networks:
        return f"403: may be used from {', '.join(key.networks)} only"
    return None


def _state(worker: Worker) -> str | None:
    states = {
        "offline": "always offline",
        "online": "always online",
        "flapping": "down for ten minutes of each half hour",
    }
    return next((states[kind] for _, kind, _, _ in worker.history if kind in states), None)
