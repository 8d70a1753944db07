"""What a fleet's hashrate needs to know of its workers: sums by cell, and when they changed.

Sums add up and take apart exactly, so a store keeps one row for each cell of a profile and touches it when a worker
joins, moves, retires or is changed by hand; nobody ever walks through the workers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from upsim.clock import Instant
from upsim.fleet.cells import FEEDS, feed_of
from upsim.fleet.curves import WIDTH, Vector
from upsim.fleet.device import Device
from upsim.fleet.hardware import QUANTUM
from upsim.fleet.history import FULL, Event, segments
from upsim.records import dataclass


@dataclass(frozen=True, slots=True)
class CellSum:
    """Workers of one algorithm, added up.

    Attributes:
        count: how many.
        parts: WIDTH sums of Device.factors times the scale in per mille. For a million workers below 2**62.
    """

    count: int = 0
    parts: Vector = (0,) * WIDTH

    def __add__(self, other: CellSum) -> CellSum:
        """Both together."""
        return CellSum(self.count + other.count, tuple(a + b for a, b in zip(self.parts, other.parts, strict=True)))

    def __sub__(self, other: CellSum) -> CellSum:
        """These without the others."""
        return CellSum(self.count - other.count, tuple(a - b for a, b in zip(self.parts, other.parts, strict=True)))

    def __bool__(self) -> bool:
        """Whether this is anything at all."""
        return self.count != 0 or any(self.parts)

    @property
    def flat(self) -> tuple[int, ...]:
        """The numbers as a store keeps them: COLUMNS names them."""
        return (self.count, *self.parts)

    @classmethod
    def from_flat(cls, numbers: Iterable[int]) -> CellSum:
        """The sum a store kept."""
        count, *parts = numbers
        return cls(count, tuple(parts))


COLUMNS = ("workers", *(f"part{i}" for i in range(WIDTH)))
"""Names for CellSum.flat."""


def worth(device: Device, scale: int = FULL) -> CellSum:
    """What one worker adds to the sums, at a scale in per mille."""
    return CellSum(1, tuple([factor * scale for factor in device.factors]))


@dataclass(frozen=True, slots=True)
class Change:
    """What was added to the sum of a cell at an instant. Several at one instant may be given as one, added up."""

    at: Instant
    cell: int
    delta: CellSum


class Snapshot(NamedTuple):
    """Sums of one moment.

    Attributes:
        feeds: FEEDS sums: for each feed, those of all cells with that feed_of.
        cells: the sums of the cells asked for; those with no workers may be left out.
        changes: in order of time. Those that cancel out should be left out.
    """

    feeds: Sequence[CellSum]
    cells: Mapping[int, CellSum]
    changes: Sequence[Change]


class FleetSums(Protocol):
    """The sums of a group of workers of one algorithm: an account's, or those under one profile of it."""

    @property
    def algorithm(self) -> str:
        """What they mine."""

    def read(self, cells: Collection[int], since: Instant) -> Snapshot:
        """The sums of the feeds and of some cells, after every change known, even one that lies in the future; and
        all changes with at >= since, which take them back in time."""


def changes_of(device: Device, history: Sequence[Event] = (), profile: str | None = None) -> tuple[Change, ...]:
    """What a worker's life does to the sums, in order of time: the joining included.

    Args:
        profile: only what it does to the sums of this profile's workers.
    """
    if not history and device.retired_at is None and not profile:
        return (Change(device.joined_at, device.cell, worth(device)),)  # nearly every worker's whole life
    result: list[Change] = []
    for part in segments(device, history):
        if profile is not None and part.profile != profile:
            continue
        value = worth(device, part.scale)
        result.append(Change(part.start, part.cell, value))
        if part.end is not None:
            result.append(Change(part.end, part.cell, CellSum() - value))
    return merged(result)


def merged(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The same changes in order of time, those of one instant and cell added up, those that cancel out left out."""
    total: dict[tuple[Instant, int], CellSum] = {}
    for change in changes:
        place = (change.at, change.cell)
        total[place] = total[place] + change.delta if place in total else change.delta
    return tuple(
        Change(at, cell, delta) for (at, cell), delta in sorted(total.items(), key=lambda item: item[0]) if delta
    )


class Tally:
    """FleetSums of changes held in memory: of a single worker, of the few that a test or a tool looks at."""

    def __init__(self, algorithm: str, changes: Iterable[Change]) -> None:
        """Add up the changes."""
        if algorithm not in QUANTUM:
            raise ValueError(f"there is no algorithm {algorithm!r}; there are {', '.join(QUANTUM)}")
        self.algorithm = algorithm
        self._changes = merged(changes)
        self._cells: dict[int, CellSum] = {}
        for change in self._changes:
            self._cells[change.cell] = self._cells.get(change.cell, CellSum()) + change.delta
        self._feeds = [CellSum()] * FEEDS
        for cell, value in self._cells.items():
            self._feeds[feed_of(cell)] += value

    @classmethod
    def of(cls, algorithm: str, workers: Iterable[tuple[Device, Sequence[Event]]], profile: str | None = None) -> Tally:
        """The sums of workers, each with its history; with a profile, while they are under it."""
        return cls(
            algorithm, [change for device, history in workers for change in changes_of(device, history, profile)]
        )

    def read(self, cells: Collection[int], since: Instant) -> Snapshot:
        """See FleetSums."""
        known, wanted = self._cells, cells
        few, many = (known, wanted) if len(known) < len(wanted) else (wanted, known)
        return Snapshot(
            self._feeds,
            {cell: known[cell] for cell in few if cell in many},
            [change for change in self._changes if change.at >= since],
        )
