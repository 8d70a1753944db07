"""The hardware of the simulated fleets: what really mines each algorithm, and how fast.

Rates are the makers' or the usual tuned ones, rounded; a fleet needs believable machines, not a buyer's guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from upsim.algorithms import ALGORITHMS
from upsim.records import dataclass

KILO, MEGA, GIGA, TERA = 10**3, 10**6, 10**9, 10**12


@dataclass(frozen=True, slots=True)
class Hardware:
    """One class of machines.

    Attributes:
        model: the key of the class, unique among all algorithms.
        name: for people.
        algorithm: what it mines.
        nominal: its rate, in H/s (or Sol/s: see Algorithm.unit).
        spread: how far a single machine's rate lies from that at most, in per mille; half of them within a third of it.
        ambient: how much heat slows it: 8 is a fan-cooled machine that loses some 2 % on a usual afternoon.
        share_s: seconds between two shares, on average, at the nominal rate: what vardiff settles on.
    """

    model: str
    name: str
    algorithm: str
    nominal: int
    spread: int
    ambient: int
    share_s: int


_TABLE = (
    # model, name, algorithm, nominal, spread, ambient, share_s
    Hardware("s19k-pro", "Antminer S19k Pro", "sha256", 120 * TERA, 25, 8, 12),
    Hardware("s19-xp", "Antminer S19 XP", "sha256", 141 * TERA, 20, 8, 12),
    Hardware("s21", "Antminer S21", "sha256", 200 * TERA, 20, 8, 10),
    Hardware("s21-hydro", "Antminer S21 Hyd.", "sha256", 335 * TERA, 10, 2, 10),
    Hardware("m50s", "Whatsminer M50S", "sha256", 126 * TERA, 30, 9, 12),
    Hardware("m60s", "Whatsminer M60S", "sha256", 186 * TERA, 25, 8, 10),
    Hardware("a1466", "Avalon A1466", "sha256", 150 * TERA, 35, 9, 12),
    Hardware("bitaxe-gamma", "Bitaxe Gamma", "sha256", 1_200 * GIGA, 40, 10, 20),
    Hardware("l7", "Antminer L7", "scrypt", 9_500 * MEGA, 25, 8, 12),
    Hardware("l9", "Antminer L9", "scrypt", 16 * GIGA, 20, 8, 12),
    Hardware("dg1-plus", "Elphapex DG1+", "scrypt", 14 * GIGA, 30, 8, 12),
    Hardware("mini-doge-3", "Goldshell Mini-DOGE III", "scrypt", 700 * MEGA, 40, 9, 20),
    Hardware("rxd-hs", "IceRiver RX0", "sha512256d", 260 * GIGA, 30, 7, 15),
    Hardware("ra1", "DragonBall A11", "sha512256d", 800 * GIGA, 30, 8, 15),
    Hardware("ra21s", "RXD Box A21S", "sha512256d", 1_040 * GIGA, 30, 8, 15),
    Hardware("ks0-pro", "IceRiver KS0 Pro", "kheavyhash", 200 * GIGA, 35, 8, 20),
    Hardware("ks3m", "IceRiver KS3M", "kheavyhash", 6 * TERA, 25, 8, 12),
    Hardware("ks5l", "IceRiver KS5L", "kheavyhash", 12 * TERA, 25, 8, 12),
    Hardware("ks5-pro", "Antminer KS5 Pro", "kheavyhash", 21 * TERA, 20, 8, 12),
    Hardware("epyc-7742-vrsc", "EPYC 7742", "verushash", 95 * MEGA, 15, 4, 20),
    Hardware("ryzen-7950x-vrsc", "Ryzen 9 7950X", "verushash", 62 * MEGA, 20, 5, 20),
    Hardware("ryzen-5600x-vrsc", "Ryzen 5 5600X", "verushash", 24 * MEGA, 25, 5, 20),
    Hardware("rk3588-vrsc", "RK3588 board", "verushash", 9 * MEGA, 40, 7, 30),
    Hardware("z15", "Antminer Z15", "equihash", 420 * KILO, 25, 8, 12),
    Hardware("z15-pro", "Antminer Z15 Pro", "equihash", 840 * KILO, 20, 8, 12),
    Hardware("a9-zmaster", "Innosilicon A9++", "equihash", 140 * KILO, 35, 9, 15),
    Hardware("rtx-4090-flux", "RTX 4090", "equihash125", 125, 20, 5, 20),
    Hardware("rtx-3080-flux", "RTX 3080", "equihash125", 80, 25, 6, 20),
    Hardware("rtx-3060ti-flux", "RTX 3060 Ti", "equihash125", 52, 25, 5, 20),
    Hardware("rx-6800xt-flux", "RX 6800 XT", "equihash125", 49, 25, 6, 20),
    Hardware("rtx-4090-btg", "RTX 4090", "equihash144", 210, 20, 5, 20),
    Hardware("rtx-3080-btg", "RTX 3080", "equihash144", 130, 25, 6, 20),
    Hardware("rtx-3070-btg", "RTX 3070", "equihash144", 92, 25, 5, 20),
    Hardware("rtx-4090-zer", "RTX 4090", "equihash192", 98, 20, 5, 20),
    Hardware("rtx-3080-zer", "RTX 3080", "equihash192", 62, 25, 6, 20),
    Hardware("rtx-3060ti-zer", "RTX 3060 Ti", "equihash192", 41, 25, 5, 20),
    Hardware("e9-pro", "Antminer E9 Pro", "ethash", 3_680 * MEGA, 20, 8, 12),
    Hardware("jasminer-x16p", "Jasminer X16-P", "ethash", 5_800 * MEGA, 20, 7, 12),
    Hardware("rtx-3090-eth", "RTX 3090", "ethash", 121 * MEGA, 15, 6, 20),
    Hardware("rx-6800-eth", "RX 6800", "ethash", 63 * MEGA, 15, 5, 20),
    Hardware("e11", "Antminer E11", "etchash", 9 * GIGA, 20, 8, 12),
    Hardware("jasminer-x44p", "Jasminer X44-P", "etchash", 23_400 * MEGA, 20, 7, 12),
    Hardware("rtx-3080-etc", "RTX 3080", "etchash", 98 * MEGA, 15, 6, 20),
    Hardware("rx-5700xt-etc", "RX 5700 XT", "etchash", 55 * MEGA, 20, 6, 20),
    Hardware("rtx-4090-rvn", "RTX 4090", "kawpow", 64 * MEGA, 15, 5, 20),
    Hardware("rtx-3080-rvn", "RTX 3080", "kawpow", 46 * MEGA, 20, 6, 20),
    Hardware("rtx-3060ti-rvn", "RTX 3060 Ti", "kawpow", 30 * MEGA, 20, 5, 20),
    Hardware("rx-6800xt-rvn", "RX 6800 XT", "kawpow", 31 * MEGA, 20, 6, 20),
    Hardware("rtx-4090-firo", "RTX 4090", "firopow", 60 * MEGA, 15, 5, 20),
    Hardware("rtx-3080-firo", "RTX 3080", "firopow", 44 * MEGA, 20, 6, 20),
    Hardware("rx-6700xt-firo", "RX 6700 XT", "firopow", 24 * MEGA, 20, 6, 20),
    Hardware("rtx-4090-erg", "RTX 4090", "autolykos", 305 * MEGA, 15, 5, 20),
    Hardware("rtx-3080-erg", "RTX 3080", "autolykos", 235 * MEGA, 15, 6, 20),
    Hardware("rtx-3060ti-erg", "RTX 3060 Ti", "autolykos", 140 * MEGA, 15, 5, 20),
    Hardware("rx-6700xt-erg", "RX 6700 XT", "autolykos", 105 * MEGA, 20, 6, 20),
    Hardware("rtx-4090-cfx", "RTX 4090", "octopus", 125 * MEGA, 15, 5, 20),
    Hardware("rtx-3080-cfx", "RTX 3080", "octopus", 92 * MEGA, 15, 6, 20),
    Hardware("rtx-3070-cfx", "RTX 3070", "octopus", 62 * MEGA, 15, 5, 20),
    Hardware("rtx-4090-nexa", "RTX 4090", "nexapow", 330 * MEGA, 15, 5, 20),
    Hardware("rtx-3080-nexa", "RTX 3080", "nexapow", 155 * MEGA, 20, 6, 20),
    Hardware("rtx-3060ti-nexa", "RTX 3060 Ti", "nexapow", 92 * MEGA, 20, 5, 20),
    Hardware("x5", "Antminer X5", "randomx", 212 * KILO, 25, 8, 15),
    Hardware("epyc-7742", "EPYC 7742", "randomx", 44 * KILO, 15, 4, 20),
    Hardware("ryzen-7950x", "Ryzen 9 7950X", "randomx", 22 * KILO, 20, 5, 20),
    Hardware("ryzen-3900x", "Ryzen 9 3900X", "randomx", 13_500, 20, 5, 20),
    Hardware("ryzen-5600x", "Ryzen 5 5600X", "randomx", 8_200, 25, 5, 25),
    Hardware("i7-12700", "Core i7-12700", "randomx", 7_400, 30, 6, 25),
)

HARDWARE: Final[Mapping[str, Hardware]] = MappingProxyType({row.model: row for row in _TABLE})
"""Every class of machines by its model."""


def models_of(algorithm: str) -> tuple[Hardware, ...]:
    """The machines that mine an algorithm, in the table's order."""
    return tuple(row for row in _TABLE if row.algorithm == algorithm)


def _quantum(algorithm: str) -> int:
    fastest = max(row.nominal for row in models_of(algorithm))
    quantum = 1
    while quantum * 1_000_000 < fastest:
        quantum *= 10
    return quantum


QUANTUM: Final[Mapping[str, int]] = MappingProxyType({name: _quantum(name) for name in ALGORITHMS})
"""What hashrates of an algorithm are counted in, in H/s: every machine's rate is a multiple of it.

The fastest machine is a million of them at most, so that the sums of a million machines fit a store's 64-bit integers.
"""
