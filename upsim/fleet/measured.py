"""Measured workers: what their accepted work says of their hashrate. Pure arithmetic, on whole units of work.

A unit is a thousandth of the QUANTUM of its algorithm, so that ten thousand of the fastest machines fit into a store's
64-bit integers for a month, and a share of a millionth of the usual difficulty is still hundreds of them.

Work is kept in blocks as long as the steps of the ranges a series can have, each kept as far back as its range reaches:
minutes for an hour, four hours for a month. So a series is read as it is, whatever its range, and nothing grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from upsim.clock import MINUTE, SECOND, Instant, next_border
from upsim.fleet.hardware import QUANTUM
from upsim.fleet.series import RANGES, Point, Series
from upsim.model import Measured

_PARTS: Final = 1_000

WINDOW_MINUTES: Final = 10
"""Hashrate is measured over so many whole minutes and the present one, or since the miner came where that is later."""
LEAST_MS: Final = 10 * SECOND
"""The shortest time work is divided by: a first share right after the hello is luck, not a hashrate."""


class Level(NamedTuple):
    """A length of blocks.

    Attributes:
        minutes: of one block.
        kept: how many blocks are kept.
    """

    minutes: int
    kept: int


LEVELS: Final = tuple(Level(one.granularity // 60, one.points + 1) for one in RANGES.values())
"""One for each range, in their order; each length divides the next."""


NOTHING: Final = Measured()
"""Of a worker that never sent a share."""


class Rate(NamedTuple):
    """Work, and the milliseconds it took: a hashrate before it is rounded."""

    work: int
    elapsed_ms: int


def units(algorithm: str, hashes: float) -> float:
    """Work in units of its algorithm.

    Args:
        hashes: expected hashes (or solutions) behind accepted shares.
    """
    return hashes * _PARTS / QUANTUM[algorithm]


def window_start(now: Instant) -> Instant:
    """From when on work counts for the hashrate at an instant."""
    return Instant((now // MINUTE - WINDOW_MINUTES) * MINUTE)


def rate(known: Measured, since: Instant, recent: int, now: Instant) -> Rate:
    """What an online worker does now.

    Args:
        since: when its miner came.
        recent: units within the window.
    """
    start = window_start(now)
    if since <= start:
        return Rate(recent, now - start)
    return Rate(known.work if known.since == since else 0, max(LEAST_MS, now - since))


def hashrate(algorithm: str, rates: Iterable[Rate]) -> int:
    """The sum of rates in H/s, a half upwards: exact, rounded once."""
    # A unit is QUANTUM / 1000 and the time is in thousandths of a second: the two thousands cancel out. Each rate is
    # taken to 2**-32 H/s, so that a fleet's is that of its workers however they are added up.
    total = sum((work * QUANTUM[algorithm] << 32) // elapsed_ms for work, elapsed_ms in rates)
    return (total + (1 << 31)) >> 32


def measured_series(algorithm: str, name: str, blocks: Mapping[int, int], now: Instant) -> Series:
    """The hashrate over a range before now, with points as series.series has them.

    Args:
        name: a key of RANGES.
        blocks: units by block, of the range's level.
    """
    wanted = RANGES[name]
    step_s = wanted.granularity
    end = now // (step_s * SECOND)
    unit = step_s * _PARTS
    return Series(
        wanted.hours,
        step_s,
        tuple(
            Point(block * step_s, (2 * blocks.get(block, 0) * QUANTUM[algorithm] + unit) // (2 * unit))
            for block in range(end - wanted.points, end)
        ),
        next_border(now, step_s * SECOND),
    )


def level_of(name: str) -> int:
    """Which of LEVELS a range is read from."""
    return list(RANGES).index(name)


def blocks_of(minutes: Mapping[int, int]) -> dict[tuple[int, int], int]:
    """Units by (level, block), from units by minute."""
    found: dict[tuple[int, int], int] = {}
    for minute, work in minutes.items():
        for level, (length, _) in enumerate(LEVELS):
            key = level, minute // length
            found[key] = found.get(key, 0) + work
    return found


def kept(now: Instant) -> list[tuple[int, int]]:
    """Of each level, the oldest block that some series can still ask for, and the present one."""
    return [(now // (length * MINUTE) - count, now // (length * MINUTE)) for length, count in LEVELS]
