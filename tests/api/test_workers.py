"""The calls under /v1/workers: lists and their filters, single workers, bulk assignment, all or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import MakeApi
from tests.api.harness import NEWCOMER, NO_SUCH_ID, STRANGER, Api

TOTAL = 37


def names(api: Api, query: str) -> list[str]:
    """The names of the workers that a query finds."""
    return [worker["name"] for worker in api.everything(f"/v1/workers{query}")]


# Lists


@pytest.mark.parametrize("limit", [1, 7, 20, 37, 100])
def test_all_pages_together_meet_every_worker_once_in_order(api: Api, limit: int) -> None:
    found = api.everything("/v1/workers", limit=limit)
    assert len({worker["_id"] for worker in found}) == len(found) == TOTAL
    assert found == sorted(found, key=lambda worker: (worker["created_at"], worker["_id"]))
    assert found == api.everything("/v1/workers")


def test_page_and_limit_have_defaults_and_are_told(api: Api) -> None:
    assert api.get("/v1/workers").json["pagination"] == {"page": 1, "limit": 20, "total": TOTAL, "total_pages": 2}
    assert len(api.get("/v1/workers").json["data"]) == 20
    page = api.get("/v1/workers?page=8&limit=5").json
    assert page["pagination"] == {"page": 8, "limit": 5, "total": TOTAL, "total_pages": 8}
    assert len(page["data"]) == 2


@pytest.mark.parametrize("path", ["/v1/workers", "/v1/pools", "/v1/profiles"])
@pytest.mark.parametrize("page", [9, 10**6, 9007199254740991])
def test_a_page_past_the_end_is_empty_and_no_error(api: Api, path: str, page: int) -> None:
    answer = api.get(f"{path}?page={page}&limit=100").json
    assert answer["data"] == []
    assert answer["pagination"]["page"] == page
    assert answer["pagination"]["total"] > 0


@pytest.mark.parametrize("path", ["/v1/workers", "/v1/pools", "/v1/profiles"])
def test_without_anything_there_are_no_pages(api: Api, path: str) -> None:
    answer = api.get(path, key=NEWCOMER).json
    assert answer == {"data": [], "pagination": {"page": 1, "limit": 20, "total": 0, "total_pages": 0}}


@pytest.mark.parametrize("path", ["/v1/workers", "/v1/pools", "/v1/profiles"])
@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=1.0",
        "page=1e1",
        "page=%2B1",
        "page=one",
        "page=",
        "page=%201",
        "page=9007199254740992",
        "page=99999999999999999999999",
        "page=%D9%A1",
        "limit=0",
        "limit=101",
        "limit=-5",
        "limit=ten",
        "limit=",
        "algorithm=",
        "algorithm=SHA256",
        "algorithm=xmr",
        "algorithm=randomx%00",
        "page=1&page=1",
        "limit=10&page=1&limit=10",
    ],
)
def test_a_query_parameter_out_of_its_range_is_named(api: Api, path: str, query: str) -> None:
    answer = api.get(f"{path}?{query}")
    assert answer.status == 400
    assert answer.error.startswith(("page: ", "limit: ", "algorithm: "))


def test_query_parameters_nobody_knows_are_ignored(api: Api) -> None:
    assert api.get("/v1/workers?sort=name&pages=7&LIMIT=3&=&&x").json == api.get("/v1/workers").json


# Filters


def test_filters_leave_what_satisfies_all_of_them(api: Api) -> None:
    other = api.id_of("profiles", "Monero other")
    assert len(names(api, "?algorithm=randomx")) == 31
    assert names(api, "?algorithm=sha256") == [f"asic-{n}" for n in range(1, 7)]
    assert names(api, f"?profile_id={other}") == [f"Big_CPU%-{n}" for n in range(1, 5)]
    assert names(api, f"?profile_id={other.upper()}&search=-3") == ["Big_CPU%-3"]
    assert names(api, f"?profile_id={other}&algorithm=sha256") == []
    assert names(api, f"?profile_id={NO_SUCH_ID}") == []
    assert names(api, f"?profile_id={api.id_of('profiles', 'Strange', key=STRANGER)}") == []


def test_a_search_is_for_text_and_no_character_in_it_is_special(make_api: MakeApi, store_url: str) -> None:
    api = make_api(store=store_url, rate_limit="off")
    big = [f"Big_CPU%-{n}" for n in range(1, 5)]
    assert names(api, "?search=big_cpu") == names(api, "?search=BIG_CPU") == big
    assert len(names(api, "?search=cpu-")) == 23
    assert names(api, "?search=%25") == big
    assert names(api, "?search=_") == big
    assert names(api, "?search=%25-2") == ["Big_CPU%-2"]
    for nothing in (".", ".*", "%5E", "%24", "%5C", "%5B", "(", "*", "c.u", "%00", "%22", "'", "%F0%9F%98%80"):
        assert names(api, f"?search={nothing}") == []
    assert api.get("/v1/workers?search=").status == 400
    assert api.get(f"/v1/workers?search={'x' * 101}").status == 400


def test_status_tells_online_from_offline(make_api: MakeApi, store_url: str) -> None:
    api = make_api(store=store_url, rate_limit="off")
    online, offline = names(api, "?status=online"), names(api, "?status=offline")
    assert sorted(online + offline) == sorted(names(api, ""))
    assert {"off-1", "gone-1", "later-1"} <= set(offline)
    assert "on-1" in online
    for query, status in (("online", "online"), ("offline", "offline")):
        assert {worker["status"] for worker in api.everything(f"/v1/workers?status={query}")} == {status}
    assert api.get("/v1/workers?status=Online").status == 400


# Single workers


def test_a_single_worker_is_the_item_of_the_list(api: Api) -> None:
    for item in api.everything("/v1/workers"):
        assert api.get(f"/v1/workers/{item['_id']}").json == item
    assert api.get(f"/v1/workers/{item['_id'].upper()}").json == item


def test_what_a_worker_says_of_itself_agrees(api: Api) -> None:
    """At several times of a day, so that workers come and go between."""
    profiles = {profile["_id"]: profile for profile in api.everything("/v1/profiles")}
    unhealthy = api.id_of("pools", "Monero two")
    for _ in range(6):
        api.clock.advance(4 * 3600)
        for worker in api.everything("/v1/workers"):
            profile = profiles[worker["profile_id"]]
            assert worker["profile_name"] == profile["name"]
            assert worker["algorithm"] == profile["algorithm"]
            assert isinstance(worker["hashrate"], int)
            if worker["status"] == "offline":
                assert (worker["hashrate"], worker["uptime_seconds"]) == (0, 0)
                assert (worker["pool_id"], worker["pool_name"]) == (None, None)
            else:
                assert worker["last_seen_at"] is not None
                pools = {pool["pool_id"]: pool["name"] for pool in profile["pools"]}
                assert pools[worker["pool_id"]] == worker["pool_name"]
                assert worker["pool_id"] != unhealthy


def test_the_word_hashrate_is_no_workers_id(api: Api) -> None:
    assert "granularity" in api.get("/v1/workers/hashrate?algorithm=randomx").json
    assert api.get("/v1/workers/hashrates").status == 400


@pytest.mark.parametrize("path", ["/v1/workers/{}", "/v1/workers/{}/hashrate"])
def test_another_users_worker_is_like_none_at_all(api: Api, path: str) -> None:
    foreign = api.id_of("workers", "strange-1", key=STRANGER)
    assert api.get(path.format(foreign)).error.replace(foreign, "…") == "Worker not found: …."
    assert api.get(path.format(NO_SUCH_ID)).error.replace(NO_SUCH_ID, "…") == "Worker not found: …."
    assert api.get(path.format(foreign)).status == api.get(path.format(NO_SUCH_ID)).status == 404


@pytest.mark.parametrize(
    "malformed",
    [
        "1",
        "0123456789abcdef0123456",
        "0123456789abcdef012345678",
        "0123456789abcdef0123456g",
        "0123456789abcdef01234567%0A",
        "%EF%BC%90123456789abcdef01234567",
        "%00",
        "%FF",
        "-",
        "null",
        "..",
        "%20" * 24,
    ],
)
def test_a_malformed_id_is_400_on_every_call_that_takes_one(api: Api, malformed: str) -> None:
    for method, path in (
        ("GET", "/v1/workers/{}"),
        ("GET", "/v1/workers/{}/hashrate"),
        ("GET", "/v1/pools/{}"),
        ("PUT", "/v1/pools/{}"),
        ("DELETE", "/v1/pools/{}"),
        ("PUT", "/v1/profiles/{}"),
        ("DELETE", "/v1/profiles/{}"),
        ("POST", "/v1/profiles/{}/default"),
    ):
        answer = api.call(method, path.format(malformed), json={} if method == "PUT" else None)
        assert answer.status == 400, (method, path)
        assert answer.error.startswith("id: ")


# Bulk assignment


def assign(api: Api, workers: list[Any], profile: str, **more: Any) -> Any:
    return api.post("/v1/workers/bulk-assign", {"worker_ids": workers, "profile_id": profile}, **more)


@pytest.fixture
def everywhere(make_api: MakeApi, store_url: str) -> Api:
    """A simulator on each store."""
    return make_api(store=store_url, rate_limit="off")


def places(api: Api) -> dict[str, str]:
    """Where each worker is."""
    return {worker["_id"]: worker["profile_id"] for worker in api.everything("/v1/workers")}


def test_workers_named_move_and_all_others_stay(everywhere: Api) -> None:
    api = everywhere
    other = api.id_of("profiles", "Monero other")
    before = places(api)
    moving = [api.id_of("workers", name) for name in ("cpu-01", "cpu-02", "off-1", "gone-1")]
    answer = assign(api, [*moving, moving[0], moving[1].upper()], other.upper())
    assert (answer.status, answer.json) == (200, {"assigned": 4, "profile_id": other})
    assert places(api) == before | dict.fromkeys(moving, other)
    assert {api.get(f"/v1/workers/{worker}").json["profile_name"] for worker in moving} == {"Monero other"}
    again = assign(api, moving, other)
    assert (again.status, again.json["assigned"]) == (200, 4)
    assert places(api) == before | dict.fromkeys(moving, other)


def test_one_wrong_worker_and_none_moves(everywhere: Api) -> None:
    api = everywhere
    other = api.id_of("profiles", "Monero other")
    good = [api.id_of("workers", f"cpu-0{n}") for n in range(1, 6)]
    foreign = api.id_of("workers", "strange-1", key=STRANGER)
    asic = api.id_of("workers", "asic-1")
    strange = api.id_of("profiles", "Strange", key=STRANGER)
    before = places(api), api.everything("/v1/workers", key=STRANGER)
    for workers, profile, status, words in (
        ([*good, NO_SUCH_ID], other, 404, NO_SUCH_ID),
        ([*good, foreign], other, 404, foreign),
        ([*good, asic], other, 400, asic),
        ([asic, NO_SUCH_ID], other, 404, NO_SUCH_ID),
        (good, NO_SUCH_ID, 404, NO_SUCH_ID),
        (good, strange, 404, strange),
        ([foreign], strange, 404, strange),
    ):
        answer = assign(api, workers, profile)
        assert (answer.status, words in answer.error) == (status, True), answer.text
        assert (places(api), api.everything("/v1/workers", key=STRANGER)) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "worker_ids"),
        ({"worker_ids": [NO_SUCH_ID]}, "profile_id"),
        ({"profile_id": NO_SUCH_ID}, "worker_ids"),
        ({"worker_ids": [], "profile_id": NO_SUCH_ID}, "worker_ids"),
        ({"worker_ids": NO_SUCH_ID, "profile_id": NO_SUCH_ID}, "worker_ids"),
        ({"worker_ids": {"0": NO_SUCH_ID}, "profile_id": NO_SUCH_ID}, "worker_ids"),
        ({"worker_ids": [NO_SUCH_ID, "x"], "profile_id": NO_SUCH_ID}, "worker_ids[1]"),
        ({"worker_ids": [NO_SUCH_ID, None], "profile_id": NO_SUCH_ID}, "worker_ids[1]"),
        ({"worker_ids": [[NO_SUCH_ID]], "profile_id": NO_SUCH_ID}, "worker_ids[0]"),
        ({"worker_ids": [NO_SUCH_ID], "profile_id": "x"}, "profile_id"),
        ({"worker_ids": [NO_SUCH_ID], "profile_id": {"$ne": ""}}, "profile_id"),
        ({"worker_ids": [{"$gt": ""}], "profile_id": NO_SUCH_ID}, "worker_ids[0]"),
        ({"worker_ids": [f"{n:024x}" for n in range(10_001)], "profile_id": NO_SUCH_ID}, "worker_ids"),
    ],
)
def test_a_malformed_assignment_is_refused_with_the_field(api: Api, body: dict[str, Any], field: str) -> None:
    answer = api.post("/v1/workers/bulk-assign", body)
    assert answer.status == 400
    assert answer.error.startswith(f"{field}: ")


def test_ten_thousand_ids_are_looked_up(api: Api) -> None:
    unknown = [f"{n:024x}" for n in range(10_000)]
    answer = assign(api, unknown, api.id_of("profiles", "Monero"))
    assert answer.status == 404
    assert "9997 more" in answer.error
