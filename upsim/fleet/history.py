"""What somebody did to a worker, and when: events on top of the seed's course, from their instant on, never before.

An event after the instant that is asked about has not happened: a world's clock may be set back before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from upsim.clock import Instant
from upsim.fleet.cells import flapping_cell, offline_cell, online_cell
from upsim.records import dataclass

if TYPE_CHECKING:  # whoever has a machine has imported its room
    from upsim.fleet.device import Device

FULL = 1000
"""A scale of 1, in per mille."""
MAX_SCALE = 10_000
"""The largest scale, in per mille."""


class EventKind(StrEnum):
    """What can be done to a worker."""

    OFFLINE = "offline"
    """Off, until another event says otherwise."""
    ONLINE = "online"
    """On, whatever outages the seed holds for it."""
    FLAPPING = "flapping"
    """Down for ten minutes of each half hour."""
    AUTO = "auto"
    """Back to the seed's outages."""
    SCALE = "scale"
    """Its rate times `value` per mille."""
    RETIRE = "retire"
    """Gone for good."""
    MOVE = "move"
    """Mining under `profile`."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing done to a worker.

    Attributes:
        at: from when on it holds.
        kind: what was done.
        value: for SCALE, per mille of the rate, 0..MAX_SCALE.
        profile: for MOVE, the profile moved to.
    """

    at: Instant
    kind: EventKind
    value: int = FULL
    profile: str = ""

    def __post_init__(self) -> None:
        """Refuse a scale out of range."""
        if not 0 <= self.value <= MAX_SCALE:
            raise ValueError(f"a scale of {self.value} per mille; give 0 to {MAX_SCALE}")


History = tuple[Event, ...]
"""A worker's events. Their order counts among events of one instant only: the last one holds."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a worker's life in which nothing was done to it: start <= t < end, or for ever.

    Attributes:
        cell: where it is.
        scale: per mille of its rate.
        profile: the one it mines under; empty where no MOVE said.
    """

    start: Instant
    end: Instant | None
    cell: int
    scale: int
    profile: str


def segments(device: Device, history: Sequence[Event] = ()) -> tuple[Segment, ...]:
    """A worker's life from its joining to its retirement, without gaps. Events before it joined hold from then on."""
    gone = device.retired_at
    cell, scale, profile = device.cell, FULL, ""
    start = device.joined_at
    if gone is None and len(history) == 1 and history[0].kind is EventKind.MOVE and history[0].at <= start:
        return (Segment(start, None, cell, scale, history[0].profile),)  # nearly every worker's whole life
    result: list[Segment] = []
    for event in sorted(history, key=lambda event: event.at):
        if event.kind is EventKind.RETIRE:
            gone = event.at if gone is None else min(gone, event.at)
            continue
        at = max(event.at, device.joined_at)
        if at > start:
            result.append(Segment(start, at, cell, scale, profile))
            start = at
        match event.kind:
            case EventKind.OFFLINE:
                cell = offline_cell(device.cell)
            case EventKind.ONLINE:
                cell = online_cell(device.cell)
            case EventKind.FLAPPING:
                cell = flapping_cell(device.cell)
            case EventKind.AUTO:
                cell = device.cell
            case EventKind.SCALE:
                scale = event.value
            case EventKind.MOVE:
                profile = event.profile
    result.append(Segment(start, None, cell, scale, profile))
    if gone is None:
        return tuple(result)
    return tuple(
        Segment(
            part.start, gone if part.end is None or part.end > gone else part.end, part.cell, part.scale, part.profile
        )
        for part in result
        if part.start < gone
    )


def present_segment(device: Device, history: Sequence[Event], now: Instant) -> Segment | None:
    """The stretch of a worker's life that `now` lies in; None before it joined and after it retired."""
    for part in segments(device, history):
        if part.start <= now and (part.end is None or now < part.end):
            return part
    return None


def cell_now(device: Device, history: Sequence[Event], now: Instant) -> int:
    """The cell to look for in down_cells: the device's own, or the one its last event before now moved it to."""
    part = present_segment(device, history, now)
    return device.cell if part is None else part.cell
