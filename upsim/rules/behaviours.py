"""How a world's pools behave: set for a host and port, for good or for the next connections.

What a behaviour's name does is the pools' own business; here is kept which address has which.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from upsim.model import WorldId, WorldRecord
from upsim.records import dataclass
from upsim.store.base import Store
from upsim.world import World


@dataclass(frozen=True, slots=True)
class PoolBehaviour:
    """A behaviour put on an address.

    Attributes:
        times: only the next so many connections meet it; None has no end.
        turn: tells it from others put on the same address before or after.
    """

    host: str
    port: int
    behaviour: str
    times: int | None
    turn: int


def list_behaviours(record: WorldRecord) -> list[PoolBehaviour]:
    """What was put on the world's pools."""
    found: Any = record.options.get("pools", ())
    return [PoolBehaviour(**doc) for doc in found]


def put_behaviour(world: World, host: str, port: int, behaviour: str | None, times: int | None) -> None:
    """Put a behaviour on an address in place of the one before; None removes it."""
    host = host.lower()
    turn = world.store.next_number(world.id, "behaviours")

    def with_it(record: WorldRecord) -> WorldRecord:
        left = [known for known in list_behaviours(record) if (known.host, known.port) != (host, port)]
        if behaviour is not None:
            left.append(PoolBehaviour(host, port, behaviour, times, turn))
        docs = [
            {"host": one.host, "port": one.port, "behaviour": one.behaviour, "times": one.times, "turn": one.turn}
            for one in left
        ]
        return replace(record, options={**record.options, "pools": docs})

    world.store.change_world(world.id, with_it)


def take_behaviour(store: Store, world_id: WorldId, host: str, port: int) -> tuple[str | None, int]:
    """The behaviour the next connection meets, if any was put on the address, and the connection's number from 0."""
    number = store.next_number(world_id, f"connections:{host.lower()}:{port}")
    record = store.get_world(world_id)
    if record is None or not record.options.get("pools"):
        return None, number
    for known in list_behaviours(record):
        if (known.host, known.port) == (host.lower(), port):
            if known.times is None or store.next_number(world_id, f"behaviour:{known.turn}") < known.times:
                return known.behaviour, number
            return None, number
    return None, number
