"""The pieces that a log of calls is made of: how they are written, and what they say of the counts."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from upsim.model import ObjectId, WorldId

Piece = tuple[Any, ...]
"""What one piece of a log says: one of these kinds, and what belongs to it."""

HIT: Final = "hit"
ENTRY: Final = "entry"
FORGET: Final = "forget"
LAST: Final = "last"


def written(piece: Piece, more: str) -> bytes:
    """A piece as it stands in a log: a line of its own, whatever a full disk left of the one before it."""
    return b"\n%b\t%b\n" % (_head(piece), more.encode())


@lru_cache(maxsize=1024)  # the same come again and again
def _head(piece: Piece) -> bytes:
    return json.dumps(piece).encode()


@lru_cache(maxsize=1024)
def read(head: bytes) -> Piece:
    """The piece whose head this is; nothing, of a kind that there is not, where it is the half of one."""
    try:
        return tuple(json.loads(head))
    except ValueError:
        return ("",)


def whole(content: bytes) -> bytes:
    """Its whole lines: the last one may still be on its way."""
    return content[: content.rfind(b"\n") + 1]


class Counts:
    """How many hits each account has, in the window that it called in last."""

    def __init__(self) -> None:
        """Begin with none."""
        self._worlds: dict[WorldId, dict[ObjectId, tuple[int, int]]] = {}

    def add(self, piece: Piece) -> None:
        """Note what a piece of the log says of them."""
        if piece[0] == HIT:
            _, world, account_id, window, more = piece
            accounts = self._worlds.setdefault(world, {})
            known, count = accounts.get(account_id, (window, 0))
            accounts[account_id] = window, more + (count if known == window else 0)
        elif piece[0] == FORGET:
            self._worlds.pop(piece[1], None)

    def of(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        """The hits of one account in a window."""
        known, count = self._worlds.get(world, {}).get(account_id, (window, 0))
        return count if known == window else 0
