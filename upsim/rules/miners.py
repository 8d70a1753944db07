"""Miners at the proxy's own door: who one is, which worker it becomes, and where it should mine.

A login names an account and a worker, `account.worker`; in another world than the default one its name stands before
them, `world/account.worker`. The worker is the same one whenever that name comes back. What it does is measured, never
made up: to the fleet's function it is a machine of no rate at all, online while its miner is connected.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from upsim.errors import AlreadyExists, NotFound
from upsim.fleet.cells import KEPT_OFFLINE
from upsim.fleet.device import WEIGHTS
from upsim.fleet.measured import kept
from upsim.ids import object_id
from upsim.model import MEASURED, Account, Mined, ObjectId, Pool, Worker, WorldId
from upsim.records import dataclass
from upsim.rules.presence import came_at, online
from upsim.rules.worlds import DEFAULT, cap_of, require_world
from upsim.store.asking import Span, WorkerFilter
from upsim.world import Universe, World

MAX_NAME: Final = 80
"""Characters of a worker's name, as everywhere."""
MAX_WORKERS: Final = 20_000
"""Workers of an account beyond which no new one comes in by the door."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A miner that wants in.

    Attributes:
        login: what it called itself.
        rig: a worker's name beside that, in dialects that have one.
    """

    login: str
    rig: str = ""


@dataclass(frozen=True, slots=True)
class Guest:
    """A miner that is in: whose it is, and which worker."""

    world_id: WorldId
    account_id: ObjectId
    account: str
    worker_id: ObjectId
    worker: str
    profile_id: ObjectId


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A miner that is not let in; the text is for its owner."""

    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Where an account's miners should be.

    Attributes:
        profile_of: the profile of each worker; one that is no more is left out.
        missing: workers that are no more, or are kept as offline.
        pools_of: the pools of each of those profiles, in its order.
    """

    profile_of: Mapping[ObjectId, ObjectId]
    missing: frozenset[ObjectId]
    pools_of: Mapping[ObjectId, tuple[Pool, ...]]


def admit(
    universe: Universe, algorithm: str, arrivals: Sequence[Arrival], default: WorldId | None = DEFAULT
) -> list[Guest | TurnedAway]:
    """Let miners in, and put their workers online; says of each who it is, or why not.

    Args:
        default: the world of a login that names none; None asks everybody to name one.
    """
    found: list[Guest | TurnedAway] = [TurnedAway("")] * len(arrivals)
    by_world: dict[str | None, list[int]] = {}
    for at, arrival in enumerate(arrivals):
        world, slash, _ = arrival.login.partition("/")
        by_world.setdefault(world if slash else default, []).append(at)
    for name, places in by_world.items():
        texts = [arrivals[at].login.partition("/")[2] or arrivals[at].login for at in places]
        wanted = [Arrival(text, arrivals[at].rig) for text, at in zip(texts, places, strict=True)]
        for at, outcome in zip(places, _admit(universe, name, algorithm, wanted), strict=True):
            found[at] = outcome
    return found


def _admit(
    universe: Universe, world_name: str | None, algorithm: str, arrivals: Sequence[Arrival]
) -> list[Guest | TurnedAway]:
    if world_name is None:
        return [TurnedAway("Unknown account: write world/account.worker")] * len(arrivals)
    try:
        world = require_world(universe, world_name)
    except NotFound:
        return [TurnedAway(f"Unknown world {world_name[:40]}: write world/account.worker")] * len(arrivals)
    accounts = {account.name: account for account in world.store.list_accounts(world.id)}
    desks: dict[ObjectId, _Desk] = {}
    found: list[Guest | TurnedAway] = []
    for arrival in arrivals:
        named = _named(accounts, arrival)
        if isinstance(named, TurnedAway):
            found.append(named)
            continue
        account, worker = named
        desk = desks.setdefault(account.id, _Desk(world, account, algorithm))
        found.append(desk.take(worker))
    for desk in desks.values():
        desk.put_online()
    return found


def _named(accounts: Mapping[str, Account], arrival: Arrival) -> tuple[Account, str] | TurnedAway:
    """The account and the worker's name: an account's name may have dots in it, and the longest that fits counts."""
    login = arrival.login
    name = login
    while name and name not in accounts:
        name = name.rpartition(".")[0]
    if not name:
        return TurnedAway(f"Unknown account {login.partition('.')[0][:40]}: write account.worker")
    worker = login[len(name) + 1 :] or arrival.rig
    if not worker:
        return TurnedAway(f"No worker's name: write {name[:40]}.worker")
    if len(worker) > MAX_NAME or not worker.isprintable():
        return TurnedAway(f"A worker's name has at most {MAX_NAME} printable characters")
    return accounts[name], worker


