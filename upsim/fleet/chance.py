"""Where chance comes from: a hash of who asks and about what, never a generator with a state.

The same question has the same answer in every process, on every machine and Python, whatever was asked before.
"""

from __future__ import annotations

from hashlib import blake2b


def digest(*about: int | str) -> bytes:
    """64 bytes of chance that belong to this question alone.

    Args:
        about: what is asked, the most general part first: the world's seed, the entity, the stretch of time.
    """
    return blake2b(":".join(map(str, about)).encode(), digest_size=64).digest()


def below(limit: int, chance: bytes) -> int:
    """A number of 0..limit-1, all as likely as each other, from the bytes given (four are plenty)."""
    return int.from_bytes(chance, "big") * limit >> 8 * len(chance)


def bell(chance: bytes) -> int:
    """A number of -1000..1000, those near 0 likelier: the mean of the bytes given, as a share of the largest."""
    return (2 * sum(chance) - 255 * len(chance)) * 1000 // (255 * len(chance))
