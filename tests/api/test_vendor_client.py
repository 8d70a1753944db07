"""The session of the vendor's own client, call by call as it makes them, on every store.

Source: contract/openapi.yaml, "observed": it sends X-API-Key, decodes a worker's hashrate as an unsigned 64-bit
integer, takes 200 alone on GET and any 2xx on POST, and posts to …/default with neither body nor content type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import MakeApi
from tests.api.harness import VIP, Api
from tests.farm import write_farm
from upsim.ids import digest_of
from upsim.model import Account
from upsim.rules.worlds import DEFAULT
from upsim.store.asking import Span, WorkerFilter

MakeFarm = Callable[[int], Api]


@pytest.fixture
def make_farm(make_api: MakeApi, store_url: str, tmp_path: Path) -> MakeFarm:
    """Makes a user with so many workers of one algorithm and two profiles, on each store."""

    def make(workers: int) -> Api:
        return make_api(store=store_url, fixture=str(write_farm(tmp_path, workers)), rate_limit="off")

    return make


def test_the_vendors_client_can_move_its_whole_fleet(make_farm: MakeFarm) -> None:
    """With the three scopes its documentation names, and no other."""
    api = make_farm(1_000)
    series = api.get("/v1/workers/hashrate?algorithm=randomx&timeRange=1h")
    assert series.status == 200
    assert series.json["hours"] == 1
    assert {type(series.json["hours"]), type(series.json["granularity"])} == {int}
    assert len(series.json["data"]) == 3600 // series.json["granularity"]
    assert {type(value) for value in series.json["stats"].values()} == {float}

    old, new = _profiles(api)
    made_default = api.call("POST", f"/v1/profiles/{new}/default")
    assert made_default.status == 200
    assert made_default.json["is_default"] is True

    workers = _read_all(api)
    assert {worker["profile_id"] for worker in workers} == {old}
    ids = [worker["_id"] for worker in workers]
    assert len(set(ids)) == 1_000

    assigned = api.post("/v1/workers/bulk-assign", {"worker_ids": ids, "profile_id": new})
    assert assigned.status == 200
    assert assigned.json["assigned"] == 1_000
    assert [(worker["_id"], worker["profile_id"]) for worker in _read_all(api)] == [(id, new) for id in ids]


def test_five_thousand_workers_move_in_one_call(make_farm: MakeFarm) -> None:
    api = make_farm(5_000)
    old, new = _profiles(api)
    account = _account(api)
    everyone = api.store.list_workers(DEFAULT, account.id, WorkerFilter(), Span(0, 10_000)).items
    ids = [worker.id for worker in everyone]
    assigned = api.post("/v1/workers/bulk-assign", {"worker_ids": ids, "profile_id": new})
    assert (assigned.status, assigned.json["assigned"]) == (200, 5_000)
    assert api.get(f"/v1/workers?profile_id={old}").json["pagination"]["total"] == 0
    last = api.get(f"/v1/workers?page=50&limit=100&algorithm=randomx&profile_id={new}").json
    assert [worker["_id"] for worker in last["data"]] == ids[-100:]


def _account(api: Api) -> Account:
    caller = api.store.find_caller(digest_of(VIP))
    assert caller is not None
    return caller.account


def _profiles(api: Api) -> tuple[str, str]:
    """The ids of the default profile and of the other: read in the store, since the client's key may not list them."""
    first, second = api.store.list_profiles(DEFAULT, _account(api).id, Span(0, 10)).items
    assert first.is_default
    return first.id, second.id


def _read_all(api: Api) -> list[dict[str, Any]]:
    """Every page as the client reads it. Numbers are judged as written, whatever a JSON library would make of them."""
    workers: list[dict[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        answer = api.get(f"/v1/workers?page={page}&limit=100&algorithm=randomx")
        assert answer.status == 200
        written = re.findall(r'"hashrate":\s*([^,}]+)', answer.text)
        assert len(written) == 100
        assert all(re.fullmatch(r"0|[1-9][0-9]{0,18}", rate) for rate in written)
        workers += answer.json["data"]
        pages = answer.json["pagination"]["total_pages"]
        page += 1
    return workers
