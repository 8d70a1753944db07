"""Workers and their profiles: assigned all or none, migrated when a profile goes. Every worker is given back."""

from __future__ import annotations

from typing import Any

from ..exchange import Reply
from ..probe import Blocked, Probe
from ..registry import scenario

FEW = 4
NEEDS = ("good", "move_workers")


def setting(probe: Probe) -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
    """An algorithm, some workers of it that will be given back, and a new profile."""
    name = probe.home(with_workers=2)
    workers = [one for one in probe.workers() if one["algorithm"] == name]
    probe.undo_assign(workers[:FEW])
    profile = probe.make_profile(name, [probe.make_pool(name)["_id"]])
    return name, workers, profile


def assign(probe: Probe, workers: list[str], profile: str) -> Reply:
    """Assign by ids."""
    return probe.call("bulk_assign_workers", body={"worker_ids": workers, "profile_id": profile})


def homes(probe: Probe) -> dict[str, str]:
    """Which profile each worker has."""
    return {one["_id"]: one["profile_id"] for one in probe.workers()}


@scenario(
    "bulk-assign.assigns",
    "bulk-assign.others-untouched",
    "bulk-assign.profile-name-follows",
    "bulk-assign.counts",
    "bulk-assign.duplicates",
    "bulk-assign.repeatable",
    "profiles.update.workers-follow",
    "profiles.update.algorithm-with-workers",
    "profiles.delete.migrates-workers",
    "profiles.delete.answer",
    needs=NEEDS,
    writes=True,
    cost=24,
)
def workers_to_a_profile_and_back(probe: Probe) -> None:
    """Assigns a few workers to a new profile, renames it, deletes it and looks where they went."""
    name, workers, profile = setting(probe)
    few = [one["_id"] for one in workers[:FEW]]
    before = homes(probe)
    reply = assign(probe, few, profile["_id"])
    probe.need("bulk-assign.assigns", reply.ok, "any 2xx", "", reply)
    answer = {"assigned": len(few), "profile_id": profile["_id"]}
    right = {key: reply.body.get(key) for key in answer} == answer
    probe.expect("bulk-assign.counts", right, f"{answer}", "", reply)
    after = homes(probe)
    moved = all(after[one] == profile["_id"] for one in few)
    probe.expect("bulk-assign.assigns", moved, "the workers in the profile", after, reply)
    rest = {key: value for key, value in after.items() if key not in few}
    same = rest == {key: value for key, value in before.items() if key not in few}
    probe.expect("bulk-assign.others-untouched", same, "the others where they were", "moved", reply)
    alone = probe.call("get_worker", few[0]).body
    right = (alone.get("profile_id"), alone.get("profile_name")) == (profile["_id"], profile["name"])
    probe.expect(
        "bulk-assign.profile-name-follows", right, f"profile_name {profile['name']}", alone.get("profile_name")
    )
    twice = assign(probe, [few[0], few[0].upper(), few[1], few[0]], profile["_id"])
    probe.expect("bulk-assign.duplicates", twice.body.get("assigned") == 2, "assigned 2", "", twice)
    right = twice.ok and homes(probe) == after
    probe.expect("bulk-assign.repeatable", right, "any 2xx, and nothing changed", "", twice)
    new_name = probe.name("renamed")
    body = {"name": new_name, "algorithm": name, "pools": [{"pool_id": one["pool_id"]} for one in profile["pools"]]}
    probe.call("update_profile", profile["_id"], body=body)
    shown = probe.call("get_worker", few[0]).body.get("profile_name")
    probe.expect("profiles.update.workers-follow", shown == new_name, f"profile_name {new_name}", shown)
    other = "scrypt" if name != "scrypt" else "sha256"
    reply = probe.call("update_profile", profile["_id"], body={"algorithm": other})
    probe.status("profiles.update.algorithm-with-workers", reply, 409)
    default = probe.call("get_default_profile", query={"algorithm": name}).body.get("_id")
    gone = probe.call("delete_profile", profile["_id"])
    now = homes(probe)
    right = gone.ok and all(now.get(one) == default for one in few)
    probe.expect("profiles.delete.migrates-workers", right, f"the workers in the default {default}", now, gone)
    counted = (gone.body.get("migrated_workers"), gone.body.get("migrated_to")) == (len(few), default)
    probe.expect("profiles.delete.answer", counted, f"{len(few)} workers migrated to {default}", "", gone)


@scenario(
    "bulk-assign.unknown-worker",
    "bulk-assign.unknown-profile",
    "bulk-assign.other-algorithm",
    "bulk-assign.limits",
    needs=NEEDS,
    writes=True,
    cost=16,
)
def all_or_none(probe: Probe) -> None:
    """Assigns workers together with one that cannot be: nothing may move."""
    name, workers, profile = setting(probe)
    few = [one["_id"] for one in workers[:FEW]]
    before = homes(probe)

    def refused(clause: str, status: int, ids: list[Any], target: str = profile["_id"]) -> None:
        reply = assign(probe, ids, target)
        probe.status(clause, reply, status)
        probe.expect(clause, homes(probe) == before, "every worker where it was", "some moved", reply)

    refused("bulk-assign.unknown-worker", 404, [*few, probe.unused_id()])
    refused("bulk-assign.unknown-profile", 404, few, probe.unused_id())
    stranger = next((one["_id"] for one in probe.workers() if one["algorithm"] != name), None)
    if stranger is not None:
        refused("bulk-assign.other-algorithm", 400, [*few, stranger])
    refused("bulk-assign.limits", 400, [])
    refused("bulk-assign.limits", 400, ["0" * 24] * 10_001)
    refused("bulk-assign.limits", 400, [*few, 5])
    reply = assign(probe, ["0" * 24] * 10_000, profile["_id"])
    probe.expect("bulk-assign.limits", reply.status == 404, "10,000 ids are not too many: 404", "", reply)


@scenario("bulk-assign.many", needs=NEEDS, writes=True, cost=10)
def the_whole_fleet(probe: Probe) -> None:
    """Assigns every worker of an algorithm in one call, as the vendor's client does."""
    name = probe.home(with_workers=2)
    workers = [one for one in probe.workers() if one["algorithm"] == name]
    probe.undo_assign(workers)
    profile = probe.make_profile(name, [probe.make_pool(name)["_id"]])
    reply = assign(probe, [one["_id"] for one in workers], profile["_id"])
    probe.success("bulk-assign.many", reply)
    total = list(homes(probe).values()).count(profile["_id"])
    probe.expect("bulk-assign.many", total == len(workers), f"{len(workers)} workers in the profile", total, reply)
    if not reply.ok:
        raise Blocked("they were not assigned")
