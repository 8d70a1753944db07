"""The one table of mining algorithms: an id that is not here is refused with the list of those that are.

Source of the ids: the vendor's products name them in lower case (observed); that the list is complete is assumed.
Dialects and constants: the fact sheet behind docs/stratum.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from upsim.records import dataclass


class Dialect(StrEnum):
    """How a pool of an algorithm talks. Several algorithms share one."""

    BITCOIN = "bitcoin"
    MONERO = "monero"
    ETHEREUM = "ethereum"
    """EthereumStratum/1.0.0 and ETHPROXY on one port: the client's first line decides."""
    ZCASH = "zcash"
    VERUS = "verus"
    PROGPOW = "progpow"
    KASPA = "kaspa"
    AUTOLYKOS = "autolykos"
    OCTOPUS = "octopus"
    NEXA = "nexa"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One mining algorithm.

    Attributes:
        id: the lower-case id used on the API.
        coins: the coins it is known from, for people.
        dialect: what its pools speak.
        unit: what hashrate is counted in: "H/s", or "Sol/s" where a solution is the unit of work.
        work_per_difficulty: expected hashes (or solutions) behind one accepted share of difficulty 1.
    """

    id: str
    coins: str
    dialect: Dialect
    unit: str
    work_per_difficulty: float


_TABLE = (
    Algorithm("sha256", "BTC, BCH", Dialect.BITCOIN, "H/s", 2.0**32),
    Algorithm("scrypt", "LTC, DOGE", Dialect.BITCOIN, "H/s", 2.0**16),
    Algorithm("sha512256d", "RXD", Dialect.BITCOIN, "H/s", 2.0**32),
    Algorithm("kheavyhash", "KAS", Dialect.KASPA, "H/s", 2.0**32),
    Algorithm("verushash", "VRSC", Dialect.VERUS, "H/s", 17.0),
    Algorithm("equihash", "ZEC", Dialect.ZCASH, "Sol/s", 2.0**13),
    Algorithm("equihash125", "FLUX", Dialect.ZCASH, "Sol/s", 2.0**13),
    Algorithm("equihash144", "BTG, BTCZ", Dialect.ZCASH, "Sol/s", 2.0**13),
    Algorithm("equihash192", "ZERO", Dialect.ZCASH, "Sol/s", 2.0**13),
    Algorithm("ethash", "ETHW", Dialect.ETHEREUM, "H/s", 2.0**32),
    Algorithm("etchash", "ETC", Dialect.ETHEREUM, "H/s", 2.0**32),
    Algorithm("kawpow", "RVN", Dialect.PROGPOW, "H/s", 2.0**32 * 256 / 255),
    Algorithm("firopow", "FIRO", Dialect.PROGPOW, "H/s", 2.0**32),
    Algorithm("autolykos", "ERG", Dialect.AUTOLYKOS, "H/s", 1.0),
    Algorithm("octopus", "CFX", Dialect.OCTOPUS, "H/s", 1.0),
    Algorithm("nexapow", "NEXA", Dialect.NEXA, "H/s", 2.0**32),
    Algorithm("randomx", "XMR", Dialect.MONERO, "H/s", 1.0),
)

ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType({row.id: row for row in _TABLE})
"""Every algorithm by id, in the order lists show them."""
