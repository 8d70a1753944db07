"""What the gate lets go on at the same time, and what not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import TracebackType
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from upsim.api.gate import Gate
from upsim.config import configure
from upsim.serve import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HEADERS = {"X-API-Key": "up_k_demovip"}


class Turns:
    """A lock that says who comes to it."""

    def __init__(self) -> None:
        self.come = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.come.release()
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._lock.release()


class Operations:
    """What stands behind the gate: a read is not over before it may be."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.inside: list[str] = []
        self.reading = threading.Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        self.inside.append(environ["REQUEST_METHOD"])
        if environ["REQUEST_METHOD"] == "GET":
            self.reading.set()
            assert self.go_on.wait(30)
        start_response("200 OK", [])
        return [b"{}"]


@pytest.fixture
def gate() -> Iterator[Gate]:
    with closing(Server(configure({"rate_limit": "off"}, {}))) as server:
        found = getattr(server._at_once, "__self__", None)
        assert isinstance(found, Gate)
        yield found


def test_reads_are_computed_one_at_a_time_and_writes_beside_them(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    turns, operations = Turns(), Operations()
    monkeypatch.setattr(gate, "_reading", turns)
    monkeypatch.setattr(gate, "_app", operations)

    def ask(method: str) -> str:
        return run_wsgi_app(gate, create_environ("/v1/pools", method=method, headers=HEADERS))[1]

    with ThreadPoolExecutor(2) as threads:
        reads = [threads.submit(ask, "GET") for _ in range(2)]
        for _ in reads:
            assert turns.come.acquire(timeout=30)
        assert operations.reading.wait(30)
        assert ask("DELETE") == "200 OK"
        assert sorted(operations.inside) == ["DELETE", "GET"]
        operations.go_on.set()
        assert [read.result() for read in reads] == ["200 OK", "200 OK"]
