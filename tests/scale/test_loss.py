"""The store or the limits storage is lost, and comes back: clear refusals meanwhile, and nothing to restart."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.control.harness import Answer, Sandbox, opened
from tests.scale.cable import Cable
from upsim.errors import ConfigError, StoreUnavailable

KEY = "up_k_demovip"
POOL = {"name": "kept", "algorithm": "sha256", "host": "new.pool.test", "port": 3333, "username": "me"}


@pytest.fixture(params=[pytest.param("mongodb", marks=pytest.mark.mongodb), "redis", "mongodb_limits"])
def losable(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, Cable]]:
    """A simulator, and the cable to what it depends on: its store, or a limits storage of each kind."""
    kind = str(request.param)
    url, cable = request.getfixturevalue(f"{kind}_by_cable")
    with opened(url) if kind == "mongodb" else opened(limits_storage=url) as sandbox:
        yield sandbox, cable


def is_refusal(answer: Answer) -> bool:
    """Whether it is a 503 that says what is wrong and when to come back; False where the call was answered."""
    if answer.status in (200, 201):
        return False
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert "does not answer" in answer.error
    assert "nothing was" in answer.error
    assert "Try again shortly" in answer.error
    return True


def answered_again(sandbox: Sandbox, path: str = "/v1/pools") -> Answer:
    """The first answer that is none of the refusals."""
    for _ in range(1000):
        answer = sandbox.get(KEY, path)
        if not is_refusal(answer):
            return answer
        time.sleep(0.02)  # what was lost is looked for once a second
    raise AssertionError("it did not come back")


@pytest.mark.parametrize("how", ["cut", "block"])
def test_a_loss_is_said_and_its_return_needs_no_restart(losable: tuple[Sandbox, Cable], how: str) -> None:
    sandbox, cable = losable
    acknowledged: list[Any] = [sandbox.call(KEY, "POST", "/v1/pools", json=POOL).json["_id"]]
    getattr(cable, how)()
    assert is_refusal(sandbox.get(KEY))
    assert is_refusal(sandbox.call(KEY, "POST", "/v1/pools", json=POOL))
    assert is_refusal(sandbox.get(KEY, "/v1/nowhere"))
    cable.mend()
    assert answered_again(sandbox).json["pagination"]["total"] >= 1
    acknowledged.append(sandbox.call(KEY, "POST", "/v1/pools", json=POOL).json["_id"])
    for one in acknowledged:
        assert sandbox.get(KEY, f"/v1/pools/{one}").json["name"] == "kept"


@pytest.mark.mongodb
def test_the_control_plane_says_that_the_store_is_lost(mongodb_by_cable: tuple[str, Cable]) -> None:
    url, cable = mongodb_by_cable
    with opened(url) as sandbox:
        cable.cut()
        for method, path in (("GET", "/_upsim/worlds"), ("POST", "/_upsim/worlds"), ("GET", "/_upsim/health")):
            assert is_refusal(sandbox.raw(method, path))
        cable.mend()
        answered_again(sandbox)
        assert sandbox.raw("GET", "/_upsim/health").status == 200


@pytest.mark.mongodb
def test_while_a_server_is_lost_one_caller_looks_for_it_and_the_others_are_told_at_once(
    mongodb_by_cable: tuple[str, Cable], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, cable = mongodb_by_cable
    with opened(url) as sandbox:
        cable.cut()
        assert is_refusal(sandbox.get(KEY))
        link: Any = sandbox.server.universe.store
        asked: list[str] = []
        monkeypatch.setattr(link._worlds, "find_one", lambda *args: asked.append("worlds"))
        monkeypatch.setattr(link._digests, "find_one", lambda *args: asked.append("digests"))
        assert all(is_refusal(sandbox.get(KEY)) for _ in range(50))
        assert asked == []


def test_a_limits_storage_where_nobody_answers_is_refused_at_start_without_its_password() -> None:
    with pytest.raises(ConfigError, match=r"limits-storage: nobody counts at redis://127\.0\.0\.1:1") as refused:
        opened(limits_storage="redis://:hidden@127.0.0.1:1").__enter__()
    assert "hidden" not in str(refused.value)


def test_a_call_that_was_carried_out_is_answered_though_the_journal_cannot_be_written(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: object) -> None:
        raise StoreUnavailable("database or disk is full")

    monkeypatch.setattr(sandbox.server.universe.store, "add_entry", full)
    with caplog.at_level(logging.WARNING):
        created = sandbox.call(KEY, "POST", "/v1/pools", json=POOL)
    assert created.status == 201
    assert sandbox.get(KEY, f"/v1/pools/{created.json['_id']}").status == 200
    assert "no journal tells of them. The store does not answer" in caplog.text


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A simulator on a clock that stands."""
    with opened() as one:
        yield one


@pytest.mark.parametrize("url", ["mongodb://127.0.0.1:1/x?w=0", "mongodb://127.0.0.1:1/x?readPreference=secondary"])
def test_a_url_that_would_break_a_promise_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"w=0|readPreference"):
        opened(url).__enter__()
