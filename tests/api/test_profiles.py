"""The calls under /v1/profiles: one default for each algorithm, pools in their order, workers never without one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import MakeApi
from tests.api.harness import BASIC, NEWCOMER, NO_SUCH_ID, STRANGER, VIP, Api

POOL: dict[str, Any] = {"name": "p", "algorithm": "randomx", "host": "p.example", "port": 1, "username": "u"}


def body(api: Api, *pools: str, **more: Any) -> dict[str, Any]:
    """A profile of these pools, by name."""
    ids = [{"pool_id": api.id_of("pools", name)} for name in pools]
    return {"name": "New", "algorithm": "randomx", "pools": ids} | more


def defaults(api: Api, key: str = VIP) -> dict[str, list[str]]:
    """The names of the default profiles by algorithm."""
    found: dict[str, list[str]] = {}
    for profile in api.everything("/v1/profiles", key=key):
        found.setdefault(profile["algorithm"], [])
        if profile["is_default"]:
            found[profile["algorithm"]].append(profile["name"])
    return found


# Reading


def test_a_list_filters_by_algorithm(api: Api) -> None:
    assert [p["name"] for p in api.everything("/v1/profiles?algorithm=sha256")] == ["Bitcoin"]
    assert [p["name"] for p in api.everything("/v1/profiles")] == ["Monero", "Monero other", "Monero empty", "Bitcoin"]
    assert api.everything("/v1/profiles?algorithm=nexapow") == []


def test_a_profile_shows_its_pools_as_they_are(api: Api) -> None:
    pools = {pool["_id"]: pool for pool in api.everything("/v1/pools")}
    for profile in api.everything("/v1/profiles"):
        for held in profile["pools"]:
            pool = pools[held["pool_id"]]
            assert held == {
                "pool_id": pool["_id"],
                "name": pool["name"],
                "host": pool["host"],
                "port": pool["port"],
                "status": pool["health"]["status"],
            }
            assert pool["algorithm"] == profile["algorithm"]


def test_there_is_no_get_of_a_single_profile(api: Api) -> None:
    answer = api.get(f"/v1/profiles/{api.id_of('profiles', 'Monero')}")
    assert answer.status == 405
    assert answer.headers["Allow"] == "DELETE, PUT"


def test_the_default_profile_of_an_algorithm(api: Api) -> None:
    assert api.get("/v1/profiles/default?algorithm=randomx").json == api.named("profiles", "Monero")
    assert api.get("/v1/profiles/default?algorithm=kheavyhash").status == 404
    assert api.get("/v1/profiles/default").status == 400
    unknown = api.get("/v1/profiles/default?algorithm=RandomX")
    assert (unknown.status, "randomx" in unknown.error) == (400, True)


# Creating


def test_the_first_profile_of_an_algorithm_becomes_its_default(api: Api) -> None:
    created = api.post("/v1/profiles", body(api, "Kaspa idle", algorithm="kheavyhash"))
    assert created.status == 201
    assert created.json["is_default"] is True
    later = api.post("/v1/profiles", body(api, "Kaspa idle", algorithm="kheavyhash", is_default=True))
    assert later.json["is_default"] is False
    assert api.get("/v1/profiles/default?algorithm=kheavyhash").json == created.json
    assert later.json in api.everything("/v1/profiles")


def test_the_pools_keep_the_order_given(api: Api) -> None:
    names = ["Monero spare", "Monero one", "Monero two"]
    created = api.post("/v1/profiles", body(api, *names)).json
    assert [pool["name"] for pool in created["pools"]] == names
    assert [pool["name"] for pool in api.named("profiles", "New")["pools"]] == names
    changed = api.put(f"/v1/profiles/{created['_id']}", {"pools": created["pools"][::-1]}).json
    assert [pool["name"] for pool in changed["pools"]] == names[::-1]


@pytest.mark.parametrize("method", ["create", "update"])
def test_pools_that_cannot_be_held_are_refused_and_nothing_is_saved(api: Api, method: str) -> None:
    before = api.everything("/v1/profiles")
    one, two = api.id_of("pools", "Monero one"), api.id_of("pools", "Bitcoin one")
    foreign = api.id_of("pools", "Strange", key=STRANGER)
    cases: list[tuple[list[object], int, str]] = [
        ([{"pool_id": one}, {"pool_id": one}], 400, "pools[1].pool_id"),
        ([{"pool_id": one}, {"pool_id": one.upper()}], 400, "twice"),
        ([{"pool_id": one}, {"pool_id": two}], 400, "pools[1].pool_id"),
        ([{"pool_id": two}], 400, "sha256"),
        ([{"pool_id": one}, {"pool_id": NO_SUCH_ID}], 404, NO_SUCH_ID),
        ([{"pool_id": foreign}], 404, foreign),
        ([], 400, "pools"),
        ([one], 400, "pools[0]"),
        ([{}], 400, "pools[0].pool_id"),
        ([{"pool_id": 5}], 400, "pools[0].pool_id"),
        ([{"pool_id": "short"}], 400, "pools[0].pool_id"),
        ([None], 400, "pools[0]"),
    ]
    for pools, status, words in cases:
        if method == "create":
            answer = api.post("/v1/profiles", {"name": "New", "algorithm": "randomx", "pools": pools})
        else:
            answer = api.put(f"/v1/profiles/{before[1]['_id']}", {"name": "New", "pools": pools})
        assert (answer.status, words in answer.error) == (status, True), (pools, answer.text)
    assert api.everything("/v1/profiles") == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", " \t"),
        ("name", "x" * 101),
        ("name", ["New"]),
        ("algorithm", "xmr"),
        ("algorithm", 1),
        ("pools", {}),
        ("pools", "all"),
        ("pools", None),
    ],
)
def test_a_field_out_of_its_range_is_named(api: Api, field: str, value: object) -> None:
    wrong = body(api, "Monero one") | {field: value}
    assert api.post("/v1/profiles", wrong).error.startswith(field)
    profile = api.id_of("profiles", "Monero")
    answer = api.put(f"/v1/profiles/{profile}", {field: value})
    assert (answer.status, answer.error.startswith(field)) == (400, True)


@pytest.mark.parametrize("field", ["name", "algorithm", "pools"])
def test_a_field_that_is_missing_is_named(api: Api, field: str) -> None:
    incomplete = body(api, "Monero one")
    del incomplete[field]
    answer = api.post("/v1/profiles", incomplete)
    assert (answer.status, answer.error.startswith(f"{field}: is required")) == (400, True)


def test_a_sixth_profile_of_an_algorithm_needs_vip(make_api: MakeApi, store_url: str) -> None:
    api = make_api(store=store_url, rate_limit="off")
    home = api.id_of("pools", "Home", key=BASIC)
    new = {"name": "New", "algorithm": "randomx", "pools": [{"pool_id": home}]}
    assert [api.post("/v1/profiles", new, key=BASIC).status for _ in range(5)] == [201] * 4 + [403]
    assert api.get("/v1/profiles", key=BASIC).json["pagination"]["total"] == 5
    made = api.post("/v1/pools", POOL | {"algorithm": "sha256"}, key=BASIC).json
    more = {"name": "New", "algorithm": "sha256", "pools": [{"pool_id": made["_id"]}]}
    other = api.post("/v1/profiles", more, key=BASIC)
    assert other.status == 201
    moved = api.put(f"/v1/profiles/{other.json['_id']}", {"algorithm": "randomx", "pools": new["pools"]}, key=BASIC)
    assert (moved.status, "5 profiles" in moved.error) == (403, True)
    assert {api.post("/v1/profiles", body(api, "Monero one")).status for _ in range(8)} == {201}


# Changing


def test_what_the_list_shows_can_be_put_back_and_changes_nothing(api: Api) -> None:
    for profile in api.everything("/v1/profiles"):
        api.clock.advance(5)
        changed = api.put(f"/v1/profiles/{profile['_id']}", profile)
        assert changed.status == 200
        assert changed.json | {"updated_at": profile["updated_at"]} == profile


def test_what_is_not_given_stays(api: Api) -> None:
    profile = api.named("profiles", "Monero")
    api.clock.advance(5)
    renamed = api.put(f"/v1/profiles/{profile['_id']}", {"name": "Renamed"}).json
    assert renamed == profile | {"name": "Renamed", "updated_at": "2025-06-01T12:00:15.000Z"}
    assert {w["profile_name"] for w in api.everything(f"/v1/workers?profile_id={profile['_id']}")} == {"Renamed"}
    unchanged = api.put(f"/v1/profiles/{profile['_id']}", {}).json
    assert unchanged | {"updated_at": ""} == renamed | {"updated_at": ""}


def test_the_algorithm_of_a_default_or_of_a_profile_with_workers_stays(api: Api) -> None:
    bitcoin = [{"pool_id": api.id_of("pools", "Bitcoin one")}]
    monero = [{"pool_id": api.id_of("pools", "Monero one")}]
    before = api.everything("/v1/profiles")
    for name in ("Monero", "Monero other"):
        for pools in (bitcoin, monero):
            path = f"/v1/profiles/{api.id_of('profiles', name)}"
            assert api.put(path, {"algorithm": "sha256", "pools": pools}).status == 409
        assert api.put(path, {"algorithm": "sha256"}).status == 409
    assert api.everything("/v1/profiles") == before


def test_the_algorithm_of_a_free_profile_changes_together_with_its_pools(api: Api) -> None:
    path = f"/v1/profiles/{api.id_of('profiles', 'Monero empty')}"
    assert api.put(path, {"algorithm": "sha256"}).status == 400
    changed = api.put(path, {"algorithm": "sha256", "pools": [{"pool_id": api.id_of("pools", "Bitcoin one")}]})
    assert (changed.status, changed.json["algorithm"], changed.json["is_default"]) == (200, "sha256", False)


def test_a_profile_moved_to_an_algorithm_without_profiles_becomes_its_default(api: Api) -> None:
    path = f"/v1/profiles/{api.id_of('profiles', 'Monero empty')}"
    changed = api.put(path, {"algorithm": "kheavyhash", "pools": [{"pool_id": api.id_of("pools", "Kaspa idle")}]})
    assert changed.json["is_default"] is True
    assert api.get("/v1/profiles/default?algorithm=kheavyhash").json == changed.json


# The default


def test_setting_a_default_unsets_the_one_before_and_no_other(make_api: MakeApi, store_url: str) -> None:
    api = make_api(store=store_url, rate_limit="off")
    other = api.named("profiles", "Monero other")
    made = api.call("POST", f"/v1/profiles/{other['_id']}/default")
    assert (made.status, made.json["is_default"]) == (200, True)
    assert defaults(api) == {"randomx": ["Monero other"], "sha256": ["Bitcoin"]}
    assert defaults(api, STRANGER) == {"randomx": ["Strange"]}
    again = api.call("POST", f"/v1/profiles/{other['_id']}/default")
    assert (again.status, again.json) == (200, made.json)


@pytest.mark.parametrize(
    ("sent", "content_type"),
    [(None, None), (b"", None), (b"", "application/json"), (b"not json", "text/plain"), (b"[1", "application/json")],
)
def test_setting_a_default_takes_no_body_or_any(api: Api, sent: bytes | None, content_type: str | None) -> None:
    other = api.id_of("profiles", "Monero other")
    assert api.call("POST", f"/v1/profiles/{other}/default", body=sent, content_type=content_type).status == 200


# Deleting


def test_deleting_a_profile_moves_its_workers_to_the_default(make_api: MakeApi, store_url: str) -> None:
    api = make_api(store=store_url, rate_limit="off")
    other, default = api.id_of("profiles", "Monero other"), api.id_of("profiles", "Monero")
    moving = [worker["_id"] for worker in api.everything(f"/v1/workers?profile_id={other}")]
    pools = api.everything("/v1/pools")
    answer = api.delete(f"/v1/profiles/{other}")
    assert answer.json == {"deleted": True, "_id": other, "migrated_workers": 4, "migrated_to": default}
    for worker in moving:
        found = api.get(f"/v1/workers/{worker}").json
        assert (found["profile_id"], found["profile_name"]) == (default, "Monero")
    assert api.everything("/v1/pools") == pools
    assert other not in [profile["_id"] for profile in api.everything("/v1/profiles")]
    for method, path in (("DELETE", ""), ("PUT", ""), ("POST", "/default")):
        assert api.call(method, f"/v1/profiles/{other}{path}", json={}).status == 404


def test_the_default_profile_stays_even_where_it_is_the_only_one(api: Api) -> None:
    for name in ("Monero", "Bitcoin"):
        refused = api.delete(f"/v1/profiles/{api.id_of('profiles', name)}")
        assert (refused.status, f"'{name}'" in refused.error) == (409, True)
    assert defaults(api) == {"randomx": ["Monero"], "sha256": ["Bitcoin"]}


def test_a_profile_that_is_the_default_no_more_can_go(api: Api) -> None:
    was, becomes = api.id_of("profiles", "Monero"), api.id_of("profiles", "Monero empty")
    api.call("POST", f"/v1/profiles/{becomes}/default")
    moved = api.delete(f"/v1/profiles/{was}").json
    assert moved["migrated_to"] == becomes
    assert api.get(f"/v1/workers?profile_id={becomes}").json["pagination"]["total"] == moved["migrated_workers"]


# Other users


def test_another_users_profile_is_like_none_at_all(api: Api) -> None:
    foreign = api.id_of("profiles", "Strange other", key=STRANGER)
    worker = api.id_of("workers", "cpu-01")
    for profile in (foreign, NO_SUCH_ID):
        answers = [
            api.put(f"/v1/profiles/{profile}", {"name": "mine"}),
            api.delete(f"/v1/profiles/{profile}"),
            api.post(f"/v1/profiles/{profile}/default"),
            api.post("/v1/workers/bulk-assign", {"worker_ids": [worker], "profile_id": profile}),
        ]
        assert {answer.status for answer in answers} == {404}
        assert {answer.error.replace(profile, "…") for answer in answers} == {"Profile not found: …."}
    assert api.get("/v1/profiles/default?algorithm=randomx", key=NEWCOMER).status == 404
    assert defaults(api, STRANGER) == {"randomx": ["Strange"]}
