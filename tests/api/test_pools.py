"""The calls under /v1/pools: tested before saved, tested again exactly on change, kept while a profile holds them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import MakeApi
from tests.api.harness import BASIC, NEWCOMER, NO_SUCH_ID, STRANGER, Api
from upsim.model import PoolTarget, Stage

DESCRIBED: dict[str, Any] = {
    "name": "New",
    "algorithm": "randomx",
    "host": "new.xmr.example",
    "port": 3333,
    "tls": True,
    "username": "wallet.new",
    "password": "secret-of-new",
}
STAGES = list(Stage)


def without(*names: str) -> dict[str, Any]:
    """The description less some fields."""
    return {name: value for name, value in DESCRIBED.items() if name not in names}


# Reading


def test_a_list_filters_by_algorithm_and_by_health(api: Api) -> None:
    def names(query: str) -> list[str]:
        return [pool["name"] for pool in api.everything(f"/v1/pools{query}")]

    assert names("") == ["Monero one", "Monero two", "Monero spare", "Bitcoin one", "Kaspa idle"]
    assert names("?algorithm=randomx") == ["Monero one", "Monero two", "Monero spare"]
    assert names("?status=healthy") == ["Monero one", "Bitcoin one", "Kaspa idle"]
    assert names("?status=unknown") == ["Monero spare"]
    assert names("?status=unhealthy&algorithm=sha256") == []


def test_a_single_pool_is_the_item_of_the_list(api: Api) -> None:
    for item in api.everything("/v1/pools"):
        assert api.get(f"/v1/pools/{item['_id']}").json == item
        assert api.get(f"/v1/pools/{item['_id'].upper()}").json == item


def test_a_pool_never_tested_has_no_time_of_a_test(api: Api) -> None:
    health = api.named("pools", "Monero spare")["health"]
    assert health == {
        "status": "unknown",
        "last_checked_at": None,
        "last_error": None,
        "consecutive_failures": 0,
        "latency_ms": None,
    }


def test_no_answer_holds_a_password(api: Api) -> None:
    created = api.post("/v1/pools", DESCRIBED)
    pool = f"/v1/pools/{created.json['_id']}"
    answers = [
        created,
        api.get("/v1/pools"),
        api.get(pool),
        api.put(pool, {"password": "another-secret"}),
        api.post("/v1/pools/test", {"pool_id": created.json["_id"]}),
        api.post("/v1/pools/test", DESCRIBED),
        api.get("/v1/profiles"),
        api.post("/v1/pools", DESCRIBED | {"password": ["secret-of-new"]}),
    ]
    api.tester.failing = Stage.AUTHORIZATION
    answers += [api.post("/v1/pools", DESCRIBED), api.put(pool, {"password": "hunter2-one"})]
    for answer in answers:
        assert "secret" not in answer.text
        assert "hunter2" not in answer.text
        assert "password" not in answer.text or answer.status == 400


# Creating


def test_a_new_pool_was_tested_and_is_healthy(api: Api) -> None:
    created = api.post("/v1/pools", DESCRIBED)
    assert created.status == 201
    assert api.tester.tried == [
        PoolTarget("new.xmr.example", 3333, True, "randomx", "wallet.new", "secret-of-new")
    ]  # fmt: skip
    pool = created.json
    assert pool["health"] == {
        "status": "healthy",
        "last_checked_at": "2025-06-01T12:00:10.000Z",
        "last_error": None,
        "consecutive_failures": 0,
        "latency_ms": 12,
    }
    assert pool["created_at"] == pool["updated_at"] == "2025-06-01T12:00:10.000Z"
    assert {name: pool[name] for name in without("password")} == without("password")
    assert pool.pop("created_profile_id") is None
    assert api.get(f"/v1/pools/{pool['_id']}").json == pool
    assert api.everything("/v1/pools")[-1] == pool


def test_tls_and_password_can_be_left_out(api: Api) -> None:
    created = api.post("/v1/pools", without("tls", "password"))
    assert created.json["tls"] is False
    assert (api.tester.tried[0].tls, api.tester.tried[0].password) == (False, "x")


@pytest.mark.parametrize("stage", STAGES)
def test_a_pool_that_fails_its_test_is_not_saved(api: Api, stage: Stage) -> None:
    before = api.everything("/v1/pools"), api.everything("/v1/profiles")
    api.tester.failing = stage
    refused = api.post("/v1/pools", DESCRIBED | {"algorithm": "ethash"})
    assert refused.status == 400
    assert stage in refused.error
    assert f"told to fail at {stage}" in refused.error
    assert (api.everything("/v1/pools"), api.everything("/v1/profiles")) == before


def test_the_first_pool_of_an_algorithm_brings_a_default_profile(api: Api) -> None:
    created = api.post("/v1/pools", DESCRIBED, key=NEWCOMER).json
    profiles = api.everything("/v1/profiles", key=NEWCOMER)
    assert [profile["_id"] for profile in profiles] == [created["created_profile_id"]]
    assert profiles[0]["is_default"] is True
    assert [pool["pool_id"] for pool in profiles[0]["pools"]] == [created["_id"]]
    assert api.get("/v1/profiles/default?algorithm=randomx", key=NEWCOMER).json == profiles[0]

    again = api.post("/v1/pools", DESCRIBED, key=NEWCOMER).json
    assert again["created_profile_id"] is None
    other = api.post("/v1/pools", DESCRIBED | {"algorithm": "sha256"}, key=NEWCOMER).json
    assert other["created_profile_id"] is not None
    assert len(api.everything("/v1/profiles", key=NEWCOMER)) == 2


def test_two_pools_may_have_one_name(api: Api) -> None:
    first, second = api.post("/v1/pools", DESCRIBED).json, api.post("/v1/pools", DESCRIBED).json
    assert first["_id"] != second["_id"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 101),
        ("name", None),
        ("name", 7),
        ("algorithm", "SHA256"),
        ("algorithm", "unknown"),
        ("algorithm", None),
        ("host", ""),
        ("host", "http://pool.example"),
        ("host", "pool.example:3333"),
        ("host", "a b"),
        ("host", "-pool.example"),
        ("host", "x" * 254),
        ("host", "pool.example\n"),
        ("host", "pool\u0000.example"),
        ("port", 0),
        ("port", 65536),
        ("port", -1),
        ("port", "3333"),
        ("port", 3333.5),
        ("port", True),
        ("port", None),
        ("port", 10**30),
        ("tls", "true"),
        ("tls", 1),
        ("tls", None),
        ("username", ""),
        ("username", "x" * 256),
        ("username", 5),
        ("password", 5),
        ("password", "x" * 256),
        ("password", None),
    ],
)
def test_a_field_out_of_its_range_is_named_and_nothing_is_tried(api: Api, field: str, value: object) -> None:
    pool = api.id_of("pools", "Monero one")
    for answer in (
        api.post("/v1/pools", DESCRIBED | {field: value}),
        api.put(f"/v1/pools/{pool}", {field: value}),
    ):
        assert answer.status == 400
        assert answer.error.startswith(field)
    assert api.tester.tried == []


@pytest.mark.parametrize("field", ["name", "algorithm", "host", "port", "username"])
def test_a_field_that_is_missing_is_named(api: Api, field: str) -> None:
    answer = api.post("/v1/pools", without(field))
    assert answer.status == 400
    assert answer.error.startswith(f"{field}: is required")


def test_an_unknown_algorithm_is_answered_with_those_there_are(api: Api) -> None:
    error = api.post("/v1/pools", DESCRIBED | {"algorithm": "sha-256"}).error
    assert "sha256" in error
    assert "randomx" in error


def test_unknown_fields_are_ignored(api: Api) -> None:
    created = api.post("/v1/pools", DESCRIBED | {"_id": NO_SUCH_ID, "health": {"status": "unhealthy"}, "x": [1]})
    assert created.status == 201
    assert created.json["_id"] != NO_SUCH_ID
    assert created.json["health"]["status"] == "healthy"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "2001:db8::1", "::ffff:127.0.0.1", "a_b.example", "example."])
def test_addresses_and_odd_names_are_hosts(api: Api, host: str) -> None:
    assert api.post("/v1/pools", DESCRIBED | {"host": host}).json["host"] == host


def test_a_sixth_pool_of_an_algorithm_needs_vip(make_api: MakeApi, store_url: str) -> None:
    api = make_api(store=store_url, rate_limit="off")
    for _ in range(4):
        assert api.post("/v1/pools", DESCRIBED, key=BASIC).status == 201
    api.tester.tried.clear()
    refused = api.post("/v1/pools", DESCRIBED, key=BASIC)
    assert refused.status == 403
    assert "5 pools" in refused.error
    assert api.tester.tried == []
    assert api.post("/v1/pools", DESCRIBED | {"algorithm": "sha256"}, key=BASIC).status == 201
    assert api.post("/v1/pools", DESCRIBED | {"algorithm": "scrypt"}, key=BASIC).status == 201
    assert api.get("/v1/pools?algorithm=randomx", key=BASIC).json["pagination"]["total"] == 5
    scrypt = api.id_of("pools", "New", key=BASIC)
    spare = api.everything("/v1/pools?algorithm=sha256", key=BASIC)[0]["_id"]
    assert scrypt
    # Held by the profile that came with it, it cannot change its algorithm anyway; a free one cannot for the quota.
    assert api.put(f"/v1/pools/{spare}", {"algorithm": "randomx"}, key=BASIC).status == 409


def test_a_vip_may_have_any_number_of_pools(api: Api) -> None:
    assert {api.post("/v1/pools", DESCRIBED).status for _ in range(8)} == {201}


# Changing


@pytest.mark.parametrize(
    ("changes", "retested"),
    [
        ({"host": "other.example"}, True),
        ({"port": 5999}, True),
        ({"tls": True}, True),
        ({"username": "other"}, True),
        ({"password": "other"}, True),
        ({"name": "other"}, False),
        ({}, False),
        ({"host": "one.xmr.example"}, False),
        ({"port": 5555, "tls": False, "username": "wallet.one", "password": "hunter2-one"}, False),
        ({"name": "other", "port": 5999}, True),
        ({"algorithm": "randomx"}, False),
    ],
)
def test_a_pool_is_tested_again_exactly_when_its_connection_changes(
    api: Api, changes: dict[str, Any], *, retested: bool
) -> None:
    before = api.named("pools", "Monero one")
    api.clock.advance(90)
    changed = api.put(f"/v1/pools/{before['_id']}", changes)
    assert changed.status == 200
    wanted: dict[str, Any] = {
        "host": "one.xmr.example",
        "port": 5555,
        "tls": False,
        "username": "wallet.one",
        "password": "hunter2-one",
    }
    wanted |= {name: value for name, value in changes.items() if name in wanted}
    assert api.tester.tried == ([PoolTarget(algorithm="randomx", **wanted)] if retested else [])
    visible = {name: value for name, value in changes.items() if name != "password"}
    now = "2025-06-01T12:01:40.000Z"
    health = before["health"] | ({"last_checked_at": now, "latency_ms": 12} if retested else {})
    assert changed.json == before | visible | {"updated_at": now, "health": health}
    assert api.get(f"/v1/pools/{before['_id']}").json == changed.json


@pytest.mark.parametrize("stage", STAGES)
def test_a_pool_that_fails_its_new_test_stays_as_it_was(api: Api, stage: Stage) -> None:
    before = api.everything("/v1/pools")
    api.tester.failing = stage
    refused = api.put(f"/v1/pools/{before[0]['_id']}", {"host": "other.example", "name": "other"})
    assert refused.status == 400
    assert stage in refused.error
    assert api.everything("/v1/pools") == before


def test_the_algorithm_of_a_pool_in_use_stays(api: Api) -> None:
    pool = api.named("pools", "Monero one")
    refused = api.put(f"/v1/pools/{pool['_id']}", {"algorithm": "sha256", "name": "other"})
    assert refused.status == 409
    for profile in ("'Monero'", "'Monero other'", "'Monero empty'"):
        assert profile in refused.error
    assert api.named("pools", "Monero one") == pool


def test_the_algorithm_of_a_pool_nobody_uses_can_change(api: Api) -> None:
    pool = api.id_of("pools", "Kaspa idle")
    changed = api.put(f"/v1/pools/{pool}", {"algorithm": "scrypt"})
    assert (changed.status, changed.json["algorithm"]) == (200, "scrypt")
    assert [p["_id"] for p in api.everything("/v1/pools?algorithm=scrypt")] == [pool]


def test_profiles_show_a_pools_new_name_and_address_at_once(api: Api) -> None:
    pool = api.id_of("pools", "Bitcoin one")
    api.put(f"/v1/pools/{pool}", {"name": "renamed", "host": "moved.example", "port": 4444})
    assert api.named("profiles", "Bitcoin")["pools"] == [
        {"pool_id": pool, "name": "renamed", "host": "moved.example", "port": 4444, "status": "healthy"}
    ]


def test_what_a_get_gave_can_be_put_back(api: Api) -> None:
    pool = api.named("pools", "Monero two")
    changed = api.put(f"/v1/pools/{pool['_id']}", pool)
    assert changed.status == 200
    assert changed.json | {"updated_at": pool["updated_at"]} == pool
    assert api.tester.tried == []


# Deleting


def test_a_pool_nobody_uses_can_go(api: Api) -> None:
    pool = api.id_of("pools", "Kaspa idle")
    assert api.delete(f"/v1/pools/{pool}").json == {"deleted": True, "_id": pool}
    assert api.get(f"/v1/pools/{pool}").status == 404
    assert api.delete(f"/v1/pools/{pool}").status == 404
    assert pool not in [item["_id"] for item in api.everything("/v1/pools")]


def test_a_pool_in_use_stays_and_the_profiles_are_named(api: Api) -> None:
    pool = api.id_of("pools", "Monero two")
    refused = api.delete(f"/v1/pools/{pool}")
    assert refused.status == 409
    assert "'Monero'" in refused.error
    assert "'Monero other'" in refused.error
    assert "'Monero empty'" not in refused.error
    assert api.get(f"/v1/pools/{pool}").status == 200


# Other users


def test_another_users_pool_is_like_none_at_all(api: Api) -> None:
    foreign = api.id_of("pools", "Strange spare", key=STRANGER)
    for pool in (foreign, NO_SUCH_ID):
        answers = [
            api.get(f"/v1/pools/{pool}"),
            api.put(f"/v1/pools/{pool}", {"name": "mine"}),
            api.put(f"/v1/pools/{pool}", {"port": 1}),
            api.delete(f"/v1/pools/{pool}"),
            api.post("/v1/pools/test", {"pool_id": pool}),
            api.post("/v1/profiles", {"name": "n", "algorithm": "sha256", "pools": [{"pool_id": pool}]}),
        ]
        assert {answer.status for answer in answers} == {404}
        assert {answer.error.replace(pool, "…") for answer in answers} == {"Pool not found: …."}
    assert api.tester.tried == []
    assert api.named("pools", "Strange spare", key=STRANGER)["_id"] == foreign


# Testing


def test_a_saved_pools_failures_are_counted_and_success_resets_its_health(api: Api) -> None:
    pool = api.named("pools", "Monero one")
    api.tester.failing = Stage.SUBSCRIPTION
    for failures in (1, 2, 3):
        api.clock.advance(1)
        answer = api.post("/v1/pools/test", {"pool_id": pool["_id"]})
        assert (answer.status, answer.json["success"], answer.json["pool_id"]) == (200, False, pool["_id"])
        health = api.get(f"/v1/pools/{pool['_id']}").json["health"]
        assert (health["status"], health["consecutive_failures"]) == ("unhealthy", failures)
        assert "told to fail at subscription" in health["last_error"]
    api.tester.failing = None
    assert api.post("/v1/pools/test", {"pool_id": pool["_id"]}).json["success"] is True
    after = api.get(f"/v1/pools/{pool['_id']}").json
    assert after == pool | {
        "health": {
            "status": "healthy",
            "last_checked_at": "2025-06-01T12:00:13.000Z",
            "last_error": None,
            "consecutive_failures": 0,
            "latency_ms": 12,
        }
    }


def test_testing_a_description_saves_nothing(api: Api) -> None:
    before = api.everything("/v1/pools")
    answer = api.post("/v1/pools/test", without("name"))
    assert (answer.status, answer.json["success"], answer.json["pool_id"]) == (200, True, None)
    assert api.everything("/v1/pools") == before


def test_where_a_body_names_and_describes_a_pool_the_name_decides(api: Api) -> None:
    pool = api.id_of("pools", "Monero one")
    assert api.post("/v1/pools/test", without("name") | {"pool_id": pool}).json["pool_id"] == pool
    assert [target.host for target in api.tester.tried] == ["one.xmr.example"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"algorithm": "randomx"},
        {"host": "h.example", "port": 1, "username": "u"},
        {"pool_id": None},
        {"pool_id": "nonsense"},
        {"pool_id": 5},
        {"pool_id": "678e02800000000000000000 "},
        without("name") | {"pool_id": "nonsense"},
        without("name") | {"port": "1"},
    ],
)
def test_a_body_that_neither_names_nor_describes_a_pool_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api.post("/v1/pools/test", body).status == 400
    assert api.tester.tried == []


@pytest.mark.parametrize("stage", STAGES)
def test_the_stages_after_a_failure_are_skipped(api: Api, stage: Stage) -> None:
    api.tester.failing = stage
    answer = api.post("/v1/pools/test", without("name")).json
    assert [entry["stage"] for entry in answer["stages"]] == ["connectivity", "subscription", "authorization"]
    failed = STAGES.index(stage)
    for position, entry in enumerate(answer["stages"]):
        outcome = "passed" if position < failed else "failed" if position == failed else "skipped"
        assert entry["status"] == outcome
        assert (entry["reason"] is not None) == (outcome == "failed")
        assert (entry["duration_ms"] is None) == (outcome == "skipped")
    assert (answer["latency_ms"] is None) == (stage is Stage.CONNECTIVITY)
