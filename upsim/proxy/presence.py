"""Which workers have a miner at the door, and which have none any more since that was last written down."""

from __future__ import annotations

from collections import Counter, defaultdict

from upsim.model import WorldId
from upsim.rules.miners import Guest


class Presence:
    """All workers': one may have several miners."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._miners: Counter[tuple[WorldId, str]] = Counter()
        self._gone: defaultdict[WorldId, dict[str, Guest]] = defaultdict(dict)

    def came(self, guest: Guest) -> None:
        """A miner of this worker is here."""
        self._miners[guest.world_id, guest.worker_id] += 1
        self._gone[guest.world_id].pop(guest.worker_id, None)

    def left(self, guest: Guest) -> bool:
        """A miner of this worker left; says whether it was the last."""
        last = self.changed(guest)
        if last:
            self._gone[guest.world_id][guest.worker_id] = guest
        return last

    def changed(self, guest: Guest) -> bool:
        """A miner of this worker is here as another one now; says whether it was the last."""
        key = guest.world_id, guest.worker_id
        self._miners[key] -= 1
        if self._miners[key] > 0:
            return False
        del self._miners[key]
        return True

    def never_came(self, guest: Guest) -> None:
        """A miner left while it was let in: its worker was put online, and has to be put offline again."""
        if not self._miners[guest.world_id, guest.worker_id]:
            self._gone[guest.world_id][guest.worker_id] = guest

    def take_gone(self) -> dict[WorldId, dict[str, Guest]]:
        """Whose last miner left, by world and worker; they are forgotten then."""
        gone, self._gone = self._gone, defaultdict(dict)
        return {world_id: guests for world_id, guests in gone.items() if guests}
