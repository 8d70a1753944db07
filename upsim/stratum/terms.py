"""How a pool treats one connection, as data. The default is a healthy pool's way; faults change a field or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from upsim.stratum.wire import RejectCode


@dataclass(frozen=True, slots=True)
class Terms:
    """A pool's ways with one connection.

    Attributes:
        refuse_subscription: what to answer a subscription with instead of taking it; empty takes it.
        refuse_login: what to answer a login with; empty lets everybody in.
        hang_up_on_refusal: close after a refused login or share.
        jobs: whether any job is ever sent.
        block_s: seconds between blocks, where not the coin's own.
        difficulty_factor: of the usual difficulty.
        answers_shares: whether submissions get a reply at all.
        reject_with: refuse shares with this code.
        reject_first: only so many of them; None refuses all.
        after_job: lines to send after the first job.
        retarget_by: factor by which difficulty changes after the first job.
        moves_extranonce: whether the extranonce changes after the first job.
    """

    refuse_subscription: str = ""
    refuse_login: str = ""
    hang_up_on_refusal: bool = False
    jobs: bool = True
    block_s: float | None = None
    difficulty_factor: float = 1.0
    answers_shares: bool = True
    reject_with: RejectCode | None = None
    reject_first: int | None = None
    after_job: tuple[bytes, ...] = ()
    retarget_by: float | None = None
    moves_extranonce: bool = False


HEALTHY: Final = Terms()
