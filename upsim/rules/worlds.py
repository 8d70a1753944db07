"""Worlds: how one begins, is found, and ends.

A world begins as a copy of a hidden template that holds its fixture's content, so that a new one costs a few
milliseconds. Its keys are its own: a call lands in the world that issued its key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from upsim import fixture
from upsim.clock import ClockState, Instant
from upsim.errors import AlreadyExists, ConfigError, InvalidInput, NotFound, StoreUnavailable
from upsim.fixture import Fixture
from upsim.ids import digest_of, hint_of, new_key, new_name
from upsim.model import Account, ApiKey, Tier, WorldId, WorldRecord
from upsim.records import dataclass
from upsim.rules.clocks import ClockChange, changed
from upsim.store.content import Content
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
        visitor: whom it was given to, in a public sandbox.
    """

    id: str | None = None
    fixture: str | None = None
    seed: int | None = None
    tier: Tier | None = None
    clock: ClockChange = ClockChange()
    lifetime_ms: int | None = None
    caps: Mapping[str, int] | None = None
    visitor: str | None = None

    @property
    def hosts_own(self) -> dict[str, object]:
        """What is kept of it among the world's options that no reset and no visitor changes."""
        caps = {"caps": dict(self.caps)} if self.caps else {}
        return caps | ({"visitor": self.visitor} if self.visitor else {})


HOSTS_OWN: Final = ("caps", "visitor")
"""The options that a reset leaves as they are."""


@dataclass(frozen=True, slots=True)
class Birth:
    """How a world began, besides its fixture: what a reset brings back.

    Attributes:
        clock: what was done to its clock.
        tier: given to all its accounts.
        loaded: it began as a saved world, of which a copy is kept.
    """

    clock: ClockChange = ClockChange()
    tier: Tier | None = None
    loaded: bool = False

    @property
    def option(self) -> dict[str, object]:
        """What is kept of it among the world's options; nothing where there is nothing to say."""
        if self == Birth():
            return {}
        clock = [self.clock.set_to, self.clock.advance_ms, self.clock.speed]
        return {"born": {"clock": clock, "tier": self.tier, "loaded": self.loaded}}

    @classmethod
    def of(cls, record: WorldRecord) -> Birth:
        """That of a world."""
        kept: Any = record.options.get("born")
        if kept is None:
            return cls()
        return cls(ClockChange(*kept["clock"]), Tier(kept["tier"]) if kept["tier"] else None, kept["loaded"])


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key and its secret: to be shown once."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class NewWorld:
    """A world that was just made, its accounts and the keys to it, in the order of what it was made from.

    Attributes:
        remarks: what whoever uses it should know.
    """

    record: WorldRecord
    accounts: tuple[Account, ...]
    keys: tuple[IssuedKey, ...]
    remarks: tuple[str, ...] = ()


