"""Proof of work of the Bitcoin family, byte by byte: coinbase, merkle root, header, hash.

Promises exactly what a pool checks for sha256, scrypt and sha512256d; knows nothing of sessions or of difficulty.
Source: docs/stratum.md, "What is checked"; held by known answers in fixtures/stratum/vectors.json.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final


def sha256d(data: bytes) -> bytes:
    """SHA-256 twice."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def scrypt_hash(header: bytes) -> bytes:
    """scrypt with N=1024, r=1, p=1, the header being password and salt."""
    return hashlib.scrypt(header, salt=header, n=1024, r=1, p=1, dklen=32)


def sha512_256d(data: bytes) -> bytes:
    """SHA-512/256 twice."""
    return hashlib.new("sha512_256", hashlib.new("sha512_256", data).digest()).digest()


HASHES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "sha256": sha256d,
    "scrypt": scrypt_hash,
    "sha512256d": sha512_256d,
}
"""What a header is hashed with, by algorithm id."""


def merkle_root(coinbase: bytes, branch: Iterable[bytes]) -> bytes:
    """The root over a coinbase and its branch, all in internal byte order; nothing is reversed."""
    root = sha256d(coinbase)
    for sibling in branch:
        root = sha256d(root + sibling)
    return root


def swap_words(data: bytes) -> bytes:
    """Each four-byte word reversed, as the previous hash travels in a job."""
    return b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))


def rolled(job_version: int, version_bits: int, mask: int) -> int:
    """A version with its masked bits replaced (BIP310). public-pool XORs them: the same while the job's are 0."""
    return (job_version & ~mask & 0xFFFFFFFF) | (version_bits & mask)


def header(version: int, prevhash: bytes, root: bytes, ntime: int, nbits: int, nonce: int) -> bytes:
    """The 80 bytes that are hashed.

    Args:
        version, ntime, nbits, nonce: as integers; on the wire they are big-endian hex.
        prevhash: as it travels in a job (each word reversed).
        root: merkle root, internal byte order.
    """
    return b"".join(
        (
            version.to_bytes(4, "little"),
            swap_words(prevhash),
            root,
            ntime.to_bytes(4, "little"),
            nbits.to_bytes(4, "little"),
            nonce.to_bytes(4, "little"),
        )
    )
