"""Pools: tested before they are saved, tested again when the connection changes, kept while in use."""

from __future__ import annotations

from typing import Any

from ..exchange import Reply
from ..probe import Blocked, Probe
from ..registry import scenario

SETTINGS = ("name", "algorithm", "host", "port", "tls", "username")
BAD_SETTINGS: tuple[tuple[str, Any], ...] = (
    ("name", ""),
    ("name", "   "),
    ("name", "x" * 101),
    ("name", 5),
    ("algorithm", "RandomX"),
    ("algorithm", None),
    ("host", ""),
    ("host", "http://pool.example.com"),
    ("host", "pool.example.com:3333"),
    ("host", "two words"),
    ("port", 0),
    ("port", 65536),
    ("port", -1),
    ("port", 3333.5),
    ("username", ""),
    ("username", "x" * 256),
    ("password", "x" * 256),
)
COERCED: tuple[tuple[str, Any], ...] = (("port", "3333"), ("tls", 1), ("tls", "true"), ("port", True), ("password", 1))


def count(probe: Probe) -> int:
    """How many pools the user has."""
    reply = probe.call("list_pools", query={"limit": 1})
    return int(reply.body.get("pagination", {}).get("total", -1))


def read(probe: Probe, identity: str) -> dict[str, Any]:
    """A pool as it is."""
    return probe.call("get_pool", identity).body


@scenario(
    "pools.create",
    "pools.create.status",
    "pools.create.health",
    "pools.create.no-second-profile",
    "pools.create.defaults",
    "fields.names-not-unique",
    "pools.delete",
    "pools.delete.answer",
    needs=("good",),
    writes=True,
    cost=12,
)
def life_of_a_pool(probe: Probe) -> None:
    """Creates two pools of one name, reads and lists one, deletes it."""
    body = probe.pool_body(probe.home(), tls=False, password=probe.secret())
    reply = probe.try_pool(body)
    probe.status("pools.create.status", reply, 201)
    if reply.status == 400:
        raise Blocked("the description of a pool, whose form is assumed, is refused")
    probe.need("pools.create", reply.ok and "_id" in reply.body, "a pool", "", reply)
    made = reply.body
    health = made.get("health") or {}
    well = health.get("status") == "healthy" and None not in (health.get("last_checked_at"), health.get("latency_ms"))
    well = well and health.get("last_error") is None and health.get("consecutive_failures") == 0
    probe.expect("pools.create.health", well, "healthy, checked, with a latency", health, reply)
    none = "created_profile_id" in made and made["created_profile_id"] is None
    probe.expect("pools.create.no-second-profile", none, "created_profile_id null, as there is a profile", "", reply)
    if not none and made.get("created_profile_id"):
        probe.call("delete_profile", made["created_profile_id"])  # or the pool is in use
    found = read(probe, made["_id"])
    wanted = {name: body[name] for name in SETTINGS if name in found}
    right = found.get("_id") == made["_id"] and {name: found[name] for name in wanted} == wanted
    probe.expect("pools.create", right, f"the pool as given: {wanted}", found)
    listed = any(one["_id"] == made["_id"] for one in probe.pools())
    probe.expect("pools.create", listed, "the pool in the list", "it is not there")
    plain = {name: value for name, value in body.items() if name not in ("tls", "password")}
    twin = probe.try_pool(plain)
    probe.success("fields.names-not-unique", twin)
    probe.expect("pools.create.defaults", twin.body.get("tls") is False, "tls false where it is not given", "", twin)
    gone = probe.call("delete_pool", made["_id"])
    probe.success("pools.delete", gone)
    answer = gone.status == 200 and gone.body.get("deleted") is True and gone.body.get("_id") == made["_id"]
    probe.expect("pools.delete.answer", answer, "200 {deleted: true, _id}", "", gone)
    probe.status("pools.delete", probe.call("get_pool", made["_id"]), 404)
    probe.expect(
        "pools.delete", all(one["_id"] != made["_id"] for one in probe.pools()), "listed no more", "still there"
    )
    probe.status("pools.delete", probe.call("delete_pool", made["_id"]), 404)


@scenario(
    "pools.create.tests-before-saving",
    "pools.create.failed-test",
    needs=("bad",),
    writes=True,
    cost=6,
)
def bad_pools_are_not_saved(probe: Probe) -> None:
    """Tries to create pools that fail at each stage there is a pool for."""
    before = count(probe)
    for stage in probe.settings.bad:
        body = {"name": probe.name("bad"), **probe.bad_pool(stage, probe.home())}
        reply = probe.try_pool(body)
        probe.refusal("pools.create.tests-before-saving", reply)
        named = reply.status == 400 and stage in reply.error
        probe.expect("pools.create.failed-test", named, f"400 that names {stage}", "", reply)
    probe.expect("pools.create.tests-before-saving", count(probe) == before, f"{before} pools as before", count(probe))


