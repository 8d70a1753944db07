"""A worker ready to be read again and again: what follows from who it is and what was done to it is worked out once.

Most workers, most of the time, are steady: nothing but assignments was ever done to them, they are up, and their
profiles had no trouble. What such a one looks like takes a few numbers that all workers share for a minute, a few that
it keeps for a day, and a dozen multiplications. All others are read as `reading` reads them; both say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from upsim.clock import DAY, FOREVER, MINUTE, SECOND, Instant
from upsim.fleet.cells import SCHEDULED, SITES, site_of
from upsim.fleet.curves import ONE, Vector
from upsim.fleet.device import Device
from upsim.fleet.hardware import HARDWARE, QUANTUM
from upsim.fleet.history import FULL, History, segments
from upsim.fleet.integrals import dot
from upsim.fleet.outages import Span, down_cells, observed_step, outages_of_day, until_day
from upsim.fleet.reading import NO_TROUBLE, Reading, curves_at, reading
from upsim.fleet.shares import FINE, found
from upsim.fleet.troubles import Trouble


class _Minute:
    """What all workers of a seed share for as long as the same minute is the last that is complete."""

    def __init__(self, seed: int, horizon: int) -> None:
        now = Instant(horizon)
        step = observed_step(now)
        self.down = down_cells(seed, now)
        self.curves: list[Vector] = [curves_at(seed, site, step) for site in range(SITES)]
        self.day = step * MINUTE // DAY
        self.today: Mapping[int, Sequence[Span]] = outages_of_day(seed, self.day)


_minute = lru_cache(maxsize=64)(_Minute)


class Machine:
    """A worker's device with its history.

    Attributes:
        device, history: as they were given.
        life: its segments.
    """

    __slots__ = ("_factors", "_profiles", "_read", "_site", "_steady_from", "device", "history", "life")

    def __init__(self, device: Device, history: History) -> None:
        """Work out what follows from them."""
        self.device = device
        self.history = history
        self.life = segments(device, history)
        self._profiles = {part.profile for part in self.life}
        self._steady_from = self._since_when_steady()
        self._site = site_of(device.cell)
        self._factors = device.factors
        self._read: tuple[int, int, Reading] | None = None

    def reading(self, seed: int, now: Instant, troubles: Mapping[str, Sequence[Trouble]] = NO_TROUBLE) -> Reading:
        """What it looks like at an instant. See reading.reading."""
        if now < self._steady_from or (troubles and any(troubles.get(profile) for profile in self._profiles)):
            return reading(seed, self.device, self.history, now, troubles)
        horizon = now - now % MINUTE
        read = self._read
        if read is not None and read[0] == horizon and read[1] == seed:
            return read[2]
        minute = _minute(seed, horizon)
        if self.device.cell in minute.down or self.device.joined_at >= minute.day * DAY:
            return reading(seed, self.device, self.history, now, troubles)
        steady = self._steady(seed, minute, horizon)
        self._read = horizon, seed, steady
        return steady

    def _since_when_steady(self) -> Instant:
        """From when on it may be steady: all its life in one place and at full rate, and nothing still to come."""
        if not self.life or self.life[-1].end is not None or self.device.cell >= SCHEDULED:
            return FOREVER
        if any(part.cell != self.device.cell or part.scale != FULL for part in self.life):
            return FOREVER
        return self.life[-1].start

    def _steady(self, seed: int, minute: _Minute, horizon: int) -> Reading:
        device = self.device
        down_ms, up_since = until_day(seed, device.cell, device.joined_at, minute.day)
        for first, last in minute.today.get(device.cell, ()):
            if last * MINUTE <= horizon:
                down_ms += (last - first) * MINUTE
                up_since = last
        rate = (2 * dot(self._factors, minute.curves[self._site]) * QUANTUM[device.algorithm] + ONE) // (2 * ONE)
        share_ms = HARDWARE[device.model].share_s * SECOND
        up_from = max(up_since * MINUTE, device.joined_at)
        seen = max(horizon, self._steady_from)  # an assignment in the present minute has seen it, too
        return Reading(
            True,
            rate,
            Instant(seen),
            (seen - up_from) // SECOND,
            found(seed, device.key, (horizon - device.joined_at - down_ms) * FINE // share_ms),
            Instant(horizon + MINUTE),
        )
