"""Recorded workers: their readings stand in for the function."""

from __future__ import annotations

from collections.abc import Sequence

from upsim.clock import FOREVER, MINUTE, SECOND, Instant, next_border
from upsim.fleet.curves import LEVELS
from upsim.fleet.device import Device
from upsim.fleet.hardware import HARDWARE
from upsim.fleet.reading import Reading
from upsim.fleet.series import RANGES, Point, Series
from upsim.fleet.shares import FINE, found
from upsim.fleet.tracks import Track


def recorded_series(name: str, track: Track, now: Instant) -> Series:
    """The hashrate of a recorded worker over a range before now, with points as series.series has them.

    Args:
        name: a key of RANGES.
    """
    wanted = RANGES[name]
    step = LEVELS[wanted.level].steps * MINUTE
    last = now // step
    starts = range((last - wanted.points) * step, last * step, step)
    return Series(
        wanted.hours,
        wanted.granularity,
        tuple(
            Point(at // SECOND, (2 * (track.work_before(at + step) - track.work_before(at)) + step) // (2 * step))
            for at in starts
        ),
        next_border(now, step),
    )


def recorded_reading(seed: int, device: Device, track: Track, now: Instant) -> Reading:
    """What a recorded worker looks like at an instant. Its shares are what its model finds with the recorded work."""
    horizon = now - now % MINUTE
    share = device.nominal * HARDWARE[device.model].share_s * SECOND
    shares = found(seed, device.key, track.work_before(horizon) * FINE // share)
    until = min(next_border(now), track.border_after(now) or FOREVER)
    if now < track.starts[0]:
        return Reading(False, 0, None, 0, shares, until)
    gap = track.gap_at(now)
    if gap is not None:
        return Reading(False, 0, gap if gap > track.starts[0] else None, 0, shares, until)
    up = max((end for _, end in track.gaps if end is not None and end <= now), default=track.starts[0])
    seen = Instant(max(horizon, up))
    return Reading(True, track.rate_at(now), seen, (seen - up) // SECOND, shares, until)


def added(several: Sequence[Series]) -> Series:
    """The sum of series of one range that end at one time: of a fleet and the recorded workers beside it.

    Raises:
        ValueError: if their points are not of the same times.
    """
    first = several[0]
    times = [point.timestamp for point in first.points]
    if any([point.timestamp for point in other.points] != times for other in several):
        raise ValueError("series of different times cannot be added")
    columns = zip(*(other.points for other in several), strict=True)
    return Series(
        first.hours,
        first.granularity,
        tuple(Point(column[0].timestamp, sum(point.hashrate for point in column)) for column in columns),
        min(series.until for series in several),
    )
