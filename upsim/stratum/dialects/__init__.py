"""Every dialect by algorithm: which class talks, which function makes jobs. One module a dialect; they know nothing of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from upsim.algorithms import Algorithm, Dialect
from upsim.stratum.dialects import bitcoin, monero
from upsim.stratum.peer import MinerSession
from upsim.stratum.session import Job, PoolSession, Recipe


@dataclass(frozen=True, slots=True)
class Speech:
    """All that speaks one dialect.

    Attributes:
        name: for sentences.
        session: the pool's side.
        miners: the miner's side, and what to fall back on, each on a new connection.
        make_job: a job from a recipe.
    """

    name: str
    session: type[PoolSession]
    miners: tuple[type[MinerSession], ...]
    make_job: Callable[[Recipe], Job]


SPEECHES: Final[Mapping[Dialect, Speech]] = MappingProxyType(
    {
        Dialect.BITCOIN: Speech(
            "Bitcoin-style Stratum V1", bitcoin.BitcoinSession, (bitcoin.BitcoinMiner,), bitcoin.make_job
        ),
        Dialect.MONERO: Speech("Monero's login dialect", monero.MoneroSession, (monero.MoneroMiner,), monero.make_job),
    }
)


def speech_of(algorithm: Algorithm) -> Speech:
    """What speaks an algorithm's dialect."""
    return SPEECHES[algorithm.dialect]


def session_class(algorithm: Algorithm, first_line: bytes) -> type[PoolSession]:
    """The pool's side for a connection that begins with this line; where a port serves two dialects, the line decides."""
    return speech_of(algorithm).session
