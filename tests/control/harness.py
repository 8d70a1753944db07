"""What the control plane's tests use: a simulator on a clock that stands until it is moved, driven by its own client.

Calls under /v1 go through the WSGI door; what needs a socket has its own fixture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from werkzeug.test import Client as HttpClient

from upsim.client import Client
from upsim.client.transport import Wire, WsgiTransport
from upsim.clock import Instant, parse_iso
from upsim.config import configure
from upsim.model import Outcome, PoolTarget, PoolTest, Stage, StageResult
from upsim.serve import Server
from upsim.world import World

START: Final = parse_iso("2025-06-01T12:00:10Z")
"""What the wall clock shows when a test begins: ten seconds into a rate-limit window."""


@dataclass
class HandClock:
    """A wall clock that stands until it is moved."""

    at: Instant = START

    def now(self) -> Instant:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at = Instant(self.at + round(seconds * 1000))


@dataclass(frozen=True)
class Answer:
    """What came back from a call."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        message: str = self.json["error"]
        return message


class Sandbox:
    """A simulator, its clock, and the client that drives it."""

    def __init__(self, server: Server, clock: HandClock) -> None:
        self.server = server
        self.clock = clock
        self.client = Client(Wire(WsgiTransport(server.app), "", server.admin_token))
        self._http = HttpClient(server.app)

    def raw(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        base_url: str = "http://127.0.0.1",
        address: str = "127.0.0.1",
    ) -> Answer:
        """Any call at all."""
        response = self._http.open(
            path,
            base_url,
            method=method,
            json=json,
            data=data,
            content_type=content_type,
            headers=dict(headers or {}),
            environ_overrides={"REMOTE_ADDR": address},
        )
        answer = Answer(response.status_code, dict(response.headers), response.get_data(as_text=True))
        response.close()
        return answer

    def call(self, key: str, method: str, path: str, **more: Any) -> Answer:
        """A call under /v1 with a key."""
        headers = {"X-API-Key": key, **more.pop("headers", {})}
        return self.raw(method, path, headers=headers, **more)

    def get(self, key: str, path: str = "/v1/pools", **more: Any) -> Answer:
        return self.call(key, "GET", path, **more)

    def statuses(self, key: str, count: int, path: str = "/v1/pools") -> list[int]:
        """What so many calls in a row are answered."""
        return [self.get(key, path).status for _ in range(count)]


@contextmanager
def opened(store: str = "memory:", fixture: str = "demo", **settings: str) -> Iterator[Sandbox]:
    """A simulator on a clock of its own, with pools that always pass; settings as on the command line."""
    clock = HandClock()
    server = Server(configure({"store": store, "fixture": fixture, **settings}, {}), clock, _pass_every_pool)
    try:
        yield Sandbox(server, clock)
    finally:
        server.close()


def _pass_every_pool(world: World, target: PoolTarget) -> PoolTest:
    return PoolTest(tuple(StageResult(stage, Outcome.PASSED, 12) for stage in Stage))
