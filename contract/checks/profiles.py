"""Profiles: the first is the default, there is always one, and workers never lose theirs."""

from __future__ import annotations

from typing import Any

from ..probe import Blocked, Probe
from ..registry import scenario


def find(probe: Probe, identity: str) -> dict[str, Any]:
    """A profile as the list shows it; empty where it does not."""
    return next((one for one in probe.profiles() if one["_id"] == identity), {})


def chosen(profile: dict[str, Any]) -> list[str]:
    """The ids of a profile's pools, in order."""
    return [entry["pool_id"] for entry in profile.get("pools", [])]


def default_of(probe: Probe, algorithm: str) -> str:
    """The id of an algorithm's default profile."""
    reply = probe.call("get_default_profile", query={"algorithm": algorithm})
    return str(reply.body.get("_id"))


@scenario(
    "profiles.create",
    "profiles.create.status",
    "profiles.create.later-is-not",
    "profiles.create.order",
    "profiles.update",
    "profiles.update.partial",
    "profiles.update.replaces-pools",
    "profiles.update.round-trip",
    "profiles.delete",
    "profiles.delete.answer",
    "profiles.delete.pools-stay",
    "fields.names-not-unique",
    needs=("good",),
    writes=True,
    cost=22,
)
def life_of_a_profile(probe: Probe) -> None:
    """Creates a profile with three pools, changes it, deletes it."""
    name = probe.home()
    pools = [probe.make_pool(name)["_id"] for _ in range(3)]
    order = [pools[2], pools[0], pools[1]]
    body = {"name": probe.name("profile"), "algorithm": name, "pools": [{"pool_id": one} for one in order]}
    reply = probe.try_profile(body)
    probe.status("profiles.create.status", reply, 201)
    if reply.status == 400:
        raise Blocked("the description of a profile, whose form is assumed, is refused")
    probe.need("profiles.create", reply.ok and "_id" in reply.body, "a profile", "", reply)
    identity = reply.body["_id"]
    found = find(probe, identity)
    right = (found.get("name"), found.get("algorithm")) == (body["name"], name) and sorted(chosen(found)) == sorted(
        order
    )
    probe.expect("profiles.create", right, "the profile as given, in the list", found, reply)
    probe.expect("profiles.create.later-is-not", default_of(probe, name) != identity, "another default", "it is", reply)
    probe.expect(
        "profiles.create.order", chosen(found) == order, f"the pools in the order {order}", chosen(found), reply
    )
    twin = probe.try_profile({**body, "pools": [{"pool_id": order[0]}]})
    probe.success("fields.names-not-unique", twin)
    new_name = probe.name("renamed")
    reply = probe.call("update_profile", identity, body={**body, "name": new_name})
    after = find(probe, identity)
    right = reply.ok and after.get("name") == new_name == reply.body.get("name")
    probe.expect("profiles.update", right, f"the name {new_name}", after.get("name"), reply)
    kept = chosen(after) == order and after.get("algorithm") == name
    probe.expect("profiles.update.partial", kept, "the pools as they were", chosen(after), reply)
    two = [{"pool_id": pools[1]}, {"pool_id": pools[2]}]
    reply = probe.call("update_profile", identity, body={**body, "name": new_name, "pools": two})
    after = find(probe, identity)
    right = reply.ok and chosen(after) == [pools[1], pools[2]]
    probe.expect("profiles.update.replaces-pools", right, f"the pools {[pools[1], pools[2]]}", chosen(after), reply)
    reply = probe.call("update_profile", identity, body={"pools": two})
    kept = reply.ok and find(probe, identity).get("name") == new_name
    probe.expect("profiles.update.partial", kept, f"the name {new_name}", "", reply)
    for clause, sent in (("profiles.update.round-trip", after), ("profiles.update.partial", {})):
        reply = probe.call("update_profile", identity, body=sent)
        now = find(probe, identity)
        same = reply.ok and all(
            now.get(key) == after.get(key) for key in ("_id", "name", "algorithm", "is_default", "pools")
        )
        probe.expect(clause, same, "nothing changed", now, reply)
    reply = probe.call("delete_profile", identity)
    probe.success("profiles.delete", reply)
    answer = {"deleted": True, "_id": identity, "migrated_workers": 0, "migrated_to": default_of(probe, name)}
    right = reply.status == 200 and {key: reply.body.get(key) for key in answer} == answer
    probe.expect("profiles.delete.answer", right, f"200 {answer}", "", reply)
    probe.expect("profiles.delete", not find(probe, identity), "listed no more", "still there", reply)
    probe.status("profiles.delete", probe.call("delete_profile", identity), 404)
    stay = set(pools) <= {one["_id"] for one in probe.pools()}
    probe.expect("profiles.delete.pools-stay", stay, "its pools still there", "some are gone", reply)


