"""Whatever is sent, the answer is an error of the one shape that says what was wrong: bodies, paths, methods."""

from __future__ import annotations

import logging
from http import HTTPStatus

import pytest

from tests.api.harness import NO_SUCH_ID, Api
from upsim.rules import overview
from upsim.spec import API, Operation

WITH_BODY = [
    pytest.param(operation, id=operation.id) for operation in API.operations if operation.body is not None
]  # fmt: skip
NO_OBJECT = [b"null", b"true", b"0", b"1.5", b'"text"', b"[]", b'[{"name": "x"}]', b"[" * 20 + b"]" * 20]
NO_JSON = [
    b"",
    b" ",
    b"{",
    b"}",
    b"{}x",
    b"{'a': 1}",
    b'{"a": 1,}',
    b'{"a"}',
    b"NaN",
    b'{"port": NaN}',
    b'{"port": -Infinity}',
    b'{"port": 1e999}',
    b'{"port": 01}',
    b'{"port": 0x10}',
    b'{"port": ' + b"9" * 5000 + b"}",
    b'{"name": "\x01"}',
    b'{"name": "\xff"}',
    b'{"name": "\xed\xa0\x80"}',
    b'{"name": "\\ud800"}',
    b'{"\\udfff": 1}',
    b"\xef\xbb\xbf{}",
    b"\x00",
    "{}".encode("utf-16"),
    b"name=x&port=1",
    b"<pool/>",
]


def path_of(operation: Operation) -> str:
    return operation.path.replace("{id}", NO_SUCH_ID)


def send(api: Api, operation: Operation, body: bytes, content_type: str | None = "application/json") -> tuple[int, str]:
    answer = api.call(operation.method, path_of(operation), body=body, content_type=content_type)
    return answer.status, answer.error


# Bodies


@pytest.mark.parametrize("operation", WITH_BODY)
def test_a_body_that_is_no_json_object_is_400(api: Api, operation: Operation) -> None:
    for body in NO_OBJECT + NO_JSON:
        status, error = send(api, operation, body)
        assert (status, error.startswith("body: ")) == (400, True), body


@pytest.mark.parametrize("operation", WITH_BODY)
def test_a_body_nested_too_deeply_is_400(api: Api, operation: Operation) -> None:
    """Also where the parser would take it and something after it would not."""
    for depth in (33, 200, 480, 490, 500, 900, 1000, 100_000):
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            nested = opening * depth + b"1" + closing * depth
            for body in (nested, b'{"unknown": ' + nested + b"}"):
                assert send(api, operation, body)[0] == 400


@pytest.mark.parametrize("operation", WITH_BODY)
def test_a_body_of_another_type_is_415(api: Api, operation: Operation) -> None:
    for other in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json"):
        status, error = send(api, operation, b"{}", other)
        assert (status, "application/json" in error) == (415, True)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/json;", None],
)
def test_json_is_known_however_its_type_is_spelt(api: Api, content_type: str | None) -> None:
    pool = api.id_of("pools", "Monero one")
    answer = api.call("PUT", f"/v1/pools/{pool}", body=b'{"name": "renamed"}', content_type=content_type)
    assert answer.json["name"] == "renamed"


@pytest.mark.parametrize("operation", [pytest.param(operation, id=operation.id) for operation in API.operations])
def test_a_body_over_one_mebibyte_is_413_where_it_is_wanted_and_where_it_is_not(api: Api, operation: Operation) -> None:
    path = path_of(operation) + "?algorithm=randomx"
    just_over = api.call(operation.method, path, body=b" " * ((1 << 20) + 1), content_type="application/json")
    assert just_over.status == 413
    assert "1,048,576" in just_over.error
    just_under = api.call(operation.method, path, body=b" " * (1 << 20), content_type="application/json")
    assert just_under.status != 413


def test_a_body_where_none_is_wanted_is_ignored(api: Api) -> None:
    for body in NO_OBJECT + NO_JSON:
        assert api.call("GET", "/v1/overview", body=body, content_type="text/plain").status == 200


def test_of_a_name_given_twice_the_last_value_counts(api: Api) -> None:
    pool = api.id_of("pools", "Monero one")
    sent = b'{"name": "first", "name": "last"}'
    answer = api.call("PUT", f"/v1/pools/{pool}", body=sent, content_type="application/json")
    assert answer.json["name"] == "last"


