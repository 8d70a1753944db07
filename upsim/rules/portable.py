"""A world as one readable document, to be looked at, kept beside a test, or begun with in another process.

It holds no secret: neither passwords of pools nor keys, which are issued anew where it is loaded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from upsim.algorithms import ALGORITHMS
from upsim.clock import ClockState, Instant, iso, parse_iso
from upsim.errors import InvalidInput
from upsim.fleet.tracks import Track
from upsim.ids import digest_of, hint_of, new_key
from upsim.model import (
    Account,
    ApiKey,
    Course,
    Health,
    Measured,
    ObjectId,
    Pool,
    Profile,
    Worker,
    WorldId,
    WorldRecord,
)
from upsim.rules import behaviours, faults
from upsim.rules.clocks import MAX_SPEED, ClockChange, changed
from upsim.rules.presence import put_world_offline
from upsim.rules.snapshots import keep_birth
from upsim.rules.spelling import (
    ACCOUNT,
    COURSE,
    HEALTH,
    KEY,
    MEASURED_WORKER,
    POOL,
    PROFILE,
    WORK,
    WORKER,
    read,
    read_all,
    spelt,
)
from upsim.rules.worlds import Birth, IssuedKey, NewWorld, Wish, list_worlds, new_record
from upsim.store.content import Content, Work
from upsim.world import Universe, World

FORMAT: Final = "upsim-world/1"

_OPTIONS: Final = ("caps", "caller_address", "faults", "pools")
"""Options of a world that go with it."""


def save_world(world: World) -> dict[str, Any]:
    """The world as a document. Passwords of pools are left out; loaded, they are "x", which simulated pools take."""
    content = world.store.read_content(world.id)
    record = world.record
    return {
        "format": FORMAT,
        "fixture": record.fixture,
        "seed": record.seed,
        "now": iso(record.clock.at(world.wall.now())),
        "speed": record.clock.speed,
        "options": {name: record.options[name] for name in _OPTIONS if name in record.options},
        "numbers": dict(content.numbers),
        "accounts": [spelt(one, ACCOUNT) for one in content.accounts],
        "keys": [spelt(one, KEY) for one in content.keys],
        "pools": [{**spelt(one, POOL), "health": spelt(one.health, HEALTH)} for one in content.pools],
        "profiles": [spelt(one, PROFILE) for one in content.profiles],
        "courses": [spelt(one, COURSE) for one in content.courses],
        "tracks": {digest: json.loads(text) for digest, text in content.tracks.items()},
        "workers": [spelt(one, WORKER) for one in content.workers],
        "measured": {worker_id: spelt(one, MEASURED_WORKER) for worker_id, one in content.measured.items()},
        "work": WORK.write(content.work),
    }


def load_world(universe: Universe, wish: Wish, document: Mapping[str, Any]) -> NewWorld:
    """Begin a world with a saved one: its seed, its time and all it holds, with keys of its own.

    The wish's name, lifetime, clock and caps count; the rest is the document's.

    Raises:
        InvalidInput: the document is not one that save_world made, or was broken since; which part, and why.
        AlreadyExists: a world of the wished name is there.
    """
    for name in ("fixture", "seed", "tier"):
        if getattr(wish, name) is not None:
            raise InvalidInput(name, "cannot be given together with snapshot, which says it.")
    if document.get("format") != FORMAT:
        raise InvalidInput("snapshot.format", f"must be {FORMAT!r}: take what /_upsim/worlds/…/download answers.")
    list_worlds(universe)  # makes room: the names and rows of worlds that are over
    content, issued = _content(document)
    record = _record(universe, wish, document)
    universe.store.create_world(record, content)
    put_world_offline(universe.world(record))  # no miner came with it
    keep_birth(universe, universe.world(record))
    return NewWorld(record, tuple(content.accounts), issued)


def _record(universe: Universe, wish: Wish, document: Mapping[str, Any]) -> WorldRecord:
    seed, fixture, speed = document.get("seed"), document.get("fixture"), document.get("speed")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise InvalidInput("snapshot.seed", "must be a whole number from 0 to 9223372036854775807.")
    if not isinstance(fixture, str):
        raise InvalidInput("snapshot.fixture", "must be a text.")
    if not isinstance(speed, int | float) or isinstance(speed, bool) or not 0 <= speed <= MAX_SPEED:
        raise InvalidInput("snapshot.speed", f"must be a number from 0 to {MAX_SPEED:,.0f}.")
    try:
        now = parse_iso(document["now"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("snapshot.now", "must be a time such as 2026-01-05T08:00:00.000Z.") from error
    record = new_record(universe, replace(wish, clock=ClockChange(), seed=seed), fixture)
    wall = universe.wall.now()
    saved = changed(ClockState(wall, Instant(0), float(speed)), wall, ClockChange(set_to=now))
    return replace(
        record,
        clock=changed(saved, wall, wish.clock),
        options={**_options(document), **record.options, **Birth(loaded=True).option},
    )


def _options(document: Mapping[str, Any]) -> dict[str, object]:
    options = document.get("options")
    if not isinstance(options, Mapping):
        raise InvalidInput("snapshot.options", "must be a JSON object.")
    kept = {name: options[name] for name in _OPTIONS if name in options}
    trial = WorldRecord(WorldId(""), "", 0, ClockState.real(), Instant(0), options=kept)
    try:  # whatever is read from them at each call, read once here
        if any(fault.effect not in faults.EFFECTS for fault in faults.list_faults(trial)):
            raise ValueError("a fault of no known effect")
        behaviours.list_behaviours(trial)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput("snapshot.options", f"is not what was saved: {type(error).__name__}: {error}.") from error
    caps = kept.get("caps", {})
    if not isinstance(caps, Mapping) or not all(isinstance(cap, int) for cap in caps.values()):
        raise InvalidInput("snapshot.options.caps", "must hold whole numbers.")
    return kept


def _content(document: Mapping[str, Any]) -> tuple[Content, tuple[IssuedKey, ...]]:
    accounts = [Account(**values) for values, _ in read_all(document, "accounts", ACCOUNT)]
    owners = {account.id for account in accounts}
    names = Counter(account.name for account in accounts)
    for name, count in names.items():
        if count > 1:
            raise InvalidInput("snapshot.accounts", f"the name {name!r} is there twice.")
    issued = tuple(_key(values) for values, _ in read_all(document, "keys", KEY))
    pools = [
        Pool(
            **values,
            password="x",  # noqa: S106 - no secret: what stands for the one that was left out
            health=Health(**read(doc.get("health"), f"snapshot.pools[{number}].health", HEALTH)),
        )
        for number, (values, doc) in enumerate(read_all(document, "pools", POOL))
    ]
    profiles = [Profile(**values) for values, _ in read_all(document, "profiles", PROFILE)]
    courses = _courses(document, profiles, owners)
    tracks = _tracks(document)
    workers = [Worker(**values) for values, _ in read_all(document, "workers", WORKER)]
    for kind, things in (("keys", [one.key for one in issued]), ("pools", pools), ("profiles", profiles)):
        _check_owned(kind, things, owners)
    _check_profiles(profiles, pools)
    _check_workers(workers, profiles, tracks)
    numbers = document.get("numbers", {})
    if not isinstance(numbers, Mapping) or not all(
        isinstance(last, int) and not isinstance(last, bool) and 0 <= last < 2**53 for last in numbers.values()
    ):
        raise InvalidInput("snapshot.numbers", "must hold whole numbers.")
    measured, work = _measured(document, {worker.id for worker in workers}, owners)
    keys = [one.key for one in issued]
    return Content(accounts, keys, pools, profiles, workers, dict(numbers), courses, tracks, measured, work), issued


def _courses(document: Mapping[str, Any], profiles: Sequence[Profile], owners: set[Any]) -> list[Course]:
    if "courses" not in document:  # saved before there were any: each begins anew
        return []
    courses = [Course(**values) for values, _ in read_all(document, "courses", COURSE, named_by="profile_id")]
    _check_owned("courses", courses, owners)
    owner_of = {profile.id: profile.account_id for profile in profiles}
    for number, course in enumerate(courses):
        place = f"snapshot.courses[{number}]"
        times = [at for at, _ in course.entries]
        if not times or times != sorted(set(times)):
            raise InvalidInput(f"{place}.entries", "must hold at least one entry, in order of time, one at a time.")
        if course.ended_at is None and owner_of.get(course.profile_id) != course.account_id:
            raise InvalidInput(f"{place}.profile_id", f"{course.profile_id} is no profile of the course's account.")
    return courses


def _tracks(document: Mapping[str, Any]) -> dict[str, str]:
    tracks: dict[str, str] = {}
    found = document.get("tracks", {})
    if not isinstance(found, Mapping):
        raise InvalidInput("snapshot.tracks", "must be a JSON object.")
    for digest, content in found.items():
        try:
            track = Track.read(content)
        except ValueError as error:
            raise InvalidInput(f"snapshot.tracks.{digest}", f"is no track: {error}.") from error
        if track.digest != digest:
            raise InvalidInput(f"snapshot.tracks.{digest}", f"was changed since: it is now {track.digest}.")
        tracks[digest] = track.text
    return tracks


def _measured(
    document: Mapping[str, Any], worker_ids: set[Any], account_ids: set[Any]
) -> tuple[dict[ObjectId, Measured], list[Work]]:
    """What miners did; nothing in a document from before there was a door for them."""
    docs = document.get("measured", {})
    if not isinstance(docs, Mapping):
        raise InvalidInput("snapshot.measured", "must be a JSON object.")
    measured = {
        ObjectId(worker_id): Measured(**read(doc, f"snapshot.measured.{worker_id}", MEASURED_WORKER))
        for worker_id, doc in docs.items()
    }
    work = [Work(*row) for row in WORK.read(document.get("work", []), "snapshot.work")]
    if len({(one.owner, one.level, one.block) for one in work}) < len(work):
        raise InvalidInput("snapshot.work", "holds a block twice.")
    for owner in (*measured, *(one.owner for one in work)):
        account_id, slash, algorithm = owner.partition("/")
        if owner not in worker_ids if not slash else account_id not in account_ids or algorithm not in ALGORITHMS:
            raise InvalidInput("snapshot.work", f"{owner[:60]!r} is no worker, nor an account's algorithm.")
    return measured, work


def _key(values: Mapping[str, Any]) -> IssuedKey:
    secret = new_key()
    return IssuedKey(ApiKey(**values, digest=digest_of(secret), hint=hint_of(secret), issued=True), secret)


def _check_owned(kind: str, things: Sequence[ApiKey | Pool | Profile | Course], owners: set[Any]) -> None:
    for number, thing in enumerate(things):
        if thing.account_id not in owners:
            raise InvalidInput(f"snapshot.{kind}[{number}].account_id", f"there is no account {thing.account_id}.")


def _check_profiles(profiles: Sequence[Profile], pools: Sequence[Pool]) -> None:
    held = {pool.id: pool for pool in pools}
    for number, profile in enumerate(profiles):
        place = f"snapshot.profiles[{number}].pool_ids"
        if not profile.pool_ids or len(set(profile.pool_ids)) < len(profile.pool_ids):
            raise InvalidInput(place, "must hold at least one pool, and each once.")
        for pool_id in profile.pool_ids:
            pool = held.get(pool_id)
            if pool is None or pool.account_id != profile.account_id or pool.algorithm != profile.algorithm:
                raise InvalidInput(place, f"{pool_id} is no pool of the profile's account and algorithm.")
    defaults = Counter((profile.account_id, profile.algorithm) for profile in profiles if profile.is_default)
    for profile in profiles:
        if defaults[profile.account_id, profile.algorithm] != 1:
            raise InvalidInput(
                "snapshot.profiles", f"exactly one for {profile.algorithm} must be its account's default."
            )


def _check_workers(workers: Sequence[Worker], profiles: Sequence[Profile], tracks: Collection[str]) -> None:
    known = {profile.id: profile for profile in profiles}
    for number, worker in enumerate(workers):
        profile = known.get(worker.profile_id)
        if profile is None or profile.account_id != worker.account_id or profile.algorithm != worker.algorithm:
            raise InvalidInput(
                f"snapshot.workers[{number}].profile_id",
                f"{worker.profile_id} is no profile of the worker's account and algorithm.",
            )
        if worker.track and worker.track not in tracks:
            raise InvalidInput(f"snapshot.workers[{number}].track", f"{worker.track} is none of the tracks.")
