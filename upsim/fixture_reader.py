"""Reads a fixture's document: makes it accounts, keys, pools, profiles and workers, and finds what is wrong with it."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources.abc import Traversable
from typing import Any, Final

from upsim import documents
from upsim.algorithms import ALGORITHMS
from upsim.clock import MINUTE, Instant, iso, parse_iso
from upsim.fleet.cells import RECORDED, cell_at
from upsim.fleet.device import device
from upsim.fleet.hardware import HARDWARE
from upsim.fleet.history import FULL, Event, EventKind, cell_now
from upsim.fleet.tracks import HOLD, Recording, RecordingError, Track, read_csv, read_json
from upsim.ids import NUMBER, digest_of, hint_of, numbered, object_id
from upsim.model import Account, ApiKey, Course, Health, HealthStatus, ObjectId, Pool, Profile, Scope, Tier, Worker
from upsim.records import dataclass
from upsim.store.content import Content
from upsim.store.courses import begun, course_after

LATEST: Final = Instant((2**32 - 1) * 1000)
"""The last time a fixture may name: ids begin with their time, as seconds in 32 bits."""

_TYPES: Final = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number"}
"""What JSON schema's types are called in YAML."""


class Mistake(Exception):
    """Something is wrong at a path of the document."""

    def __init__(self, path: list[str | int], reason: str) -> None:
        self.path = path
        super().__init__(reason)


def check(content: Any, schema: bytes) -> None:
    """Check a document against the schema of fixtures, as YAML.

    Raises:
        Mistake: it is not what it has to be.
    """
    import fastjsonschema

    try:
        fastjsonschema.compile(documents.parse(schema))(content)
    except fastjsonschema.JsonSchemaValueException as error:
        path = [int(step) if str(step).isdigit() else step for step in list(error.path)[1:]]
        definition = error.definition or {}
        if error.rule == "additionalProperties":
            known = list(definition["properties"])
            unknown = next(name for name in error.value if name not in known)
            raise Mistake([*path, unknown], f"there is no {unknown!r} here; there are {', '.join(known)}.") from error
        if error.rule == "required":
            missing = next(name for name in error.rule_definition if name not in error.value)
            meaning = definition["properties"][missing].get("description", "").partition(";")[0]
            raise Mistake(path, f"{missing} is missing{f': {meaning}' if meaning else ''}.") from error
        reason = error.message.removeprefix("data.").removeprefix("data").strip()
        reason = re.sub(r"(?<=must be )(object|array|string|integer)$", lambda found: _TYPES[found[0]], reason)
        allowed = definition.get("description")
        raise Mistake(path, f"{reason}{f' ({allowed})' if allowed else ''}.") from error


@dataclass(frozen=True, slots=True)
class Found:
    """What a document says. See fixture.Fixture."""

    digest: str
    content: Content
    secrets: tuple[str, ...]
    clock: Instant | None
    remarks: tuple[str, ...]


def read(text: bytes, document: Mapping[str, Any], folder: Traversable) -> Found:
    """Read a document that passed its check.

    Args:
        text: the document's.
        folder: where its recordings lie.

    Raises:
        Mistake: it cannot be meant so.
    """
    return _Reader(text, document, folder).found()


