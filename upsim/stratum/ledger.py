"""Accounts of shares: what a worker or a pool earned, and the hashrate that stands for. Bounded, whatever comes.

Accepted work counts by *assigned* difficulty: what a hash happens to achieve is luck, and only its best is kept.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from upsim.algorithms import Algorithm
from upsim.clock import SECOND, Instant
from upsim.stratum.events import Verdict
from upsim.stratum.targets import hashrate
from upsim.stratum.wire import RejectCode

BUCKET_S: Final = 10
"""Work is summed in buckets this long, so that memory does not grow with the number of shares."""
WINDOW_S: Final = 600
"""Hashrate is estimated over this much time, or since the first share."""


class Tally:
    """Shares of one worker, one session or one pool.

    Attributes:
        accepted: how many.
        work: their summed assigned difficulty.
        rejects: how many were refused, by code.
        best: highest difficulty a hash achieved.
        last_share: when the last one was accepted; None before the first.
        blocks: how many would have made a block.
    """

    def __init__(self, algorithm: Algorithm) -> None:
        self._algorithm = algorithm
        self.accepted = 0
        self.work = 0.0
        self.rejects: Counter[RejectCode] = Counter()
        self.best = 0.0
        self.blocks = 0
        self.first_share: Instant | None = None
        self.last_share: Instant | None = None
        self._buckets: deque[tuple[int, float]] = deque()

    def add(self, verdict: Verdict, now: Instant) -> None:
        """Count a share."""
        if verdict.code is not None:
            self.rejects[verdict.code] += 1
            return
        self.accepted += 1
        self.work += verdict.difficulty
        self.best = max(self.best, verdict.achieved or 0.0)
        self.blocks += verdict.is_block
        self.first_share = now if self.first_share is None else self.first_share
        self.last_share = now
        slot = now // (BUCKET_S * SECOND)
        if self._buckets and self._buckets[-1][0] == slot:
            self._buckets[-1] = slot, self._buckets[-1][1] + verdict.difficulty
        else:
            self._buckets.append((slot, verdict.difficulty))
        while len(self._buckets) > WINDOW_S // BUCKET_S + 1:
            self._buckets.popleft()

    @property
    def stale(self) -> int:
        """Shares for jobs that were no longer known."""
        return self.rejects[RejectCode.STALE]

    @property
    def rejected(self) -> int:
        """Shares refused for any reason, stale ones included."""
        return self.rejects.total()

    def hashrate(self, now: Instant) -> float:
        """Estimated from the work accepted in the window, in the algorithm's unit; 0 before any."""
        if self.first_share is None:
            return 0.0
        began = max(self.first_share, now - WINDOW_S * SECOND)
        oldest = began // (BUCKET_S * SECOND)
        work = sum(work for slot, work in self._buckets if slot >= oldest)
        seconds = max((now - began) / SECOND, 1.0)
        return hashrate(work, self._algorithm.work_per_difficulty, seconds)
