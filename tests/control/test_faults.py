"""Faults: which calls they strike follows from the seed alone, what they do is what was asked, and they end."""

from __future__ import annotations

import re
import threading
from types import SimpleNamespace

import pytest

from tests.control.harness import Answer, Sandbox, opened
from upsim.api import injected
from upsim.client import ControlError, World

ASSIGN = "/v1/workers/bulk-assign"


def assign(sandbox: Sandbox, world: World) -> Answer:
    key = world.key("vip")
    profile = sandbox.get(key, "/v1/profiles/default?algorithm=kawpow").json["_id"]
    workers = [worker["_id"] for worker in sandbox.get(key, "/v1/workers?algorithm=kawpow&limit=5").json["data"]]
    return sandbox.call(key, "POST", ASSIGN, json={"worker_ids": workers, "profile_id": profile})


def outcomes(url: str) -> list[tuple[int | str, int | None, str, str | None]]:
    """The next three bulk-assigns fail, and a tenth of the reads: what each call of a session came to."""
    with opened(url) as sandbox, sandbox.client.world(seed=7, clock={"freeze": True}) as world:
        world.faults.add(method="POST", path=ASSIGN, status=503, times=3)
        world.faults.add("malformed", method="GET", path="/v1/*", share=0.1)
        for _ in range(5):
            assign_anyhow(sandbox, world)
        for _ in range(30):
            sandbox.get(world.key("vip"))
        return [(entry.path, entry.status, entry.decided, entry.fault) for entry in world.journal]


def assign_anyhow(sandbox: Sandbox, world: World) -> None:
    body = {"worker_ids": ["0" * 24], "profile_id": "0" * 24}
    sandbox.call(world.key("vip"), "POST", ASSIGN, json=body)


def test_the_next_three_bulk_assigns_fail_and_then_they_recover(stored: Sandbox) -> None:
    with stored.client.world(clock={"freeze": True}) as world:
        fault = world.faults.add(method="POST", path=ASSIGN, status=503, times=3)
        answers = [assign(stored, world) for _ in range(5)]
        assert [answer.status for answer in answers] == [503, 503, 503, 200, 200]
        assert answers[0].error == "Fault fault-1, injected by the simulator: 503 Service Unavailable."
        assert answers[0].headers["X-RateLimit-Limit"] == "60", "a call that failed so is counted as any other"
        entries = world.journal.verify("POST", ASSIGN, exactly=5)
        assert [entry.fault for entry in entries] == [fault.id] * 3 + [None] * 2
        assert [entry.decided for entry in entries] == ["fault"] * 3 + ["rule"] * 2


def test_the_same_seed_gives_the_same_faults_in_every_run_and_on_every_store(store_url: str) -> None:
    first = outcomes("memory:")
    assert outcomes(store_url) == first
    struck = [fault for _, _, _, fault in first if fault is not None]
    assert struck.count("fault-1") == 3
    assert 0 < struck.count("fault-2") < 12


def test_another_seed_gives_other_faults_of_the_same_share(sandbox: Sandbox) -> None:
    def struck(seed: int) -> list[bool]:
        with sandbox.client.world(seed=seed, caps={"journal": 2000}) as world:
            world.faults.add(share=0.1)
            key = world.key("vip")
            return [sandbox.get(key).status == 503 for _ in range(150)]

    with opened(rate_limit="off") as sandbox:
        one, other = struck(7), struck(8)
    assert one != other
    assert 5 <= sum(one) <= 30
    assert 5 <= sum(other) <= 30


