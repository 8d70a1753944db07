"""The SQLite store's courses: which pool each profile mined on when. The caller holds the transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable

from upsim.clock import Instant
from upsim.model import Course, HealthStatus, ObjectId, Profile, WorldId
from upsim.store.courses import ENDED_KEPT, begun, course_after
from upsim.store.sqlite import rows
from upsim.store.sqlite.tables import batches, marks


def find_courses(
    db: sqlite3.Connection, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId] | None
) -> dict[ObjectId, Course]:
    """See Store.get_courses."""
    chosen = f"SELECT {rows.COURSE} FROM courses WHERE world = ? AND account_id = ?"  # noqa: S608
    if ids is None:
        found = db.execute(f"{chosen} AND eventful", (world, account_id)).fetchall()
    else:
        found = [
            row
            for batch in batches(ids)
            for row in db.execute(f"{chosen} AND profile_id IN ({marks(batch)})", (world, account_id, *batch))
        ]
    courses = map(rows.read_course, found)
    return {course.profile_id: course for course in courses}


def put_courses(db: sqlite3.Connection, world: WorldId, courses: Iterable[Course]) -> None:
    """Keep courses, in place of those of the same profiles."""
    db.executemany(
        f"INSERT OR REPLACE INTO courses (world, {rows.COURSE}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
        ((world, *rows.course_row(course)) for course in courses),
    )


def begin_course(db: sqlite3.Connection, world: WorldId, profile: Profile) -> None:
    """Begin the course of a new profile."""
    put_courses(db, world, [begun(profile, _statuses(db, world, profile.id))])


def continue_course(
    db: sqlite3.Connection, world: WorldId, account_id: ObjectId, profile_id: ObjectId, at: Instant
) -> None:
    """Continue the course of a profile with its pools as they are now."""
    known = find_courses(db, world, account_id, [profile_id])[profile_id]
    statuses = _statuses(db, world, profile_id)
    course = course_after(known, statuses, statuses, at)
    if course != known:
        put_courses(db, world, [course])


def continue_courses(db: sqlite3.Connection, world: WorldId, pool_id: ObjectId, at: Instant) -> None:
    """Continue the courses of all profiles that hold a pool whose health may have changed."""
    holders = db.execute(
        "SELECT p.account_id, p.id FROM profile_pools h JOIN profiles p ON p.world = h.world AND p.id = h.profile_id"
        " WHERE h.world = ? AND h.pool_id = ?",
        (world, pool_id),
    ).fetchall()
    for account_id, profile_id in holders:
        continue_course(db, world, account_id, profile_id, at)


def end_course(db: sqlite3.Connection, world: WorldId, account_id: ObjectId, profile_id: ObjectId, at: Instant) -> None:
    """End the course of a profile that is deleted; keep it if it had anything to tell, and forget the oldest such."""
    db.execute(
        "UPDATE courses SET ended_at = ? WHERE world = ? AND account_id = ? AND profile_id = ?",
        (at, world, account_id, profile_id),
    )
    db.execute(
        "DELETE FROM courses WHERE world = :world AND account_id = :account AND ended_at IS NOT NULL AND (NOT eventful"
        " OR profile_id NOT IN (SELECT profile_id FROM courses WHERE world = :world AND account_id = :account"
        " AND ended_at IS NOT NULL AND eventful ORDER BY ended_at DESC, profile_id LIMIT :kept))",
        {"world": world, "account": account_id, "kept": ENDED_KEPT},
    )


def _statuses(db: sqlite3.Connection, world: WorldId, profile_id: ObjectId) -> dict[ObjectId, HealthStatus]:
    """The health of each of the profile's pools, in its order."""
    found = db.execute(
        "SELECT h.pool_id, p.status FROM profile_pools h JOIN pools p ON p.world = h.world AND p.id = h.pool_id"
        " WHERE h.world = ? AND h.profile_id = ? ORDER BY h.position",
        (world, profile_id),
    ).fetchall()
    return {pool_id: HealthStatus(status) for pool_id, status in found}
