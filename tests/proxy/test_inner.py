"""Connections to simulated pools within the process: what is said arrives, and what has ended leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from upsim.proxy.inner import InnerTransport


class _End(asyncio.Protocol):
    """An end that keeps its transport until it is told of its loss, as all do."""

    def __init__(self) -> None:
        self.transport: asyncio.BaseTransport | None = None
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, problem: Exception | None) -> None:
        assert self.transport is not None, "told twice"
        self.transport = None


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Garbage is not looked for meanwhile."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("who", ["near", "far", "both"])
def test_a_connection_that_ended_is_gone_at_once(who: str) -> None:
    """Not when the garbage collector comes by: thousands that move at once would make it come by again and again."""

    async def talk() -> None:
        near, far = _End(), _End()
        here = InnerTransport.joined(near, far)
        there = here.other
        here.write(b"hello")
        for name, end in (("near", here), ("far", there)):
            if who in (name, "both"):
                end.close()
                end.write(b"too late")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (near.transport, far.transport) == (None, None)
        assert far.heard == (b"hello" if who == "near" else b"")
        left = [weakref.ref(one) for one in (near, far, here, there)]
        del near, far, here, there, end
        await asyncio.sleep(0)
        assert [one() for one in left] == [None] * 4

    asyncio.run(talk())
