"""Mutants that wrap an application: it may be any."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.mutants.tamper import Call, Change


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One deviation.

    Attributes:
        clause: what has to find it. only: scenarios that are enough to run; those that decide the clause where empty.
    """

    name: str
    clause: str
    before: Callable[[], Change] | None = None
    after: Callable[[], Change] | None = None
    only: tuple[str, ...] = ()


WRAPPERS: list[Wrapper] = []


def before(clause: str, *only: str) -> Callable[[Change], Change]:
    """Register a change of requests."""

    def register(change: Change) -> Change:
        WRAPPERS.append(Wrapper(change.__name__.replace("_", " "), clause, before=lambda: change, only=only))
        return change

    return register


def after(clause: str, *only: str) -> Callable[[Change], Change]:
    """Register a change of answers."""

    def register(change: Change) -> Change:
        WRAPPERS.append(Wrapper(change.__name__.replace("_", " "), clause, after=lambda: change, only=only))
        return change

    return register


def header(call: Call, name: str) -> str | None:
    """A header's own spelling in the answer."""
    return next((key for key in call.headers if key.lower() == name.lower()), None)


def drop(call: Call, *names: str) -> None:
    """Take headers away."""
    for name in names:
        found = header(call, name)
        if found is not None:
            del call.headers[found]


def put(call: Call, name: str, value: str) -> None:
    """Set a header that is there."""
    found = header(call, name)
    if found is not None:
        call.headers[found] = value


LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
SERIES = re.compile(r"/v1/workers/([^/]+/)?hashrate")
WORKERS = re.compile(r"/v1/workers(/[0-9a-f]{24})?")

# Who is calling


@after("auth.key-required")
def the_overview_needs_no_key(call: Call) -> None:
    if call.status == 401 and call.path == "/v1/overview":
        call.status, call.body = 200, {"workers": {}, "pools": {}, "algorithms": []}


@before("auth.bearer")
def bearer_tokens_are_not_read(call: Call) -> None:
    call.environ.pop("HTTP_AUTHORIZATION", None)


@after("auth.invalid-key")
def an_unknown_key_is_403(call: Call) -> None:
    if call.status == 401:
        call.status = 403


@before("auth.other-scheme")
def basic_is_as_good_as_bearer(call: Call) -> None:
    given = call.environ.get("HTTP_AUTHORIZATION", "")
    call.environ["HTTP_AUTHORIZATION"] = re.sub("^Basic ", "Bearer ", given)


@before("auth.x-api-key-wins")
def bearer_wins(call: Call) -> None:
    if call.environ.get("HTTP_AUTHORIZATION"):
        call.environ.pop("HTTP_X_API_KEY", None)


@after("auth.scope-required")
def a_lacking_scope_is_404(call: Call) -> None:
    if call.status == 403:
        call.status = 404


@after("auth.address")
def a_wrong_address_is_401(call: Call) -> None:
    if call.status == 403 and "address" in call.body["error"]:
        call.status = 401


# How often


@after("rate.headers", "unknown-ids")
def errors_have_no_rate_headers(call: Call) -> None:
    if call.status >= 400:
        drop(call, *LIMITS)


@after("rate.remaining-counts")
def one_more_remaining(call: Call) -> None:
    found = header(call, LIMITS[1])
    if found is not None:
        call.headers[found] = str(int(call.headers[found]) + 1)


@after("rate.errors-count")
def errors_show_an_old_count(call: Call) -> None:
    found = header(call, LIMITS[1])
    if found is not None and call.status == 404:
        call.headers[found] = str(int(call.headers[found]) + 1)


@after("rate.reset-time")
def reset_in_milliseconds(call: Call) -> None:
    found = header(call, LIMITS[2])
    if found is not None:
        call.headers[found] += "000"


def _sliding() -> Change:
    calls = 0

    def change(call: Call) -> None:
        nonlocal calls
        found = header(call, LIMITS[2])
        if found is not None:
            calls += 1
            call.headers[found] = str(int(call.headers[found]) + calls % 7)

    return change


WRAPPERS.append(Wrapper("reset moves with each call", "rate.fixed-window", after=_sliding))


@after("rate.limit-header")
def the_limit_is_said_to_be_100(call: Call) -> None:
    put(call, LIMITS[0], "100")


@after("rate.retry-after")
def no_retry_after(call: Call) -> None:
    drop(call, "Retry-After")


@after("rate.retry-after-seconds")
def retry_after_is_a_date(call: Call) -> None:
    put(call, "Retry-After", "Mon, 20 Jan 2025 12:01:00 GMT")


@after("rate.retry-after-seconds")
def retry_after_is_always_a_second(call: Call) -> None:
    put(call, "Retry-After", "1")


@after("rate.exceeded")
def too_many_is_503(call: Call) -> None:
    if call.status == 429:
        call.status = 503


@after("rate.keyless-free")
def refused_keys_see_a_limit(call: Call) -> None:
    if call.status == 401:
        call.headers.update(dict.fromkeys(LIMITS, "10"))


# Errors


@after("errors.shape", "unknown-ids")
def errors_are_called_message(call: Call) -> None:
    if call.status >= 400:
        call.body = {"message": call.body["error"]}


@after("errors.shape", "unknown-ids")
def errors_are_empty(call: Call) -> None:
    if call.status >= 400:
        call.body = {"error": ""}


