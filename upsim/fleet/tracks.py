"""Recordings: real readings of workers, as they are written down. What they make of a worker is in recorded.py.

Reads text, not files. A reading holds until the next one of its worker, but no longer than `hold`: what comes after
is a gap, in which the worker is offline with a hashrate of 0, and which `gaps` names. Before its first reading a worker
is not there yet. A recording does not repeat; `moved` shifts it in time.
"""

from __future__ import annotations

import csv
import io
import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from hashlib import blake2b
from itertools import accumulate, pairwise
from typing import Final

from upsim.clock import MINUTE, SECOND, Instant, parse_iso
from upsim.records import dataclass

HOLD: Final = 15 * MINUTE
"""How long a reading holds where none follows, in milliseconds, unless told otherwise."""
FIELDS: Final = ("worker", "time", "hashrate")
_FASTEST: Final = 2**63 - 1
_LATEST: Final = 253_402_300_799
"""The end of the year 9999, in Unix seconds."""


class RecordingError(ValueError):
    """A recording that cannot be read: where, what was wrong, and what is allowed."""

    def __init__(self, where: str, reason: str) -> None:
        """Join the facts into a sentence."""
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Track:
    """The readings of one worker.

    Attributes:
        starts: instants of readings, ascending; a gap counts as a reading of 0 made where it begins.
        rates: the hashrate from each on, in H/s.
        work: H/s times milliseconds done before each.
        gaps: start <= t < end of each time without a reading; the last is open where the recording ends.
    """

    starts: tuple[int, ...]
    rates: tuple[int, ...]
    work: tuple[int, ...]
    gaps: tuple[tuple[Instant, Instant | None], ...]

    @classmethod
    def of(cls, readings: Iterable[tuple[Instant, int]], hold: int = HOLD) -> Track:
        """The track of readings, in any order, no two of one instant."""
        ordered = sorted(readings)
        steps: list[tuple[int, int]] = []
        gaps: list[tuple[Instant, Instant | None]] = []
        for (at, rate), after in zip(ordered, [*(at for at, _ in ordered[1:]), None], strict=True):
            steps.append((at, rate))
            if after is None or after > at + hold:
                steps.append((at + hold, 0))
                gaps.append((Instant(at + hold), after))
        return cls.stepping(steps, gaps)

    @classmethod
    def stepping(cls, steps: Sequence[tuple[int, int]], gaps: Iterable[tuple[Instant, Instant | None]]) -> Track:
        """The track of (instant, rate from then on), in order, the last of which holds for ever."""
        work = accumulate((rate * (after - at) for (at, rate), (after, _) in pairwise(steps)), initial=0)
        return cls(tuple(at for at, _ in steps), tuple(rate for _, rate in steps), tuple(work), tuple(gaps))

    @property
    def content(self) -> dict[str, object]:
        """What `read` reads."""
        return {"starts": list(self.starts), "rates": list(self.rates), "gaps": [list(gap) for gap in self.gaps]}

    @property
    def text(self) -> str:
        """The track as one line, to be kept."""
        return json.dumps(self.content, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """A name that follows from all that is in it."""
        return blake2b(self.text.encode(), digest_size=12).hexdigest()

    @classmethod
    def read(cls, content: object) -> Track:
        """The track that was made content.

        Raises:
            ValueError: no track looks like that.
        """
        if not isinstance(content, Mapping) or content.keys() != {"starts", "rates", "gaps"}:
            raise ValueError("it must hold starts, rates and gaps")
        starts, rates, gaps = content["starts"], content["rates"], content["gaps"]
        if not _whole(starts, SECOND * _LATEST) or not starts or any(a >= b for a, b in pairwise(starts)):
            raise ValueError("starts must be instants in order, in milliseconds")
        if not _whole(rates, _FASTEST) or len(rates) != len(starts):
            raise ValueError(f"rates must be as many whole numbers from 0 to {_FASTEST}")
        if not isinstance(gaps, list) or any(not isinstance(gap, list) or len(gap) != 2 for gap in gaps):
            raise ValueError("gaps must be pairs of instants")
        borders = [border for gap in gaps for border in gap]
        if borders and borders[-1] is None:
            borders.pop()
        if not _whole(borders, SECOND * _LATEST) or any(a >= b for a, b in pairwise(borders)):
            raise ValueError("gaps must follow each other, and only the last may be open")
        return cls.stepping(list(zip(starts, rates, strict=True)), [(start, end) for start, end in gaps])

    def work_before(self, at: int) -> int:
        """What was done before an instant, in H/s times milliseconds."""
        index = bisect_right(self.starts, at) - 1
        return self.work[index] + self.rates[index] * (at - self.starts[index]) if index >= 0 else 0

    def rate_at(self, at: int) -> int:
        """The hashrate at an instant, in H/s; 0 in a gap."""
        index = bisect_right(self.starts, at) - 1
        return self.rates[index] if index >= 0 else 0

    def gap_at(self, at: int) -> Instant | None:
        """When the gap began that an instant lies in; None outside of gaps."""
        return next((start for start, end in self.gaps if start <= at and (end is None or at < end)), None)

    def border_after(self, at: int) -> Instant | None:
        """When the next reading comes, or the next gap begins or ends."""
        index = bisect_right(self.starts, at)
        return Instant(self.starts[index]) if index < len(self.starts) else None


@dataclass(frozen=True, slots=True)
class Recording:
    """The tracks of some workers, by name."""

    tracks: Mapping[str, Track]

    def moved(self, by_ms: int) -> Recording:
        """The same recording at another time."""
        return Recording(
            {
                name: Track(
                    tuple(at + by_ms for at in track.starts),
                    track.rates,
                    track.work,
                    tuple(
                        (Instant(start + by_ms), None if end is None else Instant(end + by_ms))
                        for start, end in track.gaps
                    ),
                )
                for name, track in self.tracks.items()
            }
        )

    def report(self) -> tuple[str, ...]:
        """A sentence on each worker that has gaps between its readings."""
        result = []
        for name, track in self.tracks.items():
            inner = [(start, end) for start, end in track.gaps if end is not None]
            if inner:
                minutes = sum(end - start for start, end in inner) // MINUTE
                gaps = "1 gap of" if len(inner) == 1 else f"{len(inner)} gaps, together"
                result.append(f"{name}: {gaps} {minutes} minutes, in which it counts as offline")
        return tuple(result)


def read_csv(text: str, hold: int = HOLD) -> Recording:
    """A recording from CSV with the columns worker, time and hashrate, in any order, others ignored.

    Lines before the names of the columns that begin with "#" are remarks.

    Args:
        hold: how long a reading holds where none follows, in milliseconds.

    Raises:
        RecordingError: with the line.
    """
    lines = text.splitlines(keepends=True)
    remarks = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    rows = csv.DictReader(io.StringIO("".join(lines[remarks:]), newline=""))
    missing = [field for field in FIELDS if field not in (rows.fieldnames or ())]
    if missing:
        raise RecordingError(
            f"line {remarks + 1}", f"there is no column {missing[0]}; the columns are {', '.join(FIELDS)}"
        )
    try:
        return _recording(((f"line {remarks + rows.line_num}", row) for row in rows), hold)
    except csv.Error as error:
        raise RecordingError(f"line {remarks + rows.line_num}", f"this is not CSV: {error}") from error


def read_json(text: str, hold: int = HOLD) -> Recording:
    """A recording from a JSON list of objects with worker, time and hashrate.

    Args:
        hold: how long a reading holds where none follows, in milliseconds.

    Raises:
        RecordingError: with the line or the number of the reading.
    """
    try:
        # Rates are read as text or exact decimals: a float would round the large ones.
        rows = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise RecordingError(f"line {error.lineno}", f"this is not JSON: {error.msg}") from error
    except ValueError as error:
        raise RecordingError("the document", f"a number in it is too long to be read: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RecordingError("the document", f"it must be a list of objects with {', '.join(FIELDS)}")
    return _recording(((f"reading {i}", row) for i, row in enumerate(rows, 1)), hold)


def _recording(rows: Iterable[tuple[str, Mapping[str, object]]], hold: int) -> Recording:
    readings: dict[str, dict[Instant, int]] = {}
    for where, row in rows:
        name = row.get("worker")
        if not isinstance(name, str) or not name:
            raise RecordingError(where, "worker must be a name")
        at = _instant(where, row.get("time"))
        track = readings.setdefault(name, {})
        if at in track:
            raise RecordingError(where, f"there is already a reading of {name} at this time")
        track[at] = _rate(where, row.get("hashrate"))
    return Recording({name: Track.of(track.items(), hold) for name, track in readings.items()})


def _instant(where: str, value: object) -> Instant:
    text = str(value)
    seconds = _number(text)
    if seconds is not None and 0 <= seconds <= _LATEST:
        return Instant(int(seconds * SECOND))
    try:
        if seconds is None:
            return parse_iso(text)
    except ValueError:
        pass
    raise RecordingError(where, f"time is {text!r}; give Unix seconds, or ISO 8601 such as 2026-01-05T08:00:00Z")


def _rate(where: str, value: object) -> int:
    rate = _number(str(value))
    if rate is None or not 0 <= rate <= _FASTEST:
        raise RecordingError(where, f"hashrate is {str(value)!r}; give H/s as a number from 0 to {_FASTEST}")
    return int(rate.to_integral_value(ROUND_HALF_UP))


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _whole(values: object, most: int) -> bool:
    """Whether this is a list of whole numbers from 0 to most."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value <= most for value in values)
