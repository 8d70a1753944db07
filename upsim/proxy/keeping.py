"""Places at pools kept for miners that were asked to connect again, until they have.

Who comes from an address for the first words is not known yet; but what is kept is a connection to a pool under the
pool's own name, which serves any miner from there that belongs on that pool. Who does not lets it go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from upsim.proxy.visit import Place

KEPT_S: Final = 30.0
"""How long a place is kept."""
MOST: Final = 2_000
"""Places kept for one address."""


class Keeping:
    """The places, by algorithm and address of the miner."""

    def __init__(self) -> None:
        """Begin with none."""
        self._places: dict[tuple[str, str], deque[Place]] = {}

    def put(self, algorithm: str, host: str, place: Place) -> None:
        """Keep a place for whoever comes from there next."""
        kept = self._places.setdefault((algorithm, host), deque())
        kept.append(place)
        place.line.heard, place.line.lost = _nobody, lambda line: self._drop(algorithm, host, place)
        if len(kept) > MOST:
            kept.popleft().line.close()
        asyncio.get_running_loop().call_later(KEPT_S, self._drop, algorithm, host, place)

    def take(self, algorithm: str, host: str) -> Place | None:
        """The place that was kept for longest; None where there is none."""
        kept = self._places.get((algorithm, host))
        place = kept.popleft() if kept else None
        if not kept:
            self._places.pop((algorithm, host), None)
        return place

    def clear(self) -> None:
        """Keep none any more."""
        for kept in list(self._places.values()):
            for place in list(kept):
                place.line.close()
        self._places.clear()

    def _drop(self, algorithm: str, host: str, place: Place) -> None:
        kept = self._places.get((algorithm, host))
        if kept and place in kept:
            kept.remove(place)
            place.line.close()
            if not kept:
                del self._places[algorithm, host]


def _nobody(line: object, event: object) -> None:
    """Nobody hears what a pool says to a place that is kept; its latest work is remembered."""
