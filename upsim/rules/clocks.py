"""A world's clock, changed by hand: set, moved, run at another speed, stopped. It drives everything in the world."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from upsim.clock import DAY, ClockState, Instant
from upsim.errors import InvalidInput
from upsim.model import WorldRecord
from upsim.records import dataclass
from upsim.world import World

EARLIEST: Final = Instant(0)
LATEST: Final = Instant(4_102_444_800_000)
"""A world's time lies between 1970 and 2100: what every client can write and read."""
MAX_SPEED: Final = 1_000_000.0


@dataclass(frozen=True, slots=True)
class ClockChange:
    """What to do to a clock, in this order; None leaves it.

    Attributes:
        set_to: the time to show.
        advance_ms: how far to move, back where negative.
        speed: seconds of the world in a second of the wall; 0 stops it.
    """

    set_to: Instant | None = None
    advance_ms: int | None = None
    speed: float | None = None


def change_clock(world: World, change: ClockChange) -> WorldRecord:
    """Change the world's clock, in one step.

    Raises:
        InvalidInput: the clock would leave 1970 to 2100, or the speed 0 to MAX_SPEED.
    """
    wall = world.wall.now()
    return world.store.change_world(world.id, lambda record: replace(record, clock=changed(record.clock, wall, change)))


def changed(clock: ClockState, wall: Instant, change: ClockChange) -> ClockState:
    """The clock after the change, made when the wall clock shows `wall`.

    Raises:
        InvalidInput: see change_clock.
    """
    if change.set_to is not None:
        clock = clock.set_to(wall, change.set_to)
    if change.advance_ms is not None:
        clock = clock.advanced(wall, change.advance_ms)
    if change.speed is not None:
        if not 0 <= change.speed <= MAX_SPEED:
            raise InvalidInput("speed", f"must be from 0 (stopped) to {MAX_SPEED:,.0f}, got {change.speed:g}.")
        clock = clock.at_speed(wall, change.speed)
    if not EARLIEST <= clock.at(wall) <= LATEST - DAY:
        raise InvalidInput("clock", "would leave the years 1970 to 2099; nothing was changed.")
    return clock
