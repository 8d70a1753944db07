"""How refusals look: paths, methods, bodies, media types, and messages that help."""

from __future__ import annotations

from typing import Any

from ..clauses import algorithms, operations
from ..probe import Blocked, Probe
from ..registry import scenario

JSON = {"Content-Type": "application/json"}


def body_operations(probe: Probe) -> list[tuple[str, str | None]]:
    """Each operation that needs a body, with an id of a resource that exists where it takes one.

    Raises:
        Blocked: there is no pool or no profile to name.
    """
    pools, profiles = probe.pools(), probe.profiles()
    if not pools or not profiles:
        raise Blocked("there is no pool, or no profile")
    identity = {"update_pool": pools[0]["_id"], "update_profile": profiles[0]["_id"]}
    return [(one.id, identity.get(one.id)) for one in operations().values() if one.has_body]


@scenario("errors.unknown-path", cost=4)
def unknown_paths(probe: Probe) -> None:
    """Calls paths that are none."""
    for path in ("/v1/no-such-thing", "/v1/workers/", "/v1/pools/0/1/2", "/v1/profiles/default/"):
        probe.status("errors.unknown-path", probe.request("GET", path), 404)


@scenario("errors.method", "profiles.no-single-get", cost=6)
def wrong_methods(probe: Probe) -> None:
    """Calls paths with methods they do not have."""
    for method, path, wanted in (
        ("DELETE", "/v1/overview", {"GET"}),
        ("PATCH", "/v1/pools", {"GET", "POST"}),
        ("DELETE", "/v1/workers/hashrate", {"GET"}),
        ("PUT", "/v1/workers/" + "0" * 24, {"GET"}),
        ("PATCH", "/v1/pools/" + "0" * 24, {"GET", "PUT", "DELETE"}),
    ):
        reply = probe.request(method, path)
        allow = {one.strip().upper() for one in (reply.header("allow") or "").split(",")}
        right = reply.status == 405 and wanted <= allow and method not in allow
        probe.expect(
            "errors.method", right, f"405 with Allow: {', '.join(sorted(wanted))}", f"{reply.status}, {allow}", reply
        )
    profile = next((one["_id"] for one in probe.profiles()), "0" * 24)
    reply = probe.request("GET", f"/v1/profiles/{profile}")
    probe.status("profiles.no-single-get", reply, 405)


@scenario("errors.bad-json", "errors.missing-body", "errors.media-type", writes=True, cost=26)
def bad_bodies(probe: Probe) -> None:
    """Sends no body, broken JSON, JSON that is no object, and JSON declared as something else."""
    for operation, identity in body_operations(probe):
        for raw in (b"{", b"[1]", b"nul"):
            probe.status("errors.bad-json", probe.call(operation, identity, raw=raw, headers=JSON), 400)
        probe.status("errors.missing-body", probe.call(operation, identity, raw=b"", headers=JSON), 400)
        text = {"Content-Type": "text/plain"}
        probe.status("errors.media-type", probe.call(operation, identity, raw=b"{}", headers=text), 415)


@scenario("errors.too-large", writes=True, cost=2)
def too_large(probe: Probe) -> None:
    """Sends a body of one byte more than 1 MiB, and one of exactly 1 MiB."""
    filler = b'{"padding": "' + b"x" * ((1 << 20) - 15) + b'"}'
    large = probe.call("test_pool", raw=filler + b" ", headers=JSON)
    probe.status("errors.too-large", large, 413)
    fits = probe.call("test_pool", raw=filler, headers=JSON)
    probe.expect("errors.too-large", fits.status == 400, "400 for what fits but says nothing", "", fits)


@scenario("errors.lists-algorithms", "errors.helpful", "lists.bad-filter", cost=9)
def bad_parameters(probe: Probe) -> None:
    """Sends filters and numbers that are not allowed and reads the messages."""
    for operation in ("list_workers", "list_pools", "list_profiles", "get_default_profile", "get_workers_hashrate"):
        reply = probe.call(operation, query={"algorithm": "nosuch"})
        probe.status("lists.bad-filter", reply, 400)
        listed = [name for name in algorithms() if name in reply.error]
        right = reply.status == 400 and len(listed) == len(algorithms())
        probe.expect("errors.lists-algorithms", right, "400 that lists every algorithm", reply.error[:160], reply)
        probe.expect(
            "errors.helpful", "algorithm" in reply.error, "a message that names algorithm", reply.error[:160], reply
        )
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("list_workers", {"status": "asleep"}),
        ("list_workers", {"profile_id": "12"}),
        ("list_workers", {"search": "x" * 101}),
        ("list_pools", {"status": "online"}),
    )
    for operation, query in cases:
        reply = probe.call(operation, query=query)
        probe.status("lists.bad-filter", reply, 400)
        name = next(iter(query))
        probe.expect("errors.helpful", name in reply.error, f"a message that names {name}", reply.error[:160], reply)


@scenario("fields.unknown-ignored", cost=2)
def unknown_parameters(probe: Probe) -> None:
    """Adds a query parameter that does not exist."""
    reply = probe.call("list_pools", query={"nonsense": "1", "limit": 1})
    probe.success("fields.unknown-ignored", reply)
    probe.success("fields.unknown-ignored", probe.call("get_overview", query={"page": "x"}))
