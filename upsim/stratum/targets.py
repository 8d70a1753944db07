"""Difficulty, target and hashrate: how they convert. Pure arithmetic.

One rule is behind all of it: a share at target T stands for 2**256 / (T + 1) hashes on average. Difficulty is a way of
showing that: difficulty 1 target divided by target.
"""

from __future__ import annotations

from typing import Final

D1: Final = 0xFFFF << 208
"""Bitcoin's difficulty 1 target; the hash of a share of difficulty d is at most D1 / d."""
SCRYPT_D1: Final = D1 << 16
EQUIHASH_D1: Final = 0x0007FFFF << 224 | (1 << 224) - 1
"""Disputed: miningcore and s-nomp use this one; ccminer shows difficulty from 0x00ffff…"""
VERUS_D1: Final = int("0f" * 32, 16)
RAVEN_D1: Final = 0xFF << 216
FIRO_D1: Final = 0xFFFF << 208
MAX_TARGET: Final = (1 << 256) - 1


def target_for(difficulty: float, difficulty_1_target: int) -> int:
    """The largest hash that makes a share of this difficulty.

    Args:
        difficulty: positive.
        difficulty_1_target: of the algorithm.

    Raises:
        ValueError: if the difficulty is not positive.
    """
    if not difficulty > 0:
        raise ValueError(f"difficulty must be positive, not {difficulty}")
    numerator, denominator = float(difficulty).as_integer_ratio()
    return min(MAX_TARGET, difficulty_1_target * denominator // numerator)


def difficulty_of(value: int, difficulty_1_target: int) -> float:
    """The difficulty of a target, or the one a hash (as a little-endian integer) achieves."""
    return difficulty_1_target / max(1, value)


def hashes_for(target: int) -> float:
    """Expected hashes behind one share at a target."""
    return float((1 << 256) / (target + 1))


def network_target(nbits: int) -> int:
    """The target that compact bits stand for: mantissa times 256 to the (exponent - 3)."""
    mantissa, exponent = nbits & 0xFFFFFF, nbits >> 24
    return mantissa << (8 * (exponent - 3)) if exponent >= 3 else mantissa >> (8 * (3 - exponent))


def hashrate(work: float, work_per_difficulty: float, seconds: float) -> float:
    """Hashrate, in the algorithm's unit, behind accepted shares.

    Args:
        work: summed *assigned* difficulty of the accepted shares.
        work_per_difficulty: the algorithm's constant.
        seconds: how long they took.

    Raises:
        ValueError: if seconds is not positive.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be positive, not {seconds}")
    return work * work_per_difficulty / seconds
