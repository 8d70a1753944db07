"""What each tier allows. Source: reference, "Rate Limits"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from upsim.clock import SECOND, Instant
from upsim.model import Account, Tier
from upsim.records import dataclass

WINDOW_S: Final = 60
"""Length of a rate-limit window, in seconds."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a tier allows; None where it sets no limit.

    Attributes:
        requests: per user and window, all keys together.
        pools, profiles: per algorithm.
    """

    requests: int
    keys: int
    pools: int | None
    profiles: int | None


ALLOWANCES: Final[Mapping[Tier, Allowance]] = {
    Tier.VIP: Allowance(requests=60, keys=5, pools=None, profiles=None),
    Tier.BASIC: Allowance(requests=10, keys=1, pools=5, profiles=5),
}


def window_at(now: Instant) -> int:
    """The number of the rate-limit window in which the instant lies."""
    return now // (WINDOW_S * SECOND)


def window_start(window: int) -> Instant:
    """When a window begins."""
    return Instant(window * WINDOW_S * SECOND)


def requests_allowed(account: Account, window: int) -> int:
    """How many requests the account may make in a window: as many as the tier in which the window began allows."""
    begun_before_change = account.tier_changed_at is not None and window_start(window) < account.tier_changed_at
    tier = account.previous_tier if begun_before_change and account.previous_tier else account.tier
    return ALLOWANCES[tier].requests


def allowance(account: Account) -> Allowance:
    """What the account's tier allows now."""
    return ALLOWANCES[account.tier]


def lesser(*limits: int | None) -> int | None:
    """The smallest of some limits, of which None is no limit at all."""
    return min((limit for limit in limits if limit is not None), default=None)