@scenario(
    "pools.create.validation",
    "fields.no-coercion",
    "errors.helpful",
    needs=("good",),
    writes=True,
    cost=34,
)
def bad_settings_of_pools(probe: Probe) -> None:
    """Tries to create pools with one bad setting each, and with one missing."""
    before = count(probe)
    name = probe.home()
    for field, value in BAD_SETTINGS:
        reply = probe.try_pool(probe.pool_body(name, **{field: value}))
        probe.status("pools.create.validation", reply, 400)
        probe.expect("errors.helpful", field in reply.error, f"a message that names {field}", reply.error[:160], reply)
    for field in ("name", "algorithm", "host", "port", "username"):
        body = {key: value for key, value in probe.pool_body(name).items() if key != field}
        probe.status("pools.create.validation", probe.try_pool(body), 400)
    probe.expect("pools.create.validation", count(probe) == before, f"{before} pools as before", count(probe))
    for field, value in COERCED:
        probe.status("fields.no-coercion", probe.try_pool(probe.pool_body(name, **{field: value})), 400)


@scenario(
    "pools.update",
    "pools.update.partial",
    "pools.update.retests",
    "pools.update.retests-tls",
    "pools.update.no-needless-test",
    "pools.update.failed-test",
    "pools.update.validation",
    "fields.created-updated",
    "fields.unknown-ignored",
    needs=("good",),
    writes=True,
    cost=26,
)
def changing_a_pool(probe: Probe) -> None:
    """Changes a pool's settings one by one and watches when it is tested again."""
    body = probe.pool_body(probe.home(), tls=False, password=probe.secret())
    made = probe.try_pool(body).body
    if "_id" not in made:
        raise Blocked("no pool could be created")
    identity = made["_id"]
    checked = _checked(made)

    def put(*, whole: bool = False, **changes: Any) -> tuple[Reply, bool]:
        """Change the pool a little later, sending all settings or those alone; whether it was tested."""
        nonlocal checked
        probe.client.moment()
        reply = probe.call("update_pool", identity, body={**body, **changes} if whole else changes)
        if reply.ok:
            body.update({key: value for key, value in changes.items() if key in body})
        before, checked = checked, _checked(read(probe, identity))
        return reply, before != checked

    new_name = probe.name("renamed")
    reply, tested = put(whole=True, name=new_name)
    probe.success("pools.update", reply)
    found = read(probe, identity)
    right = found.get("name") == new_name == reply.body.get("name")
    probe.expect("pools.update", right, f"the name {new_name}", found.get("name"), reply)
    probe.expect("pools.update.no-needless-test", not tested, "no test for a new name", "it was tested", reply)
    same = all(found.get(field) == made.get(field) for field in SETTINGS if field != "name")
    probe.expect("pools.update.partial", same, "the other settings as they were", found, reply)
    times = (found.get("created_at"), found.get("updated_at", ""))
    right = times[0] == made["created_at"] and times[1] > made["updated_at"]
    probe.expect(
        "fields.created-updated", right, f"created_at as it was, updated_at later than {made['updated_at']}", times
    )
    before = read(probe, identity)
    reply, tested = put()
    probe.success("pools.update.partial", reply)
    if checked is None:
        raise Blocked("pools do not show when they were tested (health.last_checked_at is assumed)")
    right = {key: before.get(key) for key in SETTINGS} == {key: read(probe, identity).get(key) for key in SETTINGS}
    probe.expect("pools.update.partial", right and not tested, "nothing changed by {}", "something did", reply)
    put(whole=True)  # so that the next says nothing new, whatever {} did
    reply, tested = put(whole=True)
    probe.expect("pools.update.no-needless-test", reply.ok and not tested, "no test where nothing changes", "", reply)
    foreign: dict[str, Any] = {
        "_id": "0" * 24,
        "created_at": "2000-01-01T00:00:00Z",
        "health": {"status": "unhealthy"},
        "nonsense": 1,
    }
    reply, _ = put(**foreign)
    found = read(probe, identity)
    right = reply.ok and all(found.get(key) == before.get(key) for key in ("_id", "created_at", "health"))
    probe.expect("fields.unknown-ignored", right, "unknown and read-only fields ignored", "", reply)
    for field, value in (("port", 0), ("host", "two words"), ("name", ""), ("username", None)):
        spoilt: dict[str, Any] = {field: value, "password": probe.secret()}
        reply, _ = put(**spoilt)
        probe.status("pools.update.validation", reply, 400)
    kept = read(probe, identity)
    probe.expect("pools.update.validation", kept == found, "nothing saved", "something was")
    _retests(probe, identity, put)


