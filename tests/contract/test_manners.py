"""Manners: obeys the limit, touches only what it may, puts everything back whenever it is stopped, can go on later."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.client import Client
from contract.probe import NAME
from contract.registry import SCENARIOS
from contract.results import Verdict
from contract.runner import CannotRun, Outcome, Plan, run
from contract.settings import Settings
from tests.contract.second.app import Second
from tests.contract.world import Clock, client_of, judged, settings

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Counting:
    """An application that notes what is asked of it, and may interrupt at one call, before it or after it."""

    def __init__(self, app: App, *, interrupt_at: int = -1, late: bool = False) -> None:
        self.app, self.interrupt_at, self.late = app, interrupt_at, late
        self.methods: list[str] = []
        self.statuses: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.methods.append(environ["REQUEST_METHOD"])
        interrupted = len(self.methods) == self.interrupt_at
        if interrupted and not self.late:
            raise KeyboardInterrupt

        def note(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.statuses.append(status[:3])
            return start_response(status, headers, exc_info)

        answer = self.app(environ, note)
        if interrupted:
            raise KeyboardInterrupt
        return answer


def own(app: Second) -> list[str]:
    """What a run has left in the tables."""
    return [
        row["name"] for row in (*app.data.pools.values(), *app.data.profiles.values()) if row["name"].startswith(NAME)
    ]


def test_ten_requests_a_minute_are_enough_to_finish() -> None:
    """No control plane, a basic key alone: the run waits for each window and comes to its end without being refused."""
    clock = Clock()
    app = Counting(Second(clock.now))
    given = replace(settings(), limited=(), disposable=False)
    given = replace(given, keys={"main": given.keys["other_user"]})
    client = client_of(app, clock, given, control=False)
    # Without the races: two threads may both take what is the last request of a window, and one is told to wait.
    names = tuple(one.name for one in SCENARIOS.values() if "while" not in one.name)
    found = run(client, Plan(cases=1, only=names))
    assert not found.lost
    assert {one.clause.id: one.differences for one in found.ledger.with_verdict(Verdict.DIFFERS)} == {}
    assert found.waited_s > 60
    # One is refused on purpose, to see that it is.
    assert app.statuses.count("429") == 1
    assert found.waited_s / 60 < found.calls / 10 + 10


@pytest.mark.parametrize(
    ("role", "control", "said"),
    [
        ("main", False, "at 60 a minute they take about 1"),
        ("other_user", False, "at 10 a minute they take about"),
        ("main", True, "clock is moved"),
    ],
)
def test_a_run_says_beforehand_how_long_it_takes(role: str, control: bool, said: str) -> None:
    clock = Clock()
    given = replace(settings(), keys={"main": settings().keys[role]}, disposable=False)
    told: list[str] = []
    run(client_of(Second(clock.now), clock, given, control=control), Plan(read_only=True), announce=told.append)
    assert len(told) == 1
    assert told[0].startswith("About ")
    assert "calls" in told[0]
    assert said.partition(" they")[0] in told[0]


def test_a_limit_that_others_spend_is_waited_for() -> None:
    """Somebody else uses the same user's requests: Retry-After is obeyed."""
    clock = Clock()
    app = Second(clock.now)
    client = client_of(app, clock, control=False)
    given = settings().keys["main"]
    assert client.send("GET", "/v1/overview", key=given).status == 200
    app.counts["ada"] = (app.counts["ada"][0], 60)
    reply = client.send("GET", "/v1/overview", key=given)
    assert reply.status == 200
    assert 0 < client.waited_s <= 61


def test_a_read_only_run_sends_reads_alone() -> None:
    clock = Clock()
    app = Counting(Second(clock.now))
    found = run(client_of(app, clock, control=False), Plan(read_only=True))
    wrong = {"DELETE", "PATCH", "PUT"}  # methods that paths do not have are tried too: see test_wrong_methods
    assert found.ledger.with_verdict(Verdict.DIFFERS) == []
    assert app.statuses.count("201") == 0
    unseen = {one.reason for one in found.ledger.with_verdict(Verdict.NOT_VERIFIED)}
    assert "the run is read-only" in unseen
    refused = [status for method, status in zip(app.methods, app.statuses, strict=True) if method in wrong | {"POST"}]
    assert set(refused) <= {"401", "405"}


