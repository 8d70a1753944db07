"""What miners did since it was last written down: counted in memory as it happens, taken away to be written.

Work is counted in whole units of its algorithm (see fleet.measured), what is left over is carried on: so nothing is
rounded twice, and sums hold exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from upsim.algorithms import ALGORITHMS
from upsim.clock import MINUTE, Instant
from upsim.fleet.measured import blocks_of, units
from upsim.model import Mined, WorldId
from upsim.proxy.relay import Counted
from upsim.rules.miners import Guest
from upsim.stratum.wire import RejectCode


@dataclass(slots=True)
class _Page:
    """One worker's, since it was last taken."""

    guest: Guest
    algorithm: str
    accepted: int = 0
    stale: int = 0
    rejected: int = 0
    minutes: dict[int, int] = field(default_factory=dict)
    last_at: Instant | None = None


class Books:
    """All workers'."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._pages: dict[tuple[WorldId, str], _Page] = {}
        self._left_over: dict[tuple[WorldId, str], float] = {}

    def count(self, guest: Guest, algorithm: str, counted: Counted, now: Instant) -> None:
        """A share was answered, at an instant of its world."""
        key = guest.world_id, guest.worker_id
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = _Page(guest, algorithm)
        if counted.code is RejectCode.STALE:
            page.stale += 1
        elif counted.code is not None:
            page.rejected += 1
        else:
            page.accepted += 1
            page.last_at = now
            hashes = counted.difficulty * ALGORITHMS[algorithm].work_per_difficulty
            work = units(algorithm, hashes) + self._left_over.get(key, 0.0)
            whole = int(work)
            self._left_over[key] = work - whole
            minute = now // MINUTE
            page.minutes[minute] = page.minutes.get(minute, 0) + whole

    def forget(self, guest: Guest) -> None:
        """A worker's last miner left: nothing is carried on."""
        self._left_over.pop((guest.world_id, guest.worker_id), None)

    def take(self) -> dict[WorldId, list[Mined]]:
        """What there is, by world; the books are empty then."""
        taken: dict[WorldId, list[Mined]] = {}
        for (world_id, _), page in self._pages.items():
            guest = page.guest
            blocks = tuple((*key, work) for key, work in sorted(blocks_of(page.minutes).items()))
            taken.setdefault(world_id, []).append(
                Mined(
                    guest.worker_id, guest.account_id, page.algorithm, page.accepted, page.stale, page.rejected,
                    sum(page.minutes.values()), blocks, page.last_at,
                )
            )  # fmt: skip
        self._pages.clear()
        return taken

    def put_back(self, world_id: WorldId, mined: Iterable[Mined], guests: Iterable[Guest]) -> None:
        """What could not be written: it stays in the books."""
        known = {guest.worker_id: guest for guest in guests}
        for one in mined:
            guest = known.get(one.worker_id)
            if guest is None:
                guest = Guest(world_id, one.account_id, "", one.worker_id, "", one.worker_id)
            key = world_id, one.worker_id
            page = self._pages.setdefault(key, _Page(guest, one.algorithm))
            page.accepted += one.accepted
            page.stale += one.stale
            page.rejected += one.rejected
            page.last_at = page.last_at or one.last_at
            for level, block, work in one.blocks:
                if not level:  # minutes: the others follow from them
                    page.minutes[block] = page.minutes.get(block, 0) + work
