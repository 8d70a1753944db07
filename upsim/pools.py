"""The pools of a running simulator: the simulated network that tests meet, and those on ports of their own.

Started when first needed, driver and all: most processes answer long before anybody tests a pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from threading import Lock
from typing import TYPE_CHECKING

from upsim.clock import Clock, ClockState, Instant
from upsim.config import Config
from upsim.errors import ConfigError, StoreUnavailable
from upsim.model import PoolTarget, PoolTest, WorldId
from upsim.rules.behaviours import take_behaviour
from upsim.store.base import Store
from upsim.world import World

if TYPE_CHECKING:
    from upsim.stratum.ports import PoolServer
    from upsim.stratum.service import PoolNetwork, Taken


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A simulated pool on a port of this machine."""

    algorithm: str
    address: str
    port: int

    @property
    def url(self) -> str:
        """How miners write it."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"stratum+tcp://{host}:{self.port}"


@cache
def behaviour_summaries() -> Mapping[str, str]:
    """Every behaviour a pool can be given, with what it does."""
    from upsim.stratum.behaviours import BEHAVIOURS

    return {name: behaviour.summary for name, behaviour in BEHAVIOURS.items()}


@dataclass
class Pools:
    """The pools of one simulator."""

    config: Config
    store: Store
    wall: Clock
    _lock: Lock = field(default_factory=Lock)

    def test(self, world: World, target: PoolTarget) -> PoolTest:
        """Test a pool as the world sees it; never longer than the deadline. A PoolTester."""
        from upsim.stratum.service import PoolWorld

        with self._lock:
            network = self._network
        return network.test(PoolWorld(world.id, world.seed, world), target)

    def open_ports(self, world_id: WorldId, seed: int) -> list[OpenPort]:
        """Open the ports that were asked for; their pools follow the world's clock, and what is put on them in it.

        Raises:
            ConfigError: a port cannot be had.
        """
        if not self.config.pool_ports:
            return []
        from upsim.algorithms import ALGORITHMS
        from upsim.stratum.pool import SimulatedPool, seed_of

        opened = []
        address = self.config.host
        for algorithm, port in self.config.pool_ports:
            pool = SimulatedPool(ALGORITHMS[algorithm], seed_of(seed, algorithm, port))
            meets = _Meets(self.store, world_id, address)
            try:
                meets.port = self._server.open(pool, port, address=address, behaviour=meets)
            except OSError as error:
                raise ConfigError(
                    f"pool-ports: cannot listen on {address}:{port}: {error.strerror or error}. Choose another port."
                ) from error
            opened.append(OpenPort(algorithm, address, meets.port))
        return opened

    def sessions(self) -> int:
        """How many miners are connected to those on open ports."""
        with self._lock:
            server = self.__dict__.get("_server")
            return len(server.connections()) if server is not None else 0

    def close(self) -> None:
        """Close every socket and end every thread."""
        with self._lock:
            for started in ("_network", "_server"):
                if started in self.__dict__:
                    self.__dict__.pop(started).close()

    @cached_property
    def _network(self) -> PoolNetwork:
        from upsim.stratum.service import PoolNetwork

        return PoolNetwork(
            "real" if self.config.pool_network == "real" else "simulated",
            _Behaviours(self.store),
            self.config.pool_timeout,
        )

    @cached_property
    def _server(self) -> PoolServer:
        from upsim.rules.worlds import DEFAULT
        from upsim.stratum.ports import PoolServer

        return PoolServer(_WorldClock(self.store, self.wall, DEFAULT))


@dataclass
class _Behaviours:
    """What was put on pools, as the store has it: every process on it agrees which connection meets what."""

    store: Store

    def take(self, world: WorldId, host: str, port: int) -> Taken:
        from upsim.stratum.service import Taken

        return Taken(*take_behaviour(self.store, world, host, port))


@dataclass
class _Meets:
    """What the next connection to an open port meets."""

    store: Store
    world_id: WorldId
    address: str
    port: int = 0

    def __call__(self, number: int) -> str:
        try:
            return take_behaviour(self.store, self.world_id, self.address, self.port)[0] or "healthy"
        except StoreUnavailable:  # nobody knows what was put on it
            return "healthy"


@dataclass
class _WorldClock:
    """A world's clock, for what outlives a request. While the store does not answer, it goes on as it was last read."""

    store: Store
    wall: Clock
    world_id: WorldId
    _last: ClockState = field(default_factory=ClockState.real)

    def now(self) -> Instant:
        try:
            record = self.store.get_world(self.world_id)
        except StoreUnavailable:
            return self._last.at(self.wall.now())
        self._last = record.clock if record else ClockState.real()
        return self._last.at(self.wall.now())
