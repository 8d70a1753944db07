"""Workers: which there are, what each does at this instant, and which profile they mine on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

from upsim.clock import FOREVER, Instant, next_border
from upsim.errors import NotFound
from upsim.fleet.outages import down_cells
from upsim.fleet.reading import Reading
from upsim.model import Account, ObjectId, Page, Pool, Profile, Worker
from upsim.records import dataclass
from upsim.rules.fleets import Crew, next_change, profile_at
from upsim.rules.measured import readings
from upsim.rules.recordings import recorded_workers
from upsim.store.asking import Down, Span, WorkerFilter
from upsim.world import World


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as it is now: what it does, under which profile, on which pool."""

    worker: Worker
    profile_name: str
    pool: Pool | None
    reading: Reading


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of workers.

    Attributes:
        until: the instant from which on it may look different, though nothing was changed.
    """

    page: Page[WorkerView]
    until: Instant


def list_workers(
    world: World,
    account: Account,
    span: Span,
    *,
    algorithm: str | None,
    profile_id: ObjectId | None,
    search: str | None,
    online: bool | None,
) -> Listing:
    """A page of the account's workers, those that match all that is asked."""
    now = world.now()
    down, silent_until = None, FOREVER
    if online is not None:
        silent, silent_until = _silent(world, account, algorithm, now)
        down = Down(down_cells(world.seed, now), now, offline=not online, others=silent)
    which = WorkerFilter(algorithm=algorithm, profile_id=profile_id, search=search, down=down)
    page = world.store.list_workers(world.id, account.id, which, span)
    views = _views(world, account, page.items, now)
    until = min((view.reading.until for view in views), default=FOREVER)
    if online is not None:  # then who comes, goes or falls silent changes who is listed, shown here or not
        until = min(until, silent_until, next_border(now), next_change(world, account, algorithm, now))
    return Listing(Page(views, page.total), until)


def get_worker(world: World, account: Account, worker_id: ObjectId) -> WorkerView:
    """One worker.

    Raises:
        NotFound: the account has no such worker.
    """
    return _views(world, account, [require_worker(world, account, worker_id)], world.now())[0]


def require_worker(world: World, account: Account, worker_id: ObjectId) -> Worker:
    """The worker as it is kept.

    Raises:
        NotFound: the account has no such worker.
    """
    worker = world.store.get_worker(world.id, account.id, worker_id)
    if worker is None:
        raise NotFound("Worker", worker_id)
    return worker


def assign_workers(world: World, account: Account, worker_ids: Sequence[ObjectId], profile_id: ObjectId) -> int:
    """Assign workers to a profile, all or none; says how many distinct ones that were.

    Raises:
        NotFound: the profile or a worker is not the account's.
        InvalidInput: a worker is of another algorithm than the profile.

    Source: reference, POST /v1/workers/bulk-assign.
    """
    distinct = list(dict.fromkeys(worker_ids))
    world.store.assign_workers(world.id, account.id, distinct, profile_id, world.now())
    return len(distinct)


def _silent(world: World, account: Account, algorithm: str | None, now: Instant) -> tuple[frozenset[ObjectId], Instant]:
    """The recorded workers that are offline, since no cell says it of them; and until when it is those."""
    workers = recorded_workers(world, account, algorithm)
    if not workers:
        return frozenset(), FOREVER
    crew = Crew.of(world, account, workers)
    found = crew.readings(workers, now)
    silent = frozenset(worker.id for worker, one in zip(workers, found, strict=True) if not one.online)
    return silent, min(one.until for one in found)


def _views(world: World, account: Account, workers: Sequence[Worker], now: Instant) -> list[WorkerView]:
    workers, profiles = _with_profiles(world, account, workers)
    crew = Crew.of(world, account, workers)
    places = [(profile_at(worker, now), worker.profile_id) for worker in workers]
    in_use = {
        (under, profile_id): crew.pools_of(under, profiles[profile_id], now)
        for under, profile_id in set(places)
        if profile_id in profiles  # if not: deleted at every try, or the whole world reset meanwhile
    }
    known = world.store.get_pools(world.id, account.id, set(chain.from_iterable(in_use.values())))
    pools = {place: next((known[one] for one in ids if one in known), None) for place, ids in in_use.items()}
    names = {profile_id: profile.name for profile_id, profile in profiles.items()}
    return [
        WorkerView(worker, names.get(worker.profile_id, ""), pools.get(place) if found.online else None, found)
        for worker, place, found in zip(workers, places, _readings(world, crew, workers, now), strict=True)
    ]


def _readings(world: World, crew: Crew, workers: Sequence[Worker], now: Instant) -> Sequence[Reading]:
    measured = readings(world, workers, now)
    if not measured:
        return crew.readings(workers, now)
    others = iter(crew.readings([worker for worker in workers if worker.id not in measured], now))
    return [measured.get(worker.id) or next(others) for worker in workers]


def _with_profiles(
    world: World, account: Account, workers: Sequence[Worker]
) -> tuple[Sequence[Worker], Mapping[ObjectId, Profile]]:
    """The workers with the profiles they have. One whose profile went between the two look-ups is read again.

    Nobody sees a worker without a profile: deleting one moves its workers in the same instant.
    """
    profiles = dict(world.store.get_profiles(world.id, account.id, {worker.profile_id for worker in workers}))
    for _ in range(_TRIES):
        moved = {worker.id for worker in workers if worker.profile_id not in profiles}
        if not moved:
            break
        fresh = {worker_id: world.store.get_worker(world.id, account.id, worker_id) for worker_id in moved}
        workers = [fresh.get(worker.id) or worker for worker in workers]
        wanted = {worker.profile_id for worker in workers} - profiles.keys()
        profiles.update(world.store.get_profiles(world.id, account.id, wanted))
    return workers, profiles


_TRIES: Final = 10
"""How often a worker is read again whose profile is deleted each time it is looked for."""
