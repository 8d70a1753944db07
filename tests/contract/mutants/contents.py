"""Mutants that wrap an application, whichever it is: lists, the overview, workers, series, and what writing answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.contract.mutants.answers import SERIES, WORKERS, WRAPPERS, Wrapper, after, before
from tests.contract.mutants.tamper import Call, Change

# Lists


def pagination(call: Call) -> dict[str, Any]:
    """The pagination of a list; something to scribble on where there is none."""
    found = call.body.get("pagination") if isinstance(call.body, dict) else None
    return found if isinstance(found, dict) else {}


@after("lists.total-pages")
def the_last_page_is_not_counted(call: Call) -> None:
    shown = pagination(call)
    if shown:
        shown["total_pages"] = shown["total"] // shown["limit"]


@after("shape.Pagination.total", "paging-pools")
def totals_are_missing(call: Call) -> None:
    pagination(call).pop("total", None)


@after("lists.echo")
def the_limit_is_not_repeated(call: Call) -> None:
    shown = pagination(call)
    if shown:
        shown["limit"] = 100


@after("lists.full-pages")
def the_last_item_of_a_page_is_missing(call: Call) -> None:
    if pagination(call) and len(call.items) > 1:
        call.items.pop()


@before("lists.defaults")
def fifty_a_page_by_default(call: Call) -> None:
    call.query = {"limit": "50", **call.query}


@after("lists.limit-100")
def at_most_fifty_a_page(call: Call) -> None:
    if call.query.get("limit") == "100":
        call.answer(400, "limit: 1 to 50")


@before("lists.range")
def limits_are_cut_to_100(call: Call) -> None:
    limit = call.query.get("limit", "")
    if limit.isdigit() and int(limit) > 100:
        call.query = {**call.query, "limit": "100"}


@before("lists.range")
def page_zero_is_page_one(call: Call) -> None:
    if call.query.get("page") == "0":
        call.query = {**call.query, "page": "1"}


@after("lists.past-end")
def past_the_end_is_404(call: Call) -> None:
    if call.body and call.body.get("data") == [] and call.query.get("page") == "1000":
        call.answer(404, "no such page")


@after("lists.shape")
def lists_of_pools_are_bare(call: Call) -> None:
    if pagination(call) and call.path == "/v1/pools":
        call.body = call.body["data"]


def ignoring(name: str, clause: str, value: str | None = None) -> None:
    """Register a mutant that does not look at a filter."""

    def change(call: Call) -> None:
        query = call.query
        if name in query and call.method == "GET" and value in (None, query[name]):
            del query[name]
            call.query = query

    WRAPPERS.append(Wrapper(f"the filter {name} is ignored, {clause}", clause, before=lambda: change))


ignoring("algorithm", "workers.filter-algorithm")
ignoring("status", "workers.filter-status")
ignoring("profile_id", "workers.filter-profile")
ignoring("search", "workers.filter-search")
ignoring("status", "pools.filter-status")
ignoring("algorithm", "pools.filter-algorithm")
ignoring("algorithm", "profiles.filter-algorithm")
ignoring("algorithm", "lists.bad-filter", "nosuch")
ignoring("timeRange", "series.bad-range", "2h")
ignoring("timeRange", "series.one-hour", "1h")

# Overview


@after("overview.totals")
def one_worker_too_many(call: Call) -> None:
    if call.path == "/v1/overview" and call.status == 200:
        call.body["workers"]["total"] += 1
        call.body["workers"]["online"] += 1


@after("overview.workers-add-up")
def offline_workers_are_forgotten(call: Call) -> None:
    if call.path == "/v1/overview" and call.status == 200:
        for where in (call.body, *call.body["algorithms"]):
            where["workers"]["total"] = where["workers"]["online"]


@after("overview.agrees-with-lists")
def untested_pools_are_unhealthy(call: Call) -> None:
    if call.path == "/v1/overview" and call.status == 200:
        for where in (call.body, *call.body["algorithms"]):
            where["pools"]["unhealthy"] = where["pools"]["total"] - where["pools"]["healthy"]


@after("overview.hashrate")
def the_overview_is_in_kilohashes(call: Call) -> None:
    if call.path == "/v1/overview" and call.status == 200:
        for block in call.body["algorithms"]:
            block["hashrate"] //= 1000


@after("overview.no-mixed-hashrate")
def hashrates_are_all_added(call: Call) -> None:
    if call.path == "/v1/overview" and call.status == 200:
        call.body["hashrate"] = sum(block["hashrate"] for block in call.body["algorithms"])


@after("overview.algorithms")
def an_algorithm_is_missing(call: Call) -> None:
    if call.path == "/v1/overview" and call.status == 200:
        del call.body["algorithms"][0]


# Workers


@after("workers.offline")
def offline_workers_keep_hashing(call: Call) -> None:
    if WORKERS.fullmatch(call.path):
        for item in call.items:
            if item.get("status") == "offline":
                item["hashrate"] = 1000


@after("workers.profile-name")
def profile_names_are_old(call: Call) -> None:
    if WORKERS.fullmatch(call.path):
        for item in call.items:
            if "profile_name" in item:
                item["profile_name"] = "Default"


@after("workers.pool")
def workers_mine_on_strange_pools(call: Call) -> None:
    if WORKERS.fullmatch(call.path):
        for item in call.items:
            if item.get("pool_id"):
                item["pool_id"] = "f" * 24


@after("workers.no-pool")
def workers_mine_without_a_pool(call: Call) -> None:
    if WORKERS.fullmatch(call.path):
        for item in call.items:
            if item.get("pool_id"):
                item["pool_id"] = item["pool_name"] = None


@after("workers.always-a-profile")
def some_workers_have_a_profile_that_is_gone(call: Call) -> None:
    if WORKERS.fullmatch(call.path):
        for item in call.items[:1]:
            if "profile_id" in item:
                item["profile_id"] = "f" * 24


# Series


def series(clause: str) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    """Register a change of series that hold points."""

    def register(change: Callable[[dict[str, Any]], None]) -> None:
        def after_it(call: Call) -> None:
            if call.status == 200 and SERIES.fullmatch(call.path) and call.body["data"]:
                change(call.body)

        WRAPPERS.append(Wrapper(change.__name__.replace("_", " "), clause, after=lambda: after_it))

    return register


@series("series.average")
def the_average_is_stale(body: dict[str, Any]) -> None:
    rates = [point["hashrate"] for point in body["data"][:-1]]
    body["stats"]["avg_hashrate"] = sum(rates) / len(rates)


@series("series.peak")
def the_peak_is_the_last_point(body: dict[str, Any]) -> None:
    body["stats"]["peak_hashrate"] = min(point["hashrate"] for point in body["data"])


@series("series.ascending")
def newest_first(body: dict[str, Any]) -> None:
    body["data"].reverse()


@series("series.ascending")
def a_gap(body: dict[str, Any]) -> None:
    del body["data"][3]


@series("series.complete")
def the_first_point_is_missing(body: dict[str, Any]) -> None:
    del body["data"][0]


@series("series.ends-now")
def the_step_that_runs_is_shown(body: dict[str, Any]) -> None:
    for point in body["data"]:
        point["timestamp"] += body["granularity"]


@series("series.ends-now")
def the_series_is_late(body: dict[str, Any]) -> None:
    for point in body["data"]:
        point["timestamp"] -= 2 * body["granularity"]


@series("series.aligned")
def steps_begin_with_the_call(body: dict[str, Any]) -> None:
    for point in body["data"]:
        point["timestamp"] -= 7


@series("series.shape")
def granularity_is_text(body: dict[str, Any]) -> None:
    body["granularity"] = f"{body['granularity']}s"


@series("series.ranges")
def hours_are_days(body: dict[str, Any]) -> None:
    if body["hours"] >= 168:
        body["hours"] //= 24


def _unsteady() -> Change:
    calls = 0

    def change(call: Call) -> None:
        nonlocal calls
        if call.status == 200 and SERIES.fullmatch(call.path):
            calls += 1
            for point in call.items:
                point["hashrate"] *= 1 + calls / 100

    return change


WRAPPERS.append(Wrapper("the past changes", "series.stable", after=_unsteady))


@after("series.empty")
def nothing_has_an_average(call: Call) -> None:
    if call.status == 200 and SERIES.fullmatch(call.path) and not call.body["data"]:
        call.body["stats"] = {"avg_hashrate": 0, "peak_hashrate": 0}


@after("fleet-series.is-the-sum")
def the_fleet_forgets_a_tenth(call: Call) -> None:
    if call.status == 200 and call.path == "/v1/workers/hashrate":
        for point in call.items:
            point["hashrate"] *= 0.9


@after("fleet-series.algorithm-required")
def algorithms_are_mixed(call: Call) -> None:
    if call.status == 400 and call.path == "/v1/workers/hashrate" and "algorithm" not in call.query:
        call.status, call.body = 200, {"algorithm": None, "timeRange": "1h", "hours": 1, "granularity": 60, "data": []}


# Writing


@after("pools.create.status")
def pools_are_created_with_200(call: Call) -> None:
    if call.status == 201 and call.path == "/v1/pools":
        call.status = 200


@after("profiles.create.status")
def profiles_are_created_with_202(call: Call) -> None:
    if call.status == 201 and call.path == "/v1/profiles":
        call.status = 202


@after("pools.delete.answer")
def deleting_answers_204(call: Call) -> None:
    if call.method == "DELETE" and call.status == 200:
        call.status, call.text = 204, ""


@after("profiles.delete.answer")
def nobody_counts_who_moved(call: Call) -> None:
    if call.method == "DELETE" and call.status == 200 and "migrated_workers" in call.body:
        call.body["migrated_workers"] = 0


@after("pools.test.failure-is-200")
def a_failed_test_is_400(call: Call) -> None:
    if call.path == "/v1/pools/test" and call.status == 200 and not call.body["success"]:
        call.answer(400, "the test failed")


@after("pools.test.stages")
def stages_that_were_skipped_are_left_out(call: Call) -> None:
    if call.path == "/v1/pools/test" and call.status == 200:
        call.body["stages"] = [one for one in call.body["stages"] if one["status"] != "skipped"]


@after("pools.test.success")
def every_test_succeeds(call: Call) -> None:
    if call.path == "/v1/pools/test" and call.status == 200:
        call.body["success"] = True


@after("pools.create.failed-test")
def the_stage_is_not_named(call: Call) -> None:
    if call.path == "/v1/pools" and call.method == "POST" and call.status == 400:
        call.body = {"error": "the test failed"}


@after("pools.delete.names-profiles")
def conflicts_are_not_explained(call: Call) -> None:
    if call.status == 409:
        call.body = {"error": "conflict"}


@before("profiles.set-default.no-body")
def the_default_is_set_by_json_alone(call: Call) -> None:
    if call.path.endswith("/default") and call.method == "POST" and not call.environ.get("CONTENT_TYPE"):
        call.environ["PATH_INFO"] = "/v1/no-such-thing"


@after("profiles.get-default.none")
def no_default_is_an_empty_answer(call: Call) -> None:
    if call.path == "/v1/profiles/default" and call.status == 404:
        call.status, call.body = 200, {}


@after("profiles.one-default")
def every_profile_is_a_default(call: Call) -> None:
    if call.path == "/v1/profiles" and call.method == "GET":
        for item in call.items:
            item["is_default"] = True


@after("profiles.delete.default")
def deleting_the_default_is_403(call: Call) -> None:
    if call.method == "DELETE" and call.status == 409:
        call.status = 403
