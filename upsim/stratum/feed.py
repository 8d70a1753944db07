"""Which job is current at a time: a function of seed, algorithm and clock, so that a clock may jump without a cost.

Blocks come at the coin's own pace, unevenly as blocks do; within a block the job is renewed twice a minute. Heights
stay low on purpose: chains here are young, so that a real miner that prepares for an epoch has little to prepare.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from upsim.algorithms import Algorithm
from upsim.clock import SECOND, Instant
from upsim.stratum.dialects import speech_of
from upsim.stratum.jobs import Job, Recipe

REFRESH_S: Final = 30
"""A job is renewed this often within its block: cpuminer gives a pool up after two silent minutes."""

_BLOCK_S: Final[Mapping[str, float]] = MappingProxyType(
    {
        "sha256": 600, "scrypt": 150, "sha512256d": 300, "kheavyhash": 10, "verushash": 60, "equihash": 75,
        "equihash125": 120, "equihash144": 600, "equihash192": 120, "ethash": 13, "etchash": 13, "kawpow": 60,
        "firopow": 150, "autolykos": 120, "octopus": 10, "nexapow": 120, "randomx": 120,
    }
)  # fmt: skip
"""Mean seconds between blocks. Kaspa and Conflux are faster in truth; a job every few hundred ms serves nobody here."""
_BASE_HEIGHT: Final = 458_890
_WRAP: Final = 100_000
"""Heights begin again after so many blocks, which keeps them positive and epochs small whatever a clock is set to."""
_VARIANTS: Final = 64
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Moment:
    """When a job is due.

    Attributes:
        height: of the block.
        serial: of the job within the block, from 0.
        due_s: Unix seconds at which it came.
    """

    height: int
    serial: int
    due_s: int


class JobFeed:
    """The jobs of one pool.

    Args:
        algorithm: what is mined.
        seed: everything follows from it.
        block_s: mean seconds between blocks; None takes the coin's.
    """

    def __init__(self, algorithm: Algorithm, seed: int, block_s: float | None = None) -> None:
        self._algorithm = algorithm
        self._seed = seed
        self._block_ms = max(1, int((_BLOCK_S[algorithm.id] if block_s is None else block_s) * SECOND))
        self._make = speech_of(algorithm).make_job
        self._jobs: OrderedDict[tuple[Moment, int, bool], Job] = OrderedDict()
        self._began_of: dict[int, Instant] = {}

    def moment(self, now: Instant) -> Moment:
        """Which job is due at an instant."""
        slot = now // self._block_ms
        began = self._began(slot)
        if now < began:
            slot -= 1
            began = self._began(slot)
        serial = (now - began) // (REFRESH_S * SECOND)
        return Moment(_BASE_HEIGHT + slot % _WRAP, serial, began // SECOND + serial * REFRESH_S)

    def job(self, moment: Moment, variant: int, clean: bool) -> Job:
        """The job of a moment; another `variant` is other work for the same block. Equal arguments, the same object."""
        key = (moment, variant % _VARIANTS, clean)
        known = self._jobs.get(key)
        if known is None:
            serial = moment.serial * _VARIANTS + variant % _VARIANTS
            known = self._make(Recipe(self._algorithm, self._seed, moment.height, serial, moment.due_s, clean))
            self._jobs[key] = known
            if len(self._jobs) > _KEPT:
                self._jobs.popitem(last=False)
        return known

    def _began(self, slot: int) -> Instant:
        """When the block of a slot is found: somewhere within its slot, as luck has it."""
        known = self._began_of.get(slot)
        if known is None:
            digest = hashlib.sha256(f"{self._seed}:{self._algorithm.id}:luck:{slot}".encode()).digest()
            known = Instant(slot * self._block_ms + int.from_bytes(digest[:6], "big") * self._block_ms // (1 << 48))
            if len(self._began_of) > 8:
                self._began_of.clear()
            self._began_of[slot] = known
        return known
