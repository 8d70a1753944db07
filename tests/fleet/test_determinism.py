"""The same question has the same answer: on every Python and machine, in every process, in any order."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from hashlib import sha256

from upsim.clock import DAY, HOUR, MINUTE, Instant
from upsim.fleet import curves, integrals, machine, outages, shares
from upsim.fleet import reading as reading_module
from upsim.fleet import series as series_module
from upsim.fleet.device import device
from upsim.fleet.hardware import HARDWARE, models_of
from upsim.fleet.history import Event, EventKind
from upsim.fleet.outages import down_cells
from upsim.fleet.reading import fleet_reading, reading
from upsim.fleet.series import RANGES, series, worker_series
from upsim.fleet.sums import Tally
from upsim.fleet.troubles import Trouble, failover

NOW = Instant(1_767_000_123_456)
KNOWN = "72ce30590ef82cfdd56d3fceb70d652c9e0da340dfa8ad1a07333f016372e364"


def questions() -> list[Callable[[], object]]:
    """Some of everything that can be asked."""
    joined = Instant(NOW - 75 * DAY - 12_345)
    history = (
        Event(Instant(NOW - 9 * HOUR), EventKind.FLAPPING),
        Event(Instant(NOW - 5 * HOUR), EventKind.SCALE, 730),
        Event(Instant(NOW - 2 * HOUR), EventKind.AUTO),
        Event(Instant(NOW - HOUR), EventKind.MOVE, profile="spare"),
    )
    troubles = {"": [failover(Instant(NOW - 3 * HOUR))], "spare": [Trouble(Instant(NOW - 10 * MINUTE))]}
    machines = [device(f"worker-{model}", model, joined_at=joined) for model in HARDWARE]
    models = [row.model for row in models_of("sha256")]
    some = [(device(f"w{i}", models[i % len(models)], joined_at=joined), history[: i % 5]) for i in range(80)]
    sums = Tally.of("sha256", some)
    result: list[Callable[[], object]] = [partial(fleet_reading, 7, sums, NOW)]
    result += [partial(_down, Instant(NOW + day * DAY)) for day in range(30)]
    result += [partial(reading, 7, machine, history, NOW, troubles) for machine in machines]
    result += [partial(reading, 8, machine, (), NOW) for machine in machines]
    for name in RANGES:
        result.append(partial(series, 7, name, sums, NOW))
        result += [partial(worker_series, 7, name, machine, history, NOW, troubles) for machine in machines[:2]]
    return result


def _down(at: Instant) -> list[int]:
    return sorted(down_cells(7, at))


def forget() -> None:
    """Empty every memory of the fleet."""
    for module in (curves, integrals, machine, outages, reading_module, series_module, shares):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def digest(answers: list[object]) -> str:
    """A fingerprint of answers."""
    return sha256("\n".join(map(repr, answers)).encode()).hexdigest()


def test_every_python_and_machine_answers_with_the_same_bytes() -> None:
    """Pinned: whoever runs this suite proves it for an interpreter. A change here changes what users have seen."""
    assert digest([ask() for ask in questions()]) == KNOWN


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    asked = questions()
    order = list(range(len(asked)))
    expected = [ask() for ask in asked]
    for attempt in range(3):
        random.Random(attempt).shuffle(order)
        forget()
        answers: dict[int, object] = {i: asked[i]() for i in order}
        assert [answers[i] for i in range(len(asked))] == expected
