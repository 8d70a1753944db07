"""Worlds: how one begins, is reset, saved, restored, taken elsewhere, and ends.

A world begins as a copy of a hidden template that holds its fixture's content, so that a new one costs a few
milliseconds. Its keys are its own: a call lands in the world that issued its key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from upsim import fixture
from upsim.clock import ClockState, Instant
from upsim.errors import AlreadyExists, ConfigError, InvalidInput, NotFound
from upsim.fixture import Fixture
from upsim.ids import digest_of, hint_of, new_key, new_name
from upsim.model import ApiKey, Tier, WorldId, WorldRecord
from upsim.rules.clocks import ClockChange, changed
from upsim.world import Universe, World

DEFAULT: Final = WorldId("default")
"""The world a newcomer meets."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""What worlds and snapshots may be called."""

CAPS: Final = ("calls", "keys", "pools", "profiles", "workers", "accounts", "snapshots", "journal")
"""What a world can be given a cap on."""

DEFAULT_JOURNAL: Final = 10_000
"""How many calls a journal keeps where no cap says otherwise."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new world shall be. A field that is None has its default.

    Attributes:
        id: its name; a fresh one where None.
        fixture: the name of a fixture that comes with upsim, or the path of one where the server was given it.
        tier: the tier of all its accounts, in place of the fixture's.
        clock: what is done to its clock, which otherwise shows the wall clock's time.
        lifetime_ms: how long it lives, by the wall clock.
        caps: by name, one of CAPS.
    """

    id: str | None = None
    fixture: str | None = None
    seed: int | None = None
    tier: Tier | None = None
    clock: ClockChange = ClockChange()
    lifetime_ms: int | None = None
    caps: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key and its secret: to be shown once."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class NewWorld:
    """A world that was just made, and the keys to it."""

    record: WorldRecord
    keys: tuple[IssuedKey, ...]


def open_default(universe: Universe, beginning: Fixture, seed: int) -> WorldRecord:
    """The default world: as the store has it, or new from the fixture, with the fixture's own memorable keys."""
    known = universe.store.get_world(DEFAULT)
    if known is not None:
        return known
    record = WorldRecord(DEFAULT, beginning.name, seed, ClockState.real(), universe.wall.now())
    try:
        universe.store.create_world(record, beginning.content)
    except AlreadyExists:  # another process on the same store was first
        return require_world(universe, DEFAULT).record
    return record


def require_world(universe: Universe, world_id: str) -> World:
    """The world of that name, unless its time is over.

    Raises:
        NotFound: there is none.
    """
    record = universe.store.get_world(WorldId(world_id)) if NAME.fullmatch(world_id) else None
    if record is None or is_over(record, universe.wall.now()):
        raise NotFound("World", world_id)
    return universe.world(record)


def list_worlds(universe: Universe) -> list[WorldRecord]:
    """Every world whose time is not over; ends those whose time is."""
    wall = universe.wall.now()
    alive = []
    for record in universe.store.list_worlds():
        if is_over(record, wall):
            universe.store.delete_world(record.id)
        else:
            alive.append(record)
    return alive


def is_over(record: WorldRecord, wall: Instant) -> bool:
    """Whether the world's time is over."""
    return record.expires_at is not None and record.expires_at <= wall


def create_world(universe: Universe, wish: Wish) -> NewWorld:
    """Make a world from its fixture, in one step, with keys of its own.

    Raises:
        InvalidInput: the wish cannot be fulfilled; which field, and why.
        AlreadyExists: a world of that name is there.
    """
    list_worlds(universe)  # makes room: the names and rows of worlds that are over
    beginning = _fixture(universe, wish.fixture or universe.fixture)
    template = _template(universe, beginning)
    record = new_record(universe, wish, beginning.name)
    accounts = {account.id: account for account in beginning.content.accounts}
    keys = tuple(_reissued(key) for key in beginning.content.keys if key.account_id in accounts)
    universe.store.copy_content(
        template, record.id, with_keys=False, record=record, new_keys=[issued.key for issued in keys]
    )
    if wish.tier is not None:
        for account in accounts.values():
            # As if it had always been so: the tier of a window is that in which the window began.
            universe.store.set_tier(record.id, account.id, wish.tier, Instant(0), Instant(0))
    return NewWorld(record, keys)


def new_record(universe: Universe, wish: Wish, fixture_name: str) -> WorldRecord:
    """The record of a world as wished.

    Raises:
        InvalidInput: the wish cannot be fulfilled.
        AlreadyExists: a world of that name is there.
    """
    wall = universe.wall.now()
    name = wish.id or new_name()
    if not NAME.fullmatch(name):
        raise InvalidInput("id", "must be letters, digits, dots, dashes and underscores, at most 63.")
    if universe.store.get_world(WorldId(name)) is not None:
        raise AlreadyExists("World", name)
    unknown = [cap for cap in wish.caps or () if cap not in CAPS]
    if unknown:
        raise InvalidInput(f"caps.{unknown[0]}", f"is no cap; there are {', '.join(CAPS)}.")
    return WorldRecord(
        id=WorldId(name),
        fixture=fixture_name,
        seed=universe.seed if wish.seed is None else wish.seed,
        clock=changed(ClockState.real(), wall, wish.clock),
        created_at=wall,
        expires_at=None if wish.lifetime_ms is None else Instant(wall + wish.lifetime_ms),
        options={"caps": dict(wish.caps)} if wish.caps else {},
    )


