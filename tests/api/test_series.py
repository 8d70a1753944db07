"""Hashrate over time, and the overview: what the numbers promise of each other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import MakeApi
from tests.api.harness import BASIC, NEWCOMER, START, Api
from upsim.clock import SECOND

RANGES = {"1h": 1, "6h": 6, "24h": 24, "7d": 168, "30d": 720}
MOMENTS = [0, 50, 299.999, 3_600, 86_399]


def fleet(api: Api, time_range: str = "24h", algorithm: str = "randomx", **more: Any) -> dict[str, Any]:
    answer = api.get(f"/v1/workers/hashrate?algorithm={algorithm}&timeRange={time_range}", **more)
    assert answer.status == 200
    content: dict[str, Any] = answer.json
    return content


def rates(series: dict[str, Any]) -> list[float]:
    return [point["hashrate"] for point in series["data"]]


@pytest.mark.parametrize("seconds", MOMENTS)
@pytest.mark.parametrize("time_range", RANGES)
def test_a_series_is_whole_aligned_ascending_and_ends_now(api: Api, time_range: str, seconds: float) -> None:
    api.clock.advance(seconds)
    now = api.clock.now() / SECOND
    series = fleet(api, time_range)
    step = series["granularity"]
    assert (series["hours"], series["timeRange"], series["algorithm"]) == (RANGES[time_range], time_range, "randomx")
    stamps = [point["timestamp"] for point in series["data"]]
    assert len(stamps) * step == RANGES[time_range] * 3600
    assert all(isinstance(stamp, int) and stamp % step == 0 for stamp in stamps)
    assert stamps == list(range(stamps[0], stamps[-1] + step, step))
    assert stamps[-1] + step <= now < stamps[-1] + 2 * step


@pytest.mark.parametrize("time_range", RANGES)
def test_average_and_peak_are_those_of_the_points(api: Api, time_range: str) -> None:
    series = fleet(api, time_range)
    assert series["stats"]["avg_hashrate"] == sum(rates(series)) / len(rates(series))
    assert series["stats"]["peak_hashrate"] == max(rates(series)) > 0


@pytest.mark.parametrize("time_range", RANGES)
def test_the_fleets_series_is_the_sum_of_its_workers(make_api: MakeApi, store_url: str, time_range: str) -> None:
    api = make_api(store=store_url, rate_limit="off")
    total = fleet(api, time_range)
    workers = api.everything("/v1/workers?algorithm=randomx")
    parts = [api.get(f"/v1/workers/{worker['_id']}/hashrate?timeRange={time_range}").json for worker in workers]
    assert {(part["granularity"], part["hours"], part["algorithm"]) for part in parts} == {
        (total["granularity"], total["hours"], "randomx")
    }
    # Each point is rounded once, to whole H/s: half of one for each worker is all that may lie between.
    summed = [sum(values) for values in zip(*map(rates, parts), strict=True)]
    assert all(abs(one - other) <= len(workers) / 2 for one, other in zip(summed, rates(total), strict=True))


def test_a_point_does_not_change_once_it_was_given(api: Api) -> None:
    first = fleet(api, "6h")
    api.clock.advance(2 * 3600)
    known = {point["timestamp"]: point["hashrate"] for point in fleet(api, "6h")["data"]}
    shared = [point for point in first["data"] if point["timestamp"] in known]
    assert shared
    assert all(known[point["timestamp"]] == point["hashrate"] for point in shared)


def test_moving_workers_does_not_change_what_was(api: Api) -> None:
    before = fleet(api, "24h")
    workers = [worker["_id"] for worker in api.everything("/v1/workers?algorithm=randomx")]
    other = api.id_of("profiles", "Monero empty")
    assert api.post("/v1/workers/bulk-assign", {"worker_ids": workers, "profile_id": other}).status == 200
    assert fleet(api, "24h") == before


def test_the_same_seed_gives_the_same_hashrates_and_another_others(make_api: MakeApi) -> None:
    first, same, other = (make_api(seed=seed, rate_limit="off") for seed in ("7", "7", "8"))
    assert fleet(first) == fleet(same) != fleet(other)
    assert first.get("/v1/workers").text == same.get("/v1/workers").text


def test_a_range_is_a_day_where_it_is_not_given(api: Api) -> None:
    assert api.get("/v1/workers/hashrate?algorithm=randomx").json == fleet(api, "24h")
    worker = api.id_of("workers", "cpu-01")
    default = api.get(f"/v1/workers/{worker}/hashrate").json
    assert default["hours"] == 24


@pytest.mark.parametrize("wrong", ["2h", "1H", "24", "", "7%20d", "1h&timeRange=1h"])
def test_any_other_range_is_refused(api: Api, wrong: str) -> None:
    worker = api.id_of("workers", "cpu-01")
    for path in ("/v1/workers/hashrate?algorithm=randomx&", f"/v1/workers/{worker}/hashrate?"):
        answer = api.get(f"{path}timeRange={wrong}")
        assert (answer.status, answer.error.startswith("timeRange: ")) == (400, True)


def test_several_algorithms_are_never_added(api: Api) -> None:
    answer = api.get("/v1/workers/hashrate")
    assert answer.status == 400
    assert answer.error.startswith("algorithm: ")
    assert "randomx" in answer.error
    assert "sha256" in answer.error


def test_the_only_algorithm_there_is_need_not_be_named(api: Api) -> None:
    assert api.get("/v1/workers/hashrate", key=BASIC).json == fleet(api, key=BASIC)


def test_without_workers_there_are_no_points_and_nothing_to_sum_up(api: Api) -> None:
    for query, algorithm in (("", None), ("?algorithm=sha256", "sha256")):
        series = api.get(f"/v1/workers/hashrate{query}", key=NEWCOMER).json
        assert (series["data"], series["algorithm"], "stats" in series) == ([], algorithm, False)


def test_statistics_are_written_as_floats(api: Api) -> None:
    """Some clients tell 1 from 1.0: the vendor's decodes both into a float, others may not."""
    text = api.get("/v1/workers/hashrate?algorithm=randomx&timeRange=1h").text
    written: list[str] = []
    json.loads(text, parse_float=lambda number: written.append(number))
    assert len(written) >= 2