@scenario(
    "profiles.create.unknown-pool",
    "profiles.create.other-algorithm",
    "profiles.create.duplicate-pool",
    "profiles.create.validation",
    "profiles.update.pools-valid",
    "profiles.update.validation",
    "errors.helpful",
    needs=("good",),
    writes=True,
    cost=30,
)
def bad_profiles(probe: Probe) -> None:
    """Tries to create and to change profiles with bad names, bad pools and bad types."""
    name = probe.home()
    pool = probe.make_pool(name)["_id"]
    profile = probe.make_profile(name, [pool])
    foreign = next((one["_id"] for one in probe.pools() if one["algorithm"] != name), None)
    before = len(probe.profiles())

    taken: list[str] = []

    def both(clause: str, changing: str, status: int, **changes: Any) -> None:
        body = {"name": probe.name("bad"), "algorithm": name, "pools": [{"pool_id": pool}]}
        reply = probe.try_profile({**body, **changes})
        probe.status(clause, reply, status)
        taken.extend(["created"] * (reply.ok and clause != valid))
        field = next(iter(changes))
        if status == 400:
            probe.expect("errors.helpful", field in reply.error, f"a message that names {field}", reply.error, reply)
        reply = probe.call("update_profile", profile["_id"], body={"name": "never", **changes})
        probe.status(changing, reply, status)
        taken.extend(["changed"] * (reply.ok and changing != changed))

    valid, changed = "profiles.create.validation", "profiles.update.validation"
    both(valid, changed, 400, name="")
    both(valid, changed, 400, name=7)
    both(valid, changed, 400, name="x" * 101)
    both(valid, changed, 400, algorithm="nosuch")
    both(valid, changed, 400, pools="all")
    both(valid, changed, 400, pools=[pool])
    both(valid, changed, 400, pools=[{"pool_id": "12"}])
    both(valid, "profiles.update.pools-valid", 400, pools=[])
    choice = [{"pool_id": pool}]
    both("profiles.create.duplicate-pool", "profiles.update.pools-valid", 400, pools=choice * 2)
    unknown = [*choice, {"pool_id": probe.unused_id()}]
    both("profiles.create.unknown-pool", "profiles.update.pools-valid", 404, pools=unknown)
    if foreign is not None:
        mixed = [*choice, {"pool_id": foreign}]
        both("profiles.create.other-algorithm", "profiles.update.pools-valid", 400, pools=mixed)
    for field in ("name", "algorithm", "pools"):
        body = {"name": probe.name("bad"), "algorithm": name, "pools": choice}
        probe.status(valid, probe.try_profile({key: value for key, value in body.items() if key != field}), 400)
    before += taken.count("created")
    probe.expect(valid, len(probe.profiles()) == before, f"{before} profiles as before", len(probe.profiles()))
    now = find(probe, profile["_id"])
    same = all(now.get(key) == profile.get(key) for key in ("name", "algorithm", "pools"))
    probe.expect(changed, same or "changed" in taken, "the profile as it was", now)


@scenario(
    "profiles.set-default",
    "profiles.set-default.no-body",
    "profiles.set-default.any-body",
    "profiles.set-default.one-only",
    "profiles.set-default.others-untouched",
    "profiles.set-default.repeatable",
    "profiles.set-default.answer",
    "profiles.get-default",
    "profiles.delete.default",
    "profiles.one-default",
    needs=("good",),
    writes=True,
    cost=24,
)
def changing_the_default(probe: Probe) -> None:
    """Makes another profile the default, with no body as the vendor's client does, and tries to delete it."""
    name = probe.home()
    pool = probe.make_pool(name)["_id"]
    profile = probe.make_profile(name, [pool])["_id"]
    before = {one["algorithm"]: one["_id"] for one in probe.profiles() if one["is_default"]}
    probe.undo_default(name)
    reply = probe.call("set_default_profile", profile)
    probe.success("profiles.set-default.no-body", reply)
    right = reply.status == 200 and (reply.body.get("_id"), reply.body.get("is_default")) == (profile, True)
    probe.expect("profiles.set-default.answer", right, "200 with the profile, is_default true", "", reply)
    probe.expect("profiles.set-default", default_of(probe, name) == profile, f"the default {profile}", "another", reply)
    shown = [one["_id"] for one in probe.profiles() if one["is_default"] and one["algorithm"] == name]
    probe.expect("profiles.set-default.one-only", before[name] not in shown, "the old default is none", shown, reply)
    probe.expect("profiles.one-default", len(shown) == 1, "one default", shown, reply)
    others = {
        one["algorithm"]: one["_id"] for one in probe.profiles() if one["is_default"] and one["algorithm"] != name
    }
    same = others == {key: value for key, value in before.items() if key != name}
    probe.expect("profiles.set-default.others-untouched", same, "the other defaults as before", others, reply)
    got = probe.call("get_default_profile", query={"algorithm": name})
    right = got.ok and got.body.get("_id") == profile
    probe.expect("profiles.get-default", right, f"the profile {profile}", "", got)
    for raw, headers in ((b"{", {"Content-Type": "application/json"}), (b"hello", {"Content-Type": "text/plain"})):
        reply = probe.call("set_default_profile", profile, raw=raw, headers=headers)
        probe.success("profiles.set-default.any-body", reply)
    again = probe.call("set_default_profile", profile)
    right = again.ok and default_of(probe, name) == profile
    probe.expect("profiles.set-default.repeatable", right, "any 2xx, and the same default", "", again)
    gone = probe.call("delete_profile", profile)
    probe.status("profiles.delete.default", gone, 409)
    probe.expect("profiles.delete.default", bool(find(probe, profile)), "the profile still there", "it is gone", gone)


