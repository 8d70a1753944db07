"""Who may drive the simulator: local programs and whoever holds the token; no API key, no page of another origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.control.harness import Sandbox, opened

TOKEN = "a-token-of-our-own"
WORLDS = "/_upsim/worlds"


@pytest.fixture
def guarded() -> Iterator[Sandbox]:
    """A simulator that was given a token."""
    with opened(admin_token=TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def exposed() -> Iterator[Sandbox]:
    """A simulator beyond loopback, that made its own token."""
    with opened(host="0.0.0.0") as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "127.9.9.9", "localhost:80", "a.localhost", "[::1]:80"]
)
def test_on_loopback_a_local_program_needs_no_token(sandbox: Sandbox, host: str) -> None:
    assert sandbox.raw("GET", WORLDS, headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.0.2.1", "[::ffff:1.2.3.4]", "", "@"],
)
def test_a_name_that_was_rebound_to_loopback_is_refused(sandbox: Sandbox, host: str) -> None:
    refused = sandbox.raw("GET", WORLDS, headers={"Host": host})
    assert refused.status in (400, 403)
    assert refused.error


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "https://127.0.0.1:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_pages_of_other_origins_are_refused(sandbox: Sandbox, method: str, headers: Mapping[str, str]) -> None:
    refused = sandbox.raw(method, WORLDS, headers=headers)
    assert refused.status == 403
    assert "refuses calls from other origins" in refused.error
    assert "Access-Control-Allow-Origin" not in refused.headers
    assert len(sandbox.client.worlds()) == 1


def test_pages_of_other_origins_are_refused_with_the_token_too(guarded: Sandbox) -> None:
    headers = {"X-Upsim-Token": TOKEN, "Origin": "http://evil.example"}
    assert guarded.raw("POST", WORLDS, headers=headers).status == 403


def test_a_page_of_the_simulators_own_may_drive_it(sandbox: Sandbox) -> None:
    headers = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    assert sandbox.raw("POST", WORLDS, headers=headers).status == 201


def test_a_form_of_a_page_makes_nothing(sandbox: Sandbox) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert sandbox.raw("POST", WORLDS, data=b'{"id":"x"}', content_type=content_type).status == 415
    assert len(sandbox.client.worlds()) == 1


@pytest.mark.parametrize(
    "path",
    [
        WORLDS,
        "/_upsim/health",
        "/_upsim/magic",
        "/_upsim/worlds/default/clock",
        "/_upsim/openapi.json",
        "/_upsim/nope",
        "/_upsim",
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Upsim-Token": ""},
        {"X-Upsim-Token": TOKEN[:-1]},
        {"X-Upsim-Token": TOKEN + "x"},
        {"X-Upsim-Token": "\u00e9"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer up_k_demovip"},
        {"Authorization": f"Basic {TOKEN}"},
        {"X-API-Key": "up_k_demovip"},
        {"X-API-Key": TOKEN},
    ],
)
def test_without_the_token_nothing_opens_the_control_plane(
    guarded: Sandbox, path: str, headers: Mapping[str, str]
) -> None:
    refused = guarded.raw("GET", path, headers=headers)
    assert refused.status == 401
    assert "needs its admin token" in refused.error
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN not in refused.text


@pytest.mark.parametrize("headers", [{"X-Upsim-Token": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}])
def test_the_token_opens_it_by_any_name(guarded: Sandbox, headers: Mapping[str, str]) -> None:
    for host in ("127.0.0.1", "sim.example", "192.0.2.1:8080"):
        assert guarded.raw("GET", WORLDS, headers={**headers, "Host": host}).status == 200


def test_beyond_loopback_a_token_is_made_and_demanded(exposed: Sandbox) -> None:
    token = exposed.server.admin_token
    assert token is not None
    assert len(token) >= 32
    assert exposed.raw("GET", WORLDS).status == 401
    assert exposed.raw("GET", WORLDS, address="127.0.0.1", headers={"Host": "127.0.0.1"}).status == 401
    assert exposed.raw("GET", WORLDS, headers={"X-Upsim-Token": token}).status == 200
    with opened(host="0.0.0.0") as another:
        assert another.server.admin_token != token


def test_the_token_opens_nothing_under_v1(guarded: Sandbox) -> None:
    assert guarded.raw("GET", "/v1/pools", headers={"X-API-Key": TOKEN, "X-Upsim-Token": TOKEN}).status == 401


def test_a_caller_says_its_address_only_where_that_was_switched_on(stored: Sandbox) -> None:
    with stored.client.world() as world, stored.client.world() as other:
        keys = [one.key("magic", "only from elsewhere") for one in (world, other)]
        believed = {"X-Upsim-Caller-Address": "192.0.2.7"}
        assert stored.get(keys[0], headers=believed).status == 403
        assert stored.get(keys[0], headers={"X-Forwarded-For": "192.0.2.7"}).status == 403
        world.set_options(caller_address=True)
        assert stored.get(keys[0], headers=believed).status == 200
        assert stored.get(keys[0], headers={"X-Upsim-Caller-Address": "2001:db8::1"}).status == 200
        assert stored.get(keys[0], headers={"X-Upsim-Caller-Address": "198.51.100.1"}).status == 403
        assert stored.get(keys[0], headers={"X-Upsim-Caller-Address": "nonsense"}).status == 403
        assert stored.get(keys[0]).status == 403
        assert stored.get(keys[0], headers={"X-Forwarded-For": "192.0.2.7"}).status == 403
        assert stored.get(keys[1], headers=believed).status == 403, "in one world only"
        world.set_options(caller_address=False)
        assert stored.get(keys[0], headers=believed).status == 403