# The overview


@pytest.mark.parametrize("hours", [0, 5, 11, 17, 23])
def test_the_overview_is_the_sum_of_what_the_lists_show(make_api: MakeApi, store_url: str, hours: int) -> None:
    api = make_api(store=store_url, rate_limit="off")
    api.clock.advance(hours * 3600)
    overview = api.get("/v1/overview").json
    workers, pools = api.everything("/v1/workers"), api.everything("/v1/pools")
    held = {item["algorithm"] for item in workers + pools}
    assert [block["algorithm"] for block in overview["algorithms"]] == sorted(
        held, key=["sha256", "kheavyhash", "randomx"].index
    )
    for block in overview["algorithms"]:
        own = [worker for worker in workers if worker["algorithm"] == block["algorithm"]]
        held_pools = [pool["health"]["status"] for pool in pools if pool["algorithm"] == block["algorithm"]]
        online = sum(worker["status"] == "online" for worker in own)
        assert block["workers"] == {"total": len(own), "online": online, "offline": len(own) - online}
        assert block["pools"] == {
            "total": len(held_pools),
            "healthy": held_pools.count("healthy"),
            "unhealthy": held_pools.count("unhealthy"),
        }
        # Rounded once: half an H/s for each worker is all that may lie between.
        assert abs(block["hashrate"] - sum(worker["hashrate"] for worker in own)) <= len(own) / 2
    for kind in ("workers", "pools"):
        for count in overview[kind]:
            assert overview[kind][count] == sum(block[kind][count] for block in overview["algorithms"])
    assert set(overview) == {"workers", "pools", "algorithms"}


def test_the_overview_of_a_newcomer_is_all_zero(api: Api) -> None:
    assert api.get("/v1/overview", key=NEWCOMER).json == {
        "workers": {"total": 0, "online": 0, "offline": 0},
        "pools": {"total": 0, "healthy": 0, "unhealthy": 0},
        "algorithms": [],
    }


def test_the_clock_of_these_tests_is_the_worlds(api: Api) -> None:
    """Otherwise every promise about now would be one about the machine."""
    created = api.post(
        "/v1/pools", {"name": "n", "algorithm": "randomx", "host": "h.example", "port": 1, "username": "u"}
    ).json
    assert created["created_at"] == "2025-06-01T12:00:10.000Z"
    assert api.clock.now() == START
