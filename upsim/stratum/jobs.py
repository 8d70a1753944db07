"""A job, and the recipe a simulated one is made from. Knows no dialect: each adds its own fields to a job."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeVar

from upsim.algorithms import Algorithm


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work as a pool hands it out; each dialect adds its own fields.

    Attributes:
        id: names it on the wire.
        height: the block it is for.
        clean: whether earlier jobs are worthless now.
    """

    id: str
    height: int
    clean: bool


Kind = TypeVar("Kind", bound=Job)


def expect(job: Job, kind: type[Kind]) -> Kind:
    """A job as the kind its dialect makes.

    Raises:
        TypeError: if it is another dialect's; a programming error, never the client's.
    """
    if not isinstance(job, kind):
        raise TypeError(f"a {kind.__name__} was expected, not a {type(job).__name__}")
    return job


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a simulated job is made of: every field of it follows from these.

    Attributes:
        algorithm: what it is for.
        seed: of the pool.
        height: the block's height.
        serial: which job of this block.
        now_s: Unix seconds shown by the pool's clock when the job was due.
        clean: whether earlier jobs are worthless now.
    """

    algorithm: Algorithm
    seed: int
    height: int
    serial: int
    now_s: int
    clean: bool

    def digest(self, what: str) -> bytes:
        """32 bytes that are this job's alone."""
        return _digest(f"{self.seed}:{self.algorithm.id}:{self.height}:{self.serial}:{what}")

    def block_digest(self, what: str) -> bytes:
        """32 bytes that every job of this block shares."""
        return _digest(f"{self.seed}:{self.algorithm.id}:{self.height}:{what}")

    @property
    def job_id(self) -> str:
        """Hex, different for every job for a long time."""
        return f"{self.height & 0xFFFFFF:x}{self.serial & 0xFFFF:04x}"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