@scenario("profiles.get-default", "profiles.get-default.algorithm-required", "profiles.get-default.none", cost=5)
def reading_the_default(probe: Probe) -> None:
    """Asks for the default of an algorithm that has one, of one that has none, and of none."""
    profiles = probe.profiles()
    for one in [one for one in profiles if one["is_default"]][:2]:
        reply = probe.call("get_default_profile", query={"algorithm": one["algorithm"]})
        probe.expect("profiles.get-default", reply.ok and reply.body == one, "the one the list shows", "", reply)
    probe.status("profiles.get-default.algorithm-required", probe.call("get_default_profile"), 400)
    held = {one["algorithm"] for one in profiles}
    free = next((one for one in ("octopus", "nexapow", "firopow", "autolykos", "equihash192") if one not in held), None)
    if free is None:
        raise Blocked("every algorithm tried has a profile")
    probe.status("profiles.get-default.none", probe.call("get_default_profile", query={"algorithm": free}), 404)


@scenario("profiles.update.algorithm", "profiles.update.algorithm-of-default", needs=("good",), writes=True, cost=14)
def changing_the_algorithm(probe: Probe) -> None:
    """Moves a free profile to another algorithm that has profiles, and tries it with a default one."""
    name = probe.home()
    others = sorted({one["algorithm"] for one in probe.profiles() if one["is_default"]} - {name})
    default = next(one for one in probe.profiles() if one["is_default"] and one["algorithm"] == name)
    target = others[0] if others else "scrypt"
    reply = probe.call("update_profile", default["_id"], body={"algorithm": target})
    probe.status("profiles.update.algorithm-of-default", reply, 409)
    pool = next((one["_id"] for one in probe.pools() if one["algorithm"] == target), None)
    if pool is None or not others:
        raise Blocked("there is no second algorithm with a profile and a pool")
    body = {"algorithm": target, "pools": [{"pool_id": pool}]}
    reply = probe.call("update_profile", default["_id"], body=body)
    probe.status("profiles.update.algorithm-of-default", reply, 409)
    profile = probe.make_profile(name, [probe.make_pool(name)["_id"]])
    reply = probe.call("update_profile", profile["_id"], body={"name": profile["name"], **body})
    now = find(probe, profile["_id"])
    right = reply.ok and (now.get("algorithm"), chosen(now)) == (target, [pool])
    probe.expect("profiles.update.algorithm", right, f"the profile with {target}", now, reply)


@scenario("profiles.update.algorithm-becomes-default", needs=("good", "disposable"), writes=True, cost=10)
def first_by_changing_the_algorithm(probe: Probe) -> None:
    """Moves a free profile to an algorithm that has pools but no profile: only a change of pool leaves one so."""
    name, free = probe.home(), probe.scratch()
    pool = probe.make_pool(name)
    profile = probe.make_profile(name, [pool["_id"]])
    spare = probe.make_pool(name)
    reply = probe.call("update_pool", spare["_id"], body={"algorithm": free})
    if not reply.ok:
        raise Blocked(f"a free pool could not change its algorithm: {reply.status}")
    body = {"algorithm": free, "pools": [{"pool_id": spare["_id"]}]}
    reply = probe.call("update_profile", profile["_id"], body=body)
    right = reply.ok and reply.body.get("is_default") is True and default_of(probe, free) == profile["_id"]
    probe.expect("profiles.update.algorithm-becomes-default", right, f"the default of {free}", "", reply)
