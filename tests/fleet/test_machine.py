"""A machine that is read again and again says what `reading` says, whatever it was asked before."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from upsim.clock import DAY, HOUR, MINUTE, Instant
from upsim.fleet.device import Device, device
from upsim.fleet.history import FULL, Event, EventKind, History
from upsim.fleet.machine import Machine
from upsim.fleet.outages import outages
from upsim.fleet.reading import reading
from upsim.fleet.troubles import Trouble

NOW = Instant(1_767_000_123_456)
MIDNIGHT = Instant(NOW - NOW % DAY)
SEEDS = st.integers(0, 50)
OFFSETS = st.one_of(
    st.integers(-2 * DAY, 2 * HOUR),
    st.integers(-90, 90).map(lambda minutes: minutes * MINUTE - NOW % MINUTE),
    st.integers(-MINUTE, MINUTE),
)
INSTANTS = st.one_of(
    OFFSETS.map(lambda at: Instant(NOW + at)),
    st.integers(-2 * MINUTE, 2 * MINUTE).map(lambda at: Instant(MIDNIGHT + at)),
)
MOVES = st.builds(Event, INSTANTS, st.just(EventKind.MOVE), st.just(FULL), st.sampled_from(("", "main", "spare")))
ANYTHING = st.builds(Event, INSTANTS, st.sampled_from(EventKind), st.integers(0, 3000), st.just("main"))
DEVICES = st.builds(
    device,
    st.text("abc", min_size=1, max_size=3),
    st.sampled_from(["s21", "ryzen-7950x"]),
    joined_at=st.one_of(INSTANTS, st.just(Instant(NOW - 70 * DAY - 12_345))),
    retired_at=st.one_of(st.none(), st.none(), INSTANTS),
    cell=st.integers(0, 511),
)
MACHINES = st.tuples(
    DEVICES,
    st.one_of(st.lists(MOVES, max_size=3).map(tuple), st.lists(st.one_of(MOVES, ANYTHING), max_size=3).map(tuple)),
)
TROUBLES = st.dictionaries(
    st.sampled_from(("", "main", "other")),
    st.tuples(INSTANTS, st.integers(1, DAY)).map(lambda row: [Trouble(row[0], Instant(row[0] + row[1]))]),
    max_size=1,
)


@settings(max_examples=300)
@given(MACHINES, st.lists(st.tuples(SEEDS, INSTANTS, TROUBLES), min_size=1, max_size=6))
@example((device("a", "s21", joined_at=Instant(NOW - 9 * DAY)), ()), [(7, NOW, {}), (8, NOW, {}), (7, NOW, {})])
def test_whatever_was_asked_before(
    given_machine: tuple[Device, History], asked: list[tuple[int, Instant, dict[str, list[Trouble]]]]
) -> None:
    box, history = given_machine
    machine = Machine(box, history)
    for seed, now, troubles in [*asked, *asked]:
        found, wanted = machine.reading(seed, now, troubles), reading(seed, box, history, now, troubles)
        assert (found, found.until) == (wanted, wanted.until)


@settings(max_examples=100)
@given(SEEDS, st.integers(0, 511), st.integers(-3, 3), st.integers(0, MINUTE - 1))
def test_around_the_end_of_an_outage(seed: int, cell: int, minutes: int, inside: int) -> None:
    """Also where it began the day before."""
    for _, end in outages(seed, cell, NOW // MINUTE, NOW // MINUTE + 30 * DAY // MINUTE):
        for joined in (NOW - 70 * DAY, (end - 5) * MINUTE, end * MINUTE):
            box = device("w", "s21", joined_at=Instant(joined), cell=cell)
            now = Instant((end + minutes) * MINUTE + inside)
            found, wanted = Machine(box, ()).reading(seed, now), reading(seed, box, (), now)
            assert (found, found.until) == (wanted, wanted.until)
