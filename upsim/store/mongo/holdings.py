"""An account's pools and profiles as one document, and what may be done with them. Pure: knows no driver.

One document, because MongoDB changes one document atomically and no more: that a pool in a profile stays, that there is
one default of an algorithm, that no quota is passed are then facts of the document, whatever happens between two
calls. What is decided here on a copy is saved only where the document is still the one that was read.

Workers are documents of their own. When a profile goes, or changes its algorithm, a forward says where its workers are
from that instant on; the workers' own documents follow at leisure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from operator import attrgetter

from upsim.clock import Instant
from upsim.errors import (
    AlreadyExists,
    DefaultProfileKept,
    NotFound,
    PoolInUse,
    QuotaExceeded,
)
from upsim.model import Course, Health, HealthStatus, ObjectId, Pool, Profile, Worker
from upsim.records import dataclass
from upsim.store.asking import PoolChanges, ProfileChanges
from upsim.store.courses import ENDED_KEPT, begun, course_after, moved
from upsim.store.deciding import changed_pool, check_holdable
from upsim.store.mongo.link import Doc
from upsim.store.mongo.values import course_doc, pool_doc, profile_doc, read_course, read_pool, read_profile

in_order = attrgetter("created_at", "id")
"""What every list is sorted by."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Workers of `algorithm` whose document still names the profile `source` are on `target`, since `at`."""

    algorithm: str
    source: ObjectId
    target: ObjectId
    at: Instant


def read_forwards(doc: Doc | None) -> list[Forward]:
    """The forwards in an account's document, oldest first."""
    return [Forward(*entry) for entry in doc["forwards"]] if doc else []


def settled(worker: Worker, forwards: Collection[Forward]) -> Worker:
    """The worker where the forwards put it."""
    for forward in forwards:
        if forward.source == worker.profile_id and forward.algorithm == worker.algorithm:
            return moved(worker, forward.target, forward.at)
    return worker


def on_profile(profile_id: ObjectId, forwards: Collection[Forward]) -> Doc:
    """The condition on a worker's document that says it is on this profile."""
    left = [forward.algorithm for forward in forwards if forward.source == profile_id]
    mine: Doc = {"profile_id": profile_id, "algorithm": {"$nin": left}} if left else {"profile_id": profile_id}
    joined = [
        {"profile_id": forward.source, "algorithm": forward.algorithm}
        for forward in forwards
        if forward.target == profile_id
    ]
    return {"$or": [mine, *joined]} if joined else mine