def _retests(probe: Probe, identity: str, put: Any) -> None:
    found = read(probe, identity)
    for field, value in (("username", found["username"] + "2"), ("password", probe.secret())):
        reply, tested = put(whole=True, **{field: value})
        # A server may also refuse: it tested, and the pool did not like the new credentials.
        probe.expect("pools.update.retests", tested or reply.refused, f"a test, as {field} changed", "none", reply)
    if probe.settings.good and any(pool["algorithm"] == "*" for pool in probe.settings.good):
        for field, value in (("port", found["port"] + 1), ("host", "pool-2.example.com")):
            reply, tested = put(whole=True, **{field: value})
            probe.expect("pools.update.retests", tested, f"a test, as {field} changed", "none", reply)
    reply, tested = put(tls=not found["tls"])
    probe.expect("pools.update.retests-tls", tested or reply.refused, "a test, as tls changed", "none", reply)
    for stage, bad in probe.settings.bad.items():
        before = read(probe, identity)
        reply, _ = put(whole=True, host=bad["host"], port=bad["port"], name=probe.name("never"))
        after = read(probe, identity)
        unwell = reply.refused or after.get("health", {}).get("status") == "unhealthy"
        probe.expect("pools.update.retests", unwell, f"a test that fails at {stage}", "", reply)
        right = reply.status == 400 and stage in reply.error and after == before
        probe.expect("pools.update.failed-test", right, f"400 that names {stage}, nothing saved", "", reply)


def _checked(pool: dict[str, Any]) -> object:
    return (pool.get("health") or {}).get("last_checked_at")


@scenario(
    "pools.delete.in-use",
    "pools.delete.names-profiles",
    "pools.update.algorithm-in-use",
    "pools.update.algorithm",
    "pools.update.profiles-follow",
    needs=("good",),
    writes=True,
    cost=14,
)
def pools_in_use(probe: Probe) -> None:
    """Puts a pool into a profile, tries to delete it and to change its algorithm, renames it."""
    name = probe.home()
    pool = probe.make_pool(name)
    other = "scrypt" if name != "scrypt" else "sha256"
    if probe.settings.good_pool(other) is not None:
        reply = probe.call("update_pool", pool["_id"], body={"algorithm": other})
        right = reply.ok and read(probe, pool["_id"]).get("algorithm") == other
        probe.expect("pools.update.algorithm", right, f"the algorithm {other}", "", reply)
        probe.call("update_pool", pool["_id"], body={"algorithm": name})
    profile = probe.make_profile(name, [pool["_id"]])
    reply = probe.call("delete_pool", pool["_id"])
    probe.status("pools.delete.in-use", reply, 409)
    still = probe.call("get_pool", pool["_id"]).ok
    probe.expect("pools.delete.in-use", still, "the pool still there", "it is gone", reply)
    named = profile["name"] in reply.error
    probe.expect("pools.delete.names-profiles", named, f"a message that names {profile['name']}", reply.error, reply)
    reply = probe.call("update_pool", pool["_id"], body={"algorithm": other})
    right = reply.status == 409 and read(probe, pool["_id"]).get("algorithm") == name
    probe.expect("pools.update.algorithm-in-use", right, f"409, and still {name}", "", reply)
    new_name = probe.name("renamed")
    probe.call("update_pool", pool["_id"], body={"name": new_name})
    shown = [entry["name"] for one in probe.profiles() for entry in one["pools"] if entry["pool_id"] == pool["_id"]]
    probe.expect("pools.update.profiles-follow", shown == [new_name], f"the profile shows {new_name}", shown)


@scenario(
    "pools.create.default-profile",
    "profiles.create.first-is-default",
    needs=("good", "disposable"),
    writes=True,
    cost=8,
)
def first_pool_of_an_algorithm(probe: Probe) -> None:
    """Creates a pool, and if it brings none a profile, for an algorithm the user has nothing of."""
    name = probe.scratch()
    reply = probe.try_pool(probe.pool_body(name))
    if not reply.ok:
        raise Blocked(f"the pool was not created: {reply.status}")
    identity = reply.body.get("created_profile_id")
    mine = [one for one in probe.profiles() if one["algorithm"] == name]
    shown = [(one["_id"], one["is_default"], [entry["pool_id"] for entry in one["pools"]]) for one in mine]
    wanted = [(identity, True, [reply.body["_id"]])]
    right = shown == wanted
    probe.expect("pools.create.default-profile", right, "one default profile with this pool alone", shown, reply)
    first = mine[0] if mine else probe.make_profile(name, [reply.body["_id"]])
    default = probe.call("get_default_profile", query={"algorithm": name})
    right = default.ok and default.body.get("_id") == first["_id"]
    probe.expect("profiles.create.first-is-default", right, f"the default {first['_id']}", "", default)
