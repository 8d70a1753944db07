"""Workers of which readings were recorded: which they are, and their tracks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from typing import Final

from upsim.fleet.tracks import Track
from upsim.model import Account, Worker
from upsim.store.asking import Span, WorkerFilter
from upsim.world import World

_EVERYTHING: Final = Span(0, 1 << 60)

_TRACKS: Final[dict[str, Track]] = {}
"""Tracks that were read, by their digests: what has one digest is the same in every world."""
_TRACKS_KEPT: Final = 1024


def recorded_workers(world: World, account: Account, algorithm: str | None) -> Sequence[Worker]:
    """The account's workers of an algorithm, or of all, of which there are recorded readings."""
    which = WorkerFilter(algorithm=algorithm, recorded=True)
    return world.store.list_workers(world.id, account.id, which, _EVERYTHING).items


def tracks_of(world: World, digests: Set[str]) -> Mapping[str, Track]:
    """The tracks of these digests."""
    known = {digest: track for digest in digests if (track := _TRACKS.get(digest)) is not None}
    missing = digests - known.keys()
    if missing:
        texts = world.store.get_tracks(world.id, missing)
        found = {digest: Track.read(json.loads(text)) for digest, text in texts.items()}
        if len(_TRACKS) + len(found) > _TRACKS_KEPT:
            _TRACKS.clear()
        _TRACKS.update(found)
        known |= found
    return known
