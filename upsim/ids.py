"""Names for new things: ids that follow from a seed, and secrets that follow from nothing."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

from upsim.clock import Instant

KEY_PREFIX: Final = "up_k_"
"""How every API key begins. Source: reference, "Authentication"."""


def object_id(at: Instant, *entity: object) -> str:
    """24 hex characters in the shape of a MongoDB ObjectID: four bytes of time, eight that follow from the entity.

    The same instant and entity give the same id, in every process.
    """
    name = ":".join(map(str, entity)).encode()
    seconds = (at // 1000) & 0xFFFFFFFF
    return f"{seconds:08x}{hashlib.blake2b(name, digest_size=8).hexdigest()}"


def new_key() -> str:
    """A fresh API key, not to be guessed."""
    return KEY_PREFIX + secrets.token_hex(16)


def new_token() -> str:
    """A fresh secret for the control plane."""
    return secrets.token_hex(16)


def new_name() -> str:
    """A short fresh name for a world that was given none."""
    return "w-" + secrets.token_hex(5)


def digest_of(key: str) -> str:
    """What is kept of a key: SHA-256 in hex. Keys are random enough that a slow hash would protect nothing more."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def hint_of(key: str) -> str:
    """The first characters of a key, by which people tell their keys apart."""
    return key[: len(KEY_PREFIX) + 4] + "…"


NUMBER: Final = re.compile(r"\{n(?::0([1-9]))?\}")
"""Where in a row's name its number goes: {n}, or {n:03} with zeros before it."""


def numbered(pattern: str, number: int) -> str:
    """The name of one of a row: every NUMBER in the pattern becomes its number."""
    return NUMBER.sub(lambda found: f"{number:0{found[1] or 1}}", pattern)