def test_a_fault_strikes_the_calls_it_is_for_and_no_others(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world, sandbox.client.world() as other:
        world.faults.add(method="GET", path="/v1/pools*", account="vip", status=418)
        vip, basic = world.key("vip"), world.key("basic")
        assert sandbox.get(vip, "/v1/pools").status == 418
        assert sandbox.get(vip, "/v1/pools/" + "0" * 24).status == 418
        assert sandbox.get(vip, "/v1/profiles").status == 200
        assert sandbox.call(vip, "POST", "/v1/pools", json={}).status == 400
        assert sandbox.get(basic, "/v1/pools").status == 200
        assert sandbox.get(other.key("vip"), "/v1/pools").status == 200
        assert sandbox.get("up_k_demovip", "/v1/pools").status == 200
        assert sandbox.raw("GET", "/v1/pools").status == 401, "whoever is nobody meets no fault"


def test_faults_are_tried_in_the_order_in_which_they_were_added(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        world.faults.add(status=500, times=1)
        world.faults.add(status=502, times=2)
        world.faults.add(status=504, times=1)
        assert sandbox.statuses(world.key("vip"), 6) == [500, 502, 502, 504, 200, 200]


def test_faults_are_listed_removed_and_cleared(stored: Sandbox) -> None:
    with stored.client.world() as world:
        first = world.faults.add(status=500)
        second = world.faults.add("latency", latency=("10ms", 0.05), path="/v1/*", share=0.25)
        assert world.faults.list() == (first, second)
        assert second.latency == (0.01, 0.05)
        world.faults.remove(first)
        assert world.faults.list() == (second,)
        with pytest.raises(ControlError, match="Fault not found: fault-1") as missing:
            world.faults.remove("fault-1")
        assert missing.value.status == 404
        world.faults.clear()
        assert world.faults.list() == ()
        assert world.faults.add().id == "fault-3", "an id is not given twice"


def test_a_status_can_have_any_body(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        for body in ({"message": "maintenance", "code": 7}, ["a"], "text", 0, False):
            world.faults.add(status=500, body=body, times=1)
            answer = sandbox.get(world.key("vip"))
            assert (answer.status, answer.json) == (500, body)
            assert answer.headers["Content-Type"] == "application/json"


def test_malformed_json_and_a_wrong_type_are_what_they_say(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        world.faults.add("malformed", times=1)
        world.faults.add("content-type", times=1)
        malformed = sandbox.get(world.key("vip"))
        assert malformed.status == 200
        assert malformed.headers["Content-Type"] == "application/json"
        with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting|value"):
            _ = malformed.json
        typed = sandbox.get(world.key("vip"))
        assert typed.headers["Content-Type"].startswith("text/html")
        assert sandbox.get(world.key("vip")).json == typed.json


def test_a_late_answer_is_otherwise_untouched(sandbox: Sandbox) -> None:
    with sandbox.client.world(clock={"freeze": True}) as world:
        plain = sandbox.get(world.key("vip")).json
        fault = world.faults.add("latency", latency="30ms")
        assert sandbox.get(world.key("vip")).json == plain
        late = world.journal.tail(1)[0]
        assert (late.status, late.decided, late.fault) == (200, "rule", fault.id)
        assert late.duration_ms >= 30


def test_whoever_is_made_to_wait_keeps_nobody_else_waiting(stored: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Answer] = []
    with stored.client.world(clock={"freeze": True}) as world:
        another = threading.Thread(
            target=lambda: asked.append(stored.get(world.key("vip"), "/v1/profiles")), daemon=True
        )

        def while_waiting(_: float) -> None:
            another.start()
            another.join(10)

        monkeypatch.setattr(injected, "time", SimpleNamespace(sleep=while_waiting))
        world.faults.add("latency", latency="30s", path="/v1/pools")
        assert stored.get(world.key("vip")).status == 200
        assert [answer.status for answer in asked] == [200]


def test_an_answer_lost_afterwards_leaves_the_work_done(sandbox: Sandbox) -> None:
    pool = {"name": "made", "algorithm": "octopus", "host": "cfx.example", "port": 3333, "username": "me"}
    with sandbox.client.world() as world:
        for number, after in enumerate((True, False)):
            world.faults.add(status=502, times=1, after=after)
            lost = sandbox.call(world.key("vip"), "POST", "/v1/pools", json={**pool, "name": f"made {number}"})
            assert lost.status == 502
            assert lost.headers["X-RateLimit-Remaining"].isdigit()
        names = [one["name"] for one in sandbox.get(world.key("vip"), "/v1/pools?limit=100").json["data"]]
        assert "made 0" in names
        assert "made 1" not in names


def test_a_method_may_be_lost_without_a_body(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        world.faults.add(status=204, times=1)
        assert sandbox.get(world.key("vip")).status == 204
        world.faults.add("cut", method="HEAD", times=1)
        assert sandbox.get(world.key("vip")).status == 200


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"effect": "explode"}, "effect: must be one of status, drop, cut, malformed, content-type, latency"),
        ({"effect": "latency"}, "latency: is required for the effect latency"),
        ({"latency": "2h"}, "latency: must be from 0 to 60 seconds"),
        ({"latency": [2, 1]}, "the least before the most"),
        ({"latency": -1}, "latency: must be from 0 to 60 seconds"),
        ({"status": 99}, "status: must be from 200 to 599"),
        ({"times": 0}, "times: must be from 1"),
        ({"share": 1.1}, "share: must be from 0 to 1"),
        ({"method": "BREW"}, "method: must be one of GET"),
        ({"after": "yes"}, "after: must be true or false"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_by_name(sandbox: Sandbox, fault: object, message: str) -> None:
    with sandbox.client.world() as world:
        answer = sandbox.raw("POST", f"/_upsim/worlds/{world.id}/faults", json=fault)
        assert answer.status == 400
        assert message in answer.error
        assert world.faults.list() == ()


def test_a_world_has_at_most_a_hundred_faults(sandbox: Sandbox) -> None:
    with sandbox.client.world() as world:
        for _ in range(100):
            world.faults.add(path="/v1/nowhere")
        with pytest.raises(ControlError, match="at most 100; remove some first"):
            world.faults.add()
        assert re.fullmatch(r"fault-100", world.faults.list()[-1].id)
