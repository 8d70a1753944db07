"""Who may call: keys in either header, their end, the addresses they are bound to, the scopes they carry."""

from __future__ import annotations

import pytest

from tests.api.conftest import MakeApi
from tests.api.harness import NO_SUCH_ID, START, VIP, Api
from upsim.clock import Instant, parse_iso
from upsim.ids import digest_of
from upsim.rules.worlds import DEFAULT
from upsim.spec import API, Operation

OPERATIONS = [pytest.param(operation, id=operation.id) for operation in API.operations]


def camel(scope: str) -> str:
    """A scope as the names of the test world's keys spell it."""
    return "".join(part.capitalize() for part in scope.split(":"))


def path_of(operation: Operation) -> str:
    """A path of the operation, with an id that names nothing."""
    return operation.path.replace("{id}", NO_SUCH_ID)


# The two headers


def test_a_key_is_accepted_in_either_header(api: Api) -> None:
    assert api.get("/v1/overview", key=VIP).status == 200
    assert api.get("/v1/overview", key=None, headers={"Authorization": f"Bearer {VIP}"}).status == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_bearer_scheme_is_known_however_it_is_spelt(api: Api, scheme: str) -> None:
    assert api.get("/v1/overview", key=None, headers={"Authorization": f"{scheme} {VIP}"}).status == 200


def test_x_api_key_wins_over_a_bearer_token(api: Api) -> None:
    good, bad = {"Authorization": f"Bearer {VIP}"}, {"Authorization": "Bearer up_k_nobodys"}
    assert api.get("/v1/overview", key=VIP, headers=bad).status == 200
    assert api.get("/v1/overview", key="up_k_nobodys", headers=good).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"X-API-Key": ""}, id="empty"),
        pytest.param({"X-API-Key": "  "}, id="blank"),
        pytest.param({"X-API-Key": "up_k_nobodys"}, id="unknown"),
        pytest.param({"X-API-Key": VIP.upper()}, id="other case"),
        pytest.param({"X-API-Key": VIP + "x"}, id="one character more"),
        pytest.param({"X-API-Key": VIP[:-1]}, id="one character less"),
        pytest.param({"X-API-Key": "ÿþ" * 40}, id="not ASCII"),
        pytest.param({"X-API-Key": "x" * 5000}, id="very long"),
        pytest.param({"Authorization": VIP}, id="no scheme"),
        pytest.param({"Authorization": "Bearer"}, id="no token"),
        pytest.param({"Authorization": f"Basic {VIP}"}, id="other scheme"),
        pytest.param({"Authorization": f"Token {VIP}"}, id="yet another scheme"),
        pytest.param({"Authorization": digest_of(VIP)}, id="the digest"),
        pytest.param({"X-API-Key": digest_of(VIP)}, id="the digest as a key"),
    ],
)
def test_without_a_valid_key_the_answer_is_401(api: Api, headers: dict[str, str]) -> None:
    answer = api.get("/v1/overview", key=None, headers=headers)
    assert answer.status == 401
    assert "X-API-Key" in answer.error


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_needs_a_key(api: Api, operation: Operation) -> None:
    assert api.call(operation.method, path_of(operation), key=None).status == 401


def test_no_answer_repeats_the_key(api: Api) -> None:
    for answer in (api.get("/v1/overview", key="up_k_secretOfMine"), api.get("/v1/pools/nonsense", key=VIP)):
        assert "up_k_secretOfMine" not in answer.text
        assert VIP not in answer.text


# The end of a key


def test_a_key_ends_at_its_expiry_and_not_before(api: Api) -> None:
    expiry = parse_iso("2025-06-01T12:30:00Z")
    api.clock.at = Instant(expiry - 1)
    assert api.get("/v1/overview", key="up_k_expires").status == 200
    api.clock.at = expiry
    answer = api.get("/v1/overview", key="up_k_expires")
    assert answer.status == 401
    assert "expired" in answer.error


def test_revocation_takes_effect_on_the_next_call(make_api: MakeApi, store_url: str) -> None:
    api = make_api(store=store_url)
    assert api.get("/v1/overview").status == 200
    caller = api.store.find_caller(digest_of(VIP))
    assert caller is not None
    assert api.store.revoke_key(DEFAULT, caller.key.id, START)
    answer = api.get("/v1/overview")
    assert answer.status == 401
    assert "revoked" in answer.error
    assert api.get("/v1/overview", key="up_k_vipSecond").status == 200


# Addresses


@pytest.mark.parametrize(
    ("key", "address", "accepted"),
    [
        ("up_k_oneAddress", "203.0.113.7", True),
        ("up_k_oneAddress", "203.0.113.8", False),
        ("up_k_oneAddress", "::ffff:203.0.113.7", True),
        ("up_k_oneAddress", "::ffff:203.0.113.8", False),
        ("up_k_oneAddress", "127.0.0.1", False),
        ("up_k_networkV4", "198.51.100.0", True),
        ("up_k_networkV4", "198.51.100.255", True),
        ("up_k_networkV4", "198.51.101.0", False),
        ("up_k_networkV4", "::ffff:198.51.100.42", True),
        ("up_k_networkV4", "203.0.113.9", True),
        ("up_k_networkV4", "2001:db8:1::1", False),
        ("up_k_networkV6", "2001:db8:1::1", True),
        ("up_k_networkV6", "2001:DB8:1:ffff::1", True),
        ("up_k_networkV6", "2001:db8:1::1%eth0", True),
        ("up_k_networkV6", "2001:db8:2::1", False),
        ("up_k_networkV6", "198.51.100.1", False),
        (VIP, "2001:db8:2::1", True),
        (VIP, "198.51.100.1", True),
    ],
)
def test_a_key_bound_to_addresses_is_refused_from_any_other(
    api: Api, key: str, address: str, *, accepted: bool
) -> None:
    answer = api.get("/v1/overview", key=key, address=address)
    assert answer.status == (200 if accepted else 403)
    assert accepted or "IP address" in answer.error


