"""Expectations as text: what each means, and what is said of those that mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from upsim import Simulator, World
from upsim.client.expectation import Expectation

MEANINGS: list[tuple[str, dict[str, Any]]] = [
    ("GET /v1/workers", {"method": "GET", "path": "/v1/workers"}),
    ("get /v1/workers == 2", {"method": "GET", "path": "/v1/workers", "exactly": 2}),
    ("  POST   /v1/profiles/*/default=1 ", {"method": "POST", "path": "/v1/profiles/*/default=1"}),
    ("/v1/pools >= 2", {"path": "/v1/pools", "at_least": 2}),
    ("/v1/pools > 2", {"path": "/v1/pools", "at_least": 3}),
    ("/v1/pools < 2", {"path": "/v1/pools", "at_most": 1}),
    ("/v1/pools >=2 <=4", {"path": "/v1/pools", "at_least": 2, "at_most": 4}),
    ("* == 4", {"exactly": 4}),
    ("== 0", {"exactly": 0}),
    ("DELETE = 0", {"method": "DELETE", "exactly": 0}),
    ("* status=429", {"filters": {"status": 429}}),
    ("status=429 <= 3", {"filters": {"status": 429}, "at_most": 3}),
    (
        'GET decided="rate limit" account=vip == 1',
        {"method": "GET", "filters": {"decided": "rate limit", "account": "vip"}, "exactly": 1},
    ),
    (
        'POST /v1/pools body={"host": "a b == 1", "tls": true} == 1',
        {"method": "POST", "path": "/v1/pools", "filters": {"body": {"host": "a b == 1", "tls": True}}, "exactly": 1},
    ),
]


@pytest.mark.parametrize(("text", "meaning"), MEANINGS)
def test_a_text_means_this(text: str, meaning: dict[str, Any]) -> None:
    assert Expectation.parse(text) == Expectation(text, **meaning)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        ("FETCH /v1/pools", "'FETCH' is no method; there are GET, POST"),
        ("GET v1/pools", "'v1/pools' is not understood"),
        ("GET /v1/pools?page=1", "without their query"),
        ("GET /v1/pools === 2", "whole number"),
        ("GET /v1/pools == two", "whole number"),
        ("GET /v1/pools ==", "whole number"),
        ("GET /v1/pools == -1", "whole number"),
        ("GET /v1/pools == 1.5", "whole number"),
        ("GET /v1/pools != 1", "there is no !="),
        ("GET /v1/pools == 1 == 1", "contradict"),
        ("GET /v1/pools == 1 >= 1", "contradict"),
        ("GET /v1/pools >= 3 <= 2", "no number of calls"),
        ("GET /v1/pools < 0", "no number of calls"),
        ("GET /v1/pools 3", "'3' is not understood"),
        ("GET /v1/pools == 3 times", "'times' is not understood"),
        ("GET path=/v1/pools", "there is no filter 'path'; there are status, account"),
        ("GET status=200 status=201", "status is there twice"),
        ("GET status=ok", "'ok' is no status"),
        ("GET account=", "account: has no value"),
        ("POST body={host: a}", "body: what follows is not JSON"),
        ("POST body=[1]", "body: has to be a JSON object"),
        ('GET decided="rate limit', "decided: what follows is not JSON"),
    ],
)
def test_what_means_nothing_is_said_with_the_form_it_should_have(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - what it says is looked at below
        Expectation.parse(text)
    said = str(refused.value)
    assert said.startswith(f"{text!r}: ")
    assert problem in said
    assert "write [METHOD] [PATH]" in said


@pytest.fixture
def world() -> Iterator[World]:
    """A world with four calls in its journal: two readings, one refusal of the limit, one test of a pool."""
    with Simulator(listen=False) as simulator:
        world = simulator.default
        world.faults.add(method="GET", path="/v1/profiles", status=503)
        client = simulator.app.test_client()
        headers = {"X-API-Key": "up_k_demovip"}
        for path in ("/v1/workers", "/v1/workers", "/v1/profiles"):
            client.get(path, headers=headers)
        described = {"algorithm": "randomx", "host": "refused.pool.test", "port": 1, "username": "u"}
        client.post("/v1/pools/test", headers=headers, json=described)
        yield world


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("* == 4", True),
        ("GET /v1/workers == 2", True),
        ("GET /v1/workers > 2", False),
        ("/v1/* status=503 == 1", True),
        ("decided=fault", True),
        ('decided="rate limit" == 0', True),
        ("account=basic", False),
        ('POST body={"host": "refused.pool.test"} == 1', True),
        ('POST body={"host": "other"}', False),
    ],
)
def test_a_journal_is_held_to_it(world: World, text: str, met: bool) -> None:
    assert Expectation.parse(text).check(world.journal).met is met
