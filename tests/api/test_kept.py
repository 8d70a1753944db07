"""Answers that are given again: never one that would not have been computed anew, whoever wrote what and whenever."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

import pytest

from tests.api.conftest import MakeApi
from tests.api.harness import BASIC, VIP, Api
from tests.conftest import UrlFor
from upsim.api.kept import Kept, KeptAnswers
from upsim.clock import HOUR, MINUTE, SECOND, Instant
from upsim.ids import digest_of
from upsim.model import ObjectId, Page, Scope, Stage, Version

WORLD: Final = "/_upsim/worlds/default"

READS: Final = (
    "/v1/overview",
    "/v1/workers?limit=100",
    "/v1/workers?limit=7&page=3",
    "/v1/workers?status=online&limit=100",
    "/v1/workers?status=offline&limit=100",
    "/v1/workers?algorithm=randomx&status=offline",
    "/v1/workers?search=cpu",
    "/v1/workers/hashrate?timeRange=1h&algorithm=randomx",
    "/v1/workers/hashrate?timeRange=24h&algorithm=sha256",
    "/v1/pools?limit=100",
    "/v1/profiles?limit=100",
    "/v1/profiles/default?algorithm=randomx",
    "/v1/profiles/default?algorithm=ethash",  # which there is none of
)
STEPS: Final = 25

MOVES: Final = (
    *(1, 999, SECOND, 17 * SECOND, MINUTE - 1, MINUTE, 90 * SECOND, 10 * MINUTE, 3 * HOUR),
    *(-1, -20 * SECOND, -MINUTE, -2 * HOUR),
)
"""By how many milliseconds a clock is moved."""


def anew(api: Api, path: str, key: str = VIP) -> str:
    """The answer to a call as it is computed: none that comes with a body is ever kept."""
    return api.call("GET", path, key=key, body=b" ").text


class Drawn:
    """What somebody might do to a world, drawn by chance."""

    def __init__(self, api: Api, chance: Random) -> None:
        self.api = api
        self.chance = chance
        self.number = 0

    def step(self) -> None:
        self.number += 1
        act: Callable[[], object] = self.chance.choice(
            (
                *(self.wall, self.clock, self.run),
                *(self.assign, self.by_hand, self.spawn, self.profile, self.default, self.pool, self.tested),
                *(self.save, self.restore),
            )
        )
        act()

    def some(self, kind: str, algorithm: str = "randomx") -> list[str]:
        found = self.api.everything(f"/v1/{kind}?algorithm={algorithm}")
        return [item["_id"] for item in found] or ["0" * 24]

    def control(self, path: str, **body: Any) -> None:
        self.api.post(f"{WORLD}/{path}", body, key=None)

    def wall(self) -> None:
        """The machine's own clock may be set back, too."""
        self.api.clock.at = Instant(self.api.clock.at + self.chance.choice(MOVES))

    def clock(self) -> None:
        self.control("clock", advance=f"{self.chance.choice(MOVES)}ms")

    def run(self) -> None:
        self.control("clock", speed=self.chance.choice((0, 1, 60)))

    def assign(self) -> None:
        workers = self.some("workers")
        some = self.chance.sample(workers, min(3, len(workers)))
        profile = self.chance.choice(self.some("profiles"))
        self.api.post("/v1/workers/bulk-assign", {"worker_ids": some, "profile_id": profile})

    def by_hand(self) -> None:
        action = self.chance.choice(("offline", "online", "flapping", "auto", "scale", "retire"))
        workers = self.some("workers", self.chance.choice(("randomx", "sha256")))
        some = self.chance.sample(workers, min(2, len(workers)))
        self.control("accounts/vip/workers/change", worker_ids=some, action=action, factor=0.5)

    def spawn(self) -> None:
        profile = self.some("profiles")[0]
        self.control("accounts/vip/workers", name=f"new-{self.number}", model="ryzen-7950x", profile_id=profile)

    def profile(self) -> None:
        profiles = self.some("profiles")
        if self.chance.random() < 0.5:
            self.api.delete(f"/v1/profiles/{self.chance.choice(profiles)}")
        else:
            pools = self.some("pools")
            held = [{"pool_id": pool} for pool in self.chance.sample(pools, min(2, len(pools)))]
            self.api.put(f"/v1/profiles/{self.chance.choice(profiles)}", {"pools": held})

    def default(self) -> None:
        self.api.post(f"/v1/profiles/{self.chance.choice(self.some('profiles'))}/default")

    def pool(self) -> None:
        self.api.tester.failing = None
        body = {"algorithm": "randomx", "host": "h.example", "port": 1, "username": "u"}
        self.api.post("/v1/pools", {"name": f"pool {self.number}", **body})

    def tested(self) -> None:
        self.api.tester.failing = self.chance.choice((None, Stage.CONNECTIVITY))
        self.api.post("/v1/pools/test", {"pool_id": self.chance.choice(self.some("pools"))})

    def save(self) -> None:
        self.control("snapshots", name="saved")

    def restore(self) -> None:
        self.control("snapshots/saved/restore")


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_given_again_is_what_would_be_computed(make_api: MakeApi, store_url: str, seed: int) -> None:
    api = make_api(store=store_url, rate_limit="off")
    chance = Random(f"kept:{seed}")
    drawn = Drawn(api, chance)
    for _ in range(STEPS):
        drawn.step()
        for path in chance.sample(READS, 5):
            api.get(path)  # from now on it is kept, if it was not
        api.clock.at = Instant(api.clock.at + chance.choice((0, 0, 1, 400, 15 * SECOND)))
        for path in chance.sample(READS, 5):
            assert api.get(path).text == anew(api, path), path