def reset_world(universe: Universe, world: World) -> WorldRecord:
    """Make the world what its fixture says, in one step: content, faults, pools' behaviours and options.

    Its keys, clock, seed and caps stay; keys added later go, revoked ones open again.
    """
    record = world.record
    template = _template(universe, _fixture(universe, record.fixture))
    kept = {name: value for name, value in record.options.items() if name == "caps"}
    fresh = replace(record, options=kept, generation=record.generation + 1, revision=record.revision + 1)
    universe.store.copy_content(template, world.id, with_keys=False, record=fresh)
    return fresh


def save_snapshot(universe: Universe, world: World, name: str) -> WorldRecord:
    """Save the world as it is under a name, in place of what was saved under it.

    Raises:
        InvalidInput: the name cannot be used, or there are as many as the world's cap allows.
    """
    if not NAME.fullmatch(name):
        raise InvalidInput("name", "must be letters, digits, dots, dashes and underscores, at most 63.")
    copies = universe.store.list_copies(world.id)
    cap = cap_of(world.record, "snapshots")
    if cap is not None and len(copies) >= cap and all(copy.id != f"{world.id}#{name}" for copy in copies):
        raise InvalidInput("name", f"this world may have {cap} snapshots; delete one first.")
    wall = universe.wall.now()
    saved = replace(
        world.record,
        id=WorldId(f"{world.id}#{name}"),
        created_at=wall,
        # The time it shows is saved, not the moment on the wall: restored, it goes on from there.
        clock=ClockState(wall, world.record.clock.at(wall), world.record.clock.speed),
    )
    universe.store.copy_content(world.id, saved.id, with_keys=True, record=saved)
    return saved


def list_snapshots(universe: Universe, world: World) -> list[WorldRecord]:
    """What was saved of the world, oldest first."""
    return universe.store.list_copies(world.id)


def snapshot_name(record: WorldRecord) -> str:
    """The name under which it was saved."""
    return record.id.partition("#")[2]


def restore_snapshot(universe: Universe, world: World, name: str) -> WorldRecord:
    """Make the world what it was when it was saved, its clock and faults included, in one step.

    Raises:
        NotFound: nothing was saved under that name.
    """
    saved = _snapshot(universe, world, name)
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
    return restored


def delete_snapshot(universe: Universe, world: World, name: str) -> None:
    """Forget what was saved under a name.

    Raises:
        NotFound: nothing was.
    """
    universe.store.delete_world(_snapshot(universe, world, name).id)


def change_options(world: World, **options: Any) -> WorldRecord:
    """Switch options of the world; None leaves one as it is."""
    wanted = {name: value for name, value in options.items() if value is not None}

    def change(record: WorldRecord) -> WorldRecord:
        return replace(record, options={**record.options, **wanted}, revision=record.revision + 1)

    return world.store.change_world(world.id, change)


def cap_of(record: WorldRecord, name: str) -> int | None:
    """The world's cap of that name, if it has one."""
    caps: Any = record.options.get("caps") or {}
    cap: int | None = caps.get(name)
    return cap


def _snapshot(universe: Universe, world: World, name: str) -> WorldRecord:
    saved = universe.store.get_world(WorldId(f"{world.id}#{name}")) if NAME.fullmatch(name) else None
    if saved is None:
        raise NotFound("Snapshot", name)
    return saved


def _fixture(universe: Universe, name: str) -> Fixture:
    # No file but the one the server was started with: whoever may make worlds may not read this machine.
    if name != universe.fixture and name not in fixture.names():
        known = dict.fromkeys((*fixture.names(), universe.fixture))
        raise InvalidInput("fixture", f"must be one of {', '.join(known)}, got {name!r}.")
    try:
        return fixture.load(name)
    except ConfigError as error:
        raise InvalidInput("fixture", str(error).removeprefix("fixture: ")) from error


def _template(universe: Universe, beginning: Fixture) -> WorldId:
    """The hidden world that holds the fixture's content; made when it is first needed."""
    template = WorldId(f"#{beginning.digest}")
    if universe.store.get_world(template) is None:
        record = WorldRecord(template, beginning.name, 0, ClockState.real(), universe.wall.now())
        try:
            universe.store.create_world(record, replace(beginning.content, keys=()))
        except AlreadyExists:  # made by another request meanwhile, from the same text
            return template
    return template


def _reissued(key: ApiKey) -> IssuedKey:
    secret = new_key()
    return IssuedKey(replace(key, digest=digest_of(secret), hint=hint_of(secret), issued=True), secret)
