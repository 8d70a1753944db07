"""The simulated pool network: tests pools for a world, and plays every pool whose name is not a real address.

One asyncio loop in one daemon thread with one listener on loopback, started on first use. A test connects to it over
real TCP; the listener knows what to play from the source port, which the dialer registers before it connects, so that
nothing unusual is on the wire. Under policy "simulated" no connection leaves the machine, and no name is ever resolved.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, Literal, Protocol, TypeAlias

from upsim.algorithms import ALGORITHMS
from upsim.clock import Clock
from upsim.loop import LoopThread
from upsim.model import PoolTarget, PoolTest, WorldId
from upsim.stratum.behaviours import TEST_SUFFIX, Behaviour, Cover, Reach, behaviour_for, behaviour_named
from upsim.stratum.dial import CannotConnect, connect, loopback, permitted, resolve
from upsim.stratum.pool import SimulatedPool, seed_of
from upsim.stratum.server import Host, Route
from upsim.stratum.tester import PoolTester
from upsim.tls.certificates import throw_away_context

_certificate: Final = cache(throw_away_context)
"""The certificate of all simulated pools of this process, made when the first test needs it."""

Policy: TypeAlias = Literal["simulated", "real"]
_HOME: Final = "127.0.0.1"
_SPACING_S: Final = 1.0
"""Real hosts see at most one connection a second: pools ban floods."""


@dataclass(frozen=True, slots=True)
class PoolWorld:
    """What the network needs to know of a world.

    Attributes:
        id: of the world.
        seed: of the world; its pools' jobs follow from it.
        clock: of the world; its pools' jobs follow it.
    """

    id: WorldId
    seed: int
    clock: Clock


@dataclass(frozen=True, slots=True)
class Taken:
    """What a connection attempt is given.

    Attributes:
        behaviour: set by the control plane for the address; None where nothing is set.
        number: of the attempt at this host and port in this world, from 0.
    """

    behaviour: str | None
    number: int


class BehaviourSource(Protocol):
    """Where behaviours set by the control plane are kept."""

    def take(self, world: WorldId, host: str, port: int) -> Taken:
        """Count one connection attempt, and use up one of "the next n" where the behaviour is limited. Atomic."""


class LocalBehaviours:
    """Behaviours in memory, for one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: dict[tuple[WorldId, str, int], tuple[str, int | None]] = {}
        self._attempts: dict[tuple[WorldId, str, int], int] = {}

    def put(self, world: WorldId, host: str, port: int, behaviour: str | None, times: int | None = None) -> None:
        """Set an address's behaviour, for the next `times` connections or until further notice; None removes it."""
        with self._lock:
            if behaviour is None:
                self._set.pop((world, host, port), None)
            else:
                behaviour_named(behaviour)
                self._set[world, host, port] = behaviour, times

    def take(self, world: WorldId, host: str, port: int) -> Taken:
        """Count one connection attempt, and use up one of the next n."""
        key = (world, host, port)
        with self._lock:
            number = self._attempts.get(key, 0)
            self._attempts[key] = number + 1
            behaviour, left = self._set.get(key, (None, None))
            if behaviour is not None and left is not None:
                if left <= 1:
                    del self._set[key]
                else:
                    self._set[key] = behaviour, left - 1
        return Taken(behaviour, number)


