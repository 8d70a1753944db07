"""What the Stratum tests share: recorded data, a pool without sockets, a pool network with small delays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import pytest

from upsim.algorithms import ALGORITHMS
from upsim.clock import Instant
from upsim.stratum.pool import Seat, SimulatedPool

NOON = Instant(1_767_614_400_000)
"""2026-01-05T12:00:00Z."""


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], Any]:
    """Reads a file of recorded data."""

    def read(name: str) -> Any:
        return json.loads(resources.files("upsim_fixtures").joinpath("stratum", name).read_text())

    return read


class Desk:
    """A pool without sockets, with one client at it."""

    def __init__(self, pool: SimulatedPool, seat: Seat | None = None) -> None:
        self.pool = pool
        self.seat = seat or pool.join()
        self.now = NOON
        self.closed = False

    def raw(self, line: bytes) -> list[bytes]:
        """Send a line; the answer as it is."""
        output = self.pool.receive(self.seat, line, self.now)
        self.closed = self.closed or output.close
        return output.lines

    def send(self, line: str) -> list[dict[str, Any]]:
        """Send a line; the answer decoded."""
        return [json.loads(said) for said in self.raw(line.encode())]

    def ask(self, request_id: Any, method: str, params: Any) -> list[dict[str, Any]]:
        """Send a request; the answer decoded."""
        return self.send(json.dumps({"id": request_id, "method": method, "params": params}))

    def tick(self, seconds: float) -> list[dict[str, Any]]:
        """Let time pass; what the pool then says, decoded."""
        self.now = Instant(self.now + int(seconds * 1000))
        return [json.loads(said) for said in self.pool.tick(self.seat, self.now).lines]


@pytest.fixture
def desk() -> Callable[..., Desk]:
    """Opens a pool of an algorithm, with one client at it."""

    def open_desk(algorithm: str, **settings: Any) -> Desk:
        return Desk(SimulatedPool(ALGORITHMS[algorithm], 1, **settings))

    return open_desk


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Asserts that a test leaves no thread of ours behind."""
    import threading

    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("upsim")]
    assert left == []
