"""Whether the miners of measured workers are connected, and noting that they came or left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from upsim.clock import Instant
from upsim.fleet.cells import KEPT_OFFLINE, online_cell
from upsim.fleet.history import FULL, EventKind
from upsim.model import ObjectId, Worker
from upsim.store import deciding
from upsim.world import Universe, World


def is_here(worker: Worker, now: Instant) -> bool:
    """Whether a measured worker's miner is connected."""
    return worker.cell != KEPT_OFFLINE and worker.created_at <= now


def came_at(worker: Worker) -> Instant:
    """When a measured worker's miner came or left last."""
    return deciding.came_at(worker.history) or worker.created_at


def online(worker: Worker, now: Instant) -> Worker:
    """A measured worker from the instant on at which its miner came."""
    return replace(
        worker,
        cell=online_cell(worker.home),
        history=((now, EventKind.ONLINE.value, FULL, ""),),
        created_at=min(worker.created_at, now),  # the clock may have been set back before it first came
        updated_at=now,
    )


def offline(worker: Worker, now: Instant) -> Worker:
    """A measured worker from the instant on at which its miner left."""
    return replace(worker, cell=worker.home, history=((now, EventKind.OFFLINE.value, FULL, ""),), updated_at=now)


def put_offline(world: World, gone: Mapping[ObjectId, Collection[ObjectId]]) -> None:
    """Note which workers' miners left, by account. Those that are no more are passed over."""
    now = world.now()
    for account_id, worker_ids in gone.items():
        there = world.store.get_places(world.id, account_id, worker_ids)
        if there:
            world.store.change_workers(world.id, account_id, there, lambda worker: offline(worker, now))


def put_all_offline(universe: Universe) -> None:
    """Note that nobody's miner is connected: after a process ended that had no time to say so."""
    for record in universe.store.list_worlds():
        put_world_offline(universe.world(record))


def put_world_offline(world: World) -> None:
    """Note that nobody's miner is connected in this world. A door that knows better says so within a step.

    Each was last seen with its last share, or when it came.
    """
    present = world.store.list_measured(world.id, present=True)
    known = world.store.get_measured(world.id, [worker.id for worker in present], 0)

    def left(worker: Worker) -> Worker:
        came = came_at(worker)
        seen = known[worker.id][0].last_at if worker.id in known else None
        return offline(worker, max(came, seen or came))

    by_account: dict[ObjectId, list[ObjectId]] = {}
    for worker in present:
        by_account.setdefault(worker.account_id, []).append(worker.id)
    for account_id, ids in by_account.items():
        world.store.change_workers(world.id, account_id, ids, left)
