"""The shapes in a fleet's hashrate: a few curves that all workers of a site share, each worker with weights of its own.

A site has eight curves, on steps of a minute. The first is 1 plus what the whole site has in common: a slow drift of
days and a little noise. The second is the heat of its day and its weather. Six are noises, which every worker mixes by
its own weights. A worker's hashrate is its nominal rate times (1, weights) . curves, so that a fleet's is one vector of
sums times the same curves.

Every curve but the 1 has the mean zero over a stretch that repeats for ever, and a sum over any time in closed form:

- A noise is a tree of blocks (LEVELS): in a block, each child lies off the block's mean by a share of chance, and the
  children's shares add up to zero. So the mean of a block never depends on what is finer, a four-hour point is as cheap
  as a minute, and each is exactly the mean of the points below it.
- A wave is a line through points that lie a fixed time apart.
- A day is two arcs of a parabola, up by night and down in the afternoon's heat, higher or lower from day to day.

All in integers, in units of 1 / ONE, so that Pythons and machines cannot differ.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from struct import unpack
from typing import Final, NamedTuple

from upsim.fleet.chance import below, digest

ONE: Final = 1 << 32
"""What a curve calls 1."""
NOISES: Final = 6
WIDTH: Final = 2 + NOISES
"""How many curves a site has, and so the length of every vector here."""

Vector = tuple[int, ...]
"""WIDTH integers, one for each curve, or one worker's or fleet's factor of each."""


class Level(NamedTuple):
    """A size of blocks in the noise.

    Attributes:
        steps: minutes in a block.
        noise: how far a block lies off its parent's mean, by a noise of weight 1.
        common: the same, in the noise that all of a site share.

    A block's distance from its parent's mean, in 1 / ONE, is uniform chance of -128..127 times the children in a
    parent times this; docs/fleet.md has the resulting percentages, tests/fleet/test_curves.py holds them.
    """

    steps: int
    noise: int
    common: int


LEVELS: Final = (
    Level(1, 33_740, 15_594),
    Level(5, 39_516, 41_096),
    Level(10, 10_203, 10_611),
    Level(60, 9_679, 20_133),
    Level(240, 5_101, 12_733),
    Level(1440, 3_734, 9_320),
)
"""The blocks that the noise is made of, and the granularities that a series can have but the last."""

_CYCLE: Final = 8 * 1440
"""Steps after which every noise is back at the mean zero: the parent of the last level."""
_STEPS: Final = (*(level.steps for level in LEVELS), _CYCLE)
_FANOUT: Final = tuple(parent // child for child, parent in pairwise(_STEPS))

_SIZES: Final = tuple((level.common, *(level.noise,) * NOISES) for level in LEVELS)

_DRIFT_PERIOD: Final = 2 * 1440
_WEATHER_PERIOD: Final = 1440
_WAVE_POINTS: Final = 8
"""Stretches of a wave between two times at which it is zero."""
_DRIFT: Final = 7_500
"""Largest share of a point of the drift, times the period's steps in 1 / ONE: some 0.5 %."""
_WEATHER: Final = 4_000
"""The same of the weather, for an ambient weight of 1: 0.13 %, or 1.1 % for a fan-cooled machine."""
_HALF_DAY: Final = 720
_HEAT: Final = (35, 115)
"""How high the arcs of a day are, from the mildest to the hottest: 0.85 % to 2.8 % for a fan-cooled machine."""


@lru_cache(maxsize=4096)
def _shares(seed: int, site: int, level: int, parent: int) -> tuple[tuple[tuple[int, ...], int], ...]:
    """The shares of chance of a parent's blocks, and their sum: of the common noise first, then of each of the six."""
    count = _FANOUT[level]
    size = count * (NOISES + 1)
    chance = unpack(f"{size}b", digest(seed, "noise", site, level, parent)[:size])
    return tuple((chance[i : i + count], sum(chance[i : i + count])) for i in range(0, size, count))


@lru_cache(maxsize=1024)
def _means(seed: int, site: int, level: int, parent: int) -> tuple[Vector, ...]:
    """The means of the noises over each block of a parent, all coarser levels included."""
    count = _FANOUT[level]
    if level + 1 < len(LEVELS):
        outer, index = divmod(parent, _FANOUT[level + 1])
        mean = _means(seed, site, level + 1, outer)[index]
    else:
        mean = (0,) * (NOISES + 1)
    columns = []
    for curve, (shares, total) in enumerate(_shares(seed, site, level, parent)):
        offset = mean[curve] - _SIZES[level][curve] * total
        size = _SIZES[level][curve] * count
        columns.append([offset + size * share for share in shares])
    return tuple(zip(*columns, strict=True))


