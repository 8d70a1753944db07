"""A simulator for each test, put together as `upsim serve` does it, on a clock that stands until it is moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.api.harness import WORLD, Api, FakePools, HandClock
from upsim.config import configure
from upsim.serve import Server

MakeApi = Callable[..., Api]


@pytest.fixture
def make_api() -> Iterator[MakeApi]:
    """Makes clients of new simulators; settings are given as on the command line."""
    with ExitStack() as stack:

        def make(*, real_pools: bool = False, **settings: str) -> Api:
            clock, tester = HandClock(), FakePools()
            config = configure({"fixture": str(WORLD), **settings}, {})
            server = Server(config, clock, None if real_pools else tester)
            stack.callback(server.close)
            return Api(server, clock, tester)

        yield make


@pytest.fixture
def api(make_api: MakeApi) -> Api:
    """A simulator that counts requests but refuses none, so that a test may ask as often as it likes."""
    return make_api(rate_limit="off")


@pytest.fixture
def limited(make_api: MakeApi) -> Api:
    """A simulator with its rate limits."""
    return make_api()