class _Desk:
    """Lets an account's miners in."""

    def __init__(self, world: World, account: Account, algorithm: str) -> None:
        self._world = world
        self._account = account
        self._algorithm = algorithm
        self._now = world.now()
        self._default = world.store.get_default_profile(world.id, account.id, algorithm)
        self._new: dict[ObjectId, Worker] = {}
        self._known: dict[ObjectId, Worker] = {}
        self._room: int | None = None

    def take(self, name: str) -> Guest | TurnedAway:
        """Find the worker, or make it."""
        world, account = self._world, self._account
        if self._default is None:
            return TurnedAway(f"No profile for {self._algorithm}: the account has to make one first")
        worker_id = ObjectId(object_id(account.created_at, world.seed, "miner", account.id, self._algorithm, name))
        worker = (
            self._new.get(worker_id)
            or self._known.get(worker_id)
            or world.store.get_worker(world.id, account.id, worker_id)
        )
        if worker is None:
            if not self._has_room():
                return TurnedAway("Too many workers: the account has as many as it may have")
            worker = self._new[worker_id] = online(
                Worker(
                    id=worker_id,
                    account_id=account.id,
                    name=name,
                    algorithm=self._algorithm,
                    profile_id=self._default.id,
                    model=MEASURED,
                    nominal=0,
                    home=KEPT_OFFLINE,
                    cell=KEPT_OFFLINE,
                    weights=(0,) * WEIGHTS,
                    created_at=self._now,
                    updated_at=self._now,
                ),
                self._now,
            )
        elif worker_id not in self._new:
            self._known[worker_id] = worker
        return Guest(world.id, account.id, account.name, worker_id, name, worker.profile_id)

    def _has_room(self) -> bool:
        if self._room is None:
            world = self._world
            held = world.store.list_workers(world.id, self._account.id, WorkerFilter(), Span(0, 1)).total
            cap = cap_of(world.record, "workers")
            self._room = max(0, (MAX_WORKERS if cap is None else min(cap, MAX_WORKERS)) - held)
        return len(self._new) < self._room

    def put_online(self) -> None:
        """Write what was decided: one step for the new ones, one for those that came back."""
        store, world = self._world.store, self._world
        if self._new:
            try:
                store.add_workers(world.id, self._new.values())
            except AlreadyExists:  # another process let one of them in meanwhile: one by one then
                for worker in self._new.values():
                    if store.get_worker(world.id, self._account.id, worker.id) is None:
                        store.add_workers(world.id, [worker])
        back = [
            worker.id
            for worker in self._known.values()
            # The second: the clock was set back, and it came in what is now the future.
            if worker.cell == KEPT_OFFLINE or came_at(worker) > self._now
        ]
        if back:
            store.change_workers(world.id, self._account.id, back, lambda worker: online(worker, self._now))


def read_plan(world: World, account_id: ObjectId, worker_ids: Collection[ObjectId]) -> Plan:
    """Where these workers should mine now."""
    places = world.store.get_places(world.id, account_id, worker_ids)
    profile_of = {worker_id: profile_id for worker_id, (profile_id, _) in places.items()}
    here = {worker_id for worker_id, (_, cell) in places.items() if cell != KEPT_OFFLINE}
    profiles = world.store.get_profiles(world.id, account_id, set(profile_of.values()))
    held = {pool_id for profile in profiles.values() for pool_id in profile.pool_ids}
    pools = world.store.get_pools(world.id, account_id, held)
    return Plan(
        profile_of,
        frozenset(worker_id for worker_id in worker_ids if worker_id not in here),
        {
            profile.id: tuple(pools[pool_id] for pool_id in profile.pool_ids if pool_id in pools)
            for profile in profiles.values()
        },
    )


def write_down(world: World, mined: Sequence[Mined], *, tidy: bool) -> None:
    """Note what measured workers did.

    Args:
        tidy: forget their work of so long ago that no series asks for it.
    """
    world.store.add_mined(world.id, mined, kept(world.now()) if tidy else None)


def forget_future(world: World) -> None:
    """Forget work ahead of the world's clock: it was set back, and that time is lived anew."""
    world.store.forget_work(world.id, kept(world.now()))


def joined(plan: Plan | None, more: Plan) -> Plan:
    """A plan with more workers in it."""
    if plan is None:
        return more
    return Plan({**plan.profile_of, **more.profile_of}, plan.missing | more.missing, {**plan.pools_of, **more.pools_of})
