"""Snapshots: saved and restored by name, taken to another process as one readable document."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import STORE_KINDS, UrlFor
from tests.control.harness import Sandbox, opened
from tests.control.test_worlds import created_pool, pool_names
from upsim.client import ControlError, World

AT = {"set": "2026-01-05T08:00:00Z", "freeze": True}
READS = (
    "/v1/overview",
    "/v1/workers?limit=100&page=2",
    "/v1/workers/hashrate?algorithm=sha256&timeRange=24h",
    "/v1/pools?limit=100",
    "/v1/profiles?limit=100",
    "/v1/profiles/default?algorithm=randomx",
)


def seen(sandbox: Sandbox, world: World, account: str = "vip") -> list[Any]:
    return [sandbox.get(world.key(account), path).json for path in READS]


def test_a_restored_world_is_what_it_was_clock_and_faults_and_keys_included(stored: Sandbox) -> None:
    with stored.client.world(clock=AT) as world:
        world.pools.put("btc.example", 3333, "refused", times=3)
        world.workers.offline([stored.get(world.key("vip"), "/v1/workers").json["data"][0]["_id"]])
        before = seen(stored, world)
        fault = world.faults.add(status=500, path="/v1/never")
        info = world.info()
        assert world.snapshot("before").now == info.clock.now

        created_pool(stored, world)
        world.faults.clear()
        world.pools.remove("btc.example", 3333)
        world.clock.run()
        world.clock.advance("40d")
        world.revoke_key(world.keys[0])
        world.set_tier("basic", "vip")
        added = world.create_key("basic", "later", scopes=[])

        assert world.restore("before") == info
        assert seen(stored, world) == before
        assert world.faults.list() == (fault,)
        assert [one.behaviour for one in world.pools.list()] == ["refused"]
        assert stored.get(added.secret or "").status == 401


def test_a_half_spent_fault_is_half_spent_again(stored: Sandbox) -> None:
    with stored.client.world() as world:
        world.faults.add(times=3)
        assert stored.statuses(world.key("vip"), 2) == [503, 503]
        world.snapshot("half")
        for _ in range(2):
            assert stored.statuses(world.key("vip"), 3) == [503, 200, 200]
            world.restore("half")


def test_a_snapshot_is_saved_over_listed_and_forgotten(stored: Sandbox) -> None:
    with stored.client.world(clock=AT) as world:
        world.snapshot("one")
        stored.clock.advance(1)
        world.snapshot("two")
        created_pool(stored, world)
        stored.clock.advance(1)
        world.snapshot("one")
        assert [snapshot.name for snapshot in world.snapshots()] == ["two", "one"]
        world.restore("two")
        assert "mine" not in pool_names(stored, world)
        world.restore("one")
        assert "mine" in pool_names(stored, world)
        world.delete_snapshot("two")
        assert [snapshot.name for snapshot in world.snapshots()] == ["one"]


@pytest.mark.parametrize("name", ["never", "@born", "a#b", "*"])
def test_what_was_not_saved_is_not_found(sandbox: Sandbox, name: str) -> None:
    with sandbox.client.load(sandbox.client.world().download()) as world:
        for ask in (world.restore, world.delete_snapshot):
            with pytest.raises(ControlError, match="Snapshot not found") as missing:
                ask(name)
            assert missing.value.status == 404
        assert world.snapshots() == ()


def test_snapshots_of_one_world_are_not_anothers(sandbox: Sandbox) -> None:
    with sandbox.client.world(id="a") as one, sandbox.client.world(id="a.b") as other:
        one.snapshot("kept")
        assert other.snapshots() == ()
        with pytest.raises(ControlError, match="Snapshot not found"):
            other.restore("kept")


def lived(sandbox: Sandbox) -> World:
    """A world to which something of every kind was done."""
    world = sandbox.client.world(seed=7, clock=AT, caps={"calls": 10_000})
    created_pool(sandbox, world)
    key = world.key("vip")
    workers = [worker["_id"] for worker in sandbox.get(key, "/v1/workers?algorithm=kawpow").json["data"]]
    world.workers.offline(workers[:2])
    world.workers.scale(workers[2:4], 0.25)
    world.workers.retire(workers[4:5])
    profiles = sandbox.get(key, "/v1/profiles?algorithm=sha256").json["data"]
    asics = [worker["_id"] for worker in sandbox.get(key, "/v1/workers?algorithm=sha256&limit=9").json["data"]]
    body = {"worker_ids": asics, "profile_id": profiles[-1]["_id"]}
    assert sandbox.call(key, "POST", "/v1/workers/bulk-assign", json=body).status == 200
    world.set_tier("basic", "vip")
    world.set_options(caller_address=True)
    world.faults.add(path="/v1/sometimes", share=0.5)
    world.faults.add(path="/v1/never", times=4)
    sandbox.statuses(key, 2, "/v1/never")
    world.pools.put("btc.example", 3333, "refused")
    return world


@pytest.mark.parametrize("kind", STORE_KINDS)
def test_a_downloaded_world_begins_another_in_another_simulator(kind: str, url_for: UrlFor) -> None:
    with opened() as sandbox:
        world = lived(sandbox)
        before, basic = seen(sandbox, world), seen(sandbox, world, "basic")
        info = world.info()
        text = json.dumps(world.download())
    with opened(url_for(kind), fixture="empty", seed="99") as elsewhere:
        loaded = elsewhere.client.load(json.loads(text), id="loaded")
        assert {key.secret for key in loaded.keys}.isdisjoint({key.secret for key in world.keys})
        assert seen(elsewhere, loaded) == before
        assert seen(elsewhere, loaded, "basic") == basic
        now = loaded.info()
        assert (now.seed, now.clock, now.caps, now.caller_address) == (7, info.clock, info.caps, True)
        assert elsewhere.statuses(loaded.key("vip"), 3, "/v1/never") == [503, 503, 404]
        assert [one.behaviour for one in loaded.pools.list()] == ["refused"]


def test_a_loaded_world_goes_on_as_the_first_would_have(sandbox: Sandbox) -> None:
    world = lived(sandbox)
    document = world.download()
    with sandbox.client.load(document) as loaded:
        made = [created_pool(sandbox, one, "next") for one in (world, loaded)]
        assert made[0] == made[1], "the same ids, and none that is there already"
        sometimes = [sandbox.statuses(one.key("vip"), 12, "/v1/sometimes") for one in (world, loaded)]
        assert sometimes[0] == sometimes[1]


def test_a_reset_of_a_loaded_world_brings_back_what_was_loaded(stored: Sandbox) -> None:
    document = lived(stored).download()
    with stored.client.load(document) as loaded:
        before = seen(stored, loaded)
        created_pool(stored, loaded, "more")
        loaded.faults.clear()
        loaded.clock.advance("1d")
        for _ in range(2):
            loaded.reset()
            assert seen(stored, loaded) == before
            assert len(loaded.faults.list()) == 2
        assert loaded.snapshots() == ()


def test_a_download_is_readable(sandbox: Sandbox) -> None:
    world = lived(sandbox)
    document = world.download()
    lines = sandbox.raw("GET", f"/_upsim/worlds/{world.id}/download").text.splitlines()
    assert lines[:2] == ["{", ' "format": "upsim-world/1",']
    assert document["format"] == "upsim-world/1"
    assert document["now"] == "2026-01-05T08:00:00.000Z"
    assert {account["name"]: account["tier"] for account in document["accounts"]}["vip"] == "vip"
    pool = next(pool for pool in document["pools"] if pool["name"] == "mine")
    assert pool["created_at"] == document["now"]
    assert pool["health"]["status"] == "healthy"
    events = [event for worker in document["workers"] for event in worker["history"]]
    assert ["2026-01-05T08:00:00.000Z", "scale", 250, ""] in events


def test_a_world_of_thousands_can_be_loaded(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        profile = sandbox.get(world.key("vip"), "/v1/profiles/default?algorithm=sha256").json["_id"]
        world.workers.spawn("many-{n:04}", "s21", profile, 4000)
        document = world.download()
        assert len(json.dumps(document)) > 1 << 20, "more than any other body may be"
        with sandbox.client.load(document) as loaded:
            assert sandbox.get(loaded.key("vip"), "/v1/workers?limit=1").json["pagination"]["total"] == 4366
    too_large = sandbox.raw("POST", "/_upsim/worlds", data=b" " * ((64 << 20) + 1), content_type="application/json")
    assert too_large.status == 413
    assert "at most 64 MiB" in too_large.error


Change = Callable[[dict[str, Any]], object]

BROKEN: list[tuple[str, Change, str]] = [
    ("format", lambda doc: doc.update(format="upsim-world/2"), "snapshot.format: must be 'upsim-world/1'"),
    ("no accounts", lambda doc: doc.pop("accounts"), "snapshot.accounts: must be a list, got nothing"),
    ("account twice", lambda doc: doc["accounts"].append(doc["accounts"][0]), "is there twice"),
    ("time", lambda doc: doc.update(now="noon"), "snapshot.now: must be a time"),
    ("speed", lambda doc: doc.update(speed=-1), "snapshot.speed: must be a number from 0"),
    ("seed", lambda doc: doc.update(seed="7"), "snapshot.seed: must be a whole number"),
    ("options", lambda doc: doc.update(options={"faults": [{"id": 1}]}), "snapshot.options: is not what was saved"),
    ("numbers", lambda doc: doc.update(numbers={"ids": "x"}), "snapshot.numbers: must hold whole numbers"),
    ("port", lambda doc: doc["pools"][2].update(port="3333"), "snapshot.pools[2].port: must be a whole number from 1"),
    ("health", lambda doc: doc["pools"][0].pop("health"), "snapshot.pools[0].health: must be a JSON object"),
    ("tier", lambda doc: doc["accounts"][0].update(tier="gold"), "must be one of vip, basic, got 'gold'"),
    ("scope", lambda doc: doc["keys"][0].update(scopes=["all"]), "snapshot.keys[0].scopes[0]: must be one of"),
    ("owner", lambda doc: doc["pools"][0].update(account_id="0" * 24), "snapshot.pools[0].account_id: there is no"),
    ("model", lambda doc: doc["workers"][5].update(model="abacus"), "snapshot.workers[5].model: must be one of"),
    ("no weights", lambda doc: doc["workers"][5].pop("weights"), "snapshot.workers[5].weights: is missing"),
    ("profile", lambda doc: doc["workers"][5].update(profile_id="0" * 24), "is no profile of the worker's account"),
    ("pools", lambda doc: doc["profiles"][0].update(pool_ids=[]), "snapshot.profiles[0].pool_ids: must hold at least"),
    ("default", lambda doc: doc["profiles"][0].update(is_default=False), "exactly one"),
    ("worker twice", lambda doc: doc["workers"].append(doc["workers"][0]), "is there twice"),
    ("worker a text", lambda doc: doc["workers"].append("x"), "must be a JSON object, got 'x'"),
]


@pytest.mark.parametrize(("change", "message"), [pytest.param(how, text, id=name) for name, how, text in BROKEN])
def test_a_broken_document_says_where_and_makes_nothing(sandbox: Sandbox, change: Change, message: str) -> None:
    document = copy.deepcopy(sandbox.client.default.download())
    change(document)
    answer = sandbox.raw("POST", "/_upsim/worlds", json={"snapshot": document})
    assert answer.status == 400
    assert message in answer.error
    assert len(sandbox.client.worlds()) == 1


def test_a_loaded_world_takes_name_lifetime_clock_and_caps_of_its_wish(sandbox: Sandbox) -> None:
    document = sandbox.client.world(clock=AT, caps={"calls": 1}).download()
    wish = {"id": "mine", "expires_in": "1m", "caps": {"calls": 2}, "clock": {"advance": "1h"}, "snapshot": document}
    made = sandbox.raw("POST", "/_upsim/worlds", json=wish).json
    assert (made["id"], made["caps"], made["clock"]["now"]) == ("mine", {"calls": 2}, "2026-01-05T09:00:00.000Z")
    sandbox.clock.advance(60)
    assert [info.id for info in sandbox.client.worlds()][-1] != "mine"
