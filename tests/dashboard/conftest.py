"""What tests of the dashboard without a browser use: servers with no socket, and clients of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from upsim.clock import Instant, parse_iso
from upsim.config import configure
from upsim.serve import Server

START = parse_iso("2026-03-01T12:00:10Z")


@dataclass
class HandClock:
    """A wall clock that stands until it is moved."""

    at: Instant = START

    def now(self) -> Instant:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at = Instant(self.at + round(seconds * 1000))


MakeServer = Callable[..., Server]


@pytest.fixture
def clock() -> HandClock:
    """The wall clock of the servers."""
    return HandClock()


@pytest.fixture
def make_server(clock: HandClock) -> Iterator[MakeServer]:
    """Makes servers; settings are given as on the command line."""
    with ExitStack() as stack:

        def make(**settings: str) -> Server:
            server = Server(configure(settings, {}), clock)
            stack.callback(server.close)
            return server

        yield make


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """A server as a newcomer meets it."""
    return make_server()


@pytest.fixture
def sandbox(make_server: MakeServer) -> Server:
    """A public sandbox with four places."""
    return make_server(sandbox="on", sandbox_worlds="4", sandbox_minutes="60")