class PoolNetwork:
    """Tests pools, simulated ones and, where policy allows, real ones. Safe to use from many threads.

    Args:
        policy: "simulated" connects to nothing beyond this machine; "real" connects anywhere but to addresses that are
            never anybody's pool (link-local, cloud metadata, multicast, …).
        behaviours: where behaviours set for an address are kept.
        deadline_s: longest a test takes.
        pace: factor on the pauses of slow pools.
    """

    def __init__(
        self,
        policy: Policy,
        behaviours: BehaviourSource,
        deadline_s: float = 5.0,
        pace: float = 1.0,
    ) -> None:
        self._policy = policy
        self._behaviours = behaviours
        self._deadline_s = deadline_s
        self._pace = pace
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closed = threading.Event()
        self._last_seen: dict[str, float] = {}

    def test(self, world: PoolWorld, target: PoolTarget) -> PoolTest:
        """Test a pool as a miner would; blocks, never longer than the deadline."""
        taken = self._behaviours.take(world.id, target.host, target.port)
        near = loopback(target.host)
        simulated = taken.behaviour is not None or target.host.lower().rstrip(".").endswith(TEST_SUFFIX)
        if not simulated and (near or self._policy == "real"):
            return PoolTester(target, _Real(self, target, near), self._deadline_s).run()
        behaviour = behaviour_for(target.host, taken.behaviour, taken.number)
        if target.tls or behaviour.cover is Cover.TLS:
            _certificate()  # its making is ours, not the pool's: no test shall wait for it
        return PoolTester(target, partial(self._dial, world, target, behaviour), self._deadline_s).run()

    def close(self) -> None:
        """Stop the loop and close every socket; tests under way fail."""
        self._closed.set()
        with self._lock:
            if self._running is not None:
                self._running.stop()
                self._running = None

    def _dial(self, world: PoolWorld, target: PoolTarget, behaviour: Behaviour, deadline: float) -> socket.socket:
        """Connect to the simulated pool: bind first, tell the listener the source port, then connect."""
        match behaviour.reach:
            case Reach.UNKNOWN:
                raise CannotConnect(f"there is no host called {target.host}: check the name")
            case Reach.FILTERED:
                # The same to the caller as a connect nobody answers, on every system and in every container.
                self._closed.wait(max(0.0, deadline - time.monotonic()))
                raise CannotConnect("no answer in time: the host is down, or a firewall drops the connection")
        running = self._start()
        if behaviour.reach is Reach.REFUSED:
            return connect(_HOME, running.refusing_port, deadline)
        algorithm = behaviour.algorithm(ALGORITHMS[target.algorithm])
        seed = seed_of(world.seed, target.host, target.port)
        prepared = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            prepared.bind((_HOME, 0))
        except OSError as problem:
            prepared.close()
            raise CannotConnect(f"cannot connect: {problem.strerror}") from None
        source = prepared.getsockname()[1]
        running.routes[source] = Route(SimulatedPool(algorithm, seed), behaviour, world.clock)
        try:
            return connect(_HOME, running.port, deadline, prepared)
        except CannotConnect:
            # Nobody will come from there; the listener takes the route where somebody does.
            running.routes.pop(source, None)
            raise

    def _start(self) -> _Running:
        with self._lock:
            if self._closed.is_set():
                raise CannotConnect("cannot connect: the simulated pool network is closed")
            if self._running is None:
                self._running = _Running(self._pace)
            return self._running

    def space_out(self, address: str, deadline: float) -> None:
        """Wait until an address may be connected to again."""
        with self._lock:
            now = time.monotonic()
            for old in [key for key, at in self._last_seen.items() if at < now - _SPACING_S]:
                del self._last_seen[old]
            turn = max(now, self._last_seen.get(address, now - _SPACING_S) + _SPACING_S)
            if turn > deadline:
                raise CannotConnect("this host was just connected to: wait a second before the next try")
            self._last_seen[address] = turn
        self._closed.wait(turn - now)


class _Real:
    """Connects for real; remembers the address, so that a second connection needs no second look-up."""

    def __init__(self, network: PoolNetwork, target: PoolTarget, near: list[str]) -> None:
        self._network = network
        self._target = target
        self._near = near
        self._addresses = list(near)

    def __call__(self, deadline: float) -> socket.socket:
        target = self._target
        if not self._addresses:
            self._addresses = permitted(target.host, resolve(target.host, target.port, deadline))
        for address in self._addresses[:-1]:
            try:
                return self._connect(address, time.monotonic() + (deadline - time.monotonic()) / 2)
            except CannotConnect:
                continue
        return self._connect(self._addresses[-1], deadline)

    def _connect(self, address: str, deadline: float) -> socket.socket:
        if not self._near:
            self._network.space_out(address, deadline)
        connected = connect(address, self._target.port, deadline)
        self._addresses = [address]
        return connected


class _Running:
    """The loop's thread, its listener, and a port that refuses."""

    def __init__(self, pace: float) -> None:
        self.routes: dict[int, Route] = {}
        self._refuser = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Bound and never listening: connections to it are refused, and nobody else can come to listen there.
        self._refuser.bind((_HOME, 0))
        self.refusing_port: int = self._refuser.getsockname()[1]
        self._listener = socket.create_server((_HOME, 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._thread = LoopThread("upsim-pools")
        self._thread.start(Host(self._route, _certificate, pace).serve(self._listener))

    def _route(self, peer: tuple[str, int]) -> Route | None:
        return self.routes.pop(peer[1], None)

    def stop(self) -> None:
        """Close everything and wait for the thread."""
        self._thread.stop()
        self._listener.close()
        self._refuser.close()


__all__ = [
    "BehaviourSource",
    "LocalBehaviours",
    "PoolNetwork",
    "PoolWorld",
    "Taken",
]
