"""Mutants that wrap an application, whichever it is: who is calling, how often, errors, ids and fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

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
