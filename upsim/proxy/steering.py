"""Which pool each miner should be on, and what is known of pools that are not to be had.

The store's word on a pool's health counts; what the door finds out itself counts at once, and until the store has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from upsim.model import HealthStatus, ObjectId, Pool, WorldId
from upsim.proxy.sync import Tested
from upsim.rules.miners import Guest, Plan

FIRST_LOOK_S: Final = 1.0
"""How soon a pool that failed is tried again."""
LAST_LOOK_S: Final = 30.0
"""How seldom at most: each failure doubles the time."""
FORGIVEN_S: Final = 300.0
"""How long a pool must have been well for its failures to be forgotten."""

Key = tuple[WorldId, ObjectId]
"""A world, and a pool of it; or an account."""


@dataclass(slots=True)
class _Sick:
    """A pool that failed the door.

    Attributes:
        told: whether the store has it by now: then its word counts again.
        delay_s: the time from one look to the next.
        next_at: when to look next, by the loop's clock.
        well_at: when it was well again; None while it is not.
    """

    told: bool = False
    delay_s: float = FIRST_LOOK_S
    next_at: float = 0.0
    well_at: float | None = None


@dataclass
class Steering:
    """The plans of all accounts with miners here, and the pools that failed."""

    plans: dict[Key, Plan] = field(default_factory=dict)
    _sick: dict[Key, _Sick] = field(default_factory=dict)
    _untold: dict[WorldId, list[Tested]] = field(default_factory=dict)

    def wanted(self, guest: Guest) -> Pool | None:
        """The pool a miner should be on: the first of its profile's that is not known to fail; None where all do."""
        return next((pool for pool in self.choices(guest) if self._is_well(guest.world_id, pool)), None)

    def choices(self, guest: Guest) -> tuple[Pool, ...]:
        """The pools of a miner's profile, in its order."""
        plan = self.plans.get((guest.world_id, guest.account_id))
        if plan is None:
            return ()
        return plan.pools_of.get(plan.profile_of.get(guest.worker_id, guest.profile_id), ())

    def _is_well(self, world_id: WorldId, pool: Pool) -> bool:
        sick = self._sick.get((world_id, pool.id))
        if sick is not None and not sick.told:
            return sick.well_at is not None
        return pool.health.status is not HealthStatus.UNHEALTHY

    def fail(self, world_id: WorldId, pool: Pool, reason: str, now: float) -> bool:
        """A pool failed somebody; says whether that is news."""
        if not self._is_well(world_id, pool):
            return False
        known = self._sick.get((world_id, pool.id))
        sick = _Sick()
        if known is not None and (known.well_at is None or now - known.well_at < FORGIVEN_S):
            sick.delay_s = min(LAST_LOOK_S, 2 * known.delay_s)
        sick.next_at = now + sick.delay_s
        self._sick[world_id, pool.id] = sick
        self._untold.setdefault(world_id, []).append(Tested(pool.id, reason))
        return True

    def due(self, guests: Iterable[Guest], now: float) -> Iterator[tuple[WorldId, Pool]]:
        """Pools to look at now: those that fail and that somebody here would mine on. Each is put off at once."""
        seen: set[Key] = set()
        for guest in guests:
            for pool in self.choices(guest):
                key = guest.world_id, pool.id
                if key in seen:
                    continue
                seen.add(key)
                if self._is_well(guest.world_id, pool):
                    break  # nobody would mine behind it
                sick = self._sick.setdefault(key, _Sick(told=True))
                if sick.next_at <= now:
                    sick.next_at = now + max(sick.delay_s, FIRST_LOOK_S)
                    sick.delay_s = min(LAST_LOOK_S, 2 * sick.delay_s)
                    yield guest.world_id, pool

    def recovered(self, world_id: WorldId, pool: Pool, latency_ms: int | None, now: float) -> None:
        """A pool that failed is well again."""
        sick = self._sick.setdefault((world_id, pool.id), _Sick())
        sick.told, sick.well_at = False, now
        self._untold.setdefault(world_id, []).append(Tested(pool.id, None, latency_ms))

    def take_untold(self, world_id: WorldId) -> list[Tested]:
        """What the store has to be told."""
        return self._untold.pop(world_id, [])

    def put_back(self, world_id: WorldId, tested: Iterable[Tested]) -> None:
        """What it did not take."""
        self._untold[world_id] = [*tested, *self._untold.get(world_id, [])]

    def told(self, world_id: WorldId, tested: Iterable[Tested], plans: Mapping[ObjectId, Plan]) -> None:
        """The store has these, and says where everybody should be."""
        waiting = {one.pool_id for one in self._untold.get(world_id, ())}
        for one in tested:
            if one.pool_id not in waiting and (sick := self._sick.get((world_id, one.pool_id))) is not None:
                sick.told = True
        for account_id, plan in plans.items():
            # One that says what is known stays the known one: a miner on the very pool it names need not be looked at.
            if self.plans.get((world_id, account_id)) != plan:
                self.plans[world_id, account_id] = plan

    def forget(self, world_id: WorldId, account_ids: Iterable[ObjectId]) -> None:
        """Nobody of these accounts is here any more."""
        for account_id in account_ids:
            self.plans.pop((world_id, account_id), None)