def _noises_before(seed: int, site: int, step: int) -> list[int]:
    """The sums of the noises over the steps before this one, less whole cycles."""
    result = [0] * (NOISES + 1)
    for level, count in enumerate(_FANOUT):
        # Of this level's shares, those of the blocks before count in full and the present block's for its steps so far.
        parent, inside = divmod(step, _STEPS[level + 1])
        if not inside:
            continue
        steps = LEVELS[level].steps
        block, rest = divmod(inside, steps)
        whole, part = count * steps, count * rest
        for curve, (shares, total) in enumerate(_shares(seed, site, level, parent)):
            so_far = whole * sum(shares[:block]) + part * shares[block]
            result[curve] += _SIZES[level][curve] * (so_far - inside * total)
    return result


@lru_cache(maxsize=512)
def _wave(seed: int, site: int, name: str, block: int, size: int) -> Vector:
    """The points of a wave, of which the first and last are zero, as is their sum."""
    chance = digest(seed, name, site, block)
    free = [below(size, chance[4 * i : 4 * i + 4]) for i in range(_WAVE_POINTS - 1)]
    return (0, *(here - after for here, after in zip(free, [*free[1:], free[0]], strict=True)), 0)


def _wave_before(points: Vector, period: int, step: int) -> int:
    """The sum of a wave's values over its first steps. At step i of a stretch from a to b it is a (period-i) + b i."""
    stretch, inside = divmod(step, period)
    rising = inside * (inside - 1) // 2
    total = points[stretch] * (inside * period - rising)
    if inside:
        total += points[stretch + 1] * rising
    if stretch:
        # Each point stands for period**2, a stretch to either side, but the last reached only for the one before it.
        total += sum(points[1:stretch]) * period * period + points[stretch] * (period * (period - 1) // 2)
    return total


def _arc_before(step: int) -> int:
    """The sum of i (720 - i) over 0 <= i < step, for a step of half a day at most."""
    return _HALF_DAY * step * (step - 1) // 2 - (step - 1) * step * (2 * step - 1) // 6


@lru_cache(maxsize=64)
def _phases(seed: int, site: int) -> tuple[int, int, int]:
    """A site's own place in time: how far its drift, its weather and its local day are ahead, in steps."""
    chance = digest(seed, "site", site)
    drift = below(_WAVE_POINTS * _DRIFT_PERIOD, chance[:4])
    hours = below(24, chance[4:8])
    return drift, below(_WAVE_POINTS, chance[8:12]) * _WEATHER_PERIOD + hours * 60, hours * 60


@lru_cache(maxsize=512)
def _heat(seed: int, site: int, day: int) -> int:
    return _HEAT[0] + below(_HEAT[1] - _HEAT[0], digest(seed, "heat", site, day)[:4])


def _smooth_before(seed: int, site: int, step: int) -> tuple[int, int]:
    """The sums of drift and ambient over the steps before this one, less whole cycles (each of which adds nothing)."""
    ahead, weather_ahead, day_ahead = _phases(seed, site)
    block, inside = divmod(step + ahead, _WAVE_POINTS * _DRIFT_PERIOD)
    drift = _wave_before(_wave(seed, site, "drift", block, _DRIFT), _DRIFT_PERIOD, inside)
    block, inside = divmod(step + weather_ahead, _WAVE_POINTS * _WEATHER_PERIOD)
    ambient = _wave_before(_wave(seed, site, "weather", block, _WEATHER), _WEATHER_PERIOD, inside)
    day, inside = divmod(step + day_ahead, 2 * _HALF_DAY)
    arcs = _arc_before(inside) if inside <= _HALF_DAY else _arc_before(_HALF_DAY) - _arc_before(inside - _HALF_DAY)
    return drift, ambient + _heat(seed, site, day) * arcs


@lru_cache(maxsize=4096)
def before(seed: int, site: int, step: int) -> Vector:
    """The sums of a site's curves over all steps before this one: the difference of two is the sum between them.

    Args:
        step: minutes since 1970.
    """
    noise = _noises_before(seed, site, step)
    drift, ambient = _smooth_before(seed, site, step)
    return (step * ONE + drift + noise[0], ambient, *noise[1:])


@lru_cache(maxsize=1024)
def rows(seed: int, site: int, level: int, parent: int) -> tuple[Vector, ...]:
    """The sums of a site's curves over each block of a level in one parent block, in order.

    Args:
        level: index in LEVELS.
        parent: number of the parent block since 1970: step // steps of the next level.
    """
    steps = LEVELS[level].steps
    first = parent * _STEPS[level + 1]
    smooth = [_smooth_before(seed, site, first + i * steps) for i in range(_FANOUT[level] + 1)]
    result = []
    for values, start, end in zip(_means(seed, site, level, parent), smooth, smooth[1:], strict=False):
        common, *noises = [steps * value for value in values]
        result.append((steps * ONE + common + end[0] - start[0], end[1] - start[1], *noises))
    return tuple(result)


def fanout(level: int) -> int:
    """How many blocks of a level lie in one of the next."""
    return _FANOUT[level]


def between(seed: int, site: int, start: int, end: int) -> Vector:
    """The sums of a site's curves over the steps start <= step < end."""
    return tuple(b - a for a, b in zip(before(seed, site, start), before(seed, site, end), strict=True))
