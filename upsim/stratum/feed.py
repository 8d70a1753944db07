"""Which job is current at a time: a function of seed, algorithm and clock, so that a clock may jump without a cost.

Blocks come at the coin's own pace, unevenly as blocks do; within a block the job is renewed twice a minute. Heights
stay low on purpose: chains here are young, so that a real miner that prepares for an epoch has little to prepare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from upsim.algorithms import Algorithm
from upsim.clock import SECOND, Instant
from upsim.stratum.dialects import speech_of
from upsim.stratum.session import Job, Recipe

REFRESH_S: Final = 30
"""A job is renewed this often within its block: cpuminer gives a pool up after two silent minutes."""

_BLOCK_S: Final[Mapping[str, int]] = MappingProxyType(
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


class JobFeed:
    """The jobs of one pool."""

    def __init__(self, algorithm: Algorithm, seed: int) -> None:
        self._algorithm = algorithm
        self._seed = seed
        self._block_ms = _BLOCK_S[algorithm.id] * SECOND
        self._make = speech_of(algorithm).make_job
        self._last: tuple[tuple[int, int], Job] | None = None

    def at(self, now: Instant) -> Job:
        """The job of this instant; the same object as long as it is the same job."""
        height, began = self._block(now)
        serial = (now - began) // (REFRESH_S * SECOND)
        if self._last is not None and self._last[0] == (height, serial):
            return self._last[1]
        due_s = (began + serial * REFRESH_S * SECOND) // SECOND
        recipe = Recipe(self._algorithm, self._seed, _BASE_HEIGHT + height % _WRAP, serial, due_s, serial == 0)
        job = self._make(recipe)
        self._last = (height, serial), job
        return job

    def first(self, now: Instant) -> Job:
        """The job of this instant as a newcomer gets it: nothing came before, so it is a clean one."""
        return replace(self.at(now), clean=True)

    def _block(self, now: Instant) -> tuple[int, Instant]:
        slot = now // self._block_ms
        began = self._began(slot)
        if now < began:
            slot -= 1
            began = self._began(slot)
        return slot, began

    def _began(self, slot: int) -> Instant:
        """When the block of a slot is found: somewhere within its slot, as luck has it."""
        digest = hashlib.sha256(f"{self._seed}:{self._algorithm.id}:luck:{slot}".encode()).digest()
        return Instant(slot * self._block_ms + int.from_bytes(digest[:6], "big") * self._block_ms // (1 << 48))
