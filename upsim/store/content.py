"""All that is in a world, as one value: what a world is made from, copied as and read back as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from upsim.model import Account, ApiKey, Course, Measured, ObjectId, Pool, Profile, Worker
from upsim.records import dataclass
from upsim.store.courses import begun


class Work(NamedTuple):
    """Work of measured workers in one block.

    Attributes:
        owner: a worker's id; or account and algorithm, joined by a slash: all that their workers did.
        level: which length of blocks.
        block: its number.
        units: how much.
    """

    owner: str
    level: int
    block: int
    units: int


@dataclass(frozen=True, slots=True)
class Content:
    """All that is in a world.

    Attributes:
        numbers: of each named sequence that was begun, the number given last.
        courses: of profiles, deleted ones too; a profile without one begins its course with its pools as they are.
        tracks: recorded readings as text, by the digests that workers name them with.
        measured: what is kept of measured workers.
        work: theirs, and their accounts'.
    """

    accounts: Sequence[Account] = ()
    keys: Sequence[ApiKey] = ()
    pools: Sequence[Pool] = ()
    profiles: Sequence[Profile] = ()
    workers: Iterable[Worker] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    courses: Sequence[Course] = ()
    tracks: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[ObjectId, Measured] = field(default_factory=dict)
    work: Iterable[Work] = ()


def courses_of(content: Content) -> list[Course]:
    """All courses of a world's content: those that are given, and the beginnings of the others."""
    given = {course.profile_id for course in content.courses}
    statuses = {pool.id: pool.health.status for pool in content.pools}
    fresh = (begun(profile, statuses) for profile in content.profiles if profile.id not in given)
    return [*content.courses, *fresh]