@pytest.mark.parametrize("done", ["spawn", "retire", "offline"])
def test_what_was_done_in_a_minute_shows_from_its_instant_on_whichever_way_the_clock_goes(api: Api, done: str) -> None:
    """All within one minute: it happens at START + 20 s, which the machine's clock passes to and fro."""
    paths = ("/v1/overview", "/v1/workers?limit=100", "/v1/workers?status=online&limit=100")
    drawn = Drawn(api, Random(1))
    api.clock.advance(20)
    if done == "spawn":
        drawn.spawn()
    else:
        workers = [api.id_of("workers", "on-1")]
        drawn.control("accounts/vip/workers/change", worker_ids=workers, action=done, factor=1)
    seen = []
    for move in (-15, 20, -5, -15, 10, 10):
        api.clock.advance(move)
        answers = [api.get(path).text for path in paths]
        assert answers == [anew(api, path) for path in paths]
        seen.append(answers[1])
    assert seen[0] == seen[3] != seen[1]


def test_another_process_s_change_is_seen_by_the_next_call(make_api: MakeApi, url_for: UrlFor) -> None:
    url = url_for("sqlite")
    one, other = make_api(store=url, rate_limit="off"), make_api(store=url, rate_limit="off")
    for number in range(3):
        for api in (one, other):
            assert api.get("/v1/profiles/default?algorithm=randomx").text == anew(api, READS[-2])
        profile = one.get("/v1/profiles/default?algorithm=randomx").json["_id"]
        other.put(f"/v1/profiles/{profile}", {"name": f"name {number}"})
        assert one.get("/v1/profiles/default?algorithm=randomx").json["name"] == f"name {number}"


