"""How a run moves time where the target lets it: upsim's control plane. A run there gets a world of its own.

Everything else is done through the API under test. Nothing here is part of that API, and no target needs it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

import httpx

from .settings import Key, Settings, all_scopes, simulated

PREFIX: Final = "/_upsim"
READING: Final = frozenset(scope for scope in all_scopes() if scope.endswith(":read"))
FIXTURE: Final = "demo"
ELSEWHERE: Final = "198.51.100.7"
"""An address of no one's (RFC 5737), for the key that may not be used from here."""
NEWCOMER: Final = "contract-newcomer"
"""A user who has nothing yet."""
LIFETIME: Final = "6h"
"""A world that a killed run leaves behind goes by itself."""


class Control(Protocol):
    """A target whose clock can be moved."""

    def now(self) -> float:
        """The target's time, Unix seconds."""

    def advance(self, seconds: float) -> None:
        """Move the target's clock on."""

    def close(self) -> None:
        """Give back what was taken."""


class ControlError(Exception):
    """The control plane is there but does not do what it is asked; the text says what."""


class UpsimControl:
    """A world of an upsim, made for one run and ended with it. Its clock stands still but for what is asked."""

    def __init__(self, http: httpx.Client, url: str, world: str) -> None:
        self._http, self._url, self.world = http, url, world
        self._now = 0.0
        self._clock({"freeze": True})

    def now(self) -> float:
        """The world's time: it stands still, so what the last move said is true."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the world's clock on."""
        self._clock({"advance": round(seconds, 3)})

    def close(self) -> None:
        """End the world; one that cannot be ended any more ends by itself."""
        with contextlib.suppress(httpx.HTTPError):
            self._http.delete(f"{self._url}{PREFIX}/worlds/{self.world}")
        self._http.close()

    def _clock(self, change: Mapping[str, Any]) -> None:
        clock = _asked(self._http, "POST", f"{self._url}{PREFIX}/worlds/{self.world}/clock", change)
        self._now = _instant(clock["now"])


def attach(
    settings: Settings, transport: httpx.BaseTransport | None, timeout_s: float, token: str | None = None
) -> tuple[Settings, Control] | None:
    """A fresh world on a target that is an upsim whose control plane is open to us; None on any other.

    Raises:
        ControlError: there is a control plane, but no world could be had.
    """
    headers = {"X-Upsim-Token": token} if token else {}
    http = httpx.Client(transport=transport, timeout=timeout_s, trust_env=False, headers=headers)
    try:
        health = http.get(f"{settings.url}{PREFIX}/health")
        found = health.status_code == 200 and health.json().get("status") == "ok"
    except (httpx.HTTPError, ValueError, AttributeError):
        found = False
    if not found:
        http.close()
        return None
    worlds = f"{settings.url}{PREFIX}/worlds"
    try:
        # The run's keys are those of its own world, so that nobody else's tests see its clock or its pools.
        made = _asked(http, "POST", worlds, {"fixture": FIXTURE, "expires_in": LIFETIME})
        control = UpsimControl(http, settings.url, made["id"])
        return _with_keys(settings, http, f"{worlds}/{made['id']}", made), control
    except (httpx.HTTPError, ValueError, KeyError, StopIteration) as error:
        http.close()
        raise ControlError(f"{settings.url}{PREFIX} gives no world to test in: {error}; try --no-control") from error


def _with_keys(settings: Settings, http: httpx.Client, world: str, made: Mapping[str, Any]) -> Settings:
    accounts = {tier: next(one for one in made["accounts"] if one["tier"] == tier) for tier in ("vip", "basic")}

    def whole(tier: str) -> str:
        return str(next(key["key"] for key in accounts[tier]["keys"] if set(key["scopes"]) >= all_scopes()))

    def issue(**wish: Any) -> dict[str, Any]:
        wish["scopes"] = sorted(wish.get("scopes", all_scopes()))
        return _asked(http, "POST", f"{world}/accounts/{accounts['vip']['name']}/keys", wish)

    def key(issued: Mapping[str, Any]) -> Key:
        return Key(issued["key"], "main", "vip", frozenset(issued["scopes"]))

    revoked = issue(name="contract, revoked")
    _asked(http, "DELETE", f"{world}/keys/{revoked['id']}", None)
    _asked(http, "POST", f"{world}/accounts", {"name": NEWCOMER, "tier": "basic"})
    newcomer = _asked(http, "POST", f"{world}/accounts/{NEWCOMER}/keys", {})
    reading = [one for one in accounts["vip"]["keys"] if set(one["scopes"]) == READING]
    limited = (
        key(reading[0] if reading else issue(name="contract, reading", scopes=READING)),
        key(issue(name="contract, writing", scopes=all_scopes() - READING)),
    )
    keys = {
        "main": Key(whole("vip"), "main", "vip", all_scopes()),
        "same_user": key(issue(name="contract, the same user")),
        "other_user": Key(whole("basic"), "other", "basic", all_scopes()),
        "unusable": Key(revoked["key"], "main", "vip", all_scopes()),
        "new_user": Key(newcomer["key"], "new", "basic", all_scopes()),
        "wrong_address": key(issue(name="contract, elsewhere", addresses=[ELSEWHERE])),
    }
    return simulated(replace(settings, keys=keys, limited=limited, disposable=True, move_workers=True))


def _asked(http: httpx.Client, method: str, url: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
    response = http.request(method, url, json=body) if body is not None else http.request(method, url)
    if not response.is_success:
        raise ValueError(f"{method} {url} answers {response.status_code} {response.text[:200]}")
    answer: dict[str, Any] = response.json()
    return answer


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
