"""How often one may call: spends whole windows, so it comes last."""

from __future__ import annotations

from ..client import WINDOW_S
from ..exchange import Reply
from ..probe import Blocked, Probe
from ..registry import scenario
from .quotas import role_of

HEADERS = (
    "rate.limit-header",
    "rate.remaining-counts",
    "rate.reset-time",
    "rate.fixed-window",
    "rate.exceeded",
    "rate.retry-after",
    "rate.retry-after-seconds",
    "rate.new-window",
)


def spend(probe: Probe, role: str, limit: int, clause: str) -> Reply:
    """Call until the window is spent, and once more; hold every header against the count. Gives the refusal.

    Raises:
        Blocked: a window ended while it was being spent.
    """
    probe.client.open_window(_to_next_window(probe, role))
    others = ["same_user"] if role == "main" and "same_user" in probe.settings.keys else []
    first: int | None = None
    reply = probe.call("list_pools", role=role, query={"limit": 1}, mind_limit=False)
    for used in range(1, limit + 1):
        if used > 1:
            turn = others[0] if others and used % 2 == 0 else role
            reply = probe.call("list_pools", role=turn, query={"limit": 1}, mind_limit=False)
        reset = reply.number("x-ratelimit-reset")
        first = reset if first is None else first
        if reset is not None and first is not None and reset >= first + WINDOW_S // 2:
            raise Blocked("the window ended while it was being spent; the target is too slow for this")
        probe.expect(clause, reply.status != 429, f"call {used} of {limit} answered", "", reply)
        shown = reply.number("x-ratelimit-limit")
        probe.expect("rate.limit-header", shown == limit, f"X-RateLimit-Limit: {limit}", shown, reply)
        left = reply.number("x-ratelimit-remaining")
        clauses = ["rate.remaining-counts"]
        clauses += ["rate.per-user"] if others else []
        for name in clauses:
            probe.expect(name, left == limit - used, f"X-RateLimit-Remaining: {limit - used}", left, reply)
        probe.expect("rate.fixed-window", reset == first, f"X-RateLimit-Reset: {first}", reset, reply)
        ahead = (reset or 0) - probe.client.now()
        # Clocks differ, and a server may round up.
        near = -5 <= ahead <= WINDOW_S + 10
        probe.expect("rate.reset-time", near, "at most 60 s ahead", f"{ahead:.0f} s", reply)
    probe.request("GET", "/v1/overview", role=None)
    over = _refused_write(probe, others[0] if others else role)
    probe.status("rate.exceeded", over, 429)
    if others:
        probe.status("rate.per-user", over, 429)
    probe.expect(clause, over.status == 429, f"call {limit + 1} refused", "", over)
    return over


def _to_next_window(probe: Probe, role: str) -> float:
    """How long to wait so that a window has just begun."""
    reply = probe.call("list_pools", role=role, query={"limit": 1})
    reset = reply.number("x-ratelimit-reset")
    if reset is None:
        raise Blocked("no X-RateLimit-Reset tells when a window begins")
    return min(max(reset - probe.client.now() + 0.2, 0.2), WINDOW_S + 1.0)


def _refused_write(probe: Probe, role: str) -> Reply:
    """A call that would create a profile, were it not one too many."""
    body = {"name": probe.name("never"), "algorithm": "sha256", "pools": [{"pool_id": "0" * 24}]}
    known = probe.client.send("POST", "/v1/profiles", key=probe.key(role), body=body, mind_limit=False)
    probe.audit(known, probe.key(role))
    return known


def after(probe: Probe, role: str, limit: int, over: Reply) -> None:
    """What the refusal says, and what comes after it."""
    wait = over.number("retry-after")
    probe.expect("rate.retry-after", over.header("retry-after") is not None, "Retry-After", "none", over)
    reset = over.number("x-ratelimit-reset")
    left = (reset or 0) - probe.client.now()
    whole = wait is not None and 1 <= wait <= WINDOW_S
    agrees = whole and abs((wait or 0) - left) <= 2.5
    probe.expect("rate.retry-after-seconds", agrees, f"whole seconds, about {left:.0f}", wait, over)
    zero = over.number("x-ratelimit-remaining") == 0
    probe.expect(
        "rate.remaining-counts", zero, "X-RateLimit-Remaining: 0 on 429", over.header("x-ratelimit-remaining"), over
    )
    probe.client.open_window(wait or WINDOW_S)
    reply = probe.call("list_pools", role=role, query={"limit": 1}, mind_limit=False)
    fresh = reply.ok and reply.number("x-ratelimit-remaining") == limit - 1
    probe.expect(
        "rate.new-window", fresh, f"an answer, with {limit - 1} remaining", reply.header("x-ratelimit-remaining"), reply
    )


@scenario("rate.errors-count", cost=5)
def errors_cost_requests(probe: Probe) -> None:
    """Makes calls that are refused, and one that is not, and watches what remains."""
    for _ in range(3):
        probe.client.open_window(_to_next_window(probe, "main"))
        replies = [
            probe.call("list_pools", query={"limit": 1}),
            probe.call("get_pool", probe.unused_id()),
            probe.call("get_pool", "not-an-id"),
            probe.request("DELETE", "/v1/overview"),
            probe.call("list_pools", query={"limit": 1}),
        ]
        if len({reply.number("x-ratelimit-reset") for reply in replies}) == 1:
            break
    left = [reply.number("x-ratelimit-remaining") for reply in replies]
    wanted = None if left[0] is None else [left[0] - used for used in range(len(replies))]
    probe.expect("rate.errors-count", left == wanted, f"{wanted} remaining", left, replies[1])


@scenario(*HEADERS, "rate.basic-10", writes=True, cost=14)
def window_of_a_basic_user(probe: Probe) -> None:
    """Spends the ten requests of a user without VIP, and one more."""
    role = role_of(probe, "basic")
    after(probe, role, 10, spend(probe, role, 10, "rate.basic-10"))


@scenario(
    *HEADERS,
    "rate.vip-60",
    "rate.per-user",
    "order.rate-before-scope",
    "order.address-before-rate",
    writes=True,
    cost=66,
)
def window_of_a_vip_user(probe: Probe) -> None:
    """Spends the sixty requests of a VIP user over two keys, and one more; then tries keys that lack scopes."""
    role = role_of(probe, "vip")
    over = spend(probe, role, 60, "rate.vip-60")
    if role == "main":
        for key in [key for key in probe.settings.limited if "dashboard:read" not in key.scopes][:1]:
            reply = probe.call("get_overview", role=key, mind_limit=False)
            probe.status("order.rate-before-scope", reply, 429)
        if "wrong_address" in probe.settings.keys:
            reply = probe.call("list_pools", role="wrong_address", mind_limit=False)
            probe.status("order.address-before-rate", reply, 403)
    after(probe, role, 60, over)