class Holdings:
    """What an account holds: a copy to decide on, which knows how it differs from what was read."""

    def __init__(self, account_id: ObjectId, doc: Doc | None) -> None:
        """Read the account's document; None is an account that never held anything."""
        self.account_id = account_id
        self.version: int | None = doc["version"] if doc else None
        self.pools = {key: read_pool(account_id, key, value) for key, value in doc["pools"].items()} if doc else {}
        self.defaults: dict[str, ObjectId] = dict(doc["defaults"]) if doc else {}
        self.forwards = read_forwards(doc)
        # A profile's rank is the pointer's to say: here none is marked, and `profile` marks what it gives out.
        self._profiles = (
            {key: read_profile(account_id, key, value, {}) for key, value in doc["profiles"].items()} if doc else {}
        )
        self.courses = (
            {key: read_course(account_id, key, value) for key, value in doc["courses"].items()} if doc else {}
        )
        self._read = self._state()

    def _state(self) -> tuple[Doc, list[Forward]]:
        """All that is held, by its path in the document, and the forwards."""
        kept = (
            ("pools", self.pools),
            ("profiles", self._profiles),
            ("defaults", self.defaults),
            ("courses", self.courses),
        )
        held: Doc = {f"{name}.{key}": value for name, values in kept for key, value in values.items()}
        return held, list(self.forwards)

    @classmethod
    def of(
        cls, account_id: ObjectId, pools: Collection[Pool], profiles: Collection[Profile], courses: Collection[Course]
    ) -> Holdings:
        """A new account's, as a fixture describes them."""
        holdings = cls(account_id, None)
        holdings.pools = {pool.id: pool for pool in pools}
        for profile in profiles:
            holdings._keep(profile)
            if profile.is_default:
                holdings.defaults[profile.algorithm] = profile.id
        holdings.courses = {course.profile_id: course for course in courses}
        return holdings

    # How it is kept

    def whole(self, content: str) -> Doc:
        """The document of an account that has none yet."""
        return {
            "_id": f"{content}/{self.account_id}",
            "content": content,
            "account_id": self.account_id,
            "version": 1,
            "pools": {key: pool_doc(pool) for key, pool in self.pools.items()},
            "profiles": {key: profile_doc(profile) for key, profile in self._profiles.items()},
            "defaults": dict(self.defaults),
            "courses": {key: course_doc(course) for key, course in self.courses.items()},
            "forwards": self._forward_lists(),
        }

    def update(self) -> Doc:
        """The update that makes the document what this has become; empty where nothing changed."""
        had, forwards = self._read
        wanted, _ = self._state()
        written: Doc = {path: _value(value) for path, value in wanted.items() if had.get(path) != value}
        if self.forwards != forwards:
            written["forwards"] = self._forward_lists()
        gone = dict.fromkeys(had.keys() - wanted.keys(), "")
        if not written and not gone:
            return {}
        update: Doc = {"$inc": {"version": 1}}
        if written:
            update["$set"] = written
        if gone:
            update["$unset"] = gone
        return update

    # Pools

    def add_pool(self, pool: Pool, at_most: int | None, first_profile: Profile) -> ObjectId | None:
        """See Store.add_pool."""
        if pool.id in self.pools:
            raise AlreadyExists("Pool", pool.id)
        self._check_quota("pools", self.pools.values(), pool.algorithm, at_most)
        self.pools[pool.id] = pool
        if pool.algorithm in self.defaults:
            return None
        self._keep(first_profile)
        self._begin_course(first_profile)
        self.defaults[pool.algorithm] = first_profile.id
        return first_profile.id

    def update_pool(self, pool_id: ObjectId, changes: PoolChanges, at_most: int | None) -> Pool:
        """See Store.update_pool."""
        pool = self.pools.get(pool_id)
        if pool is None:
            raise NotFound("Pool", pool_id)
        changed = changed_pool(pool, changes)
        if changed.algorithm != pool.algorithm:
            self._check_unheld(pool_id, "given another algorithm")
            self._check_quota("pools", self.pools.values(), changed.algorithm, at_most)
        self.pools[pool_id] = changed
        if changed.health != pool.health:
            self._continue_courses(pool_id, changes.at)
        return changed

    def record_test(self, pool_id: ObjectId, at: Instant, latency_ms: int | None, error: str | None) -> Pool | None:
        """See Store.record_test."""
        pool = self.pools.get(pool_id)
        if pool is None:
            return None
        status = HealthStatus.UNHEALTHY if error else HealthStatus.HEALTHY
        failures = pool.health.consecutive_failures + 1 if error else 0
        self.pools[pool_id] = replace(pool, health=Health(status, at, error, failures, latency_ms))
        self._continue_courses(pool_id, at)
        return self.pools[pool_id]

    def delete_pool(self, pool_id: ObjectId) -> None:
        """See Store.delete_pool."""
        if pool_id not in self.pools:
            raise NotFound("Pool", pool_id)
        self._check_unheld(pool_id, "deleted")
        del self.pools[pool_id]

    # Profiles

    def profile(self, profile_id: ObjectId) -> Profile:
        """The profile of that id.

        Raises:
            NotFound: there is none.
        """
        profile = self._profiles.get(profile_id)
        if profile is None:
            raise NotFound("Profile", profile_id)
        return replace(profile, is_default=self.defaults.get(profile.algorithm) == profile_id)

    def profiles(self) -> list[Profile]:
        """All of them."""
        return [self.profile(profile_id) for profile_id in self._profiles]

    def algorithm_of(self, profile_id: ObjectId) -> str | None:
        """What the profile is for; None where there is none of that id."""
        profile = self._profiles.get(profile_id)
        return profile.algorithm if profile else None

    def add_profile(self, profile: Profile, at_most: int | None) -> Profile:
        """See Store.add_profile."""
        self._check_pools(profile.algorithm, profile.pool_ids)
        self._check_quota("profiles", self._profiles.values(), profile.algorithm, at_most)
        if profile.id in self._profiles:
            raise AlreadyExists("Profile", profile.id)
        self._keep(profile)
        self._begin_course(profile)
        self.defaults.setdefault(profile.algorithm, profile.id)
        return self.profile(profile.id)

    def check_algorithm_free(self, profile_id: ObjectId) -> None:
        """Check that the profile is no default, which has to keep its algorithm.

        Raises:
            DefaultProfileKept: it is one.
        """
        profile = self.profile(profile_id)
        if profile.is_default:
            raise DefaultProfileKept(profile.name, "given another algorithm")

    def update_profile(self, profile_id: ObjectId, changes: ProfileChanges, at_most: int | None) -> Profile:
        """See Store.update_profile; that no worker keeps the algorithm is the caller's to check."""
        profile = self.profile(profile_id)
        algorithm = changes.algorithm or profile.algorithm
        if algorithm != profile.algorithm:
            self._check_quota("profiles", self._profiles.values(), algorithm, at_most)
        pool_ids = profile.pool_ids if changes.pool_ids is None else changes.pool_ids
        self._check_pools(algorithm, pool_ids)
        if algorithm != profile.algorithm:
            # A worker assigned at this very instant finds its way; one of the new algorithm is here for good.
            self._forward(profile, changes.at)
            self._forget_forward(algorithm, profile_id)
            self.defaults.setdefault(algorithm, profile_id)
        name = profile.name if changes.name is None else changes.name
        self._keep(replace(profile, name=name, algorithm=algorithm, pool_ids=pool_ids, updated_at=changes.at))
        if changes.pool_ids is not None:
            self._continue_course(profile_id, changes.at)
        return self.profile(profile_id)

    def delete_profile(self, profile_id: ObjectId, at: Instant) -> Forward:
        """Take the profile out and say where its workers are from now on. See Store.delete_profile."""
        profile = self.profile(profile_id)
        if profile.is_default:
            raise DefaultProfileKept(profile.name, "deleted")
        del self._profiles[profile_id]
        self._end_course(profile_id, at)
        return self._forward(profile, at)

    def set_default(self, profile_id: ObjectId) -> Profile:
        """See Store.set_default_profile."""
        self.defaults[self.profile(profile_id).algorithm] = profile_id
        return self.profile(profile_id)

    # Below the surface

    def _keep(self, profile: Profile) -> None:
        self._profiles[profile.id] = replace(profile, is_default=False)

    def _begin_course(self, profile: Profile) -> None:
        self.courses[profile.id] = begun(profile, {key: self.pools[key].health.status for key in profile.pool_ids})

    def _continue_course(self, profile_id: ObjectId, at: Instant) -> None:
        statuses = {key: self.pools[key].health.status for key in self._profiles[profile_id].pool_ids}
        self.courses[profile_id] = course_after(self.courses[profile_id], statuses, statuses, at)

    def _continue_courses(self, pool_id: ObjectId, at: Instant) -> None:
        for profile in self._profiles.values():
            if pool_id in profile.pool_ids:
                self._continue_course(profile.id, at)

    def _end_course(self, profile_id: ObjectId, at: Instant) -> None:
        """End the course of a profile that is deleted; keep it if it had anything to tell, forget the oldest such."""
        course = self.courses.pop(profile_id)
        if course.eventful:
            self.courses[profile_id] = replace(course, ended_at=at)
        ended = [(one.ended_at, one.profile_id) for one in self.courses.values() if one.ended_at is not None]
        newest_first = sorted(ended, key=lambda one: (-one[0], one[1]))
        for _, forgotten in newest_first[ENDED_KEPT:]:
            del self.courses[forgotten]

    def _forward(self, profile: Profile, at: Instant) -> Forward:
        """Send the profile's workers, and those that were sent to it, to the default of its algorithm."""
        new = Forward(profile.algorithm, profile.id, self.defaults[profile.algorithm], at)
        self._forget_forward(profile.algorithm, profile.id)
        self.forwards = [
            replace(forward, target=new.target, at=at)
            if (forward.algorithm, forward.target) == (new.algorithm, new.source)
            else forward
            for forward in self.forwards
        ]
        self.forwards.append(new)
        return new

    def _forget_forward(self, algorithm: str, source: ObjectId) -> None:
        self.forwards = [
            forward for forward in self.forwards if (forward.algorithm, forward.source) != (algorithm, source)
        ]

    def _forward_lists(self) -> list[list[object]]:
        return [[forward.algorithm, forward.source, forward.target, forward.at] for forward in self.forwards]

    def _check_quota(
        self, kind: str, held: Collection[Pool] | Collection[Profile], algorithm: str, at_most: int | None
    ) -> None:
        if at_most is not None and sum(item.algorithm == algorithm for item in held) >= at_most:
            raise QuotaExceeded(kind, at_most, algorithm)

    def _check_pools(self, algorithm: str, pool_ids: tuple[ObjectId, ...]) -> None:
        algorithms = {pool_id: self.pools[pool_id].algorithm for pool_id in pool_ids if pool_id in self.pools}
        check_holdable(pool_ids, algorithms, algorithm)

    def _check_unheld(self, pool_id: ObjectId, wish: str) -> None:
        holders = sorted((p for p in self._profiles.values() if pool_id in p.pool_ids), key=in_order)
        if holders:
            raise PoolInUse([profile.name for profile in holders], wish)


def _value(value: Pool | Profile | Course | str) -> Doc | str:
    if isinstance(value, Pool):
        return pool_doc(value)
    if isinstance(value, Profile):
        return profile_doc(value)
    if isinstance(value, Course):
        return course_doc(value)
    return value
