"""A worker as the fleet's maths takes it: its machine, what was done to that, and what it adds to the kept sums.

All that making a world needs of it: what workers do is fleets.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import neg

from upsim.fleet.cells import RECORDED, feed_of
from upsim.fleet.device import Device
from upsim.fleet.history import Event, EventKind, History, segments
from upsim.fleet.sums import CellSum, worth
from upsim.model import MOVE, Worker
from upsim.store.sums import Summand


def device_of(worker: Worker) -> Device:
    """The worker's machine."""
    return Device(
        key=worker.id,
        algorithm=worker.algorithm,
        model=worker.model,
        nominal=worker.nominal,
        cell=worker.home,
        weights=worker.weights,
        joined_at=worker.created_at,
        retired_at=worker.retired_at,
    )


def history_of(worker: Worker) -> History:
    """What was done to the worker by hand, beginning with the profile it came to."""
    events = tuple(Event(at, EventKind(kind), value, profile) for at, kind, value, profile in worker.history)
    if any(kind == MOVE for _, kind, _, _ in worker.history):
        return events
    return (Event(worker.created_at, EventKind.MOVE, profile=worker.profile_id), *events)


def summands(worker: Worker) -> Iterator[Summand]:
    """What a worker adds to the sums that the store keeps for its account and algorithm: by cell, feed and profile."""
    device = device_of(worker)
    if worker.track:  # it is counted, and asked by itself
        yield Summand(device.joined_at, RECORDED, feed_of(RECORDED), CellSum(1).flat)
        return
    if not worker.history and worker.retired_at is None:  # nearly every worker's whole life
        yield Summand(device.joined_at, device.cell, feed_of(device.cell), worth(device).flat, worker.profile_id)
        return
    if len(worker.history) == 1 and worker.history[0][1] == MOVE and worker.retired_at is None:  # as of one that moves
        at, _, _, profile = worker.history[0]
        numbers, feed = worth(device).flat, feed_of(device.cell)
        if at > device.joined_at:
            yield Summand(device.joined_at, device.cell, feed, numbers)
            yield Summand(at, device.cell, feed, tuple(map(neg, numbers)))
        yield Summand(max(at, device.joined_at), device.cell, feed, numbers, profile)
        return
    for part in segments(device, history_of(worker)):
        numbers, feed = worth(device, part.scale).flat, feed_of(part.cell)
        yield Summand(part.start, part.cell, feed, numbers, part.profile)
        if part.end is not None:
            yield Summand(part.end, part.cell, feed, tuple(map(neg, numbers)), part.profile)
