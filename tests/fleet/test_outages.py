"""Outages: one schedule however it is asked, as frequent and as long as documented; cells that follow their lane."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsim.clock import MINUTE, Instant
from upsim.fleet.cells import (
    CELLS,
    DARK,
    FEEDS,
    FLAPPING,
    KEPT_OFFLINE,
    KEPT_ONLINE,
    SCHEDULED,
    cell_at,
    feed_of,
    flapping_cell,
    offline_cell,
    online_cell,
    rack_of,
    site_of,
)
from upsim.fleet.outages import (
    FLAP,
    FLAP_DOWN,
    PLANS,
    RACK,
    SLOT,
    Plan,
    all_own_outages,
    down_cells,
    down_since,
    is_down,
    observed_step,
    outages,
    own_outages,
    site_outages,
    up_ms,
    up_since,
)

DAY = 1440
SEEDS = st.integers(0, 2**32)
CELL = st.integers(0, CELLS - 1)
STEPS = st.integers(29_000_000, 31_000_000)


def steps_of(spans: tuple[tuple[int, int], ...]) -> set[int]:
    """All steps in some spans."""
    return {step for start, end in spans for step in range(start, end)}


@given(SEEDS, CELL, STEPS, st.integers(1, 40 * DAY))
def test_outages_are_in_order_apart_and_within_what_was_asked(seed: int, cell: int, start: int, length: int) -> None:
    spans = outages(seed, cell, start, start + length)
    assert all(start <= first < last <= start + length for first, last in spans)
    assert all(last < first for (_, last), (first, _) in pairwise(spans))


@given(SEEDS, CELL, STEPS, st.integers(1, 20 * DAY), st.integers(1, 20 * DAY))
def test_a_longer_look_sees_the_same_outages(seed: int, cell: int, start: int, first: int, second: int) -> None:
    middle, end = start + first, start + first + second
    whole = steps_of(outages(seed, cell, start, end))
    assert whole == steps_of(outages(seed, cell, start, middle)) | steps_of(outages(seed, cell, middle, end))


@given(SEEDS, st.integers(0, SCHEDULED - 1), STEPS, st.integers(1, 90 * DAY))
def test_a_cell_is_down_when_its_site_is_or_itself_and_never_counted_twice(
    seed: int, cell: int, start: int, length: int
) -> None:
    end = start + length
    site, own = steps_of(site_outages(seed, site_of(cell), start, end)), steps_of(own_outages(seed, cell, start, end))
    assert not site & own
    assert site | own == steps_of(outages(seed, cell, start, end))


@settings(max_examples=12)
@given(SEEDS, st.integers(0, 3), STEPS, st.integers(0, 2 * DAY))
def test_the_list_of_all_outages_holds_those_of_each_cell(seed: int, site: int, step: int, length: int) -> None:
    """Around an outage of a whole site, as there a cell's own do not count."""
    start, end = site_outages(seed, site, step, step + 3000 * DAY)[0]
    start, end = start - length // 2, end + length // 2
    listed: dict[int, set[int]] = {cell: set() for cell in range(SCHEDULED)}
    for cell, first, last in all_own_outages(seed, start, end):
        assert not listed[cell] & set(range(first, last))
        listed[cell] |= set(range(first, last))
    for cell in range(SCHEDULED):
        assert listed[cell] == steps_of(own_outages(seed, cell, start, end))


@settings(max_examples=25)
@given(SEEDS, STEPS, st.integers(0, MINUTE - 1))
def test_the_cells_down_at_an_instant_are_those_down_in_the_last_complete_minute(
    seed: int, step: int, inside: int
) -> None:
    now = Instant((step + 1) * MINUTE + inside)
    assert observed_step(now) == step
    down = down_cells(seed, now)
    assert down == {cell for cell in range(CELLS) if is_down(seed, cell, step)}
    assert down >= set(range(KEPT_OFFLINE, CELLS))
    assert not down & set(range(KEPT_ONLINE, KEPT_OFFLINE))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_the_plan_of_a_kind_of_outage_is_sound(plan: Plan) -> None:
    assert sum(way.likely for way in plan.lengths) == 256
    assert all(0 < way.shortest <= way.longest < plan.epoch for way in plan.lengths)


