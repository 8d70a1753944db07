"""How much a user may own: five of an algorithm, or any number for VIP."""

from __future__ import annotations

from ..exchange import Reply
from ..probe import Blocked, Probe
from ..registry import scenario

BASIC = 5


def role_of(probe: Probe, tier: str) -> str:
    """A user of this tier.

    Raises:
        Blocked: none is known.
    """
    for role in ("main", "other_user"):
        key = probe.settings.keys.get(role)
        if key is not None and tier == (key.tier or _seen(probe, key.user)):
            return role
    raise Blocked(f"no key of a {tier} user was given")


def _seen(probe: Probe, user: str) -> str:
    budget = probe.client.budget(user)
    return {60: "vip", 10: "basic"}.get(budget.limit, "") if budget else ""


def fill(probe: Probe, kind: str, role: str, most: int) -> tuple[int, Reply | None]:
    """Create pools or profiles of one algorithm until there are `most`, or one is refused; how many there are then."""
    name = probe.home(role)
    held = [one for one in (probe.pools(role) if kind == "pool" else probe.profiles(role)) if one["algorithm"] == name]
    pool = next((one["_id"] for one in probe.pools(role) if one["algorithm"] == name), None)
    have = len(held)
    while have < most:
        if kind == "pool":
            reply = probe.try_pool(probe.pool_body(name), role)
        else:
            body = {"name": probe.name("profile"), "algorithm": name, "pools": [{"pool_id": pool}]}
            reply = probe.try_profile(body, role)
        if not reply.ok:
            return have, reply
        have += 1
    return have, None


def _basic(probe: Probe, kind: str) -> None:
    role = role_of(probe, "basic")
    have, refused = fill(probe, kind, role, BASIC + 1)
    if refused is not None and refused.status == 400 and have < BASIC:
        raise Blocked(f"the description of a {kind}, whose form is assumed, is refused")
    right = have == BASIC and refused is not None
    clause = f"quota.{kind}s-basic"
    probe.expect(clause, right, f"{BASIC} {kind}s, and the sixth refused", f"{have}", refused)
    if refused is not None:
        probe.refusal(clause, refused)
        probe.status("quota.status", refused, 403)
        name = probe.home(role)
        now = [
            one for one in (probe.pools(role) if kind == "pool" else probe.profiles(role)) if one["algorithm"] == name
        ]
        probe.expect(clause, len(now) == have, f"{have} {kind}s in the list", len(now), refused)


@scenario("quota.pools-basic", "quota.status", needs=("good",), writes=True, cost=14)
def pools_of_a_basic_user(probe: Probe) -> None:
    """Creates pools as a user without VIP until one is refused."""
    _basic(probe, "pool")


@scenario("quota.profiles-basic", "quota.status", needs=("good",), writes=True, cost=14)
def profiles_of_a_basic_user(probe: Probe) -> None:
    """Creates profiles as a user without VIP until one is refused."""
    _basic(probe, "profile")


@scenario("quota.pools-vip", "quota.profiles-vip", needs=("good",), writes=True, cost=24)
def more_than_five_for_vip(probe: Probe) -> None:
    """Creates a sixth pool and a sixth profile of one algorithm as a VIP user."""
    role = role_of(probe, "vip")
    for kind in ("pool", "profile"):
        have, refused = fill(probe, kind, role, BASIC + 1)
        if refused is not None and refused.status == 400:
            raise Blocked(f"the description of a {kind}, whose form is assumed, is refused")
        probe.expect(f"quota.{kind}s-vip", have > BASIC, f"more than {BASIC} {kind}s", f"{have}", refused)
