"""One clock per world drives everything in it: windows and their headers, times, series, keys, the journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.control.harness import Sandbox, opened
from upsim.client import ControlError, World
from upsim.clock import parse_iso

AT = "2026-03-01T12:34:56.789Z"
AT_S = parse_iso(AT) // 1000


def at_noon(sandbox: Sandbox, **wish: Any) -> World:
    return sandbox.client.world(clock={"set": AT, "freeze": True}, **wish)


def test_the_limit_spent_in_a_frozen_world_is_free_again_after_retry_after(stored: Sandbox) -> None:
    with at_noon(stored) as world:
        key = world.key("basic")
        assert stored.statuses(key, 10) == [200] * 10
        stored.clock.advance(3600)  # real time does nothing to it
        refused = stored.get(key)
        assert refused.status == 429
        wait_s = int(refused.headers["Retry-After"])
        assert wait_s == 4, "whole seconds up to 12:35"
        world.clock.advance(wait_s - 1)
        assert stored.get(key).status == 429
        world.clock.advance(1)
        passed = stored.get(key)
        assert passed.status == 200
        assert passed.headers["X-RateLimit-Remaining"] == "9"


def test_whatever_tells_the_time_tells_the_same_time(stored: Sandbox) -> None:
    with at_noon(stored) as world:
        key = world.key("vip")
        stored.clock.advance(86_400)
        pool = {"name": "new", "algorithm": "octopus", "host": "cfx.example", "port": 3333, "username": "me"}
        made = stored.call(key, "POST", "/v1/pools", json=pool)
        assert made.json["created_at"] == AT
        assert int(made.headers["X-RateLimit-Reset"]) == AT_S // 60 * 60 + 60
        for time_range in ("1h", "6h", "24h", "7d", "30d"):
            path = f"/v1/workers/hashrate?algorithm=sha256&timeRange={time_range}"
            series = stored.get(key, path).json
            step = series["granularity"]
            assert series["data"][-1]["timestamp"] == AT_S // step * step - step, "the last complete step"
        first = next(iter(world.journal))
        assert first.at == datetime(2026, 3, 1, 12, 34, 56, 789000, tzinfo=UTC)
        assert {entry.at for entry in world.journal} == {first.at}
        assert world.clock.read().timestamp == AT_S
        assert {account.reset_at for account in world.accounts()} == {AT_S // 60 * 60 + 60}
        tested = stored.call(key, "POST", "/v1/pools/test", json={"pool_id": made.json["_id"]})
        assert tested.status == 200
        health = stored.get(key, f"/v1/pools/{made.json['_id']}").json["health"]
        assert health["last_checked_at"] == AT


@pytest.mark.parametrize("step", ["31d", "-31d", timedelta(days=31), 31 * 86_400.0])
def test_a_world_is_a_month_on_at_once(sandbox: Sandbox, step: str | float | timedelta) -> None:
    with at_noon(sandbox) as world:
        key = world.key("vip")
        path = "/v1/workers/hashrate?algorithm=randomx&timeRange=24h"
        before = sandbox.get(key, path).json["data"]
        world.clock.advance(step)
        after = sandbox.get(key, path).json["data"]
        seconds = -31 * 86_400 if step == "-31d" else 31 * 86_400
        assert [point["timestamp"] - seconds for point in after] == [point["timestamp"] for point in before]
        assert [point["hashrate"] for point in after] != [point["hashrate"] for point in before]
        world.clock.set(AT)
        assert sandbox.get(key, path).json["data"] == before, "and back"


def test_a_clock_runs_at_its_speed(stored: Sandbox) -> None:
    with stored.client.world(clock={"set": AT, "speed": 60}) as world:
        stored.clock.advance(2)
        assert world.clock.now() == datetime(2026, 3, 1, 12, 36, 56, 789000, tzinfo=UTC)
        world.clock.speed(0.5)
        stored.clock.advance(2)
        assert world.clock.now() == datetime(2026, 3, 1, 12, 36, 57, 789000, tzinfo=UTC)
        assert world.clock.freeze().frozen
        stored.clock.advance(2)
        assert world.clock.now() == datetime(2026, 3, 1, 12, 36, 57, 789000, tzinfo=UTC)
        assert world.clock.run().speed == 1
        stored.clock.advance(2)
        assert world.clock.now() == datetime(2026, 3, 1, 12, 36, 59, 789000, tzinfo=UTC)


def test_a_clock_is_set_then_moved_then_stopped(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        answer = sandbox.raw(
            "POST", f"/_upsim/worlds/{world.id}/clock", json={"freeze": True, "advance": "1d12h", "set": AT_S}
        )
        assert answer.json == {
            "now": "2026-03-03T00:34:56.000Z",
            "timestamp": AT_S + 129_600,
            "speed": 0.0,
            "frozen": True,
        }


def test_a_key_ends_by_the_clock_of_its_world(stored: Sandbox) -> None:
    with at_noon(stored) as world:
        key = world.create_key("vip", "brief", expires_at="2026-03-01T12:35:00Z").secret or ""
        world.clock.advance(3.21)
        assert stored.get(key).status == 200
        world.clock.advance(0.001)
        refused = stored.get(key)
        assert refused.status == 401
        assert "expired" in refused.error
        world.clock.advance(-1)
        assert stored.get(key).status == 200


def test_a_new_tier_counts_from_the_next_window(stored: Sandbox) -> None:
    with at_noon(stored) as world:
        key = world.key("basic")
        assert stored.statuses(key, 10) == [200] * 10
        world.set_tier("basic", "vip")
        assert stored.get(key).status == 429
        world.clock.advance("4s")
        assert stored.get(key).headers["X-RateLimit-Limit"] == "60"
        assert stored.statuses(key, 60)[-2:] == [200, 429]


def test_one_worlds_clock_moves_no_other(stored: Sandbox) -> None:
    with at_noon(stored) as one, at_noon(stored) as other:
        one.clock.advance("1m")
        assert (one.clock.now() - other.clock.now()).total_seconds() == 60
        assert stored.client.default.clock.now() == datetime(2025, 6, 1, 12, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"advance": "1 parsec"}, "advance: '1 parsec' is no duration: write seconds, or a text such as"),
        ({"advance": None}, "advance: "),
        ({"set": "2026-13-01"}, "set: '2026-13-01' is no time"),
        ({"set": "2101-01-01T00:00:00Z"}, "clock: would leave the years 1970 to 2099; nothing was changed."),
        ({"advance": "99999d"}, "clock: would leave the years 1970 to 2099"),
        ({"advance": "-99999999999d"}, "clock: would leave the years 1970 to 2099"),
        ({"set": 1e300}, "would leave the years 1970 to 2099"),
        ({"speed": -1}, "speed: must be from 0"),
        ({"speed": "fast"}, "speed: must be a number"),
        ({"freeze": 1}, "freeze: must be true or false"),
    ],
)
def test_a_change_that_cannot_be_made_says_why_and_changes_nothing(
    sandbox: Sandbox, change: object, message: str
) -> None:
    with at_noon(sandbox) as world:
        answer = sandbox.raw("POST", f"/_upsim/worlds/{world.id}/clock", json=change)
        assert answer.status == 400
        assert message in answer.error
        assert world.clock.read().timestamp == AT_S


def test_the_client_says_what_the_server_says(sandbox: Sandbox) -> None:
    with at_noon(sandbox) as world, pytest.raises(ControlError, match="'tomorrow' is no time") as refused:
        world.clock.set("tomorrow")
    assert refused.value.status == 400


def test_an_outside_count_of_requests_ends_with_the_world_and_with_a_reset() -> None:
    with opened(limits_storage="memory://") as sandbox:
        for _ in range(2):
            sandbox.clock.advance(0.001)
            with at_noon(sandbox, id="same") as world:
                for _ in range(2):
                    assert sandbox.statuses(world.key("basic"), 11) == [200] * 10 + [429]
                    world.reset()