@after("errors.content-type", "unknown-ids")
def errors_are_declared_as_text(call: Call) -> None:
    if call.status >= 400:
        put(call, "Content-Type", "text/plain")


@after("errors.content-type", "unknown-paths")
def unknown_paths_answer_html(call: Call) -> None:
    if call.status == 404 and "no-such-thing" in call.path:
        call.text = "<h1>Not Found</h1>"
        put(call, "Content-Type", "text/html")


@after("errors.unknown-path")
def unknown_paths_are_400(call: Call) -> None:
    if call.status == 404 and "no-such" in call.path:
        call.status = 400


@after("errors.method")
def wrong_methods_are_404(call: Call) -> None:
    if call.status == 405:
        call.status = 404


@after("errors.method")
def no_allow(call: Call) -> None:
    drop(call, "Allow")


@after("errors.never-5xx", "bad-bodies")
def bad_json_breaks_the_server(call: Call) -> None:
    if call.status == 400 and "JSON" in call.body["error"]:
        call.answer(500, "internal server error")


@after("errors.bad-json")
def bad_json_is_422(call: Call) -> None:
    if call.status == 400 and call.method in ("POST", "PUT"):
        call.status = 422


@after("errors.statuses", "bad-bodies")
def bad_bodies_are_422(call: Call) -> None:
    if call.status == 400 and call.method in ("POST", "PUT"):
        call.status = 422


@after("errors.too-large")
def too_large_is_400(call: Call) -> None:
    if call.status == 413:
        call.status = 400


@before("errors.media-type")
def any_media_type_is_json(call: Call) -> None:
    if call.environ.get("CONTENT_TYPE"):
        call.environ["CONTENT_TYPE"] = "application/json"


@after("errors.no-secrets", "unknown-ids")
def errors_repeat_the_key(call: Call) -> None:
    if call.status == 404:
        call.body = {"error": f"nothing there for {call.key}"}


@after("errors.helpful", "bad-parameters")
def errors_say_nothing(call: Call) -> None:
    if call.status == 400:
        call.body = {"error": "bad request"}


@after("errors.lists-algorithms")
def algorithms_are_not_listed(call: Call) -> None:
    if call.status == 400 and call.query.get("algorithm"):
        call.body = {"error": "algorithm: unknown"}


# Ids and fields


@after("ids.malformed")
def malformed_ids_are_404(call: Call) -> None:
    if call.status == 400 and re.search("/(12|g{24}|0{23}|0{25})", call.path):
        call.status = 404


@after("ids.unknown")
def unknown_ids_are_410(call: Call) -> None:
    if call.status == 404:
        call.status = 410


@before("ids.case")
def upper_case_is_something_else(call: Call) -> None:
    if re.fullmatch("/v1/pools/[0-9A-F]*[A-F][0-9A-F]*", call.path):
        call.environ["PATH_INFO"] = "/v1/pools/" + "f" * 24


@after("ids.format", "single-resources")
def ids_are_longer(call: Call) -> None:
    for item in call.items:
        if "host" in item:
            item["_id"] += "00"


@after("fields.dates", "single-resources")
def dates_are_numbers(call: Call) -> None:
    for item in call.items:
        if "created_at" in item:
            item["created_at"] = 1737374400


@after("fields.dates-utc", "single-resources")
def dates_have_an_offset(call: Call) -> None:
    for item in call.items:
        if "updated_at" in item:
            item["updated_at"] = item["updated_at"].replace("Z", "+00:00")


@after("fields.timestamps", "series-of-a-worker")
def timestamps_are_floats(call: Call) -> None:
    if SERIES.fullmatch(call.path):
        for point in call.items:
            point["timestamp"] = point["timestamp"] + 0.5


@after("fields.hashrates", "series-of-a-worker")
def hashrates_are_text(call: Call) -> None:
    if SERIES.fullmatch(call.path):
        for point in call.items:
            point["hashrate"] = str(point["hashrate"])


@after("workers.hashrate-integer", "facts-of-workers")
def hashrates_are_floats(call: Call) -> None:
    if WORKERS.fullmatch(call.path):
        for item in call.items:
            if "hashrate" in item:
                item["hashrate"] = float(item["hashrate"])


@after("shape.Worker.profile_name", "facts-of-workers")
def profile_names_are_missing(call: Call) -> None:
    if WORKERS.fullmatch(call.path):
        for item in call.items:
            item.pop("profile_name", None)


@after("shape.Worker.shares", "facts-of-workers")
def shares_are_null(call: Call) -> None:
    if WORKERS.fullmatch(call.path):
        for item in call.items:
            item["shares"] = None


@after("shape.Health.latency_ms", "facts-of-pools")
def latency_is_negative(call: Call) -> None:
    for item in call.items:
        if "health" in item:
            item["health"]["latency_ms"] = -1


@after("pools.password-hidden", "facts-of-pools")
def passwords_are_shown(call: Call) -> None:
    for item in call.items:
        if "host" in item:
            item["password"] = "x"


@after("resources.same-as-item")
def single_pools_have_another_name(call: Call) -> None:
    if call.method == "GET" and call.status == 200 and re.fullmatch("/v1/pools/[0-9a-f]{24}", call.path):
        call.body["name"] = call.body["name"].upper() + "!"


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
