"""The second implementation as a target: its clock, its settings, a run against it in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from contract.client import Client
from contract.runner import Outcome, Plan, run
from contract.settings import Key, Settings, all_scopes, simulated
from tests.contract.second import data
from tests.contract.second.app import Second


class Clock:
    """A clock that stands still until it is moved: the target's and the run's alike."""

    def __init__(self) -> None:
        self.shown = data.START

    def now(self) -> float:
        """Unix time."""
        return self.shown

    def advance(self, seconds: float) -> None:
        """Move it on."""
        self.shown += seconds

    def close(self) -> None:
        """Nothing was taken."""


def settings(url: str = "http://second.test") -> Settings:
    """Every key and pool a run can use."""
    whole = all_scopes()
    keys = {
        "main": Key(data.VIP, "main", "vip", whole),
        "same_user": Key(data.VIP_TOO, "main", "vip", whole),
        "other_user": Key(data.BASIC, "other", "basic", whole),
        "new_user": Key(data.NOBODY, "new", "basic", whole),
        "unusable": Key(data.EXPIRED, "main", "vip", whole),
        "wrong_address": Key(data.ELSEWHERE, "main", "vip", whole),
    }
    limited = tuple(Key(data.limited(scope), "main", "vip", frozenset([scope])) for scope in data.SCOPES)
    return simulated(Settings(url, keys, limited, disposable=True, move_workers=True))


def judged(
    plan: Plan,
    make: Callable[[Callable[[], float]], Second] = Second,
    wrap: Callable[[Any], Any] = lambda app: app,
    given: Settings | None = None,
    *,
    control: bool = True,
) -> Outcome:
    """A run against the second implementation, or one made or wrapped otherwise.

    Args:
        control: whether the run may move the clock; if not it waits, which moves the clock just as well.
    """
    clock = Clock()
    client = client_of(wrap(make(clock.now)), clock, given, control=control)
    try:
        return run(client, plan)
    finally:
        client.close()


def client_of(app: Any, clock: Clock, given: Settings | None = None, *, control: bool = True) -> Client:
    """A client of an application in this process."""
    return Client(
        given or settings(),
        transport=httpx.WSGITransport(app),
        control=clock if control else None,
        sleep=clock.advance,
        wall=clock.now,
    )
