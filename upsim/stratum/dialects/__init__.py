"""Every dialect by algorithm: which class talks, which function makes jobs. One module a dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from upsim.algorithms import Algorithm, Dialect
from upsim.stratum.dialects import autolykos, bitcoin, ethereum, kaspa, monero, nexa, octopus, progpow, zcash
from upsim.stratum.jobs import Job, Recipe
from upsim.stratum.peer import MinerSession
from upsim.stratum.session import PoolSession
from upsim.stratum.wire import NotStratum, decode


@dataclass(frozen=True, slots=True)
class Speech:
    """All that speaks one dialect.

    Attributes:
        name: for sentences.
        session: the pool's side.
        miners: the miner's side, and what to fall back on, each on a new connection.
        make_job: a job from a recipe.
        proxy_session: the pool's side for a client that begins with ETHPROXY, where the port takes that too.
    """

    name: str
    session: type[PoolSession]
    miners: tuple[type[MinerSession], ...]
    make_job: Callable[[Recipe], Job]
    proxy_session: type[PoolSession] | None = None


_ZCASH = (zcash.ZcashSession, (zcash.ZcashMiner,), zcash.make_job)

SPEECHES: Final[Mapping[Dialect, Speech]] = MappingProxyType(
    {
        Dialect.BITCOIN: Speech(
            "Bitcoin-style Stratum V1", bitcoin.BitcoinSession, (bitcoin.BitcoinMiner,), bitcoin.make_job
        ),
        Dialect.MONERO: Speech("Monero's login dialect", monero.MoneroSession, (monero.MoneroMiner,), monero.make_job),
        Dialect.ETHEREUM: Speech(
            "Ethereum Stratum",
            ethereum.NicehashSession,
            (ethereum.NicehashMiner, ethereum.EthProxyMiner),
            ethereum.make_job,
            ethereum.EthProxySession,
        ),
        Dialect.ZCASH: Speech("Zcash Stratum", *_ZCASH),
        Dialect.VERUS: Speech("Verus Stratum", *_ZCASH),
        Dialect.PROGPOW: Speech(
            "ProgPoW Stratum (kawpow, firopow)", progpow.ProgpowSession, (progpow.ProgpowMiner,), progpow.make_job
        ),
        Dialect.KASPA: Speech("Kaspa Stratum", kaspa.KaspaSession, (kaspa.KaspaMiner,), kaspa.make_job),
        Dialect.AUTOLYKOS: Speech(
            "Autolykos Stratum (Ergo)", autolykos.AutolykosSession, (autolykos.AutolykosMiner,), autolykos.make_job
        ),
        Dialect.OCTOPUS: Speech(
            "Conflux Stratum (octopus)",
            octopus.OctopusSession,
            (octopus.OctopusMiner, octopus.OctopusNameMiner, octopus.OctopusV1Miner),
            octopus.make_job,
        ),
        Dialect.NEXA: Speech("Nexa Stratum", nexa.NexaSession, (nexa.NexaMiner,), nexa.make_job),
    }
)
"""Every dialect."""


def speech_of(algorithm: Algorithm) -> Speech:
    """What speaks an algorithm's dialect."""
    return SPEECHES[algorithm.dialect]


def session_class(algorithm: Algorithm, first_line: bytes) -> type[PoolSession]:
    """The pool's side for a connection that begins with this line: where a port takes two dialects, it decides."""
    speech = speech_of(algorithm)
    if speech.proxy_session is None:
        return speech.session
    try:
        method = decode(first_line).get("method")
    except NotStratum:
        return speech.session
    # A method may be anything, a list included.
    spoken = isinstance(method, str) and method in ethereum.PROXY_METHODS
    return speech.proxy_session if spoken else speech.session
