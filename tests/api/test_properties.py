"""Requests drawn from the spec: whatever is sent, never a 5xx and always the one shape; what the schemas allow, passes.

Each answer is judged by the harness, as everywhere. The draws are the same in every run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.drawn import Strategy, allowed, any_json, any_text, spoilt_body, valid_body
from tests.api.harness import NO_SUCH_ID, VIP, WORLD, Answer, Api, FakePools, HandClock
from upsim.config import configure
from upsim.model import Stage
from upsim.serve import Server
from upsim.spec import API, Operation

OPERATIONS = [pytest.param(operation, id=operation.id) for operation in API.operations]
WITH_BODY = [pytest.param(operation, id=operation.id) for operation in API.operations if operation.body is not None]

READING = [pytest.param(operation, id=operation.id) for operation in API.operations if operation.method == "GET"]

DRAWS: Final = settings(
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
FEWER: Final = settings(DRAWS, max_examples=100)

ids = st.one_of(
    st.sampled_from([NO_SUCH_ID, NO_SUCH_ID.upper(), "hashrate", "default", "test", "null", "0", "."]),
    st.from_regex(r"[0-9a-fA-F]{22,26}", fullmatch=True),
    any_text.filter(lambda text: "/" not in text),
)
header_text = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
header_names = st.sampled_from(
    [
        *("Authorization", "X-Forwarded-For", "Forwarded", "Accept", "Range", "If-None-Match", "Content-Encoding"),
        *("Cookie", "X-HTTP-Method-Override", "Upgrade", "Origin", "Accept-Encoding", "User-Agent", "TE"),
    ]
)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"])
content_types = st.sampled_from(["application/json", "application/json; charset=latin-1", "text/plain", "x", "", "/"])


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """One simulator for all draws: what one of them makes, the next may meet."""
    clock, tester = HandClock(), FakePools()
    server = Server(configure({"fixture": str(WORLD), "rate_limit": "off"}, {}), clock, tester)
    yield Api(server, clock, tester)
    server.close()


@cache
def bodies(operation: Operation) -> Strategy:
    """Anything there is to send: bytes, any JSON, nearly what the spec allows."""
    values = any_json if operation.body is None else st.one_of(any_json, spoilt_body(operation))
    return st.one_of(st.none(), st.binary(max_size=60), values.map(lambda value: json.dumps(value).encode()))


@cache
def queries(operation: Operation) -> Strategy:
    """Query strings: the operation's own parameters and others, with values of any kind, or text that is no query."""
    known = [name for name, _, _ in operation.parameters("query")]
    names = st.sampled_from([*known, "x", "page", "limit", "algorithm"])
    values = st.one_of(any_text, st.integers().map(str), st.sampled_from(["1", "randomx", "24h", "", "true", "1e3"]))
    pairs = st.lists(st.tuples(names, values), max_size=4).map(lambda found: urlencode(found, errors="replace"))
    return st.one_of(
        pairs, st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=30)
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_is_sent_is_answered_without_a_5xx(api: Api, operation: Operation) -> None:
    @DRAWS
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        path = operation.path.replace("{id}", quote(data.draw(ids, label="id"), safe="", errors="replace"))
        api.tester.failing = data.draw(st.sampled_from([None, *Stage]), label="stage")
        answer = api.call(
            data.draw(st.one_of(st.just(operation.method), methods), label="method"),
            f"{path}?{data.draw(queries(operation), label='query')}",
            key=data.draw(st.one_of(st.just(VIP), st.just(VIP), header_text, st.none()), label="key"),
            headers=data.draw(st.lists(st.tuples(header_names, header_text), max_size=3), label="headers"),
            body=data.draw(bodies(operation), label="body"),
            content_type=data.draw(st.one_of(st.just("application/json"), content_types), label="type"),
        )
        assert answer.status < 500

    ask()


@pytest.mark.parametrize("operation", WITH_BODY)
def test_a_body_the_schema_allows_is_never_refused_for_its_form(api: Api, operation: Operation) -> None:
    """What it names need not exist, so 404 is a fair answer; 400 is one for reasons beyond the schema only."""

    @FEWER
    @given(body=valid_body(operation))
    def send(body: Any) -> None:
        api.tester.failing = None
        answer = api.call(operation.method, operation.path.replace("{id}", NO_SUCH_ID), json=body)
        assert answer.status in (200, 201, 404) or _beyond_the_schema(answer), answer.text

    send()


def _beyond_the_schema(answer: Answer) -> bool:
    return answer.status == 400 and answer.error.endswith("is listed twice; list each once.")


@pytest.mark.parametrize("operation", READING)
def test_a_query_the_schema_allows_is_never_refused(api: Api, operation: Operation) -> None:
    values_of = {
        name: allowed(schema) if needed else st.none() | allowed(schema)
        for name, needed, schema in operation.parameters("query")
    }

    @FEWER
    @given(values=st.fixed_dictionaries(values_of))
    def ask(values: dict[str, Any]) -> None:
        query = urlencode({name: value for name, value in values.items() if value is not None})
        answer = api.call("GET", f"{operation.path.replace('{id}', NO_SUCH_ID)}?{query}")
        unnamed = operation.id == "get_workers_hashrate" and "algorithm" not in query
        assert answer.status in (200, 404) or (unnamed and answer.error.startswith("algorithm: is required"))

    ask()


def test_what_was_created_is_read_back_as_it_was_sent(api: Api) -> None:
    create = next(operation for operation in API.operations if operation.id == "create_pool")

    @FEWER
    @given(body=valid_body(create))
    def make(body: dict[str, Any]) -> None:
        api.tester.failing = None
        created = api.post("/v1/pools", body)
        assert created.status == 201
        pool = api.get(f"/v1/pools/{created.json['_id']}").json
        for name in ("name", "algorithm", "host", "port", "username"):
            assert pool[name] == body[name]
        assert pool["tls"] is body.get("tls", False)

    make()
