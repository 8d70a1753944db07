"""Pools and profiles in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from upsim.clock import Instant
from upsim.errors import (
    DefaultProfileKept,
    NotFound,
    PoolInUse,
)
from upsim.model import (
    Course,
    HealthStatus,
    ObjectId,
    Page,
    Pool,
    Profile,
    WorldId,
)
from upsim.store.asking import Moved, PoolChanges, PoolCounts, ProfileChanges, Span
from upsim.store.deciding import changed_pool
from upsim.store.sqlite import rows
from upsim.store.sqlite.courses import begin_course, continue_course, continue_courses, end_course, find_courses
from upsim.store.sqlite.moves import move_workers
from upsim.store.sqlite.part import Part
from upsim.store.sqlite.tables import (
    PROFILE,
    Where,
    batches,
    check_algorithm_free,
    check_pools,
    check_quota,
    default_id,
    find_holders,
    find_pool,
    find_profile,
    insert_pools,
    insert_profile_pools,
    insert_profiles,
    marks,
    point_default,
    read_profile,
    replace_pool,
    require_profile,
)


class Catalogue(Part):
    """The part of the store that keeps them. See base.Store."""

    def list_pools(
        self,
        world: WorldId,
        account_id: ObjectId,
        span: Span,
        algorithm: str | None = None,
        status: HealthStatus | None = None,
    ) -> Page[Pool]:
        where = Where("world = ? AND account_id = ?", world, account_id)
        where.add_if("algorithm = ?", algorithm)
        where.add_if("status = ?", status)
        with self._engine.read(snapshot=True) as db:
            found, total = where.page(db, "pools", rows.POOL, span)
        return Page([rows.read_pool(row) for row in found], total)

    def count_pools(self, world: WorldId, account_id: ObjectId) -> Mapping[str, PoolCounts]:
        with self._engine.read() as db:
            found = db.execute(
                "SELECT algorithm, COUNT(*), SUM(status = 'healthy'), SUM(status = 'unhealthy') FROM pools"
                " WHERE world = ? AND account_id = ? GROUP BY algorithm",
                (world, account_id),
            ).fetchall()
        return {algorithm: PoolCounts(*counts) for algorithm, *counts in found}

    def get_pool(self, world: WorldId, account_id: ObjectId, pool_id: ObjectId) -> Pool | None:
        with self._engine.read() as db:
            return find_pool(db, world, account_id, pool_id)

    def get_pools(self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]) -> Mapping[ObjectId, Pool]:
        pools: dict[ObjectId, Pool] = {}
        with self._engine.read(snapshot=True) as db:
            for batch in batches(ids):
                found = db.execute(
                    f"SELECT {rows.POOL} FROM pools WHERE world = ? AND account_id = ? AND id IN ({marks(batch)})",  # noqa: S608
                    (world, account_id, *batch),
                )
                pools.update((row[0], rows.read_pool(row)) for row in found)
        return pools

    def list_holders(self, world: WorldId, pool_id: ObjectId) -> list[str]:
        with self._engine.read() as db:
            return find_holders(db, world, pool_id)

    def add_pool(self, world: WorldId, pool: Pool, at_most: int | None, first_profile: Profile) -> ObjectId | None:
        with self._engine.write(world) as db:
            check_quota(db, world, pool.account_id, "pools", pool.algorithm, at_most)
            insert_pools(db, world, (pool,))
            if default_id(db, world, pool.account_id, pool.algorithm) is not None:
                return None
            insert_profiles(db, world, (first_profile,))
            point_default(db, world, pool.account_id, pool.algorithm, first_profile.id)
            begin_course(db, world, first_profile)
            return first_profile.id

    def update_pool(
        self, world: WorldId, account_id: ObjectId, pool_id: ObjectId, changes: PoolChanges, at_most: int | None
    ) -> Pool:
        with self._engine.write(world) as db:
            pool = find_pool(db, world, account_id, pool_id)
            if pool is None:
                raise NotFound("Pool", pool_id)
            changed = changed_pool(pool, changes)
            if changed.algorithm != pool.algorithm:
                held_by = find_holders(db, world, pool_id)
                if held_by:
                    raise PoolInUse(held_by, "given another algorithm")
                check_quota(db, world, account_id, "pools", changed.algorithm, at_most)
            replace_pool(db, world, changed)
            if changed.health != pool.health:
                continue_courses(db, world, pool_id, changes.at)
        return changed

    def record_test(
        self, world: WorldId, pool_id: ObjectId, at: Instant, latency_ms: int | None, error: str | None
    ) -> Pool | None:
        with self._engine.write(world) as db:
            db.execute(
                "UPDATE pools SET status = ?, last_checked_at = ?, last_error = ?, latency_ms = ?,"
                " consecutive_failures = CASE WHEN ? THEN consecutive_failures + 1 ELSE 0 END"
                " WHERE world = ? AND id = ?",
                (
                    HealthStatus.UNHEALTHY if error else HealthStatus.HEALTHY, at, error, latency_ms, bool(error),
                    world, pool_id,
                ),
            )  # fmt: skip
            continue_courses(db, world, pool_id, at)
            return find_pool(db, world, None, pool_id)

    def delete_pool(self, world: WorldId, account_id: ObjectId, pool_id: ObjectId) -> None:
        with self._engine.write(world) as db:
            if find_pool(db, world, account_id, pool_id) is None:
                raise NotFound("Pool", pool_id)
            held_by = find_holders(db, world, pool_id)
            if held_by:
                raise PoolInUse(held_by, "deleted")
            db.execute("DELETE FROM pools WHERE world = ? AND id = ?", (world, pool_id))

    def list_profiles(
        self, world: WorldId, account_id: ObjectId, span: Span, algorithm: str | None = None
    ) -> Page[Profile]:
        where = Where("p.world = ? AND p.account_id = ?", world, account_id)
        where.add_if("p.algorithm = ?", algorithm)
        with self._engine.read(snapshot=True) as db:
            found, total = where.page(db, "profiles p", PROFILE, span)
        return Page([read_profile(row) for row in found], total)

    def get_profiles(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, Profile]:
        profiles: dict[ObjectId, Profile] = {}
        with self._engine.read(snapshot=True) as db:
            for batch in batches(ids):
                found = db.execute(
                    f"SELECT {PROFILE} FROM profiles p WHERE p.world = ? AND p.account_id = ?"  # noqa: S608
                    f" AND p.id IN ({marks(batch)})",
                    (world, account_id, *batch),
                )
                profiles.update((row[0], read_profile(row)) for row in found)
        return profiles

    def get_default_profile(self, world: WorldId, account_id: ObjectId, algorithm: str) -> Profile | None:
        with self._engine.read(snapshot=True) as db:
            profile_id = default_id(db, world, account_id, algorithm)
            return find_profile(db, world, account_id, profile_id) if profile_id else None

    def get_courses(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId] | None = None
    ) -> Mapping[ObjectId, Course]:
        with self._engine.read(snapshot=True) as db:
            return find_courses(db, world, account_id, ids)

    def add_profile(self, world: WorldId, profile: Profile, at_most: int | None) -> Profile:
        with self._engine.write(world) as db:
            check_pools(db, world, profile.account_id, profile.algorithm, profile.pool_ids)
            check_quota(db, world, profile.account_id, "profiles", profile.algorithm, at_most)
            insert_profiles(db, world, (profile,))
            if default_id(db, world, profile.account_id, profile.algorithm) is None:
                point_default(db, world, profile.account_id, profile.algorithm, profile.id)
            begin_course(db, world, profile)
            return require_profile(db, world, profile.account_id, profile.id)

    def update_profile(
        self,
        world: WorldId,
        account_id: ObjectId,
        profile_id: ObjectId,
        changes: ProfileChanges,
        at_most: int | None,
    ) -> Profile:
        with self._engine.write(world) as db:
            profile = require_profile(db, world, account_id, profile_id)
            algorithm = changes.algorithm or profile.algorithm
            if changes.algorithm is not None and algorithm != profile.algorithm:
                check_algorithm_free(db, world, profile)
                check_quota(db, world, account_id, "profiles", algorithm, at_most)
            pool_ids = profile.pool_ids if changes.pool_ids is None else changes.pool_ids
            check_pools(db, world, account_id, algorithm, pool_ids)
            db.execute(
                "UPDATE profiles SET name = ?, algorithm = ?, updated_at = ? WHERE world = ? AND id = ?",
                (profile.name if changes.name is None else changes.name, algorithm, changes.at, world, profile_id),
            )
            if changes.pool_ids is not None:
                db.execute("DELETE FROM profile_pools WHERE world = ? AND profile_id = ?", (world, profile_id))
                insert_profile_pools(db, world, profile_id, pool_ids)
                continue_course(db, world, account_id, profile_id, changes.at)
            if default_id(db, world, account_id, algorithm) is None:
                point_default(db, world, account_id, algorithm, profile_id)
            return require_profile(db, world, account_id, profile_id)

    def delete_profile(self, world: WorldId, account_id: ObjectId, profile_id: ObjectId, at: Instant) -> Moved:
        with self._engine.write(world) as db:
            profile = require_profile(db, world, account_id, profile_id)
            if profile.is_default:
                raise DefaultProfileKept(profile.name, "deleted")
            target = default_id(db, world, account_id, profile.algorithm)
            assert target is not None, "an algorithm with a profile has a default"  # noqa: S101
            followers = db.execute(
                f"SELECT {rows.WORKER} FROM workers WHERE world = ? AND profile_id = ?",  # noqa: S608
                (world, profile_id),
            ).fetchall()
            move_workers(db, world, self._summing, map(rows.read_worker, followers), target, at)
            end_course(db, world, account_id, profile_id, at)
            db.execute("DELETE FROM profile_pools WHERE world = ? AND profile_id = ?", (world, profile_id))
            db.execute("DELETE FROM profiles WHERE world = ? AND id = ?", (world, profile_id))
        return Moved(len(followers), target)

    def set_default_profile(self, world: WorldId, account_id: ObjectId, profile_id: ObjectId) -> Profile:
        with self._engine.write(world) as db:
            profile = require_profile(db, world, account_id, profile_id)
            if not profile.is_default:
                point_default(db, world, account_id, profile.algorithm, profile_id)
            return require_profile(db, world, account_id, profile_id)
