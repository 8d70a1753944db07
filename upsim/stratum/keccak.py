"""Keccak-256 as Ethereum means it (padding 0x01: not hashlib's sha3_256), and the DAG seeds that follow from it.

Pure Python and slow, half a millisecond a block: meant for seeds, each computed once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_MASK: Final = (1 << 64) - 1
_RATE: Final = 136


def _round_constants() -> tuple[int, ...]:
    """The 24 constants, from the shift register the standard defines them by."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


_CONSTANTS: Final = _round_constants()


def _turn(lane: int, by: int) -> int:
    by %= 64
    return ((lane << by) | (lane >> (64 - by))) & _MASK if by else lane


def _permute(lanes: list[int]) -> list[int]:
    """Keccak-f[1600] over 25 lanes, lane (x, y) at x + 5y."""
    for constant in _CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        effect = [columns[x - 1] ^ _turn(columns[(x + 1) % 5], 1) for x in range(5)]
        lanes = [lane ^ effect[at % 5] for at, lane in enumerate(lanes)]
        x, y, carried = 1, 0, lanes[1]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            carried, lanes[x + 5 * y] = lanes[x + 5 * y], _turn(carried, (step + 1) * (step + 2) // 2)
        lanes = [
            lanes[at] ^ (~lanes[at - at % 5 + (at + 1) % 5] & lanes[at - at % 5 + (at + 2) % 5]) for at in range(25)
        ]
        lanes[0] ^= constant
    return lanes


def keccak_256(data: bytes) -> bytes:
    """The original Keccak with 256 bits of output."""
    padded = bytearray(data) + b"\x01"
    padded += bytes(-len(padded) % _RATE)
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE):
        for at in range(_RATE // 8):
            lanes[at] ^= int.from_bytes(padded[start + 8 * at : start + 8 * at + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


@lru_cache(maxsize=4096)
def seed_hash(epoch: int) -> bytes:
    """The DAG seed of an epoch: 32 zero bytes for epoch 0, then Keccak-256 of the one before."""
    # Walk up from the nearest hundred, so that no epoch needs a deep recursion.
    if epoch <= 0:
        return bytes(32)
    start = (epoch - 1) // 100 * 100
    seed = seed_hash(start)
    for _ in range(epoch - start):
        seed = keccak_256(seed)
    return seed
