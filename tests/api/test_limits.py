"""The rate limit: ten a minute, sixty for VIPs, per user, by the world's clock, told exactly on every answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.conftest import MakeApi
from tests.api.harness import BASIC, NO_SUCH_ID, RATE_HEADERS, START, STRANGER, VIP, Answer, Api
from tests.conftest import UrlFor
from upsim.clock import SECOND, Instant
from upsim.ids import digest_of
from upsim.model import Tier
from upsim.rules.tiers import window_at, window_start
from upsim.rules.worlds import DEFAULT

LIMITS = [pytest.param(BASIC, 10, id="basic"), pytest.param(VIP, 60, id="vip")]


def told(answer: Answer) -> tuple[int, int, int]:
    """The three headers: limit, remaining, reset."""
    limit, remaining, reset = (int(answer.headers[name]) for name in RATE_HEADERS)
    return limit, remaining, reset


@pytest.mark.parametrize(("key", "limit"), LIMITS)
def test_the_limit_passes_and_one_more_is_refused(make_api: MakeApi, store_url: str, key: str, limit: int) -> None:
    """START is ten seconds into a minute: fifty seconds are left."""
    api = make_api(store=store_url)
    reset = START // SECOND + 50
    for number in range(1, limit + 1):
        answer = api.get("/v1/profiles/default?algorithm=randomx", key=key)
        assert (answer.status, told(answer)) == (200, (limit, limit - number, reset))
    for _ in range(2):
        refused = api.get("/v1/profiles/default?algorithm=randomx", key=key)
        assert (refused.status, told(refused)) == (429, (limit, 0, reset))
        assert refused.headers["Retry-After"] == "50"
        assert str(limit) in refused.error
        assert "50" in refused.error


@pytest.mark.parametrize(
    ("into_the_minute", "retry_after"),
    [(0.0, "60"), (0.001, "60"), (1.0, "59"), (58.5, "2"), (59.0, "1"), (59.999, "1")],
)
def test_retry_after_is_whole_seconds_and_never_too_short(
    limited: Api, into_the_minute: float, retry_after: str
) -> None:
    limited.clock.at = window_start(window_at(START))
    limited.clock.advance(into_the_minute)
    for _ in range(10):
        limited.get("/v1/overview", key=BASIC)
    refused = limited.get("/v1/overview", key=BASIC)
    assert refused.headers["Retry-After"] == retry_after
    limited.clock.advance(int(retry_after))
    assert limited.get("/v1/overview", key=BASIC).status == 200


def test_moving_the_clock_into_the_next_minute_opens_a_window(limited: Api) -> None:
    for _ in range(11):
        last = limited.get("/v1/overview", key=BASIC)
    assert last.status == 429
    limited.clock.advance(49.999)
    assert limited.get("/v1/overview", key=BASIC).status == 429
    limited.clock.advance(0.001)
    answer = limited.get("/v1/overview", key=BASIC)
    assert (answer.status, told(answer)) == (200, (10, 9, START // SECOND + 110))


def test_two_keys_of_one_user_share_the_count(limited: Api) -> None:
    remaining = [told(limited.get("/v1/overview", key=key))[1] for key in ("up_k_basicFirst", "up_k_basicSecond") * 5]
    assert remaining == list(range(9, -1, -1))
    assert limited.get("/v1/overview", key="up_k_basicSecond").status == 429


def test_users_do_not_share_a_count(limited: Api) -> None:
    for _ in range(11):
        limited.get("/v1/overview", key=BASIC)
    assert told(limited.get("/v1/overview", key=VIP)) == (60, 59, START // SECOND + 50)
    assert told(limited.get("/v1/overview", key=STRANGER)) == (60, 59, START // SECOND + 50)


def test_every_authenticated_answer_costs_one_and_says_so(limited: Api) -> None:
    """Whatever becomes of the call."""
    answers = [
        limited.get("/v1/overview"),
        limited.get("/v1/workers?limit=0"),
        limited.get("/v1/overview", key="up_k_nothing"),
        limited.get("/v1/overview", key="up_k_oneAddress"),
        limited.get(f"/v1/pools/{NO_SUCH_ID}"),
        limited.get("/v1/no-such-path"),
        limited.get("/v1"),
        limited.call("PATCH", "/v1/workers"),
        limited.delete(f"/v1/pools/{limited.id_of('pools', 'Monero one')}"),
        limited.post("/v1/pools", body=b"x" * (2 << 20), content_type="application/json"),
        limited.post("/v1/pools", body=b"x", content_type="text/plain"),
        limited.call("HEAD", "/v1/overview"),
    ]
    assert [answer.status for answer in answers] == [200, 400, 403, 403, 404, 404, 404, 405, 409, 413, 415, 200]
    remaining = [told(answer)[1] for answer in answers]
    # The id of the pool was asked for in one call of its own, between the eighth answer and the ninth.
    assert remaining == [59, 58, 57, 56, 55, 54, 53, 52, 50, 49, 48, 47]


def test_calls_without_a_valid_key_cost_nobody_anything(limited: Api) -> None:
    for key in (None, "up_k_nobodys"):
        limited.get("/v1/overview", key=key)
    assert told(limited.get("/v1/overview"))[1] == 59


def test_the_documents_outside_v1_are_free(limited: Api) -> None:
    for path in ("/openapi.yaml", "/openapi.json", "/nothing"):
        answer = limited.get(path, key=VIP)
        assert [answer.headers.get(name) for name in RATE_HEADERS] == [None, None, None]
    assert told(limited.get("/v1/overview"))[1] == 59


def test_a_refused_call_does_nothing(limited: Api) -> None:
    names = [pool["name"] for pool in limited.everything("/v1/pools", key=BASIC)]
    body = {"name": "late", "algorithm": "randomx", "host": "h.example", "port": 1, "username": "u"}
    for _ in range(9):
        limited.get("/v1/overview", key=BASIC)
    assert limited.post("/v1/pools", body, key=BASIC).status == 429
    assert limited.tester.tried == []
    limited.clock.advance(60)
    assert [pool["name"] for pool in limited.everything("/v1/pools", key=BASIC)] == names


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_eight_threads_at_once_never_let_one_more_through(make_api: MakeApi, url_for: UrlFor, kind: str) -> None:
    api = make_api(store=url_for(kind))

    def ask(_: int) -> Answer:
        return api.get("/v1/profiles/default?algorithm=randomx", key=VIP)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(100)))
    passed = [answer for answer in answers if answer.status == 200]
    assert len(passed) == 60
    assert sorted(told(answer)[1] for answer in passed) == list(range(60))
    assert {answer.status for answer in answers} == {200, 429}


# Tiers


def set_tier(api: Api, key: str, tier: Tier) -> None:
    """Change the tier of the user whose key this is, now."""
    caller = api.store.find_caller(digest_of(key))
    assert caller is not None
    now = api.clock.now()
    assert api.store.set_tier(DEFAULT, caller.account.id, tier, now, window_start(window_at(now)))


def test_an_upgrade_counts_from_the_next_window(limited: Api) -> None:
    assert told(limited.get("/v1/overview", key=BASIC))[:2] == (10, 9)
    set_tier(limited, BASIC, Tier.VIP)
    for remaining in range(8, -1, -1):
        assert told(limited.get("/v1/overview", key=BASIC))[:2] == (10, remaining)
    assert limited.get("/v1/overview", key=BASIC).status == 429
    limited.clock.advance(50)
    assert told(limited.get("/v1/overview", key=BASIC))[:2] == (60, 59)


def test_a_downgrade_counts_from_the_next_window(limited: Api) -> None:
    set_tier(limited, VIP, Tier.BASIC)
    set_tier(limited, VIP, Tier.VIP)
    set_tier(limited, VIP, Tier.BASIC)
    assert told(limited.get("/v1/overview"))[:2] == (60, 59)
    limited.clock.advance(50)
    assert told(limited.get("/v1/overview"))[:2] == (10, 9)


def test_an_upgrade_at_the_very_beginning_of_a_window_counts_at_once(limited: Api) -> None:
    limited.clock.at = Instant(window_start(window_at(START) + 1))
    set_tier(limited, BASIC, Tier.VIP)
    assert told(limited.get("/v1/overview", key=BASIC))[:2] == (60, 59)


# Switches


def test_switched_off_the_limit_is_counted_and_told_but_refuses_nobody(make_api: MakeApi) -> None:
    api = make_api(rate_limit="off")
    answers = [api.get("/v1/profiles/default?algorithm=randomx", key=BASIC) for _ in range(13)]
    assert {answer.status for answer in answers} == {200}
    assert [told(answer)[1] for answer in answers] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0]
    assert {told(answer)[0] for answer in answers} == {10}


def test_an_outside_storage_counts_the_same(make_api: MakeApi) -> None:
    """The storage in memory stands for Redis here; it counts by the same windows."""
    api = make_api(limits_storage="memory://")
    remaining = [told(api.get("/v1/overview", key=BASIC))[1] for _ in range(10)]
    assert remaining == list(range(9, -1, -1))
    assert api.get("/v1/overview", key=BASIC).status == 429
    api.clock.advance(50)
    assert told(api.get("/v1/overview", key=BASIC))[:2] == (10, 9)


# The order of checks


def test_the_checks_come_in_their_order(limited: Api) -> None:
    """401 key, 403 address, 429 rate, 403 scope, 400 validation, 404 existence, 409 conflict: each hides the next."""
    path, broken = f"/v1/pools/{NO_SUCH_ID}", {"port": "3333"}
    spent = [limited.get("/v1/overview") for _ in range(60)]
    assert spent[-1].status == 200

    wrong_in_all_ways = limited.put("/v1/pools/nonsense", broken, key="up_k_nobodys")
    assert wrong_in_all_ways.status == 401
    from_elsewhere = limited.put("/v1/pools/nonsense", broken, key="up_k_onlyWorkersReadElsewhere")
    assert (from_elsewhere.status, "IP address" in from_elsewhere.error) == (403, True)
    assert limited.put("/v1/pools/nonsense", broken, key="up_k_onlyWorkersRead").status == 429

    limited.clock.advance(60)
    without_scope = limited.put("/v1/pools/nonsense", broken, key="up_k_onlyWorkersRead")
    assert (without_scope.status, "scope" in without_scope.error) == (403, True)
    assert limited.put(path, broken).status == 400
    assert limited.put(path, {"algorithm": "sha256"}).status == 404
    held = limited.id_of("pools", "Monero one")
    assert limited.put(f"/v1/pools/{held}", {"algorithm": "sha256", "port": "3333"}).status == 400
    assert limited.put(f"/v1/pools/{held}", {"algorithm": "sha256"}).status == 409


def test_an_unknown_id_in_a_body_comes_before_a_conflict(limited: Api) -> None:
    default = limited.id_of("profiles", "Monero")
    body = {"algorithm": "sha256", "pools": [{"pool_id": NO_SUCH_ID}]}
    assert limited.put(f"/v1/profiles/{default}", body).status == 404