def open_default(universe: Universe, beginning: Fixture, seed: int, *, prepared: bool = False) -> WorldRecord:
    """The default world: as the store has it, or new from the fixture, with the fixture's own memorable keys.

    Args:
        prepared: what the store has is as the world begins, but for its record.

    Raises:
        ConfigError: there is none in the store, and it takes no writes.
    """
    known = universe.store.get_world(DEFAULT)
    if known is not None and not prepared:
        return known
    wall = universe.wall.now()
    birth = Birth(ClockChange(set_to=beginning.clock))
    clock = changed(ClockState.real(), wall, birth.clock)
    record = WorldRecord(DEFAULT, beginning.name, seed, clock, wall, options=birth.option)
    if prepared:
        return universe.store.change_world(DEFAULT, lambda _: record)
    try:
        universe.store.create_world(record, beginning.content)
    except AlreadyExists:  # another process on the same store was first
        return require_world(universe, DEFAULT).record
    except StoreUnavailable as error:
        raise ConfigError(
            f"store: cannot write the default world into {universe.store.url}: {error.detail}."
        ) from error
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
            with suppress(StoreUnavailable):  # it is over all the same, and goes another time
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
    beginning = find_fixture(universe, wish.fixture or universe.fixture)
    if wish.clock.set_to is None:
        wish = replace(wish, clock=replace(wish.clock, set_to=beginning.clock))
    record = new_record(universe, wish, beginning.name)
    accounts = content_of(beginning, wish.tier).accounts
    keys = tuple(_reissued(key) for key in beginning.content.keys)
    universe.store.copy_content(
        template_of(universe, beginning, wish.tier),
        record.id,
        with_keys=False,
        record=record,
        new_keys=[issued.key for issued in keys],
        only_new=True,
    )
    return NewWorld(record, tuple(accounts), keys, beginning.remarks)


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
    _check_caps(wish.caps or {})
    birth = Birth(wish.clock, wish.tier)
    return WorldRecord(
        id=WorldId(name),
        fixture=fixture_name,
        seed=universe.seed if wish.seed is None else wish.seed,
        clock=changed(ClockState.real(), wall, wish.clock),
        created_at=wall,
        expires_at=None if wish.lifetime_ms is None else Instant(wall + wish.lifetime_ms),
        options={**wish.hosts_own, **birth.option},
    )


def change_options(world: World, **options: Any) -> WorldRecord:
    """Switch options of the world; None leaves one as it is.

    Raises:
        InvalidInput: there is no such cap.
    """
    _check_caps(options.get("caps") or {})
    wanted = {name: value for name, value in options.items() if value is not None}

    def change(record: WorldRecord) -> WorldRecord:
        return replace(record, options={**record.options, **wanted}, revision=record.revision + 1)

    return world.store.change_world(world.id, change)


def cap_of(record: WorldRecord, name: str) -> int | None:
    """The world's cap of that name, if it has one."""
    caps: Any = record.options.get("caps") or {}
    cap: int | None = caps.get(name)
    return cap


def find_fixture(universe: Universe, name: str) -> Fixture:
    """The fixture of that name.

    Raises:
        InvalidInput: there is none, or a mistake in it.
    """
    # No file but the one the server was started with: whoever may make worlds may not read this machine.
    if name != universe.fixture and name not in fixture.names():
        known = dict.fromkeys((*fixture.names(), universe.fixture))
        raise InvalidInput("fixture", f"must be one of {', '.join(known)}, got {name!r}.")
    try:
        return fixture.load(name)
    except ConfigError as error:
        raise InvalidInput("fixture", str(error).removeprefix("fixture: ")) from error


def content_of(beginning: Fixture, tier: Tier | None) -> Content:
    """What a world begins with, without keys: the fixture's, with all accounts of one tier where that is wished."""
    accounts = beginning.content.accounts
    if tier is not None:
        accounts = [replace(account, tier=tier) for account in accounts]
    return replace(beginning.content, accounts=accounts, keys=())


def template_of(universe: Universe, beginning: Fixture, tier: Tier | None) -> WorldId:
    """The hidden world that holds what a world begins with; made when it is first needed."""
    template = WorldId(f"#{beginning.digest}" + (f".{tier}" if tier is not None else ""))
    if universe.store.get_world(template) is None:
        record = WorldRecord(template, beginning.name, 0, ClockState.real(), universe.wall.now())
        try:
            universe.store.create_world(record, content_of(beginning, tier))
        except AlreadyExists:  # made by another request meanwhile, from the same text
            return template
    return template


def _check_caps(caps: Mapping[str, int]) -> None:
    unknown = [cap for cap in caps if cap not in CAPS]
    if unknown:
        raise InvalidInput(f"caps.{unknown[0]}", f"is no cap; there are {', '.join(CAPS)}.")


def _reissued(key: ApiKey) -> IssuedKey:
    secret = new_key()
    return IssuedKey(replace(key, digest=digest_of(secret), hint=hint_of(secret), issued=True), secret)
