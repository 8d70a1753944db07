"""Where the fleet's maths meets what is kept: workers, their sums, and the courses that profiles took.

What a single worker does is `Crew.readings` and `Crew.series`; what an account's workers of an algorithm do together is
`Fleet.reading` and `Fleet.series`. Nobody else asks the maths.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from upsim.clock import FOREVER, HOUR, SECOND, Instant
from upsim.fleet import lived, reading, recorded, series
from upsim.fleet.cells import FEEDS, RECORDED
from upsim.fleet.history import present_segment
from upsim.fleet.machine import Machine
from upsim.fleet.reading import FleetReading, Reading
from upsim.fleet.series import RANGES, Series
from upsim.fleet.sums import CellSum, Change, Snapshot
from upsim.fleet.tracks import Track
from upsim.fleet.troubles import Trouble, troubles_of
from upsim.model import MOVE, Account, Course, ObjectId, Profile, Worker
from upsim.records import dataclass
from upsim.rules.devices import device_of, history_of
from upsim.rules.recordings import recorded_workers, tracks_of
from upsim.store.sums import WHOLE, Sums
from upsim.world import World


@lru_cache(maxsize=4096)  # a worker is read far more often than it is changed
def machine_of(worker: Worker) -> Machine:
    """The worker as the maths reads it."""
    return Machine(device_of(worker), history_of(worker))


def profile_at(worker: Worker, now: Instant) -> str:
    """The profile the worker mines under at an instant; empty where that is no longer remembered.

    It is not the one the worker is assigned to where the clock was set back before the assignment.
    """
    if not worker.history:
        return worker.profile_id
    for part in machine_of(worker).life:
        if part.start <= now and (part.end is None or now < part.end):
            return part.profile
    return worker.profile_id


@dataclass(frozen=True, slots=True)
class Crew:
    """Some workers of an account, one by one, with the courses of all profiles they ever were under."""

    seed: int
    courses: Mapping[ObjectId, Course]
    troubles: Mapping[str, Sequence[Trouble]]
    tracks: Mapping[str, Track]

    @classmethod
    def of(cls, world: World, account: Account, workers: Iterable[Worker]) -> Crew:
        """Read what it takes to say what these workers do."""
        named = {worker.profile_id for worker in workers}
        named.update(ObjectId(profile) for worker in workers for _, kind, _, profile in worker.history if kind == MOVE)
        courses = world.store.get_courses(world.id, account.id, named)
        troubles: dict[str, Sequence[Trouble]] = {
            profile_id: _troubles(course) for profile_id, course in courses.items() if course.eventful
        }
        tracks = tracks_of(world, {worker.track for worker in workers if worker.track})
        return cls(world.seed, courses, troubles, tracks)

    def readings(self, workers: Iterable[Worker], now: Instant) -> list[Reading]:
        """What each of the workers does at an instant."""
        later = [at for course in self.courses.values() for at, _ in course.entries if at > now]
        found = [self._reading(worker, now) for worker in workers]
        return [replace(one, until=min(one.until, *later)) for one in found] if later else found

    def _reading(self, worker: Worker, now: Instant) -> Reading:
        machine = machine_of(worker)
        track = self._lived(worker, machine)
        if track is not None:
            return recorded.recorded_reading(self.seed, machine.device, track, now)
        return machine.reading(self.seed, now, self.troubles)

    def series(self, worker: Worker, time_range: str, now: Instant) -> Series:
        """A worker's hashrate over the range before an instant."""
        machine = machine_of(worker)
        track = self._lived(worker, machine)
        if track is not None:
            return recorded.recorded_series(time_range, track, now)
        return series.worker_series(self.seed, time_range, machine.device, machine.history, now, self.troubles)

    def _lived(self, worker: Worker, machine: Machine) -> Track | None:
        """What was recorded of a worker, with all that happened to it here; None where nothing was recorded."""
        track = self.tracks.get(worker.track) if worker.track else None
        return track and lived.lived(self.seed, machine.device, machine.history, track, self.troubles)

    def pools_of(self, mined_under: str, profile: Profile, now: Instant) -> Sequence[ObjectId]:
        """The pool that a profile's worker mines on at an instant, if it is online: the first of these still there.

        None at all where those it could mine on were unhealthy. It is one of the worker's profile, as whoever sees
        both expects: where the clock was set back before an assignment or a change of the profile's pools, and the one
        of then is none of these, the profile's first stands in.

        Args:
            mined_under: the profile it mines under at that instant: see profile_at.
        """
        course = self.courses.get(ObjectId(mined_under))
        if course is None:  # forgotten, and so a time without trouble
            return profile.pool_ids[:1]
        in_use = course.pool_at(now)
        if in_use is None:
            return ()
        # The profile may have been changed between the two look-ups: then what the course says is the newer.
        return (in_use,) if in_use in profile.pool_ids else (profile.pool_ids[0], in_use)


