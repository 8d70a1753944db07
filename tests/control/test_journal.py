"""The journal: every call with what decided it, bounded, to be asked and held to an expectation."""

from __future__ import annotations

import gc
import os
import tracemalloc
from typing import Any

import pytest

from tests.control.harness import START, Sandbox, opened
from upsim.client import ControlError, World
from upsim.clock import iso

ASSIGN = "/v1/workers/bulk-assign"
NO_SUCH = "0123456789abcdef01234567"


def decided(sandbox: Sandbox, world: World) -> list[tuple[int | None, str, str | None]]:
    return [(entry.status, entry.decided, entry.clause) for entry in world.journal]


def test_each_call_is_told_with_what_decided_it(stored: Sandbox) -> None:
    with stored.client.world(clock={"freeze": True}) as world:
        vip, basic = world.key("vip"), world.key("basic")
        few = world.create_key("vip", "few", scopes=["pools:read"]).secret or ""
        stored.get(vip)
        stored.get(few, "/v1/workers")
        stored.get(vip, "/v1/pools?limit=1000")
        stored.get(vip, f"/v1/pools/{NO_SUCH}")
        held = stored.get(vip, "/v1/pools?limit=1").json["data"][0]["_id"]
        stored.call(vip, "DELETE", f"/v1/pools/{held}")
        stored.call(vip, "PATCH", "/v1/pools")
        stored.get(vip, "/v1/nowhere")
        stored.call(vip, "POST", ASSIGN, data=b"{", content_type="application/json")
        stored.call(vip, "POST", ASSIGN, data=b"{}", content_type="text/plain")
        stored.get(world.key("magic", "always over its limit"))
        stored.get(world.key("magic", "expired"))
        stored.get(world.key("magic", "only from elsewhere"))
        for number in range(6):
            pool = {"name": f"p{number}", "algorithm": "octopus", "host": "h", "port": 1, "username": "u"}
            stored.call(basic, "POST", "/v1/pools", json=pool)
        found = [(status, why) for status, why, _ in decided(stored, world)]
        assert found == [
            (200, "rule"),
            (403, "scope"),
            (400, "validation"),
            (404, "existence"),
            (200, "rule"),
            (409, "conflict"),
            (405, "method"),
            (404, "existence"),
            (400, "validation"),
            (415, "validation"),
            (429, "rate limit"),
            (401, "key"),
            (403, "address"),
            *[(201, "rule")] * 5,
            (403, "quota"),
        ]
        clauses = [clause for _, _, clause in decided(stored, world)]
        assert clauses[0] == "pools.list"
        assert clauses[1] == "auth.scope-required"
        assert clauses[10] == "rate.exceeded"


