"""What the control plane does to workers: more, fewer, off, on, faster, slower. From its instant on, never before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from enum import StrEnum
from typing import Final

from upsim.errors import InvalidInput, NotFound
from upsim.fleet.cells import RECORDED
from upsim.fleet.device import device
from upsim.fleet.hardware import HARDWARE
from upsim.fleet.history import Event, EventKind, cell_now
from upsim.ids import numbered, object_id
from upsim.model import MEASURED, Account, ObjectId, Worker
from upsim.records import dataclass
from upsim.rules.devices import device_of, history_of
from upsim.rules.worlds import cap_of
from upsim.store.asking import Span, WorkerFilter
from upsim.world import World


class Wanted(StrEnum):
    """What the control plane can do to workers."""

    OFFLINE = "offline"
    ONLINE = "online"
    FLAPPING = "flapping"
    AUTO = "auto"
    SCALE = "scale"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class Row:
    """New workers, alike but for their numbers.

    Attributes:
        name: {n} or {n:03} in it stands for the number, from `first` on.
        model: a key of the fleet's hardware.
    """

    name: str
    model: str
    profile_id: ObjectId
    count: int = 1
    first: int = 1


MAX_SPAWN: Final = 100_000
"""Workers that one call can add."""


def spawn_workers(world: World, account: Account, row: Row) -> list[ObjectId]:
    """Add workers that mine from now on; answers their ids.

    Raises:
        InvalidInput: there is no such hardware, it mines another algorithm, or the world's cap is reached.
        NotFound: the account has no such profile.
    """
    hardware = HARDWARE.get(row.model)
    if hardware is None:
        raise InvalidInput("model", f"{row.model!r} is no hardware model; there are {', '.join(HARDWARE)}.")
    profile = world.store.get_profiles(world.id, account.id, [row.profile_id]).get(row.profile_id)
    if profile is None:
        raise NotFound("Profile", row.profile_id)
    if profile.algorithm != hardware.algorithm:
        raise InvalidInput("model", f"{row.model} mines {hardware.algorithm}, the profile is for {profile.algorithm}.")
    cap = cap_of(world.record, "workers")
    if cap is not None:
        held = world.store.list_workers(world.id, account.id, WorkerFilter(), Span(0, 1)).total
        if held + row.count > cap:
            raise InvalidInput("count", f"this world may have {cap} workers an account, and there are {held}.")
    now = world.now()
    turn = world.store.next_number(world.id, "ids")
    workers = []
    for number in range(row.first, row.first + row.count):
        worker_id = ObjectId(object_id(now, world.seed, "worker", turn, number))
        box = device(worker_id, row.model, joined_at=now)
        workers.append(
            Worker(
                id=worker_id,
                account_id=account.id,
                name=numbered(row.name, number),
                algorithm=profile.algorithm,
                profile_id=profile.id,
                model=row.model,
                nominal=box.nominal,
                home=box.cell,
                cell=box.cell,
                weights=box.weights,
                created_at=now,
                updated_at=now,
            )
        )
    world.store.add_workers(world.id, workers)
    return [worker.id for worker in workers]


def change_workers(
    world: World, account: Account, worker_ids: Collection[ObjectId], wanted: Wanted, per_mille: int
) -> int:
    """Do something to workers, from now on, never before; all or none of them.

    Args:
        per_mille: for SCALE, of their nominal rate.

    Raises:
        NotFound: a worker is not the account's.
        InvalidInput: a worker is measured.
    """
    now = world.now()
    event = Event(now, EventKind(wanted.value), per_mille)

    def change(worker: Worker) -> Worker:
        if worker.model == MEASURED:
            raise InvalidInput("worker_ids", f"{worker.name!r} is measured: it does what its miner does.")
        return replace(
            worker,
            cell=RECORDED if worker.track else cell_now(device_of(worker), (*history_of(worker), event), now),
            retired_at=now if wanted is Wanted.RETIRE and worker.retired_at is None else worker.retired_at,
            history=(*worker.history, (event.at, event.kind.value, event.value, event.profile)),
            updated_at=now,
        )

    return world.store.change_workers(world.id, account.id, dict.fromkeys(worker_ids), change)
