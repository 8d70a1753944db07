"""Worlds: made in one call, told apart by their keys, reset, ended; what is done to one, no other notices."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.control.harness import Sandbox, opened
from upsim.client import ControlError, World
from upsim.clock import Instant, iso


def created_pool(sandbox: Sandbox, world: World, name: str = "mine") -> str:
    body = {"name": name, "algorithm": "sha256", "host": "btc.example", "port": 3333, "username": "me"}
    answer = sandbox.call(world.key("vip"), "POST", "/v1/pools", json=body)
    assert answer.status == 201, answer.text
    pool_id: str = answer.json["_id"]
    return pool_id


def pool_names(sandbox: Sandbox, world: World) -> list[str]:
    return [pool["name"] for pool in sandbox.get(world.key("vip"), "/v1/pools?limit=100").json["data"]]


def test_one_call_makes_a_world_and_answers_its_id_and_keys(stored: Sandbox) -> None:
    answer = stored.raw(
        "POST",
        "/_upsim/worlds",
        json={
            "fixture": "demo",
            "seed": 7,
            "clock": {"set": "2026-01-05T08:00:00Z", "freeze": True},
            "expires_in": "10m",
        },
    )
    assert answer.status == 201
    made = answer.json
    assert made["seed"] == 7
    assert made["clock"] == {"now": "2026-01-05T08:00:00.000Z", "timestamp": 1767600000, "speed": 0.0, "frozen": True}
    assert made["expires_at"] == iso(Instant(stored.clock.at + 600_000))
    assert [account["name"] for account in made["accounts"]] == ["vip", "basic", "magic"]
    key = made["accounts"][0]["keys"][0]["key"]
    assert key.startswith("up_k_")
    assert stored.get(key).status == 200


def test_a_world_needs_no_wish_at_all(sandbox: Sandbox) -> None:
    answer = sandbox.raw("POST", "/_upsim/worlds")
    assert answer.status == 201
    assert answer.json["fixture"] == "demo"
    assert answer.json["clock"]["now"] == iso(sandbox.clock.at)


def test_a_call_lands_in_the_world_of_its_key(stored: Sandbox) -> None:
    with stored.client.world() as one, stored.client.world() as other:
        created_pool(stored, one)
        assert "mine" in pool_names(stored, one)
        assert "mine" not in pool_names(stored, other)
        assert "mine" not in pool_names(stored, stored.client.world())
        assert [one.journal.count("POST"), other.journal.count("POST")] == [1, 0]


def test_worlds_of_one_seed_are_alike_and_of_another_are_not(sandbox: Sandbox) -> None:
    path = "/v1/workers/hashrate?algorithm=randomx&timeRange=1h"
    wishes = (3, 3, 4)
    one, same, other = (sandbox.get(sandbox.client.world(seed=seed).key("vip"), path).json for seed in wishes)
    assert one["data"] == same["data"]
    assert one["data"] != other["data"]


def test_a_world_of_one_tier_has_it_before_and_after_a_reset(stored: Sandbox) -> None:
    with stored.client.world(tier="basic") as world:
        assert stored.get(world.key("vip")).headers["X-RateLimit-Limit"] == "10"
        world.set_tier("vip", "vip")
        world.reset()
        assert {account.tier for account in world.accounts()} == {"basic"}
        assert stored.get(world.key("vip")).headers["X-RateLimit-Limit"] == "10"


def test_the_list_of_worlds_shows_each_and_no_template_or_snapshot(stored: Sandbox) -> None:
    with stored.client.world(id="mine", seed=9, caps={"calls": 5}) as world:
        world.snapshot("before")
        assert [(info.id, info.seed, dict(info.caps)) for info in stored.client.worlds()] == [
            ("default", 1, {}),
            ("mine", 9, {"calls": 5}),
        ]
    assert [info.id for info in stored.client.worlds()] == ["default"]


def test_a_look_at_a_world_tells_what_is_in_it(sandbox: Sandbox) -> None:
    world = sandbox.client.world(id="mine")
    world.faults.add(times=1)
    world.pools.put("btc.example", 3333, "refused", times=2)
    sandbox.get(world.key("vip"))
    seen = sandbox.raw("GET", "/_upsim/worlds/mine").json
    assert [fault["id"] for fault in seen["faults"]] == ["fault-1"]
    assert seen["pools"] == [{"host": "btc.example", "port": 3333, "behaviour": "refused", "times": 2}]
    assert {account["name"]: account["workers"] for account in seen["accounts"]} == {
        "vip": 366,
        "basic": 24,
        "magic": 0,
    }
    assert seen["journal_mark"] == 1


def test_a_reset_makes_a_world_what_it_was_when_it_began(stored: Sandbox) -> None:
    clock = {"set": "2026-01-05T08:00:00Z", "freeze": True}
    with stored.client.world(seed=7, clock=clock, caps={"snapshots": 2}) as world:
        began = world.info()
        names = pool_names(stored, world)
        created_pool(stored, world)
        added = world.create_key("vip", "later")
        world.revoke_key(world.keys[0])
        world.faults.add(times=5)
        world.pools.put("btc.example", 3333, "refused")
        world.set_options(caller_address=True)
        world.clock.advance("3d")
        world.clock.run()
        world.set_tier("basic", "vip")
        world.snapshot("kept")

        reset = world.reset()

        assert (reset.clock, dict(reset.caps), reset.caller_address) == (began.clock, {"snapshots": 2}, False)
        assert world.faults.list() == ()
        assert world.pools.list() == ()
        assert list(world.journal) == []
        assert [(account.name, account.tier, account.used) for account in world.accounts()] == [
            ("vip", "vip", 0),
            ("magic", "vip", 0),
            ("basic", "basic", 0),
        ]
        assert pool_names(stored, world) == names, "with the key that was revoked"
        assert stored.get(added.secret or "").status == 401
        assert [snapshot.name for snapshot in world.snapshots()] == ["kept"]


def test_a_world_that_was_reset_does_the_same_again(sandbox: Sandbox) -> None:
    with sandbox.client.world(clock={"freeze": True}) as world:

        def run() -> tuple[str, list[int]]:
            world.faults.add(share=0.5)
            statuses = sandbox.statuses(world.key("vip"), 20)
            world.faults.clear()
            return created_pool(sandbox, world), statuses

        first = run()
        world.reset()
        assert run() == first


def test_the_default_world_can_be_reset_but_not_ended(sandbox: Sandbox) -> None:
    default = sandbox.client.default
    default.clock.freeze()
    default.faults.add()
    assert sandbox.get("up_k_demovip").status == 503
    assert default.reset().clock.speed == 1
    assert sandbox.get("up_k_demovip").status == 200
    with pytest.raises(ControlError, match="default world cannot be ended; reset it") as refused:
        default.delete()
    assert refused.value.status == 400


def test_an_ended_world_is_gone_with_all_that_was_saved_of_it(stored: Sandbox) -> None:
    world = stored.client.world(id="mine")
    world.snapshot("before")
    world.delete()
    assert stored.get(world.key("vip")).status == 401
    with pytest.raises(ControlError, match="World not found: mine") as refused:
        world.clock.now()
    assert refused.value.status == 404
    with stored.client.world(id="mine") as again:
        assert again.snapshots() == ()
        assert len(again.journal) == 0
        assert stored.get(world.key("vip")).status == 401, "the old key opens nothing in the new world"


def test_an_expired_world_vanishes_and_touches_nothing_else(stored: Sandbox) -> None:
    brief = stored.client.world(id="brief", expires_in="90s")
    other = stored.client.world(id="other", expires_in=timedelta(minutes=2))
    brief.clock.freeze()
    created_pool(stored, other)
    stored.clock.advance(89.999)
    assert stored.get(brief.key("vip")).status == 200
    stored.clock.advance(0.001)
    assert stored.get(brief.key("vip")).status == 401, "though its own clock stands still"
    with pytest.raises(ControlError, match="World not found"):
        brief.info()
    assert [info.id for info in stored.client.worlds()] == ["default", "other"]
    assert "mine" in pool_names(stored, other)
    assert stored.get("up_k_demovip").status == 200
    with stored.client.world(id="brief") as again:
        assert stored.get(again.key("vip")).status == 200


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"id": "default"}, "World 'default' exists already."),
        ({"id": "a b"}, "id: must be letters, digits, dots, dashes and underscores"),
        ({"id": "#hidden"}, "id: must be letters"),
        ({"fixture": "nope"}, "fixture: must be one of bad-day, demo, empty"),
        ({"fixture": "/etc/passwd"}, "fixture: must be one of bad-day, demo, empty"),
        ({"fixture": "../demo"}, "fixture: must be one of bad-day, demo, empty"),
        ({"seed": -1}, "seed: must be from 0"),
        ({"seed": 1.5}, "seed: must be a whole number"),
        ({"tier": "gold"}, "tier: must be one of vip, basic"),
        ({"clock": {"set": "soon"}}, "set: 'soon' is no time"),
        ({"clock": {"set": "1969-01-01T00:00:00Z"}}, "clock: would leave the years 1970 to 2099"),
        ({"clock": {"speed": 2, "freeze": True}}, "speed: cannot be given together with freeze"),
        ({"expires_in": "soon"}, "expires_in: 'soon' is no duration"),
        ({"expires_in": -5}, "expires_in: must be longer than nothing"),
        ({"caps": {"coins": 1}}, "caps.coins: is no cap; there are calls, keys"),
        ({"caps": {"calls": -1}}, "caps.calls: must be from 0"),
        ({"snapshot": {}}, "snapshot.format: must be 'upsim-world/1'"),
        ({"snapshot": {"format": "upsim-world/1"}, "seed": 3}, "seed: cannot be given together with snapshot"),
        ([], "must be a JSON object"),
    ],
)
def test_a_wish_that_cannot_be_fulfilled_says_why_and_makes_nothing(
    sandbox: Sandbox, wish: object, message: str
) -> None:
    answer = sandbox.raw("POST", "/_upsim/worlds", json=wish)
    assert answer.status in (400, 409)
    assert message in answer.error
    assert len(sandbox.client.worlds()) == 1


@pytest.mark.parametrize("path", ["", "/clock", "/faults", "/journal", "/snapshots", "/download", "/accounts"])
def test_a_world_that_is_not_there_is_404(sandbox: Sandbox, path: str) -> None:
    for name in ("nowhere", "%23template", "default%23x"):
        assert sandbox.raw("GET", f"/_upsim/worlds/{name}{path}").status == 404


def test_a_users_own_fixture_is_a_new_worlds_too() -> None:
    with opened(fixture="tests/api/world.yaml") as sandbox:
        world = sandbox.client.world()
        assert [account.name for account in world.accounts()].count("newcomer") == 1
        assert sandbox.client.world(fixture="empty").info().fixture == "empty"


def test_caps_are_answered_clearly(stored: Sandbox) -> None:
    caps = {"calls": 4, "keys": 1, "accounts": 3, "snapshots": 1, "workers": 400, "journal": 2}
    with stored.client.world(caps=caps) as world:
        for refused, message in (
            (lambda: world.create_key("basic"), "This tier allows 1 API keys"),
            (lambda: world.create_account("fourth"), "this world may have 3 accounts"),
            (
                lambda: world.workers.spawn("n{n}", "s21", profile(stored, world), 100),
                "this world may have 400 workers",
            ),
        ):
            with pytest.raises(ControlError, match=message):
                refused()
        world.snapshot("one")
        world.snapshot("one")
        with pytest.raises(ControlError, match="may have 1 snapshots; delete one first"):
            world.snapshot("two")
        assert stored.statuses(world.key("vip"), 3) == [200] * 3
        spent = stored.get(world.key("basic"))
        assert spent.status == 403
        assert spent.error == "This world was capped at 4 calls, and they are spent: ask for a fresh world."
        assert stored.get("up_k_demovip").status == 200
        with pytest.raises(ControlError, match=r"caps\.call: is no cap"):
            world.set_options(caps={"call": 5})
        world.set_options(caps={})
        assert stored.get(world.key("vip")).status == 200


def profile(sandbox: Sandbox, world: World) -> str:
    found: str = sandbox.get(world.key("vip"), "/v1/profiles/default?algorithm=sha256").json["_id"]
    return found


def test_workers_are_added_switched_off_and_retired(stored: Sandbox) -> None:
    with stored.client.world(clock={"freeze": True}, tier="vip") as world:
        key = world.key("vip")
        ids = world.workers.spawn("extra-{n:02}", "s21", profile(stored, world), 3, first=7)

        def states() -> list[tuple[str, str]]:
            found = stored.get(key, "/v1/workers?search=extra-").json["data"]
            return sorted((worker["name"], worker["status"]) for worker in found)

        world.workers.online(ids)
        assert states() == [("extra-07", "online"), ("extra-08", "online"), ("extra-09", "online")]
        assert world.workers.offline(ids[:1]) == 1
        assert states()[0] == ("extra-07", "offline")
        full = stored.get(key, f"/v1/workers/{ids[1]}").json["hashrate"]
        world.workers.scale(ids[1:2], 0.5)
        assert stored.get(key, f"/v1/workers/{ids[1]}").json["hashrate"] == pytest.approx(full / 2, rel=0.01)
        world.workers.retire(ids[2:])
        world.clock.advance("1h")
        assert dict(states())["extra-09"] == "offline"
        with pytest.raises(ControlError, match="Worker not found"):
            world.workers.offline([*ids, "0" * 24])
        with pytest.raises(ControlError, match="is no hardware model"):
            world.workers.spawn("x", "abacus", profile(stored, world))
        with pytest.raises(ControlError, match="the profile is for sha256"):
            world.workers.spawn("x", "l9", profile(stored, world))
