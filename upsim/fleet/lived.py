"""What became of a recorded worker here: its readings with what was done to it by hand, and its pools' troubles."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

from upsim.clock import MINUTE, Instant
from upsim.fleet.cells import FLAPPING, KEPT_OFFLINE, KEPT_ONLINE
from upsim.fleet.device import Device
from upsim.fleet.history import FULL, Event, Segment, segments
from upsim.fleet.outages import outages
from upsim.fleet.tracks import Track
from upsim.fleet.troubles import Trouble

Gap = tuple[Instant, Instant | None]


def lived(
    seed: int, device: Device, history: Sequence[Event], track: Track, troubles: Mapping[str, Sequence[Trouble]]
) -> Track:
    """A worker's track with all that happened to it in its world.

    Off by hand is a gap like any other; a scale and a trouble take their part of the rate, rounded to H/s. No outage of
    the seed's reaches a recorded worker. Costs O(readings) where anything happened, and else nothing.
    """
    begin, end = track.starts[0], track.starts[-1]
    life = [part for part in segments(device, history) if part.start < end and (part.end is None or part.end > begin)]
    whole = life and life[0].start <= begin and (life[-1].end is None or life[-1].end >= end)
    if whole and all(_is_calm(part, troubles) for part in life):
        return track
    shares: list[tuple[int, int]] = [(begin, 0)]
    gaps: list[Gap] = list(track.gaps)
    here = begin
    for part in life:
        start, stop = max(part.start, begin), end if part.end is None else min(part.end, end)
        if here < start:
            gaps.append((Instant(here), Instant(start)))
        here = stop
        down = outages(seed, part.cell, start // MINUTE, -(-stop // MINUTE)) if part.cell >= FLAPPING else ()
        off = [(Instant(max(start, a * MINUTE)), Instant(min(stop, b * MINUTE))) for a, b in down]
        gaps += off
        shares += _shares(start, stop, part.scale, off, troubles.get(part.profile, ()))
    if here < end:
        gaps.append((Instant(here), None))
        shares.append((here, 0))
    return Track.stepping(list(_steps(track, shares)), list(_united(gaps)))


def _is_calm(part: Segment, troubles: Mapping[str, Sequence[Trouble]]) -> bool:
    up = part.cell < FLAPPING or KEPT_ONLINE <= part.cell < KEPT_OFFLINE
    return up and part.scale == FULL and not troubles.get(part.profile)


def _shares(
    start: int, end: int, scale: int, off: Sequence[tuple[Instant, Instant]], troubles: Sequence[Trouble]
) -> list[tuple[int, int]]:
    """What is left of a rate from when on, in per million, over a stretch in which nothing is done by hand."""
    borders = {start, *(border for span in off for border in span)}
    for trouble in troubles:
        borders |= {trouble.start, end if trouble.end is None else trouble.end}
    result = []
    for at in sorted(border for border in borders if start <= border < end):
        is_off = any(a <= at < b for a, b in off)
        found = (one.per_mille for one in troubles if one.start <= at and (one.end is None or at < one.end))
        result.append((at, 0 if is_off else scale * next(found, FULL)))
    return result


def _steps(track: Track, shares: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The rates of a track, of which a share is left, each from when on."""
    begins = [at for at, _ in shares]
    for at in sorted({*track.starts, *begins}):
        _, share = shares[bisect_right(begins, at) - 1]
        yield at, (2 * track.rate_at(at) * share + FULL * FULL) // (2 * FULL * FULL)


def _united(gaps: Iterable[Gap]) -> Iterator[Gap]:
    """The same times as gaps in order that do not touch."""
    open_since: Instant | None = None
    until: Instant | None = Instant(-1)
    for start, end in sorted(gaps, key=lambda gap: gap[0]):
        if until is None:
            break
        if open_since is not None and start <= until:
            until = None if end is None else max(until, end)
            continue
        if open_since is not None:
            yield open_since, until
        open_since, until = start, end
    if open_since is not None:
        yield open_since, until
