"""One miner at the door: its connection, the relay behind it, and the connections to pools its work comes from.

Takes the relay's acts and the house's decisions; makes none of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from upsim.clock import Instant
from upsim.model import ObjectId, Pool
from upsim.proxy.lines import MinerLine, PoolLine
from upsim.proxy.relay import Act, Counted, HangUp, LoginAsked, Relay, ToMiner, ToPool, Unusable
from upsim.proxy.upstream import Answered, Offered, Told, Upstream
from upsim.rules.miners import Guest
from upsim.stratum.events import Login
from upsim.stratum.wire import notification

LINGER_S: Final = 5.0
"""How long a pool that was left may still answer the shares it has."""
GONE: Final = "The pool hung up before it answered"
LEFT: Final = "The miner was moved to another pool before this one answered"


@dataclass(slots=True)
class Counts:
    """Shares of one visit, and its last."""

    accepted: int = 0
    stale: int = 0
    rejected: int = 0
    last_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a miner mines: a pool as it was when it was dialled, and the connection to it."""

    pool: Pool
    line: PoolLine


class House(Protocol):
    """Whoever decides."""

    def ask(self, visit: Visit, login: Login) -> None:
        """Somebody wants in."""

    def count(self, visit: Visit, counted: Counted) -> None:
        """A share was answered."""

    def steer(self, visit: Visit) -> None:
        """Its pool is gone: it needs another."""

    def unusable(self, visit: Visit, pool: Pool, reason: str) -> None:
        """A pool's work cannot be handed on."""

    def left(self, visit: Visit) -> None:
        """It hung up, or was hung up on."""


class Visit:
    """One miner.

    Attributes:
        number: of the connection.
        since: when it connected, by the clock of the machine.
        guest: who it is, once it was let in.
        login: what it called itself, once it said.
        place: where it mines; None while nowhere.
        kept: a place that was kept for it when it was asked to connect again.
        let_in_at: when it was let in, by the loop's clock.
        dialling: the task that is connecting it to a pool, and which.
        moves: how often its pool changed.
        was_on: the pool it mined on last, or mines on.
        asking: whether it is to be let in again, its world having begun anew; it goes on meanwhile.
        dropped_by: the pool that hung up last, soon after it was connected to.
    """

    def __init__(
        self,
        house: House,
        relay: Relay,
        line: MinerLine,
        number: int,
        algorithm: str,
        since: Instant,
        kept: Place | None = None,
    ) -> None:
        """Begin a visit; it was not let in yet."""
        self.number = number
        self.algorithm = algorithm
        self.since = since
        self.relay = relay
        self.guest: Guest | None = None
        self.login: Login | None = None
        self.place: Place | None = None
        self.kept = kept
        self.let_in_at = 0.0
        self.dialling: tuple[asyncio.Task[None], Pool] | None = None
        self.counts = Counts()
        self.moves = 0
        self.was_on: Pool | None = None
        self.dropped_by: ObjectId | None = None
        self.asking = False
        self.open = True
        self._house = house
        self._line = line
        self._lines: dict[Upstream, PoolLine] = {}

    @property
    def peer(self) -> str:
        """Address and port of the miner."""
        return self._line.peer

    @property
    def host(self) -> str:
        """The miner's address alone."""
        return self._line.host

    # The miner

    def take(self, line: bytes) -> bool:
        """A line of the miner."""
        self.do(self.relay.from_miner(line))
        return self.open

    def gone(self) -> None:
        """The miner's connection ended."""
        self.open = False
        if self.dialling is not None:
            self.dialling[0].cancel()
        if self.kept is not None:
            self.kept.line.close()
        for line in list(self._lines.values()):
            line.close()
        self._lines.clear()
        self.place = None
        self._house.left(self)

    def close(self) -> None:
        """Hang up on the miner."""
        self._line.close()

    def say(self, lines: bytes) -> None:
        """Tell the miner something, if it is still there."""
        self._line.write(lines)

    def send_back(self) -> None:
        """Ask the miner to connect again, and hang up."""
        self._line.write(notification("client.reconnect", []))
        self._line.close()

    # Pools

    def settle(self, pool: Pool, line: PoolLine) -> None:
        """Mine here from now on; the pool before answers what it has, and is left."""
        before, self.place = self.place, Place(pool, line)
        self._lines[line.upstream] = line
        self.moves += self.was_on is not None and self.was_on.id != pool.id
        self.was_on = pool
        self.do(self.relay.follow(line.upstream))
        if before is not None:
            self._leave(before.line)

    def rest(self) -> None:
        """Mine nowhere: no pool is to be had."""
        before, self.place = self.place, None
        self.relay.upstream = None
        if before is not None:
            self._leave(before.line)

    def _leave(self, line: PoolLine) -> None:
        if line.upstream.waiting and line.is_open:
            asyncio.get_running_loop().call_later(LINGER_S, self._forget, line, LEFT)
        else:
            self._forget(line, LEFT)

    def _forget(self, line: PoolLine, reason: str) -> None:
        if self._lines.pop(line.upstream, None) is not None:
            line.close()
            if self.open:
                self.do(self.relay.leave(line.upstream, reason))

    def heard(self, line: PoolLine, event: Offered | Answered | Told) -> None:
        """A pool said something."""
        if self.open:
            self.do(self.relay.heard(line.upstream, event))
        here = self.place is not None and self.place.line is line
        if not here and not line.upstream.waiting and line.upstream in self._lines:
            self._forget(line, LEFT)

    def lost(self, line: PoolLine) -> None:
        """A pool hung up."""
        if self._lines.pop(line.upstream, None) is None or not self.open:
            return
        here = self.place is not None and self.place.line is line
        self.do(self.relay.leave(line.upstream, GONE))
        if here:
            self.place = None
            self._house.steer(self)

    # Acts

    def do(self, acts: list[Act]) -> None:
        """Take the relay's acts, in order."""
        said: list[bytes] = []
        for act in acts:
            match act:
                case ToMiner(line):
                    said.append(line)
                case ToPool(upstream, line):
                    if (pool_line := self._lines.get(upstream)) is not None:
                        pool_line.write(line)
                case Counted():
                    self._house.count(self, act)
                case LoginAsked(login):
                    self.login = login
                    self._house.ask(self, login)
                case Unusable(upstream, reason):
                    if self.place is not None and self.place.line.upstream is upstream:
                        self._house.unusable(self, self.place.pool, reason)
                case HangUp():
                    self.open = False
        if said:
            self._line.write(b"".join(said))
        if not self.open:
            self._line.close()