@pytest.mark.parametrize("name", ["Ünïcödé", "日本", "\U0001f600" * 100, "\u202e", "a\u0000b", "$where", "a.b", '"'])
def test_text_of_any_script_comes_back_as_it_was_sent(api: Api, name: str) -> None:
    described = {"name": name, "algorithm": "randomx", "host": "h.example", "port": 1, "username": name}
    created = api.post("/v1/pools", described)
    assert (created.status, created.json["name"], created.json["username"]) == (201, name, name)
    assert api.get(f"/v1/pools/{created.json['_id']}").json["name"] == name


def test_a_whole_number_may_be_written_with_a_fraction_of_zero(api: Api) -> None:
    """JSON knows no integers: 3333.0 and 3.333e3 are the number 3333."""
    pool = api.id_of("pools", "Monero one")
    for written in (b"3333.0", b"3.333e3"):
        answer = api.call("PUT", f"/v1/pools/{pool}", body=b'{"port": ' + written + b"}")
        assert '"port":3333,' in answer.text


# Paths and methods


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/workers/",
        "/v1//workers",
        "/v1/workers//hashrate",
        "/v1/overview/x",
        "/v1/overview;x=1",
        "/v1/overview.json",
        "/v1/Overview",
        "/v1/pools/test/x",
        "/v1/./overview",
        "/v1/../v1/overview",
        "/v1/%2e%2e/openapi.yaml",
        "/v1/overview%00",
        "/v1/overview%20",
        "/v1/" + "x" * 5000,
    ],
)
def test_an_unknown_path_is_404_for_whoever_has_a_key(api: Api, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        assert api.call(method, path).status == 404
        assert api.call(method, path, key=None).status == 401


@pytest.mark.parametrize("path", ["/v2/workers", "/V1/overview", "/v1overview", "/favicon.ico", "/static/x", "/.env"])
def test_a_path_outside_v1_is_404_for_everybody(api: Api, path: str) -> None:
    assert api.call("GET", path, key=None).status == 404


METHODS = {
    path: sorted(
        {operation.method for operation in API.operations if operation.path == path}
        | ({"HEAD"} if any(o.path == path and o.method == "GET" for o in API.operations) else set())
    )
    for path in {operation.path for operation in API.operations}
}


@pytest.mark.parametrize("path", sorted(METHODS))
def test_a_method_a_path_does_not_have_is_405_and_allow_says_which_it_has(api: Api, path: str) -> None:
    concrete = path.replace("{id}", NO_SUCH_ID)
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"} - set(METHODS[path]):
        answer = api.call(method, concrete)
        assert answer.status == 405, method
        assert answer.headers["Allow"].split(", ") == METHODS[path]


def test_head_answers_as_get_does_without_the_body(api: Api) -> None:
    for path in ("/v1/overview", "/v1/workers?limit=3", "/v1/pools/nonsense", "/openapi.json"):
        got, headed = api.call("GET", path), api.call("HEAD", path)
        assert (headed.status, headed.text) == (got.status, "")
        assert headed.headers["Content-Type"] == got.headers["Content-Type"]


def test_the_spec_is_handed_out_to_everybody(api: Api) -> None:
    assert api.call("GET", "/openapi.yaml", key=None).text == API.file.read_text("utf-8")
    assert api.call("GET", "/openapi.json", key=None).json == API.document


# Crashes


@pytest.mark.parametrize("crash", [RuntimeError("secret detail"), KeyError("x"), RecursionError(), MemoryError()])
def test_a_crash_is_a_500_that_shows_nothing_of_its_inside(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, crash: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise crash

    monkeypatch.setattr(overview, "get_overview", broken)
    with caplog.at_level(logging.ERROR):
        answer = api.get("/v1/overview")
    assert answer.status == 500
    assert "secret detail" not in answer.text
    assert "/v1/overview failed" in caplog.text


# Statuses


def test_each_status_of_the_reference_is_reached_by_a_request_a_client_can_send(limited: Api) -> None:
    held = limited.id_of("pools", "Monero one")
    reached = {
        limited.get("/v1/overview").status,
        limited.post(
            "/v1/pools", {"name": "n", "algorithm": "randomx", "host": "h.example", "port": 1, "username": "u"}
        ).status,
        limited.get("/v1/workers?page=0").status,
        limited.get("/v1/overview", key=None).status,
        limited.get("/v1/overview", key="up_k_nothing").status,
        limited.get(f"/v1/workers/{NO_SUCH_ID}").status,
        limited.delete(f"/v1/pools/{held}").status,
        *(limited.get("/v1/overview").status for _ in range(60)),
    }
    assert reached == {200, 201, 400, 401, 403, 404, 409, HTTPStatus.TOO_MANY_REQUESTS}
