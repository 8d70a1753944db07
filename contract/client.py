"""Calls the target, with manners: spends no request it does not have, waits when told to, keeps count.

Knows headers and limits; judges nothing. Waiting is moving the target's clock where that can be done.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from .control import Control
from .exchange import Exchange, Reply
from .settings import Key, Settings

TIMEOUT_S: Final = 15.0
"""The vendor's client waits as long."""
WINDOW_S: Final = 60
TRIES: Final = 4
MOMENT_S: Final = 0.01
LOST_AFTER: Final = 3
"""So many calls without an answer one after another, and the target counts as gone."""
UNSENT: Final = object()


class TargetLost(Exception):
    """The target does not answer any more."""


@dataclass(slots=True)
class Budget:
    """What a user has left in the present window, as the target last said."""

    limit: int
    remaining: int
    reset: int


class Client:
    """One target, all keys.

    Attributes:
        calls: how many were sent. waited_s: how long was waited for new windows.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.BaseTransport | None = None,
        control: Control | None = None,
        sleep: Callable[[float], None] = time.sleep,
        wall: Callable[[], float] = time.time,  # noqa: TID251 - only ever compared with the target's own clock
        timeout_s: float = TIMEOUT_S,
        waiting: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.settings, self.control = settings, control
        self._sleep, self._wall, self._waiting = sleep, wall, waiting
        # The environment's proxies are for the network, not for the address somebody named here.
        self._http = httpx.Client(transport=transport, timeout=timeout_s, trust_env=False)
        self._budgets: dict[str, Budget] = {}
        self._offset = 0.0
        self._silent = 0
        self.calls = 0
        self.waited_s = 0.0

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def now(self) -> float:
        """The target's time as well as it can be told: its clock, or our own set by its Date headers."""
        return self.control.now() if self.control else self._wall() + self._offset

    def send(
        self,
        method: str,
        path: str,
        *,
        key: Key | None,
        operation: str | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = UNSENT,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        bearer: bool = False,
        mind_limit: bool = True,
    ) -> Reply:
        """Make one call; again where it met a limit that was spent before it, unless told not to mind.

        Raises:
            TargetLost: this is the third call in a row without an answer.
        """
        sent = dict(headers or {})
        if key is not None:
            sent.update({"Authorization": f"Bearer {key.secret}"} if bearer else {"X-API-Key": key.secret})
        if body is not UNSENT:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        for _ in range(TRIES):
            if key is not None and mind_limit:
                self._wait_for_turn(key.user)
            reply = self._once(method, path, query, raw, sent, operation)
            if key is not None:
                self._learn(key.user, reply)
            if reply.status != 429 or not mind_limit:
                break
            self.open_window(reply.number("retry-after") or WINDOW_S)
        return reply

    def open_window(self, seconds: float) -> None:
        """Let so much of the target's time pass, so that every user has a new window."""
        self.pass_time(seconds)
        self._budgets.clear()

    def pass_time(self, seconds: float) -> None:
        """Let the target's clock go on by so much: moved where it can be, else waited for."""
        if self.control is not None:
            self.control.advance(seconds)
            return
        self._waiting(seconds)
        self._sleep(seconds)
        self.waited_s += seconds

    def moment(self) -> None:
        """Let the target's clock show another time than it does now."""
        if self.control is not None:
            self.control.advance(MOMENT_S)
        else:
            self._sleep(MOMENT_S)

    def budget(self, user: str) -> Budget | None:
        """What the user has left, where it is known."""
        return self._budgets.get(user)

    def _wait_for_turn(self, user: str) -> None:
        budget = self._budgets.get(user)
        if budget is not None and budget.remaining <= 0:
            left = budget.reset - self.now()
            self.open_window(min(max(left + 0.05, 0.1), WINDOW_S + 1))

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        raw: bytes | None,
        headers: Mapping[str, str],
        operation: str | None,
    ) -> Reply:
        request = self._http.build_request(method, self.settings.url + path, params=query, content=raw, headers=headers)
        shown = Exchange(
            method, str(request.url), headers, raw.decode("utf-8", "replace") if raw is not None else None, operation
        )
        self.calls += 1
        try:
            response = self._http.send(request)
        except httpx.HTTPError as error:
            self._silent += 1
            if self._silent >= LOST_AFTER:
                raise TargetLost(f"{method} {path}: {_reason(error)}") from error
            return Reply.of(_with(shown, 0, {}, "", _reason(error)))
        self._silent = 0
        if "date" in response.headers:
            self._set_clock(response.headers["date"])
        return Reply.of(_with(shown, response.status_code, dict(response.headers), response.text, ""))

    def _set_clock(self, date: str) -> None:
        try:
            # Date is cut to the second, so that half of one is added.
            self._offset = parsedate_to_datetime(date).timestamp() + 0.5 - self._wall()
        except ValueError:
            self._offset = 0.0
        if abs(self._offset) < 1:
            self._offset = 0.0

    def _learn(self, user: str, reply: Reply) -> None:
        limit, remaining, reset = (reply.number(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset"))
        if limit is not None and remaining is not None and reset is not None:
            self._budgets[user] = Budget(limit, remaining, reset)
        else:
            self._budgets.pop(user, None)


def _with(shown: Exchange, status: int, headers: Mapping[str, str], raw: str, trouble: str) -> Exchange:
    return Exchange(
        shown.method,
        shown.url,
        shown.request_headers,
        shown.request_body,
        shown.operation,
        status,
        headers,
        raw,
        trouble,
    )


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        why = re.sub(r"\[Errno \S+\] ", "", str(error))
        return f"no connection ({why})"
    return f"the connection broke ({error or type(error).__name__})"
