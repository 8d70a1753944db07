"""The proxy's own Stratum door: ports that miners connect to, in an asyncio loop of their own thread.

One loop for all miners, and a few threads beside it for what may block. Says what happens there to whoever asks.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from upsim.clock import iso
from upsim.loop import LoopThread
from upsim.model import ObjectId, WorldId
from upsim.proxy.dialer import Behaving, Dialer
from upsim.proxy.house import House
from upsim.proxy.inner import InnerPools
from upsim.proxy.lines import MinerLine
from upsim.proxy.log import Log
from upsim.proxy.visit import Visit
from upsim.stratum.ports import BACKLOG, listening
from upsim.stratum.wire import clip
from upsim.world import Universe

_BESIDE: Final = 8
"""Threads for what may block: one for the store, the others for look-ups and pool tests."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A port of the door.

    Attributes:
        algorithm: what its miners mine.
        address, port: where it listens.
    """

    algorithm: str
    address: str
    port: int

    @property
    def url(self) -> str:
        """How miners write it."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"stratum+tcp://{host}:{self.port}"


class StratumDoor:
    """All ports of a process for miners."""

    def __init__(
        self,
        universe: Universe,
        behaving: Behaving,
        *,
        near: bool = True,
        far: bool = False,
        deadline_s: float = 5.0,
        default: WorldId | None,
        pace: float = 1.0,
    ) -> None:
        """Start the thread; nothing is listened on yet.

        Args:
            behaving: what was put on a simulated pool.
            near: whether pools on this machine may be connected to.
            far: whether pools beyond it may.
            deadline_s: how long a connection to a pool may take.
            default: the world of a login that names none; None asks everybody to name one.
            pace: factor on the pauses of slow simulated pools.
        """
        self.openings: list[Opening] = []
        self._executor = ThreadPoolExecutor(_BESIDE, "upsim-door")
        self._thread = LoopThread("upsim-door")
        self._servers: list[asyncio.Server] = []
        self._running: asyncio.Task[None] | None = None
        self._house = self._thread.ask(
            lambda: House(
                universe,
                Dialer(InnerPools(pace), behaving, self._executor, near, far, deadline_s),
                self._executor,
                Log(),
                default,
            )
        )
        self._thread.ask(self._begin)

    def _begin(self) -> None:
        self._running = asyncio.get_running_loop().create_task(self._house.run())

    def open(self, algorithm: str, port: int = 0, address: str = "127.0.0.1") -> Opening:
        """Let miners of an algorithm in at a port.

        Args:
            port: 0 takes a free one.

        Raises:
            OSError: the port cannot be had.
        """
        listener = listening(address, port)
        opening = Opening(algorithm, address, listener.getsockname()[1])
        self._thread.run(self._listen(algorithm, listener))
        self.openings.append(opening)
        return opening

    async def _listen(self, algorithm: str, listener: socket.socket) -> None:
        house = self._house

        def make() -> MinerLine:
            return MinerLine(lambda line: house.welcome(algorithm, line))

        self._servers.append(await asyncio.get_running_loop().create_server(make, sock=listener, backlog=BACKLOG))

    @property
    def ports(self) -> Sequence[dict[str, Any]]:
        """Where it listens."""
        return [{"algorithm": one.algorithm, "url": one.url} for one in self.openings]

    def step(self) -> None:
        """Take the next step now: for tests and measurements, which do not wait for it."""
        self._thread.run(self._house.step())

    def tick(self) -> None:
        """Send everybody on a simulated pool the job that is due now, without waiting for the next tick."""
        self._thread.run(self._house.tick())

    def sessions(self, world_id: WorldId) -> Sequence[dict[str, Any]]:
        """The world's miners that are connected here, those that came first first."""
        return self._thread.ask(lambda: [_shown(visit) for visit in self._house.visits_in(world_id)])

    def events(self, world_id: WorldId, since: int = 0) -> Sequence[dict[str, Any]]:
        """What happened to them last, from a number on."""
        return self._thread.ask(lambda: self._house.log.since(world_id, since))

    def close(self) -> None:
        """Hang up on everybody, and write down what is left to be written."""
        self._thread.run(self._wind_up())
        self._thread.stop()
        self._executor.shutdown()

    async def _wind_up(self) -> None:
        for server in self._servers:
            server.close()
        if self._running is not None:
            self._running.cancel()
        await self._house.close()


def _shown(visit: Visit) -> dict[str, Any]:
    guest, place, session = visit.guest, visit.place, visit.relay.session
    assert guest is not None, "it is in a world"  # noqa: S101
    counts = visit.counts
    pool: ObjectId | None = place.pool.id if place is not None else None
    return {
        "session": visit.number,
        "worker_id": guest.worker_id,
        "worker": guest.worker,
        "account": guest.account,
        "algorithm": visit.algorithm,
        "peer": visit.peer,
        "agent": clip(session.agent) if session is not None else "",
        "connected_at": iso(visit.since),
        "pool_id": pool,
        "pool_name": place.pool.name if place is not None else None,
        "difficulty": session.difficulty if session is not None and place is not None else None,
        "moves": visit.moves,
        "shares": {"accepted": counts.accepted, "stale": counts.stale, "rejected": counts.rejected},
        "last_share_at": None if counts.last_at is None else iso(counts.last_at),
    }
