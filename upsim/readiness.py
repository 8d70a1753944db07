"""Whether this process can answer calls now: what a load balancer asks before it sends any.

Ready is who can reach all that a call needs, and is not about to stop. Who is not ready is not broken: nothing is
gained by starting it again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from upsim.errors import StoreUnavailable
from upsim.records import dataclass
from upsim.rules.worlds import DEFAULT
from upsim.store.base import Store

if TYPE_CHECKING:
    from upsim.api.counting import Outside


@dataclass(frozen=True, slots=True)
class Readiness:
    """What one process needs.

    Attributes:
        outside: where requests are counted, if not in the store.
        draining: set once it is about to stop.
    """

    store: Store
    outside: Outside | None
    draining: threading.Event = field(default_factory=threading.Event)

    def lacking(self) -> Mapping[str, str]:
        """What is amiss, by what it is amiss with; nothing where the process is ready."""
        if self.draining.is_set():
            return {"process": "it is about to stop"}
        amiss = {}
        try:
            self.store.get_world(DEFAULT)
        except StoreUnavailable:
            amiss["store"] = "it does not answer"
        if self.outside is not None:
            try:
                self.outside.get("upsim")
            except StoreUnavailable:
                amiss["limits"] = "their storage does not answer"
        return amiss
