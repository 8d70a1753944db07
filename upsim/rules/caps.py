"""How many of a thing an account may have: what its tier allows, or what its world was capped at, if that is less."""

from __future__ import annotations

from upsim.model import Account
from upsim.rules.tiers import allowance, lesser
from upsim.rules.worlds import cap_of
from upsim.world import World


def at_most_pools(world: World, account: Account) -> int | None:
    """Pools of one algorithm; None where there is no limit."""
    return lesser(allowance(account).pools, cap_of(world.record, "pools"))


def at_most_profiles(world: World, account: Account) -> int | None:
    """Profiles of one algorithm; None where there is no limit."""
    return lesser(allowance(account).profiles, cap_of(world.record, "profiles"))


def at_most_keys(world: World, account: Account) -> int | None:
    """Keys that are not revoked."""
    return lesser(allowance(account).keys, cap_of(world.record, "keys"))
