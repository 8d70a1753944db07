"""The simulated pools behind the door: one for each address of a world, reached without a socket.

A pool is the same one to all miners of its world, and what is put on it by the control plane happens to each of their
connections. Its shares are checked as everywhere, but it asks next to no work of them: nobody has to hash.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from upsim.algorithms import ALGORITHMS
from upsim.clock import Clock
from upsim.model import PoolTarget, WorldId
from upsim.stratum.behaviours import Behaviour, Cover, Reach
from upsim.stratum.dial import CannotConnect
from upsim.stratum.miners import EASY_WORK
from upsim.stratum.pool import SimulatedPool, seed_of
from upsim.stratum.server import Connection, Host, Route

MAX_POOLS: Final = 10_000
"""Pools kept; beyond, those nobody came to for longest are forgotten, with their jobs' duplicates."""

Address = tuple[WorldId, str, int]


class InnerTransport(asyncio.Transport):
    """One end of a connection within this process: what is written comes to the other end at the loop's next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Not yet joined."""
        super().__init__()
        self._loop = loop
        self._closing = False
        self.other: InnerTransport
        self.protocol: asyncio.Protocol

    @classmethod
    def joined(cls, near: asyncio.Protocol, far: asyncio.Protocol) -> InnerTransport:
        """Connect two protocols; gives the near one's end."""
        loop = asyncio.get_running_loop()
        here, there = cls(loop), cls(loop)
        here.other, there.other = there, here
        here.protocol, there.protocol = near, far
        near.connection_made(here)
        far.connection_made(there)
        return here

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send."""
        if not self._closing:
            self._loop.call_soon(self.other.deliver, bytes(data))

    def deliver(self, data: bytes) -> None:
        """Receive."""
        if not self._closing:
            self.protocol.data_received(data)

    def close(self) -> None:
        """Hang up, after what was written."""
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._end)
            self._loop.call_soon(self.other.hang_up)

    def hang_up(self) -> None:
        """The other end closed."""
        if not self._closing:
            self._closing = True
            self._end()

    def _end(self) -> None:
        """Let go of everybody: what still led round in a circle would wait for the garbage collector, by thousands."""
        protocol = self.protocol
        del self.protocol, self.other
        protocol.connection_lost(None)

    def abort(self) -> None:
        """Hang up."""
        self.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is no socket."""
        return default


def _no_tls() -> ssl.SSLContext:
    raise ValueError("within the process nothing is encrypted")


class _Client(Connection):
    """A miner's connection to a pool here, which says when it has ended."""

    def __init__(self, route: Route, host: Host, ended: Callable[[Connection], None]) -> None:
        super().__init__(route, host)
        self._ended = ended

    def connection_lost(self, problem: Exception | None) -> None:
        super().connection_lost(problem)
        self._ended(self)


class InnerPools:
    """All simulated pools that miners of this door are on."""

    def __init__(self, pace: float = 1.0) -> None:
        """`pace` is a factor on the pauses of slow pools."""
        self._pools: OrderedDict[tuple[Address, str], SimulatedPool] = OrderedDict()
        self._host = Host(lambda peer: None, _no_tls, pace)
        self._at: dict[Address, set[Connection]] = {}

    def pool(self, world_id: WorldId, seed: int, target: PoolTarget, algorithm: str) -> SimulatedPool:
        """The pool at an address; made when it is first asked for."""
        key = (world_id, target.host.lower(), target.port), algorithm
        known = self._pools.get(key)
        if known is None:
            seed = seed_of(seed, target.host, target.port)
            known = self._pools[key] = SimulatedPool(ALGORITHMS[algorithm], seed, work_limit=EASY_WORK)
            if len(self._pools) > MAX_POOLS:
                self._pools.popitem(last=False)
        self._pools.move_to_end(key)
        return known

    def connect(
        self,
        world_id: WorldId,
        seed: int,
        clock: Clock,
        target: PoolTarget,
        behaviour: Behaviour,
        protocol: asyncio.Protocol,
    ) -> asyncio.Transport:
        """Connect to a pool that answers.

        Raises:
            CannotConnect: it does not, or speaks no TLS where that is asked, or nothing but TLS.
        """
        match behaviour.reach:
            case Reach.UNKNOWN:
                raise CannotConnect(f"there is no host called {target.host}: check the name")
            case Reach.REFUSED:
                raise CannotConnect("connection refused: nothing listens on this port")
        if target.tls and behaviour.cover is Cover.PLAIN:
            raise CannotConnect("no TLS here: the other side hung up")
        if not target.tls and behaviour.cover is Cover.TLS:
            raise CannotConnect("the other side hung up on plain words: set tls")
        algorithm = behaviour.algorithm(ALGORITHMS[target.algorithm])
        pool = self.pool(world_id, seed, target, algorithm.id)
        address = (world_id, target.host.lower(), target.port)
        connection = _Client(Route(pool, behaviour, clock), self._host, partial(self._ended, address))
        self._at.setdefault(address, set()).add(connection)
        return InnerTransport.joined(protocol, connection)

    def _ended(self, address: Address, connection: Connection) -> None:
        here = self._at.get(address)
        if here is not None:
            here.discard(connection)
            if not here:
                del self._at[address]

    def cut(self, address: Address) -> None:
        """Hang up on everybody at an address: whoever comes back meets what was put on it meanwhile."""
        for connection in self._at.pop(address, set()):
            connection.close()

    def tallies(self, world_id: WorldId) -> Mapping[tuple[str, int], Iterable[SimulatedPool]]:
        """The world's pools by host and port."""
        found: dict[tuple[str, int], list[SimulatedPool]] = {}
        for ((world, host, port), _), pool in self._pools.items():
            if world == world_id:
                found.setdefault((host, port), []).append(pool)
        return found

    async def tick(self) -> None:
        """Give everybody the job that is due."""
        await self._host.broadcast()


Cut = Callable[[Address], None]
