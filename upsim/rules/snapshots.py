"""Bringing a world back: to what was saved of it under a name, or to its beginning. One step, a few milliseconds.

Each brings content, keys, clock, faults, behaviours and options; the journal and the rate-limit windows begin anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from upsim.clock import ClockState
from upsim.errors import InvalidInput, NotFound
from upsim.model import WorldId, WorldRecord
from upsim.rules.clocks import changed
from upsim.rules.presence import put_world_offline
from upsim.rules.worlds import HOSTS_OWN, NAME, Birth, cap_of, find_fixture, template_of
from upsim.world import Universe, World

BIRTH: Final = "@born"
"""The name under which the beginning of a loaded world is kept: none that anybody could save under."""


def save_snapshot(universe: Universe, world: World, name: str) -> WorldRecord:
    """Save the world as it is under a name, in place of what was saved under it.

    Raises:
        InvalidInput: the name cannot be used, or there are as many as the world's cap allows.
    """
    if not NAME.fullmatch(name):
        raise InvalidInput("name", "must be letters, digits, dots, dashes and underscores, at most 63.")
    cap = cap_of(world.record, "snapshots")
    if cap is not None:
        names = [snapshot_name(copy) for copy in list_snapshots(universe, world)]
        if len(names) >= cap and name not in names:
            raise InvalidInput("name", f"this world may have {cap} snapshots; delete one first.")
    return _copy(universe, world, name)


def keep_birth(universe: Universe, world: World) -> None:
    """Keep what the world is now as its beginning."""
    _copy(universe, world, BIRTH)


def list_snapshots(universe: Universe, world: World) -> list[WorldRecord]:
    """What was saved of the world, oldest first."""
    copies = [copy for copy in universe.store.list_copies(world.id) if snapshot_name(copy) != BIRTH]
    return sorted(copies, key=lambda copy: copy.created_at)  # the store goes by when a name was first saved under


def snapshot_name(record: WorldRecord) -> str:
    """The name under which it was saved."""
    return record.id.partition("#")[2]


def restore_snapshot(universe: Universe, world: World, name: str) -> WorldRecord:
    """Make the world what it was when it was saved, its clock and faults included.

    Raises:
        NotFound: nothing was saved under that name.
    """
    return _restore(universe, world, _snapshot(universe, world, name))


def delete_snapshot(universe: Universe, world: World, name: str) -> None:
    """Forget what was saved under a name.

    Raises:
        NotFound: nothing was.
    """
    universe.store.delete_world(_snapshot(universe, world, name).id)


def reset_world(universe: Universe, world: World) -> WorldRecord:
    """Make the world what it was when it began: what its fixture says, its clock and tier as they were wished.

    Its first keys and its caps stay; keys added later go, revoked ones open again.

    Raises:
        InvalidInput: its fixture is no longer to be had.
    """
    record = world.record
    birth = Birth.of(record)
    kept = {name: value for name, value in record.options.items() if name in HOSTS_OWN}
    if birth.loaded:
        saved = universe.store.get_world(_copy_id(world, BIRTH))
        if saved is not None:
            options = {name: value for name, value in saved.options.items() if name not in HOSTS_OWN}
            return _restore(universe, world, replace(saved, options={**options, **kept}))
    fresh = replace(
        record,
        clock=changed(ClockState.real(), universe.wall.now(), birth.clock),
        options={**kept, **birth.option},
        generation=record.generation + 1,
        revision=record.revision + 1,
    )
    template = template_of(universe, find_fixture(universe, record.fixture), birth.tier)
    universe.store.copy_content(template, world.id, with_keys=False, record=fresh)
    return fresh


def _copy_id(world: World, name: str) -> WorldId:
    return WorldId(f"{world.id}#{name}")


def _copy(universe: Universe, world: World, name: str) -> WorldRecord:
    wall = universe.wall.now()
    saved = replace(
        world.record,
        id=_copy_id(world, name),
        created_at=wall,
        # The time it shows is saved, not the moment on the wall: restored, it goes on from there.
        clock=ClockState(wall, world.record.clock.at(wall), world.record.clock.speed),
    )
    universe.store.copy_content(world.id, saved.id, with_keys=True, record=saved)
    return saved


def _restore(universe: Universe, world: World, saved: WorldRecord) -> WorldRecord:
    wall = universe.wall.now()
    restored = replace(
        saved,
        id=world.id,
        created_at=world.record.created_at,
        expires_at=world.record.expires_at,
        clock=ClockState(wall, saved.clock.shown, saved.clock.speed),
        generation=world.record.generation + 1,
        revision=world.record.revision + 1,
    )
    universe.store.copy_content(saved.id, world.id, with_keys=True, record=restored)
    put_world_offline(universe.world(restored))  # whose miner was connected then need not be now
    return restored


def _snapshot(universe: Universe, world: World, name: str) -> WorldRecord:
    saved = universe.store.get_world(_copy_id(world, name)) if NAME.fullmatch(name) else None
    if saved is None:
        raise NotFound("Snapshot", name)
    return saved