def test_the_same_call_reads_the_workers_once_a_minute(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    list_workers = api.store.list_workers

    def counted(*given: Any) -> Page[Any]:
        asked.append(given)
        return list_workers(*given)

    monkeypatch.setattr(api.store, "list_workers", counted)
    for _ in range(4):
        assert api.get("/v1/workers").status == 200
        api.clock.advance(12)  # START is ten seconds into a minute
    assert len(asked) == 1
    api.clock.advance(5)
    api.get("/v1/workers")
    assert len(asked) == 2


def test_what_is_kept_is_kept_from_who_may_not_see_it(api: Api) -> None:
    """By scope, by account, and by key."""
    path = "/v1/pools?limit=100"
    mine = api.get(path)
    assert api.get(path, key="up_k_onlyPoolsRead").text == mine.text
    assert api.get(path, key="up_k_onlyWorkersRead").status == 403
    assert api.get(path, key="up_k_nobodys").status == 401
    assert api.get(path, key=BASIC).text != mine.text
    assert api.get(path, key="up_k_oneAddress").status == 403


def test_what_is_given_again_is_counted_told_and_journaled(make_api: MakeApi) -> None:
    api = make_api()
    caller = api.store.find_caller(digest_of(VIP))
    assert caller is not None
    answers = [api.get("/v1/pools") for _ in range(61)]
    assert [answer.status for answer in answers] == [200] * 60 + [429]
    assert [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers] == [*range(59, -1, -1), 0]
    assert len({answer.text for answer in answers[:60]}) == 1
    entries = api.get(f"{WORLD}/journal?limit=100", key=None).json["data"]
    assert [(entry["decided"], entry["clause"]) for entry in entries[:60]] == [("rule", entries[0]["clause"])] * 60
    assert entries[0]["clause"] is not None
    assert entries[60]["decided"] == "rate limit"


def test_a_fault_strikes_what_would_be_given_again(api: Api) -> None:
    api.get("/v1/pools")
    api.post(f"{WORLD}/faults", {"path": "/v1/pools", "effect": "malformed", "times": 1}, key=None)
    response = api._client.get("/v1/pools", headers={"X-API-Key": VIP})
    assert response.text.endswith('"')
    assert api.get("/v1/pools").json["data"]


def test_who_was_made_to_wait_is_answered_as_of_afterwards(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    before = api.get("/v1/workers").text
    api.post(f"{WORLD}/faults", {"path": "/v1/workers", "effect": "latency", "latency": "10ms"}, key=None)
    api.get("/v1/workers")
    monkeypatch.setattr("time.sleep", lambda _: api.clock.advance(60))
    after = api.get("/v1/workers").text
    api.delete(f"{WORLD}/faults", key=None)
    assert after == anew(api, "/v1/workers") != before


# What keeps them


def kept(size: int, since: int = 0, until: int = 10) -> Kept:
    return Kept("list_pools", Scope.POOLS_READ, b"x" * size, Instant(since), Instant(until))


def asked(number: int) -> tuple[Version, ObjectId, str, str]:
    return Version("1"), ObjectId("a"), f"/v1/{number}", ""


@pytest.mark.parametrize(("now", "there"), [(4, False), (5, True), (9, True), (10, False), (11, False)])
def test_an_answer_holds_from_its_first_instant_to_before_its_last(now: int, there: bool) -> None:
    answers = KeptAnswers()
    answers.keep(asked(1), kept(1, since=5, until=10))
    assert (answers.find(asked(1), Instant(now)) is not None) == there


def test_what_was_asked_least_recently_makes_room() -> None:
    answers = KeptAnswers(room_bytes=10_000)
    for number in range(3):
        answers.keep(asked(number), kept(2_000))
    assert answers.find(asked(0), Instant(1))
    answers.keep(asked(3), kept(5_000))
    there = [number for number in range(4) if answers.find(asked(number), Instant(1))]
    assert there == [0, 3]
    answers.keep(asked(4), kept(20_000))  # which is more than there is room for
    assert not any(answers.find(asked(number), Instant(1)) for number in range(5))


def test_an_answer_kept_anew_takes_its_room_once() -> None:
    answers = KeptAnswers(room_bytes=10_000)
    answers.keep(asked(0), kept(1_000))
    for _ in range(20):
        answers.keep(asked(1), kept(4_000))
    assert answers.find(asked(0), Instant(1))


def test_a_long_query_takes_the_room_that_it_takes() -> None:
    """Who asks decides how long it is."""
    answers = KeptAnswers(room_bytes=1_000_000)
    long = [(*asked(0)[:3], f"{number}{'x' * 60_000}") for number in range(100)]
    for one in long:
        answers.keep(one, kept(2))
    assert 0 < sum(answers.find(one, Instant(1)) is not None for one in long) <= 1_000_000 // 60_000
