"""Time as a parameter. The only module that reads the wall clock.

An instant is an integer: Unix time in milliseconds. Integers are exact, sort alike on every store, and cost nothing to
carry; they become ISO 8601 text or whole seconds only where an answer is rendered.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NewType, Protocol

from upsim.records import dataclass

Instant = NewType("Instant", int)
"""Unix time in milliseconds."""

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


FOREVER: Final = Instant(1 << 62)
"""Later than any clock shows."""


def next_border(now: Instant, step_ms: int = MINUTE) -> Instant:
    """The first instant after now at which a step begins: the next minute, unless another step is asked for."""
    return Instant(now - now % step_ms + step_ms)


class Clock(Protocol):
    """Whatever can say what time it is."""

    def now(self) -> Instant:
        """The present instant."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Instant:
        """The wall clock's instant."""
        return Instant(time.time_ns() // 1_000_000)  # noqa: TID251 - this is the place the rule protects


@dataclass(frozen=True, slots=True)
class ClockState:
    """A world's clock as data: at wall instant `anchor` it showed `shown`, and it runs at `speed` since.

    speed 0 is frozen, 1 is real time. As data it can be stored, so that all processes on a store agree on the time.
    """

    anchor: Instant
    shown: Instant
    speed: float = 1.0

    def at(self, wall: Instant) -> Instant:
        """What the clock shows when the wall clock shows `wall`."""
        if self.speed == 1.0:
            return Instant(self.shown + wall - self.anchor)
        return Instant(self.shown + int((wall - self.anchor) * self.speed))

    def frozen(self, wall: Instant) -> ClockState:
        """The same clock, stopped where it stands."""
        return ClockState(wall, self.at(wall), 0.0)

    def set_to(self, wall: Instant, shown: Instant) -> ClockState:
        """The same clock showing another time, running as before."""
        return ClockState(wall, shown, self.speed)

    def advanced(self, wall: Instant, by_ms: int) -> ClockState:
        """The same clock moved by so many milliseconds, back where negative."""
        return ClockState(wall, Instant(self.at(wall) + by_ms), self.speed)

    def at_speed(self, wall: Instant, speed: float) -> ClockState:
        """The same clock running at another speed from here on."""
        return ClockState(wall, self.at(wall), speed)

    @classmethod
    def real(cls) -> ClockState:
        """A clock that shows the wall clock's time."""
        return cls(Instant(0), Instant(0), 1.0)


@lru_cache(maxsize=4096)  # a page of a list shows the same few again and again
def iso(instant: Instant) -> str:
    """ISO 8601 in UTC with milliseconds and Z: 2026-01-05T08:00:00.000Z."""
    seconds, milliseconds = divmod(instant, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def parse_iso(text: str) -> Instant:
    """Read ISO 8601; a time without a zone is UTC.

    Raises:
        ValueError: if the text is not a time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # Whole seconds and milliseconds apart: a float timestamp would lose a millisecond here and there.
    return Instant(int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000)