def test_the_forwarded_header_of_a_stranger_is_not_believed(api: Api) -> None:
    """No proxy is named in this configuration."""
    for address in ("203.0.113.8", "127.0.0.1"):
        headers = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}
        assert api.get("/v1/overview", key="up_k_oneAddress", address=address, headers=headers).status == 403


@pytest.mark.parametrize(
    ("remote", "forwarded", "accepted"),
    [
        pytest.param("10.0.0.1", ["203.0.113.7"], True, id="the named proxy says so"),
        pytest.param("10.0.0.1", ["203.0.113.8"], False, id="the named proxy says another"),
        pytest.param("10.0.0.2", ["203.0.113.7"], False, id="a stranger says so"),
        pytest.param("10.0.0.1", [], False, id="the proxy says nothing"),
        pytest.param("10.0.0.1", ["203.0.113.7, 203.0.113.8"], False, id="the client made the first one up"),
        pytest.param("10.0.0.1", ["203.0.113.8, 203.0.113.7"], True, id="the last one counts"),
        pytest.param("10.0.0.1", ["203.0.113.8", "203.0.113.7"], True, id="in two fields"),
        pytest.param("10.0.0.1", ["203.0.113.7, fd00::9"], True, id="a second named proxy between"),
        pytest.param("::ffff:10.0.0.1", ["::ffff:203.0.113.7"], True, id="all written as IPv6"),
        pytest.param("10.0.0.1", ["nonsense"], False, id="nonsense"),
        pytest.param("10.0.0.1", ["203.0.113.7, "], False, id="an empty end"),
        pytest.param("203.0.113.7", ["203.0.113.8"], True, id="no proxy between"),
    ],
)
def test_only_a_named_proxy_can_say_who_is_behind_it(
    make_api: MakeApi, remote: str, forwarded: list[str], *, accepted: bool
) -> None:
    api = make_api(trusted_proxy="10.0.0.1,fd00::/64")
    headers = [("X-Forwarded-For", value) for value in forwarded]
    answer = api.get("/v1/overview", key="up_k_oneAddress", address=remote, headers=headers)
    assert answer.status == (200 if accepted else 403)


# Scopes


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_refused_without_its_scope(api: Api, operation: Operation) -> None:
    """Also where path, query and body are wrong, since the scope is checked first."""
    for key in (f"up_k_not{camel(operation.scope)}", "up_k_nothing"):
        answer = api.call(operation.method, path_of(operation), key=key, body=b"{", content_type="text/plain")
        assert answer.status == 403
        assert operation.scope in answer.error


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_accepted_with_its_scope_alone(api: Api, operation: Operation) -> None:
    profile, other = api.id_of("profiles", "Monero"), api.id_of("profiles", "Monero empty")
    pool, idle = api.id_of("pools", "Monero one"), api.id_of("pools", "Kaspa idle")
    worker = api.id_of("workers", "cpu-01")
    described = {"name": "n", "algorithm": "randomx", "host": "h.example", "port": 1, "username": "u"}
    calls: dict[str, tuple[str, object]] = {
        "get_overview": ("/v1/overview", None),
        "list_workers": ("/v1/workers", None),
        "get_worker": (f"/v1/workers/{worker}", None),
        "get_worker_hashrate": (f"/v1/workers/{worker}/hashrate", None),
        "get_workers_hashrate": ("/v1/workers/hashrate?algorithm=randomx", None),
        "bulk_assign_workers": ("/v1/workers/bulk-assign", {"worker_ids": [worker], "profile_id": profile}),
        "list_pools": ("/v1/pools", None),
        "get_pool": (f"/v1/pools/{pool}", None),
        "create_pool": ("/v1/pools", described),
        "update_pool": (f"/v1/pools/{pool}", {"name": "renamed"}),
        "delete_pool": (f"/v1/pools/{idle}", None),
        "test_pool": ("/v1/pools/test", {"pool_id": pool}),
        "list_profiles": ("/v1/profiles", None),
        "create_profile": ("/v1/profiles", {"name": "n", "algorithm": "randomx", "pools": [{"pool_id": pool}]}),
        "update_profile": (f"/v1/profiles/{other}", {"name": "renamed"}),
        "delete_profile": (f"/v1/profiles/{other}", None),
        "set_default_profile": (f"/v1/profiles/{other}/default", None),
        "get_default_profile": ("/v1/profiles/default?algorithm=randomx", None),
    }
    path, body = calls[operation.id]
    answer = api.call(operation.method, path, key=f"up_k_only{camel(operation.scope)}", json=body)
    assert answer.status in (200, 201)
