"""A worker as the maths sees it: a few numbers that follow from who it is and where it stands, whatever the seed.

The seed decides the curves and the outages alone, so that worlds of different seeds can share their workers' rows.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from upsim.clock import Instant
from upsim.fleet.cells import SCHEDULED
from upsim.fleet.chance import bell, below, digest
from upsim.fleet.curves import NOISES, WIDTH, Vector
from upsim.fleet.hardware import HARDWARE, QUANTUM
from upsim.records import dataclass

_WEIGHTS: Final = (-6, -5, -4, -3, -2, 2, 3, 4, 5, 6)
"""What a worker may weigh a noise with: large enough to matter, so that no worker is without noise."""

_two_bytes_each: Final = Struct(f">{NOISES}H").unpack_from

WEIGHTS: Final = WIDTH - 1
"""How many weights a device has: of the ambient curve, then of each noise."""


@dataclass(frozen=True, slots=True)
class Device:
    """A worker's machine.

    Attributes:
        key: who it is; its share luck depends on it.
        algorithm: what it mines.
        model: its class, a key of HARDWARE.
        nominal: its own rate, in H/s (Sol/s for the equihash family): a multiple of QUANTUM[algorithm].
        cell: where it stands, 0..511; what by-hand events make of that is cell_now in history.py.
        weights: WEIGHTS small integers.
        joined_at: from when on it mines. Before, it is not there.
        retired_at: from when on it is gone for good.
    """

    key: str
    algorithm: str
    model: str
    nominal: int
    cell: int
    weights: tuple[int, ...]
    joined_at: Instant
    retired_at: Instant | None = None

    @property
    def factors(self) -> Vector:
        """What to multiply the curves with: the rate in units of QUANTUM, and that times each weight."""
        base = self.nominal // QUANTUM[self.algorithm]
        return (base, *[base * weight for weight in self.weights])


def device(
    key: str,
    model: str,
    *,
    joined_at: Instant,
    retired_at: Instant | None = None,
    cell: int | None = None,
    nominal: int | None = None,
) -> Device:
    """A worker's device.

    Args:
        key: whatever tells workers apart and stays: its id, or its name.
        model: a key of HARDWARE.
        joined_at: from when on it mines. Aligned to hours or days, the joins of a large fleet cost its series less.
        cell: where it stands: cell_at(site, rack, slot), or any running number modulo 512, so that the workers of a
            farm of up to 512 stand alone; by default some cell that the key decides.
        nominal: its rate in H/s, by default the model's give or take its spread; rounded down to a multiple of QUANTUM.

    Raises:
        ValueError: if there is no such model or cell, or the rate is below what its algorithm can count.
    """
    hardware = HARDWARE.get(model)
    if hardware is None:
        raise ValueError(f"there is no hardware model {model!r}; there are {', '.join(HARDWARE)}")
    chance = digest("device", key)
    if cell is None:
        cell = below(SCHEDULED, chance[:4])
    if not 0 <= cell < SCHEDULED:
        raise ValueError(f"cell is {cell}; give a number from 0 to {SCHEDULED - 1}")
    quantum = QUANTUM[hardware.algorithm]
    if nominal is None:
        nominal = hardware.nominal + hardware.nominal * hardware.spread * bell(chance[4:7]) // 1_000_000
    if nominal < quantum:
        raise ValueError(f"a rate of {nominal} H/s is too low for {hardware.algorithm}; give {quantum} or more")
    noises = [_WEIGHTS[number * len(_WEIGHTS) >> 16] for number in _two_bytes_each(chance, 8)]
    return Device(
        key=key,
        algorithm=hardware.algorithm,
        model=model,
        nominal=nominal - nominal % quantum,
        cell=cell,
        weights=(hardware.ambient, *noises),
        joined_at=joined_at,
        retired_at=retired_at,
    )
