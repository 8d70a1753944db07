"""Which pool a profile mined on when, and which profile a worker: what both engines decide alike. Pure.

What happens at an instant settles what is from then on: whatever was noted for later, because the clock was set back
since, is not going to happen. Both are bounded, so that nothing gets slow that goes on for years: what falls out at the
far end counts as a time without trouble.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from upsim.clock import Instant
from upsim.model import MOVE, Course, HealthStatus, ObjectId, Profile, Worker

ENTRIES_KEPT: Final = 256
"""Changes of the pool in use that a profile's course remembers."""
ENDED_KEPT: Final = 64
"""Courses of deleted profiles that an account keeps: of those that had anything to tell."""
MOVES_KEPT: Final = 32
"""Assignments that a worker's history remembers."""

Happening = tuple[Instant, str, int, str]
"""An entry of a worker's history."""

NOWHERE: Final = ""
"""The profile of a time that is no longer remembered."""


def course_after(
    course: Course, pool_ids: Iterable[ObjectId], statuses: Mapping[ObjectId, HealthStatus], at: Instant
) -> Course:
    """A profile's course after something happened to its pools at an instant.

    Args:
        pool_ids: the profile's pools from then on, in its order: the first that is not unhealthy is in use.
        statuses: of each of them.
    """
    in_use = next((pool_id for pool_id in pool_ids if statuses[pool_id] is not HealthStatus.UNHEALTHY), None)
    past = tuple(entry for entry in course.entries if entry[0] < at)
    if not past or past[-1][1] != in_use:
        past = (*past, (at, in_use))[-ENTRIES_KEPT:]
    return course if past == course.entries else replace(course, entries=past)


def begun(profile: Profile, statuses: Mapping[ObjectId, HealthStatus]) -> Course:
    """The course of a profile that was just made."""
    return course_after(Course(profile.id, profile.account_id, ()), profile.pool_ids, statuses, profile.created_at)


def moved(worker: Worker, profile_id: ObjectId, at: Instant) -> Worker:
    """The worker, assigned to a profile at an instant."""
    return replace(worker, profile_id=profile_id, updated_at=at, history=history_moved(worker, profile_id, at))


def history_moved(worker: Worker, profile_id: ObjectId, at: Instant) -> tuple[Happening, ...]:
    """The history of the worker, assigned to a profile at an instant."""
    return _history_moved(_moves(worker), worker.history, profile_id, at)


# Of workers that are moved together, most were never moved before, or were together then: they have these in common.
@lru_cache(maxsize=256)
def _history_moved(
    before: tuple[Happening, ...], history: tuple[Happening, ...], profile_id: ObjectId, at: Instant
) -> tuple[Happening, ...]:
    moves = [event for event in before if event[0] < at]
    moves.append(_move(at, profile_id))
    forgotten = len(moves) - MOVES_KEPT
    if forgotten > 0:
        moves[: forgotten + 1] = [_move(moves[0][0], NOWHERE)]
    return (*moves, *(event for event in history if event[1] != MOVE))


def what_moved(worker: Worker, history: tuple[Happening, ...]) -> tuple[Worker, Mapping[str, tuple[str, str]]]:
    """The difference that another history makes to a worker, where only the profiles in it are others.

    Returns:
        The worker under names for what becomes of its profile, NOWHERE while nothing does; and for each name, the
        profile before and after.
    """
    steps, names = _steps(_moves(worker), history)
    others = (event for event in worker.history if event[1] != MOVE)
    return replace(worker, history=(*steps, *others)), names


@lru_cache(maxsize=256)
def _steps(
    old: tuple[Happening, ...], history: tuple[Happening, ...]
) -> tuple[list[Happening], Mapping[str, tuple[str, str]]]:
    new = tuple(event for event in history if event[1] == MOVE)
    if new[:-1] != old:
        return _differences(old, new)
    at, _, _, target = new[-1]  # an assignment, and nothing else
    name = f"{old[-1][3]}>{target}"
    return [_move(at, name)], {name: (old[-1][3], target)}


def _differences(
    old: Iterable[Happening], new: Iterable[Happening]
) -> tuple[list[Happening], Mapping[str, tuple[str, str]]]:
    """Two courses of profiles as one of the names that what_moved speaks of."""
    before, after = ({at: profile for at, _, _, profile in moves} for moves in (old, new))
    steps: list[Happening] = []
    names: dict[str, tuple[str, str]] = {}
    was, becomes = NOWHERE, NOWHERE
    for at in sorted(before.keys() | after.keys()):
        was, becomes = before.get(at, was), after.get(at, becomes)
        name = NOWHERE if was == becomes else f"{was}>{becomes}"
        if not steps or steps[-1][3] != name:
            steps.append(_move(at, name))
        if name != NOWHERE:
            names[name] = (was, becomes)
    return steps, names


def _moves(worker: Worker) -> tuple[Happening, ...]:
    """Under which profile the worker was from when on."""
    return tuple(event for event in worker.history if event[1] == MOVE) or (
        _move(worker.created_at, worker.profile_id),
    )


def _move(at: Instant, profile_id: str) -> Happening:
    return at, MOVE, 0, profile_id