def test_a_line_tells_who_what_when_and_how_long(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        body = {"worker_ids": [NO_SUCH], "profile_id": NO_SUCH}
        sandbox.call(world.key("vip"), "POST", ASSIGN + "?a=b&c", json=body)
        answer = sandbox.raw("GET", f"/_upsim/worlds/{world.id}/journal").json
        (entry,) = answer["data"]
        assert entry.pop("duration_ms") >= 0
        assert entry == {
            "seq": 1,
            "at": iso(START),
            "method": "POST",
            "path": ASSIGN,
            "query": "a=b&c",
            "account": "vip",
            "key": world.key("vip")[:9] + "…",
            "status": 404,
            "decided": "existence",
            "clause": "ids.unknown",
            "fault": None,
            "body": body,
            "error": f"Profile not found: {NO_SUCH}.",
        }
        assert answer["mark"] == 1


def test_a_call_with_a_key_that_was_revoked_is_told_in_the_keys_world(stored: Sandbox) -> None:
    with stored.client.world() as world:
        key = world.create_key("vip", "brief")
        world.revoke_key(key)
        assert stored.get(key.secret or "").status == 401
        entry = next(iter(world.journal))
        assert (entry.account, entry.status, entry.decided) == ("vip", 401, "key")
        assert len(stored.client.default.journal) == 0


def test_a_call_that_opens_no_world_is_told_in_the_default_one(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        sandbox.get("up_k_nobodys")
        sandbox.raw("GET", "/v1/pools")
        assert len(world.journal) == 0
        assert [(entry.account, entry.status) for entry in sandbox.client.default.journal] == [(None, 401)] * 2


def test_the_journal_is_asked_by_method_path_status_account_and_mark(stored: Sandbox) -> None:
    with stored.client.world() as world:
        stored.get(world.key("vip"), "/v1/pools")
        stored.get(world.key("basic"), "/v1/pools")
        mark = world.journal.mark()
        stored.get(world.key("vip"), "/v1/workers")
        stored.get(world.key("vip"), f"/v1/pools/{NO_SUCH}")
        stored.call(world.key("vip"), "POST", "/v1/pools", json={})
        queries: list[tuple[dict[str, Any], list[int]]] = [
            ({}, [1, 2, 3, 4, 5]),
            ({"method": "post"}, [5]),
            ({"path": "/v1/pools"}, [1, 2, 5]),
            ({"path": "/v1/pools*"}, [1, 2, 4, 5]),
            ({"status": 200}, [1, 2, 3]),
            ({"account": "basic"}, [2]),
            ({"decided": "existence"}, [4]),
            ({"since": mark}, [3, 4, 5]),
            ({"since": mark, "method": "GET", "status": 404}, [4]),
        ]
        for query, expected in queries:
            found = [entry.seq for entry in world.journal.entries(**query)]
            assert found == expected, query
            assert world.journal.count(**query) == len(expected)
        assert [entry.seq for entry in world.journal.tail(2)] == [4, 5]


def test_verify_says_yes_or_no_and_what_came_instead(stored: Sandbox) -> None:
    with stored.client.world() as world:
        key = world.key("vip")
        stored.call(key, "POST", ASSIGN, json={"worker_ids": [NO_SUCH], "profile_id": NO_SUCH})
        mark = world.journal.mark()
        for profile in (NO_SUCH, NO_SUCH[::-1]):
            stored.call(key, "POST", ASSIGN, json={"worker_ids": [NO_SUCH], "profile_id": profile})
        stored.get(key)

        wanted = {"method": "POST", "path": ASSIGN, "since": mark, "body": {"profile_id": NO_SUCH}}
        place = f"/_upsim/worlds/{world.id}/journal"
        assert stored.raw("POST", f"{place}/count", json=wanted).json == {"count": 1}
        yes = stored.raw("POST", f"{place}/verify", json={**wanted, "exactly": 1}).json
        assert (yes["met"], yes["count"], yes["instead"]) == (True, 1, [])
        no = stored.raw("POST", f"{place}/verify", json={**wanted, "exactly": 2}).json
        assert (no["met"], no["count"]) == (False, 1)
        assert [entry["seq"] for entry in no["matched"]] == [2]
        assert [(entry["seq"], entry["method"]) for entry in no["instead"]] == [(3, "POST"), (4, "GET")]


@pytest.mark.parametrize(
    ("expectation", "met"),
    [
        ({}, True),
        ({"at_least": 3}, True),
        ({"at_least": 4}, False),
        ({"at_most": 3}, True),
        ({"at_most": 2}, False),
        ({"at_least": 2, "at_most": 4}, True),
        ({"exactly": 0}, False),
        ({"exactly": 3}, True),
        ({"method": "PUT"}, False),
        ({"method": "PUT", "at_most": 1}, True),
        ({"method": "PUT", "exactly": 0}, True),
    ],
)
def test_an_expectation_is_met_or_not(sandbox: Sandbox, expectation: dict[str, Any], met: bool) -> None:
    with sandbox.client.world() as world:
        sandbox.statuses(world.key("vip"), 3)
        assert world.journal.check(**expectation).met is met
        if met:
            world.journal.verify(**expectation)
        else:
            with pytest.raises(AssertionError):
                world.journal.verify(**expectation)


def test_a_body_is_expected_as_it_was_sent_long_lists_and_passwords_included(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        ids = [f"{number:024x}" for number in range(30)]
        sandbox.call(world.key("vip"), "POST", ASSIGN, json={"worker_ids": ids, "profile_id": NO_SUCH})
        world.journal.assert_called("POST", ASSIGN, times=1, body={"worker_ids": ids})
        world.journal.assert_called("POST", ASSIGN, times=0, body={"worker_ids": ids[:-1]})
        pool = {"name": "n", "algorithm": "octopus", "host": "h", "port": 1, "username": "u", "password": "hunter2"}
        sandbox.call(world.key("vip"), "POST", "/v1/pools", json=pool)
        world.journal.assert_called("POST", "/v1/pools", times=1, body={"password": "hunter2", "port": 1})


def test_an_unmet_expectation_reads_like_a_sentence(sandbox: Sandbox) -> None:
    with sandbox.client.world(clock={"freeze": True}) as world:
        sandbox.get(world.key("vip"), "/v1/workers?limit=1")
        with pytest.raises(AssertionError) as unmet:
            world.journal.verify("POST", ASSIGN, exactly=2)
        assert str(unmet.value).splitlines() == [
            f"expected exactly 2 calls: POST {ASSIGN}; there were none",
            "these came instead:",
            "  #1 12:00:10 vip GET /v1/workers?limit=1 → 200 (rule)",
        ]
        with pytest.raises(AssertionError, match=r"expected no call: any call; there was 1\nthese matched:\n  #1 "):
            world.journal.assert_not_called()
        world.journal.clear()
        with pytest.raises(AssertionError, match=r"at least 1 call: GET /v1/\*; there were none\nnothing was called"):
            world.journal.verify("GET", "/v1/*")


def test_marks_stay_good_when_the_journal_is_cleared_and_are_refused_after_a_reset(stored: Sandbox) -> None:
    with stored.client.world() as world:
        stored.statuses(world.key("vip"), 3)
        mark = world.journal.mark()
        world.journal.clear()
        assert len(world.journal) == 0
        stored.statuses(world.key("vip"), 2)
        assert [entry.seq for entry in world.journal.entries(since=mark)] == [4, 5]
        world.reset()
        for ask in (world.journal.count, world.journal.verify, lambda since: list(world.journal.entries(since=since))):
            with pytest.raises(ControlError, match="there is no mark 3 in this journal, its newest call is 0"):
                ask(since=mark)


def test_a_contradiction_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ControlError, match="exactly: cannot be given together with at_least or at_most"):
        sandbox.client.default.journal.check(exactly=1, at_least=1)


def test_a_journal_keeps_the_newest_of_what_was_called(stored: Sandbox) -> None:
    with stored.client.world(caps={"journal": 10}, clock={"freeze": True}) as world:
        for _ in range(3):
            stored.statuses(world.key("vip"), 50, "/v1/nowhere")
            world.clock.advance("1m")
        kept = [entry.seq for entry in world.journal]
        assert kept[-1] == 150
        assert kept == list(range(kept[0], 151)), "the newest, with no gap"
        assert 10 <= len(kept) < 10 + 130


def test_a_world_may_keep_no_journal_to_speak_of(sandbox: Sandbox) -> None:
    with sandbox.client.world(caps={"journal": 0}, clock={"freeze": True}) as world:
        for _ in range(3):
            sandbox.statuses(world.key("vip"), 60, "/v1/nowhere")
            world.clock.advance("1m")
        assert len(world.journal) < 130


def test_memory_is_flat_however_many_calls_are_journaled() -> None:
    calls = int(os.environ.get("UPSIM_TEST_JOURNAL_CALLS", "600"))
    with opened(fixture="empty", rate_limit="off") as sandbox:
        world = sandbox.client.world(fixture="demo", caps={"journal": 200})
        key = world.key("vip")

        def session(count: int) -> int:
            for _ in range(count):
                sandbox.get(key, "/v1/nowhere")
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            session(300)  # caches, compiled schemas, the first rows
            before = session(100)
            after = session(calls)
        finally:
            tracemalloc.stop()
        assert after - before < 50_000, f"{calls} calls took {after - before} bytes"
        assert world.journal.mark() == 400 + calls
        assert len(world.journal) < 200 + 150


@pytest.mark.parametrize("fault", [{"status": 503}, {"effect": "malformed"}, {"effect": "content-type"}])
def test_a_call_that_failed_before_it_was_looked_at_is_told_with_what_was_sent(
    sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    with sandbox.client.world() as world:
        world.faults.add(**fault)
        body = {"worker_ids": [NO_SUCH], "profile_id": NO_SUCH, "password": "hunter2"}
        sandbox.call(world.key("vip"), "POST", ASSIGN, json=body)
        entry = next(iter(world.journal))
        assert entry.body == {**body, "password": "•••"}
        world.journal.assert_called("POST", ASSIGN, times=1, body={"profile_id": NO_SUCH})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"worker_ids": 5}', {"worker_ids": 5}),
        (b"{", None),
        (b"[1]", None),
        (b"\xff", None),
        (b"", None),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, None),
        (b'{"long": "' + b"x" * 2000 + b'"}', {"long": "x" * 300 + "…"}),
        (b'{"big": "' + b"x" * (2 << 20) + b'"}', None),
    ],
)
@pytest.mark.parametrize("struck", [True, False])
def test_whatever_was_sent_the_journal_tells_what_of_it_can_be_told(
    sandbox: Sandbox, data: bytes, told: object, struck: bool
) -> None:
    with sandbox.client.world() as world:
        if struck:
            world.faults.add()
        answer = sandbox.call(world.key("vip"), "POST", ASSIGN, data=data, content_type="application/json")
        assert answer.status == 503 if struck else answer.status in (400, 413)
        assert next(iter(world.journal)).body == told


def test_a_deep_body_is_told_as_far_as_anybody_would_look(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        world.faults.add()
        data = b'{"a":' * 300 + b"1" + b"}" * 300
        assert sandbox.call(world.key("vip"), "POST", ASSIGN, data=data, content_type="application/json").status == 503
        assert str(next(iter(world.journal)).body).count("{") == 21


def test_a_caller_over_its_limit_is_told_with_what_was_sent(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        key = world.key("magic", "always over its limit")
        assert sandbox.call(key, "POST", ASSIGN, json={"profile_id": NO_SUCH}).status == 429
        assert next(iter(world.journal)).body == {"profile_id": NO_SUCH}