@dataclass(frozen=True, slots=True)
class KeptSums:
    """Sums as the store keeps them, all of one moment.

    Attributes:
        kept: with the changes since the earliest instant that will be asked about.
    """

    algorithm: str
    kept: Sums

    def read(self, cells: Collection[int], since: Instant) -> Snapshot:
        """See FleetSums."""
        feeds = [CellSum()] * FEEDS
        for feed, numbers in self.kept.groups.items():
            if feed < FEEDS:
                feeds[feed] = CellSum.from_flat(numbers)
        places = self.kept.places
        return Snapshot(
            feeds,
            {cell: CellSum.from_flat(places[cell]) for cell in cells if cell in places},
            [
                Change(at, cell, CellSum.from_flat(numbers))
                for at, cell, numbers in self.kept.changes
                if at >= since and cell != RECORDED
            ],
        )


@dataclass(frozen=True, slots=True)
class Fleet:
    """All of an account's workers of an algorithm, together.

    Attributes:
        listed: how many the account's lists show: those retired and those still to come included.
        sums: of them all.
        troubled: the profiles among theirs that were in trouble, each with its workers' sums.
        recorded: those among them that are in no sums, since there are recorded readings of them: each is asked, at a
            cost of so many.
    """

    seed: int
    listed: int
    sums: KeptSums
    troubled: Sequence[tuple[KeptSums, Sequence[Trouble]]]
    recorded: Sequence[Worker]
    crew: Crew

    @classmethod
    def now(cls, world: World, account: Account, algorithm: str, now: Instant) -> Fleet:
        """Read what it takes to say what they do at an instant."""
        return cls._since(world, account, algorithm, now)

    @classmethod
    def over(cls, world: World, account: Account, algorithm: str, time_range: str, now: Instant) -> Fleet:
        """Read what it takes to say what they did over the range before an instant."""
        wanted = RANGES[time_range]
        return cls._since(world, account, algorithm, Instant(now - wanted.hours * HOUR - wanted.granularity * SECOND))

    @classmethod
    def _since(cls, world: World, account: Account, algorithm: str, since: Instant) -> Fleet:
        courses = world.store.get_courses(world.id, account.id)
        troubles = {
            course.profile_id: found
            for course in courses.values()
            if (found := [one for one in _troubles(course) if one.end is None or one.end > since])
        }
        kept = world.store.read_sums(world.id, account.id, algorithm, since, troubles.keys())
        recorded = recorded_workers(world, account, algorithm) if RECORDED in kept[WHOLE].places else ()
        return cls(
            world.seed,
            kept[WHOLE].listed,
            KeptSums(algorithm, kept[WHOLE]),
            [(KeptSums(algorithm, kept[profile]), found) for profile, found in troubles.items()],
            recorded,
            Crew.of(world, account, recorded) if recorded else _NOBODY,
        )

    def reading(self, now: Instant) -> FleetReading:
        """What they do at an instant, that they were read for."""
        found = reading.fleet_reading(self.seed, self.sums, now, self.troubled)
        if not self.recorded:
            return found
        each = self.crew.readings(self.recorded, now)
        there = [present_segment(device_of(worker), history_of(worker), now) for worker in self.recorded]
        return FleetReading(
            found.workers + sum(part is not None for part in there),
            found.online + sum(one.online for one in each),
            found.hashrate + sum(one.hashrate for one in each),
            min([found.until, *(one.until for one in each)]),
        )

    def series(self, time_range: str, now: Instant) -> Series:
        """Their hashrate over the range before an instant, that they were read for."""
        found = series.series(self.seed, time_range, self.sums, now, self.troubled)
        if not self.recorded:
            return found
        return recorded.added([found, *(self.crew.series(worker, time_range, now) for worker in self.recorded)])


_NOBODY: Final = Crew(0, {}, {}, {})


def next_change(world: World, account: Account, algorithm: str | None, now: Instant) -> Instant:
    """The first instant after now at which a worker comes, goes or changes, of those that are known already.

    Args:
        algorithm: only workers of this one; None takes all.
    """
    mined = [algorithm] if algorithm else world.store.list_algorithms(world.id, account.id)
    later = Instant(now + 1)
    known = (world.store.read_sums(world.id, account.id, one, later)[WHOLE] for one in mined)
    return min((at for sums in known for at, _, _ in sums.changes), default=FOREVER)


def _troubles(course: Course) -> tuple[Trouble, ...]:
    return troubles_of(course.entries, course.ended_at)