def test_a_cell_is_down_as_often_as_its_plans_say() -> None:
    """Over four years and a fifth of the cells, within a tenth of half a per cent."""
    start, days = 20_000 * DAY, 4 * 365
    down = fmean(
        sum(end - first for first, end in outages(21, cell, start, start + days * DAY)) for cell in range(0, 512, 5)
    )
    assert down / (days * DAY) == pytest.approx(sum(plan.share_down for plan in PLANS), rel=0.1)
    assert 0.004 < sum(plan.share_down for plan in PLANS) < 0.012


def test_a_machine_restarts_in_minutes_or_waits_for_hours_in_the_documented_shares() -> None:
    lengths = []
    for cell in range(0, 512, 2):
        lengths += [end - start for start, end in own_outages(4, cell, 29_000_000, 29_000_000 + 500 * DAY)]
    short = sum(length <= 9 for length in lengths) / len(lengths)
    long = sum(length > 180 for length in lengths) / len(lengths)
    slots, racks = 1 / SLOT.epoch, RACK.happens / 256 / RACK.epoch
    assert short == pytest.approx(slots / (slots + racks) * 154 / 256, rel=0.05)
    assert long == pytest.approx(slots / (slots + racks) * 38 / 256, rel=0.1)


@pytest.mark.parametrize("home", [0, 77, 300, 511])
def test_a_flapping_worker_is_down_for_ten_minutes_of_each_half_hour(home: int) -> None:
    cell = flapping_cell(home)
    assert FLAPPING <= cell < KEPT_ONLINE
    for block in range(2_000_000, 2_000_100):
        spans = outages(1, cell, block * FLAP, block * FLAP + FLAP)
        assert len(spans) == 1
        assert spans[0][1] - spans[0][0] == FLAP_DOWN == 10


@given(SEEDS, st.integers(0, KEPT_OFFLINE - 1), STEPS)
def test_an_outage_and_an_uptime_begin_where_the_minutes_say(seed: int, cell: int, step: int) -> None:
    reach = 30 * DAY
    spans = outages(seed, cell, step - reach, step + 1)
    if is_down(seed, cell, step):
        assert down_since(seed, cell, step) == spans[-1][0]
    else:
        last = spans[-1][1] if spans else step - reach
        assert up_since(seed, cell, step, step - reach) == last
        assert up_since(seed, cell, step, step - 1) == max(last, step - 1)


@given(SEEDS, CELL, STEPS, st.integers(0, MINUTE), st.integers(0, 5 * DAY * MINUTE), st.integers(0, 200 * DAY * MINUTE))
def test_the_time_a_cell_is_up_is_what_its_outages_leave(
    seed: int, cell: int, step: int, inside: int, length: int, more: int
) -> None:
    start = step * MINUTE + inside
    for end in (start + length, start + length + more):
        if cell >= FLAPPING:
            end = start + length
        spans = outages(seed, cell, start // MINUTE, end // MINUTE + 1)
        down = sum(max(0, min(last * MINUTE, end) - max(first * MINUTE, start)) for first, last in spans)
        assert up_ms(seed, cell, start, end) == end - start - down


@settings(max_examples=30)
@given(SEEDS, st.integers(0, SCHEDULED - 1), STEPS)
def test_every_minute_of_an_outage_knows_when_it_began(seed: int, cell: int, step: int) -> None:
    spans = [span for span in outages(seed, cell, step, step + 90 * DAY) if span[0] > step]
    for start, end in spans[:3]:
        middle = (start + end) // 2
        assert [down_since(seed, cell, at) for at in (start, middle, end - 1)] == [start] * 3


def test_cells_of_a_position_and_of_the_lanes_know_their_site_and_feed() -> None:
    for cell in range(SCHEDULED):
        site, rack, slot = cell // 128, cell // 8 % 16, cell % 8
        assert cell_at(site, rack, slot) == cell
        assert rack_of(cell) == site * 16 + rack
        lanes = flapping_cell(cell), online_cell(cell), offline_cell(cell)
        assert [site_of(lane) for lane in (cell, *lanes)] == [site] * 4
        assert [feed_of(lane) for lane in (cell, *lanes)] == [site, 4 + site, 4 + site, DARK]
    assert {feed_of(cell) for cell in range(CELLS)} == set(range(FEEDS))


@pytest.mark.parametrize("position", [(4, 0, 0), (0, 16, 0), (0, 0, 8), (-1, 0, 0)])
def test_a_position_that_does_not_exist_is_refused(position: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="give a number from 0 to"):
        cell_at(*position)
