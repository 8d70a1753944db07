"""Connects the door to pools: simulated ones within the process, real ones where policy allows. Never blocks the loop.

The policy is that of pool tests: simulated, no connection leaves the machine; real, anywhere but to addresses that are
never anybody's pool. Names are looked up once, each address is judged, and exactly that is connected to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from upsim.clock import Clock
from upsim.model import PoolTarget, WorldId
from upsim.proxy.inner import InnerPools
from upsim.stratum.behaviours import HOSTS, TEST_SUFFIX, Reach, behaviour_for
from upsim.stratum.dial import CannotConnect, loopback, permitted, resolve
from upsim.tls.certificates import unverified_context

AT_ONCE: Final = 64
"""Real connections that are being made at one time."""

Behaving = Callable[[WorldId, str, int], tuple[str | None, int]]
"""What was put on an address, and the number of this connection: counts it. May block."""


@dataclass(frozen=True, slots=True)
class Home:
    """The world a connection is made in.

    Attributes:
        clock: the world's; asked often, so it must not block.
        marked: addresses on which something was put by the control plane.
    """

    id: WorldId
    seed: int
    clock: Clock
    marked: frozenset[tuple[str, int]] = frozenset()


@dataclass
class Dialer:
    """Makes connections to pools.

    Attributes:
        near: whether pools on this machine may be connected to.
        far: whether pools beyond it may.
        deadline_s: how long a connection may take.
    """

    inner: InnerPools
    behaving: Behaving
    executor: Executor
    near: bool
    far: bool
    deadline_s: float

    def __post_init__(self) -> None:
        """Let only so many be made at once."""
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def dial(self, home: Home, target: PoolTarget, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Connect.

        Raises:
            CannotConnect: it did not come about; the message is a sentence for people.
        """
        loop = asyncio.get_running_loop()
        host = target.host.lower().rstrip(".")
        chosen, number = None, 0
        if (host, target.port) in home.marked or host in HOSTS:
            chosen, number = await loop.run_in_executor(self.executor, self.behaving, home.id, host, target.port)
        simulated = chosen is not None or host.endswith(TEST_SUFFIX)
        addresses = loopback(host)
        if not simulated and ((addresses and self.near) or (self.far and not addresses)):
            return await self._real(target, addresses, protocol)
        behaviour = behaviour_for(target.host, chosen, number)
        if behaviour.reach is Reach.FILTERED:
            await asyncio.sleep(self.deadline_s)
            raise CannotConnect("no answer in time: the host is down, or a firewall drops the connection")
        return self.inner.connect(home.id, home.seed, home.clock, target, behaviour, protocol)

    async def _real(self, target: PoolTarget, addresses: list[str], protocol: asyncio.Protocol) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        async with self._turns:
            deadline = time.monotonic() + self.deadline_s
            if not addresses:
                found = await loop.run_in_executor(self.executor, resolve, target.host, target.port, deadline)
                addresses = permitted(target.host, found)
            context = unverified_context() if target.tls else None
            problem = CannotConnect("cannot connect")
            for address in addresses:
                try:
                    async with asyncio.timeout(max(0.01, deadline - time.monotonic())):
                        made, _ = await loop.create_connection(
                            lambda: protocol,
                            address,
                            target.port,
                            ssl=context,
                            server_hostname=target.host if context else None,
                        )
                    return made
                except TimeoutError:
                    problem = CannotConnect("no answer in time: the host is down, or a firewall drops the connection")
                except ConnectionRefusedError:
                    problem = CannotConnect("connection refused: nothing listens on this port")
                except (OSError, ValueError) as error:
                    problem = CannotConnect(f"cannot connect: {getattr(error, 'strerror', None) or error}")
            raise problem