class _Reader:
    """One reading of one document."""

    def __init__(self, text: bytes, document: Mapping[str, Any], folder: Traversable) -> None:
        self._folder = folder
        self._digest = hashlib.blake2b(text, digest_size=8).hexdigest()
        self._document = document
        self._opened = _instant(document["opened"], ["opened"])
        self._secrets: list[str] = []
        self._workers_of: dict[str, set[str]] = {}
        self._recordings: dict[str, Recording] = {}
        self._tracks: dict[str, str] = {}
        self._used: defaultdict[str, dict[str, Track]] = defaultdict(dict)
        self._tests: dict[ObjectId, list[tuple[Instant, HealthStatus]]] = {}

    def found(self) -> Found:
        for number, entry in enumerate(self._document.get("recordings", ())):
            self._recordings[entry["name"]] = self._recording(entry, ["recordings", number])
        accounts: list[Account] = []
        keys: list[ApiKey] = []
        pools: list[Pool] = []
        profiles: list[Profile] = []
        rows: list[tuple[Account, Mapping[str, Profile], Mapping[str, Any], list[str | int]]] = []
        for number, entry in enumerate(self._document["accounts"]):
            path: list[str | int] = ["accounts", number]
            account = Account(self._id("account", entry["name"]), entry["name"], Tier(entry["tier"]), self._opened)
            if any(account.name == other.name for other in accounts):
                raise Mistake([*path, "name"], f"the account {account.name!r} is there twice.")
            accounts.append(account)
            keys += [self._key(account, key, [*path, "keys", i]) for i, key in enumerate(entry.get("keys", ()))]
            own_pools = self._pools(account, entry, path)
            own_profiles = self._profiles(account, entry, own_pools, path)
            pools += own_pools.values()
            profiles += own_profiles.values()
            rows += [
                (account, own_profiles, row, [*path, "workers", i]) for i, row in enumerate(entry.get("workers", ()))
            ]
        workers = tuple(worker for group in rows for worker in self._workers(*group))
        courses = tuple(map(self._course, profiles))
        content = Content(
            tuple(accounts), tuple(keys), tuple(pools), tuple(profiles), workers, courses=courses, tracks=self._tracks
        )
        clock = _instant(self._document["clock"], ["clock"]) if "clock" in self._document else None
        return Found(self._digest, content, tuple(self._secrets), clock, tuple(self._remarks()))

    def _recording(self, entry: Mapping[str, Any], path: list[str | int]) -> Recording:
        name, hold = entry["name"], entry.get("hold", HOLD // MINUTE) * MINUTE
        if name in self._recordings:
            raise Mistake([*path, "name"], f"the recording {name!r} is there twice.")
        if ("file" in entry) == ("readings" in entry):
            raise Mistake(path, "a recording has either a file or its readings.")
        where = [*path, "file" if "file" in entry else "readings"]
        try:
            if "readings" in entry:
                return read_json(json.dumps(entry["readings"]), hold)
            text = (self._folder / entry["file"]).read_text(encoding="utf-8")
            self._digest = hashlib.blake2b(f"{self._digest}{text}".encode(), digest_size=8).hexdigest()
            return (read_csv if entry["file"].endswith(".csv") else read_json)(text, hold)
        except OSError as error:
            raise Mistake(where, f"{entry['file']} cannot be read: {error.strerror or error}.") from error
        except UnicodeDecodeError as error:
            raise Mistake(where, f"{entry['file']} is not UTF-8: {error}.") from error
        except RecordingError as error:
            raise Mistake(where, f"recording {name!r}, {error}.") from error

    def _track(self, row: Mapping[str, Any], name: str, path: list[str | int]) -> Track | None:
        """What was recorded of the worker, where a recording stands in for it."""
        if "recorded" not in row:
            return None
        recording = self._recordings.get(row["recorded"])
        if recording is None:
            known = ", ".join(self._recordings) or "none"
            raise Mistake([*path, "recorded"], f"there is no recording {row['recorded']!r}; there are {known}.")
        track = recording.tracks.get(name)
        if track is None:
            raise Mistake([*path, "recorded"], f"{row['recorded']!r} has no readings of {name!r}.")
        self._tracks[track.digest] = track.text
        self._used[row["recorded"]][name] = track
        return track

    def _remarks(self) -> Iterator[str]:
        """What to know of the recordings in use."""
        for name, tracks in self._used.items():
            begin = min(track.starts[0] for track in tracks.values())
            end = max(track.starts[-1] for track in tracks.values())
            yield (
                f"recording {name!r}: {len(tracks)} workers, from {iso(Instant(begin))} to {iso(Instant(end))}; before"
                " and after they are offline"
            )
            yield from Recording(tracks).report()

    def _id(self, *entity: object, at: Instant | None = None) -> ObjectId:
        return ObjectId(object_id(self._opened if at is None else at, "fixture", *entity))

    def _key(self, account: Account, entry: Mapping[str, Any], path: list[str | int]) -> ApiKey:
        secret = entry["key"]
        if secret in self._secrets:
            raise Mistake([*path, "key"], f"the key {secret} is there twice.")
        self._secrets.append(secret)
        networks = tuple(entry.get("addresses", ()))
        for network in networks:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError as error:
                raise Mistake([*path, "addresses"], f"{network!r} is neither an address nor a network.") from error
        return ApiKey(
            id=self._id("key", account.name, secret),
            account_id=account.id,
            name=entry.get("name", "key"),
            digest=digest_of(secret),
            hint=hint_of(secret),
            scopes=frozenset(Scope(scope) for scope in entry.get("scopes", tuple(Scope))),
            networks=networks,
            created_at=self._opened,
            expires_at=_instant(entry["expires"], [*path, "expires"]) if "expires" in entry else None,
            exhausted=entry.get("exhausted", False),
            issued=True,
        )

    def _pools(self, account: Account, entry: Mapping[str, Any], path: list[str | int]) -> dict[str, Pool]:
        pools: dict[str, Pool] = {}
        for number, pool in enumerate(entry.get("pools", ())):
            at = Instant(self._opened + number * MINUTE)
            name, algorithm = pool["name"], pool["algorithm"]
            if name in pools:
                raise Mistake([*path, "pools", number, "name"], f"the pool {name!r} is there twice.")
            if algorithm not in ALGORITHMS:
                raise Mistake(
                    [*path, "pools", number, "algorithm"],
                    f"{algorithm!r} is no algorithm; there are {', '.join(ALGORITHMS)}.",
                )
            tests = [(at, HealthStatus(pool.get("health", "unknown")))]
            for i, event in enumerate(pool.get("events", ())):
                here = [*path, "pools", number, "events", i, "at"]
                since = _instant(event["at"], here)
                if since <= tests[-1][0]:
                    raise Mistake(here, f"{event['at']!r} is not after what came before it, {iso(tests[-1][0])}.")
                tests.append((since, HealthStatus(event["health"])))
            pools[name] = Pool(
                id=self._id("pool", account.name, name, at=at),
                account_id=account.id,
                name=name,
                algorithm=algorithm,
                host=pool["host"],
                port=pool["port"],
                tls=pool.get("tls", False),
                username=pool["username"],
                password=pool.get("password", "x"),
                health=_health(tests[-1][1], tests[-1][0]),
                created_at=at,
                updated_at=at,
            )
            self._tests[pools[name].id] = tests
        return pools

    def _course(self, profile: Profile) -> Course:
        """Which of its pools a profile mined on, as their health went."""
        tests = self._tests
        statuses = {pool_id: tests[pool_id][0][1] for pool_id in profile.pool_ids}
        course = begun(profile, statuses)
        for at, pool_id, status in sorted((at, one, status) for one in statuses for at, status in tests[one][1:]):
            statuses[pool_id] = status
            course = course_after(course, profile.pool_ids, statuses, max(at, profile.created_at))
        return course

    def _profiles(
        self, account: Account, entry: Mapping[str, Any], pools: Mapping[str, Pool], path: list[str | int]
    ) -> dict[str, Profile]:
        profiles: dict[str, Profile] = {}
        chosen: dict[str, str] = {}
        for number, profile in enumerate(entry.get("profiles", ())):
            here = [*path, "profiles", number]
            name = profile["name"]
            if name in profiles:
                raise Mistake([*here, "name"], f"the profile {name!r} is there twice.")
            for held in profile["pools"]:
                if held not in pools:
                    raise Mistake([*here, "pools"], f"there is no pool {held!r} in account {account.name!r}.")
            algorithms = {pools[held].algorithm for held in profile["pools"]}
            if len(algorithms) != 1 or len(set(profile["pools"])) != len(profile["pools"]):
                raise Mistake(
                    [*here, "pools"], "the pools of a profile must be of one algorithm, and each listed once."
                )
            algorithm = algorithms.pop()
            if profile.get("default") and profiles.get(chosen.get(algorithm, "")) is not None:
                first = profiles[chosen[algorithm]]
                profiles[first.name] = replace(first, is_default=False)
            is_default = profile.get("default", algorithm not in chosen)
            if is_default or algorithm not in chosen:
                is_default, chosen[algorithm] = True, name
            at = Instant(self._opened + number * MINUTE)
            ids = tuple(pools[held].id for held in profile["pools"])
            profiles[name] = Profile(
                self._id("profile", account.name, name, at=at), account.id, name, algorithm, ids, is_default, at, at
            )
        return profiles

    def _workers(
        self, account: Account, profiles: Mapping[str, Profile], row: Mapping[str, Any], path: list[str | int]
    ) -> Iterator[Worker]:
        if row["model"] not in HARDWARE:
            raise Mistake([*path, "model"], f"{row['model']!r} is no hardware model; there are {', '.join(HARDWARE)}.")
        hardware = HARDWARE[row["model"]]
        profile = profiles.get(row["profile"])
        if profile is None:
            raise Mistake([*path, "profile"], f"there is no profile {row['profile']!r} in account {account.name!r}.")
        if profile.algorithm != hardware.algorithm:
            raise Mistake(
                [*path, "profile"],
                f"{row['model']} mines {hardware.algorithm}, the profile is for {profile.algorithm}.",
            )
        count = row.get("count", 1)
        if count > 1 and not NUMBER.search(row["name"]):
            raise Mistake([*path, "name"], "a row of workers needs {n} in its name, so that each has its own.")
        joined = _instant(row["joined"], [*path, "joined"]) if "joined" in row else self._opened
        retired = _instant(row["retired"], [*path, "retired"]) if "retired" in row else None
        first, every, state = row.get("first", 1), row.get("every", 0) * MINUTE, row.get("state", "auto")
        events = tuple(self._event(event, [*path, "events", i]) for i, event in enumerate(row.get("events", ())))
        if joined + (count - 1) * every > LATEST:
            raise Mistake([*path, "every"], f"the last of the row would join after {iso(LATEST)[:10]}.")
        taken = self._workers_of.setdefault(account.name, set())
        # A row fills its site rack by rack, from a place of its own, so that two rows seldom share a slot.
        start = int(hashlib.blake2b(row["name"].encode(), digest_size=2).hexdigest(), 16)
        site = row.get("site", start % 4)
        for number in range(count):
            name = numbered(row["name"], first + number)
            if name in taken:
                raise Mistake([*path, "name"], f"the worker {name!r} of account {account.name!r} is there twice.")
            taken.add(name)
            track = self._track(row, name, path)
            at = Instant(joined + number * every)
            if track is not None and "joined" not in row:
                at = Instant(track.starts[0])
            worker_id = self._id("worker", account.name, name, at=at)
            place = (start + number) % 128
            box = device(
                worker_id, row["model"], joined_at=at, retired_at=retired, cell=cell_at(site, place // 8, place % 8)
            )
            history = (*(() if state == "auto" else (Event(at, EventKind(state)),)), *events)
            # What it counts for since the last of them, whenever that is.
            last = max(event.at for event in history) if history else at
            yield Worker(
                id=worker_id,
                account_id=account.id,
                name=name,
                algorithm=hardware.algorithm,
                profile_id=profile.id,
                model=row["model"],
                nominal=box.nominal,
                home=box.cell,
                cell=RECORDED if track else cell_now(box, history, max(at, last)) if history else box.cell,
                weights=box.weights,
                created_at=at,
                updated_at=at,
                retired_at=retired,
                history=tuple((event.at, event.kind, event.value, event.profile) for event in history),
                track=track.digest if track else "",
            )

    def _event(self, entry: Mapping[str, Any], path: list[str | int]) -> Event:
        kind = EventKind(entry["do"])
        if (kind is EventKind.SCALE) != ("per_mille" in entry):
            raise Mistake(path, "per_mille belongs to scale, and to nothing else.")
        return Event(_instant(entry["at"], [*path, "at"]), kind, entry.get("per_mille", FULL))


def _health(status: HealthStatus, at: Instant) -> Health:
    """What a pool's health shows after a test at an instant."""
    if status is HealthStatus.UNKNOWN:
        return Health()
    if status is HealthStatus.HEALTHY:
        return Health(status, at, None, 0, 20)
    return Health(status, at, "connectivity: connection refused", 1, None)


def _instant(text: str, path: list[str | int]) -> Instant:
    try:
        instant = parse_iso(text)
    except ValueError as error:
        raise Mistake(path, f"{text!r} is no time.") from error
    if not 0 <= instant <= LATEST:
        raise Mistake(path, f"{text!r} is not between 1970 and {iso(LATEST)[:10]}.")
    return instant
