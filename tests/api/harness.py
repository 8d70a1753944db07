"""What every test of the API uses: a clock to move, pools that answer as told, and a client that judges each answer.

Whatever a test asks, each answer is held to what is promised of all of them: errors have the one shape, successes the
schema the spec gives the operation, and whoever is known is told where the rate limit stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import fastjsonschema
from werkzeug.datastructures import Headers
from werkzeug.test import Client

from upsim.clock import Instant, parse_iso
from upsim.model import Outcome, PoolTarget, PoolTest, Stage, StageResult
from upsim.serve import Server
from upsim.spec import API
from upsim.store.base import Store
from upsim.world import World

WORLD: Final = Path(__file__).parent / "world.yaml"
"""The fixture these tests run on."""

START: Final = parse_iso("2025-06-01T12:00:10Z")
"""What time it is when a test begins: ten seconds into a minute, so that windows are not begun by chance."""

VIP: Final = "up_k_vipFirst"
BASIC: Final = "up_k_basicFirst"
STRANGER: Final = "up_k_stranger"
NEWCOMER: Final = "up_k_newcomer"

NO_SUCH_ID: Final = "0123456789abcdef01234567"

RATE_HEADERS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


Fields = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass
class HandClock:
    """A wall clock that stands until it is moved."""

    at: Instant = START

    def now(self) -> Instant:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at = Instant(self.at + round(seconds * 1000))


@dataclass
class FakePools:
    """Stands in for the pool network: passes or fails every pool as told, and remembers what it was asked to try."""

    failing: Stage | None = None
    tried: list[PoolTarget] = field(default_factory=list)

    def __call__(self, world: World, target: PoolTarget) -> PoolTest:
        self.tried.append(target)
        results: list[StageResult] = []
        for stage in Stage:
            if self.failing is None or list(Stage).index(stage) < list(Stage).index(self.failing):
                results.append(StageResult(stage, Outcome.PASSED, 12))
            elif stage is self.failing:
                results.append(StageResult(stage, Outcome.FAILED, 12, f"told to fail at {stage}"))
            else:
                results.append(StageResult(stage, Outcome.SKIPPED, None))
        return PoolTest(tuple(results))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Headers
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        message: str = self.json["error"]
        return message


def assert_error_shape(answer: Answer) -> None:
    """Every error, wherever it comes from: JSON, with one sentence for people, and nothing of the server's inside."""
    assert 400 <= answer.status < 600
    assert answer.headers["Content-Type"] == "application/json"
    content = answer.json
    assert set(content) == {"error"}
    assert isinstance(content["error"], str)
    assert content["error"].strip()
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text


@cache
def _schemas() -> Mapping[str, Mapping[int, Callable[[Any], Any]]]:
    found: dict[str, dict[int, Callable[[Any], Any]]] = {}
    for operation in API.operations:
        found[operation.id] = {
            int(status): fastjsonschema.compile(
                API.resolved(API.resolved(answer)["content"]["application/json"]["schema"])
            )
            for status, answer in operation.definition["responses"].items()
        }
    return found


@cache
def _routes() -> list[tuple[str, re.Pattern[str], str]]:
    # Paths without parameters first: /v1/workers/hashrate is no worker.
    ordered = sorted(API.operations, key=lambda operation: "{" in operation.path)
    return [
        (operation.method, re.compile(re.sub(r"\{\w+\}", "[^/]+", operation.path)), operation.id)
        for operation in ordered
    ]


def operation_of(method: str, path: str) -> str | None:
    """The id of the operation that a method and a path name, by the spec."""
    wanted = "GET" if method == "HEAD" else method
    return next((name for verb, route, name in _routes() if verb == wanted and route.fullmatch(path)), None)


def judge(method: str, path: str, answer: Answer) -> None:
    """Hold an answer to what is promised of every answer."""
    path = path.partition("?")[0]
    operation = operation_of(method, path)
    if method == "HEAD":
        assert answer.text == ""
    elif answer.status >= 400:
        assert_error_shape(answer)
    elif operation is not None:
        assert answer.headers["Content-Type"] == "application/json"
    if operation is not None and answer.status not in (405, 413):  # which are of all operations, by rule
        checks = _schemas()[operation]
        assert answer.status in checks, f"{method} {path} answered {answer.status}, which the spec does not name"
        if method != "HEAD":
            checks[answer.status](answer.json)
    if path == "/v1" or path.startswith("/v1/"):
        told = [answer.headers.get(name) for name in RATE_HEADERS]
        if answer.status == 401:
            assert told == [None, None, None]
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        else:
            assert all(value is not None and value.isdigit() for value in told), (method, path, answer.status, told)
    assert ("Retry-After" in answer.headers) == (answer.status == 429)
    assert ("Allow" in answer.headers) == (answer.status == 405)


class Api:
    """A client of one simulator, with no socket between."""

    def __init__(self, server: Server, clock: HandClock, tester: FakePools) -> None:
        self.server = server
        self.clock = clock
        self.tester = tester
        self._client = Client(server.app)

    @property
    def store(self) -> Store:
        return self.server.universe.store

    def call(
        self,
        method: str,
        path: str,
        *,
        key: str | None = VIP,
        json: Any = None,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Fields = (),
        address: str = "127.0.0.1",
    ) -> Answer:
        """Make one call and judge its answer."""
        sent = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if key is not None:
            sent.append(("X-API-Key", key))
        if json is not None:
            body, content_type = _dump(json), content_type or "application/json"
        response = self._client.open(
            path,
            method=method,
            data=body,
            content_type=content_type,
            headers=sent,
            environ_overrides={"REMOTE_ADDR": address},
        )
        answer = Answer(response.status_code, response.headers, response.get_data(as_text=True))
        response.close()
        judge(method, path, answer)
        return answer

    def get(self, path: str, **more: Any) -> Answer:
        return self.call("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> Answer:
        return self.call("POST", path, json=json, **more)

    def put(self, path: str, json: Any = None, **more: Any) -> Answer:
        return self.call("PUT", path, json=json, **more)

    def delete(self, path: str, **more: Any) -> Answer:
        return self.call("DELETE", path, **more)

    def everything(self, path: str, limit: int = 100, **more: Any) -> list[dict[str, Any]]:
        """All items of a list, page after page."""
        items: list[dict[str, Any]] = []
        page, pages = 1, 1
        while page <= pages:
            sign = "&" if "?" in path else "?"
            found = self.get(f"{path}{sign}page={page}&limit={limit}", **more)
            assert found.status == 200, found.text
            items += found.json["data"]
            pages = found.json["pagination"]["total_pages"]
            page += 1
        return items

    def named(self, kind: str, name: str, **more: Any) -> dict[str, Any]:
        """The pool, profile or worker of this name."""
        return next(item for item in self.everything(f"/v1/{kind}", **more) if item["name"] == name)

    def id_of(self, kind: str, name: str, **more: Any) -> str:
        found: str = self.named(kind, name, **more)["_id"]
        return found


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()