# Those that change things from one thread; at a keyboard it is always the main one that is interrupted.
INTERRUPTED = tuple(
    one.name for one in SCENARIOS.values() if one.writes and not re.search("while|window|generated", one.name)
)


@pytest.fixture(scope="module")
def whole_run() -> int:
    """How many calls a run of those takes."""
    clock = Clock()
    whole = Counting(Second(clock.now))
    run(client_of(whole, clock, replace(settings(), disposable=False)), Plan(only=INTERRUPTED))
    return len(whole.methods)


@pytest.mark.parametrize("late", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("part", range(12))
def test_interrupted_anywhere_nothing_stays_behind(part: int, late: bool, whole_run: int) -> None:
    clock = Clock()
    given = replace(settings(), disposable=False)
    for turn in range(2):
        at = 2 + (whole_run * (part * 2 + turn)) // 24
        service = Second(clock.now)
        homes = {key: row["profile_id"] for key, row in service.data.workers.items()}
        defaults = dict(service.data.defaults)
        found = run(client_of(Counting(service, interrupt_at=at, late=late), clock, given), Plan(only=INTERRUPTED))
        assert found.interrupted
        assert own(service) == [], f"at call {at}"
        assert found.left_behind == []
        assert {key: row["profile_id"] for key, row in service.data.workers.items()} == homes, f"at call {at}"
        assert service.data.defaults == defaults, f"at call {at}"


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    clock = Clock()
    service = Second(clock.now)
    state = tmp_path / "state.json"
    first = run(client_of(Counting(service, interrupt_at=200), clock), Plan(state=state))
    assert first.interrupted
    assert state.exists()
    assert "up_k_" not in state.read_text("utf-8").replace("up_k_***", "")
    second = run(client_of(service, clock), Plan(state=state))
    held = len(second.ledger.with_verdict(Verdict.HOLDS))
    assert second.ledger.with_verdict(Verdict.DIFFERS) == []
    assert held == len(judged(Plan()).ledger.with_verdict(Verdict.HOLDS))
    assert second.calls < judged(Plan()).calls - 100
    assert not state.exists()


def test_a_state_of_another_target_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    clock = Clock()
    run(client_of(Counting(Second(clock.now), interrupt_at=100), clock), Plan(state=state))
    elsewhere = replace(settings(), url="http://elsewhere.test")
    with pytest.raises(CannotRun, match=r"second\.test"):
        run(client_of(Second(clock.now), clock, elsewhere), Plan(state=state))


def test_the_only_pattern_runs_that_alone() -> None:
    found = judged(Plan(only=("series.*",)))
    held = {
        one.clause.area for one in found.ledger.with_verdict(Verdict.HOLDS) if not one.clause.id.startswith("shape.")
    }
    assert "series" in held
    assert "quotas" not in held


def _dropping(transport: httpx.BaseTransport, at: int) -> httpx.MockTransport:
    calls = 0

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        if calls >= at:
            raise httpx.ConnectError("gone", request=request)
        return transport.handle_request(request)

    return httpx.MockTransport(handle)


def test_a_target_that_goes_away_ends_the_run_with_a_word() -> None:
    clock = Clock()
    transport = _dropping(httpx.WSGITransport(Second(clock.now)), at=150)
    client = Client(settings(), transport=transport, control=clock)
    found: Outcome = run(client, Plan())
    assert "does not answer any more" in found.lost
    assert found.left_behind != []  # it cannot know, and says so
    assert found.ledger.with_verdict(Verdict.DIFFERS) == []


def test_only_the_vendor_is_the_vendor() -> None:
    def of(url: str) -> bool:
        return Settings(url, {}).is_vendor

    assert of("https://api.ultimate-proxy.com")
    assert of("https://API.Ultimate-Proxy.com:443")
    assert not of("https://api.ultimate-proxy.com.example.org")
    assert not of("http://127.0.0.1:8080")
