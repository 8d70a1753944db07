"""The curves: zero on average, the same by any way of adding them up, as loud as documented, and smooth at borders."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from statistics import fmean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsim.clock import Instant
from upsim.fleet.curves import LEVELS, NOISES, ONE, WIDTH, between, fanout, rows
from upsim.fleet.device import device
from upsim.fleet.hardware import HARDWARE

SITES = st.integers(0, 3)
SEEDS = st.integers(0, 2**63)
DAY = 1440
STEPS = st.integers(29_000_000, 31_000_000)  # minutes since 1970: 2025 to 2028


@given(SEEDS, SITES, STEPS, st.integers(0, 3000), st.integers(0, 3000))
def test_sums_over_neighbouring_stretches_add_up(seed: int, site: int, start: int, first: int, second: int) -> None:
    middle, end = start + first, start + first + second
    together = [
        a + b for a, b in zip(between(seed, site, start, middle), between(seed, site, middle, end), strict=True)
    ]
    assert tuple(together) == between(seed, site, start, end)


@given(SEEDS, SITES, st.integers(0, len(LEVELS) - 1), STEPS)
def test_rows_are_the_sums_between_their_borders(seed: int, site: int, level: int, step: int) -> None:
    steps = LEVELS[level].steps
    parent = step // (steps * fanout(level))
    first = parent * steps * fanout(level)
    expected = tuple(between(seed, site, at, at + steps) for at in range(first, first + steps * fanout(level), steps))
    assert rows(seed, site, level, parent) == expected


@given(SEEDS, SITES, st.integers(1, len(LEVELS) - 1), STEPS)
def test_a_coarse_row_is_exactly_the_sum_of_the_finer_ones_in_it(seed: int, site: int, level: int, step: int) -> None:
    block = step // LEVELS[level].steps
    parent, index = divmod(block, fanout(level))
    finer = rows(seed, site, level - 1, block)
    assert rows(seed, site, level, parent)[index] == tuple(map(sum, zip(*finer, strict=True)))


@given(SEEDS, SITES, st.integers(2500, 2600))
def test_each_noise_is_back_at_zero_after_eight_days_and_the_heat_of_a_day_after_that_day(
    seed: int, site: int, cycle: int
) -> None:
    assert between(seed, site, cycle * 8 * DAY, (cycle + 1) * 8 * DAY)[2:] == (0,) * NOISES


@pytest.mark.parametrize("site", range(4))
def test_the_mean_of_every_curve_over_a_year_is_zero_within_a_thousandth(site: int) -> None:
    start = 20_454 * DAY
    total = between(11, site, start, start + 365 * DAY)
    assert abs(total[0] / (365 * DAY * ONE) - 1) < 0.001
    assert all(abs(part) / (365 * DAY * ONE) < 0.001 for part in total[1:])


def test_no_machine_can_fall_below_a_tenth_of_its_rate_by_its_curves() -> None:
    """The worst that all bytes of chance together could do."""
    noise = sum(level.noise * (fanout(i) - 1) * 255 for i, level in enumerate(LEVELS)) / ONE
    common = sum(level.common * (fanout(i) - 1) * 255 for i, level in enumerate(LEVELS)) / ONE
    heat = (115 * 360 * 360 + 4000 * DAY) / ONE
    drift = 7500 * 2 * DAY / ONE
    worst = 6 * NOISES * noise + common + drift + max(row.ambient for row in HARDWARE.values()) * heat
    assert worst < 0.9


# docs/fleet.md, "Noise": how far a block lies off the mean of the block it is in, in per cent of a worker's rate.
DOCUMENTED_NOISE = {60: 2.7, 300: 1.0, 600: 1.0, 3600: 0.6, 14400: 0.5, 86400: 0.5}


@pytest.mark.parametrize("level", range(len(LEVELS)))
def test_the_noise_of_a_worker_has_the_documented_spectrum(level: int) -> None:
    machines = [device(f"noisy-{i}", "s21", joined_at=Instant(0)) for i in range(60)]
    parents = range(10_000, 10_040)
    spreads = []
    for parent in parents:
        means = [[value / LEVELS[level].steps for value in row[2:]] for row in rows(5, 1, level, parent)]
        for machine in machines:
            values = [
                sum(weight * value for weight, value in zip(machine.weights[1:], row, strict=True)) / ONE
                for row in means
            ]
            middle = fmean(values)
            spreads.append(fmean([(value - middle) ** 2 for value in values]))
    assert 100 * sqrt(fmean(spreads)) == pytest.approx(DOCUMENTED_NOISE[LEVELS[level].steps * 60], rel=0.12)


def test_the_noises_of_a_site_do_not_follow_each_other() -> None:
    minutes = [row[2:] for parent in range(5_800_000, 5_800_400) for row in rows(3, 2, 0, parent)]
    columns = list(zip(*minutes, strict=True))
    for i in range(NOISES):
        for j in range(i):
            a, b = columns[i], columns[j]
            middle_a, middle_b = fmean(a), fmean(b)
            shared = fmean([(x - middle_a) * (y - middle_b) for x, y in zip(a, b, strict=True)])
            assert abs(shared / (pstdev(a) * pstdev(b))) < 0.15


def test_heat_takes_two_percent_from_a_fan_cooled_machine_on_a_usual_afternoon() -> None:
    """The lowest against the highest hour of the day, over a season."""
    swings = []
    for day in range(20_500, 20_590):
        hours = [between(1, 0, day * DAY + h * 60, day * DAY + h * 60 + 60)[1] / 60 / ONE * 8 for h in range(24)]
        swings.append(100 * (max(hours) - min(hours)))
    assert 2.5 < fmean(swings) < 4.5  # an arc above by night and one below by day
    assert max(swings) < 8


@pytest.mark.parametrize("curve", [0, 1])
def test_what_a_site_has_in_common_moves_smoothly_even_over_midnight(curve: int) -> None:
    """The steps of ten minutes across midnight are as small as any."""
    start = 20_500 * DAY
    means = [between(9, 3, at, at + 10)[curve] / 10 / ONE for at in range(start, start + 60 * DAY, 10)]
    moves = [abs(b - a) for a, b in pairwise(means)]
    across = moves[143::144]
    assert fmean(across) < 2.5 * fmean(moves)
    assert max(across) < 1.5 * max(moves)


@settings(max_examples=20)
@given(SEEDS, SITES, STEPS)
def test_another_seed_has_other_curves(seed: int, site: int, step: int) -> None:
    here, there = between(seed, site, step, step + 30), between(seed + 1, site, step, step + 30)
    assert len(here) == WIDTH
    assert here != there
