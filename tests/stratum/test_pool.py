"""The pool's decisions: which job when, what difficulty, what the shares add up to. No sockets, no waiting."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from upsim.algorithms import ALGORITHMS
from upsim.clock import Instant
from upsim.stratum.dialects import speech_of
from upsim.stratum.events import Verdict
from upsim.stratum.feed import JobFeed
from upsim.stratum.ledger import Tally
from upsim.stratum.pool import START_DIFFICULTY, SimulatedPool
from upsim.stratum.vardiff import Vardiff, VardiffSettings
from upsim.stratum.wire import RejectCode

from .conftest import NOON, Desk

HOUR_MS = 3_600_000


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_jobs_follow_from_seed_and_time_alone(algorithm: str) -> None:
    one, same, other = (JobFeed(ALGORITHMS[algorithm], seed) for seed in (1, 1, 2))
    for at in range(0, HOUR_MS, 97_000):
        moment = one.moment(Instant(NOON + at))
        assert one.job(moment, 0, True) == same.job(same.moment(Instant(NOON + at)), 0, True)
        assert one.job(moment, 0, True) != other.job(other.moment(Instant(NOON + at)), 0, True)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_blocks_come_one_after_the_other_at_about_the_coins_pace(algorithm: str) -> None:
    feed = JobFeed(ALGORITHMS[algorithm], 1, block_s=20.0)
    heights = [feed.moment(Instant(NOON + at)).height for at in range(0, HOUR_MS, 1_000)]
    steps = {after - before for before, after in pairwise(heights)}
    assert steps <= {0, 1}
    assert heights[-1] - heights[0] == pytest.approx(180, abs=2)


def test_a_job_is_renewed_within_its_block_before_a_miner_gives_the_pool_up() -> None:
    feed = JobFeed(ALGORITHMS["sha256"], 1)
    moments = [feed.moment(Instant(NOON + at)) for at in range(0, HOUR_MS, 1_000)]
    changes = [at for at, (before, after) in enumerate(pairwise(moments)) if before != after]
    assert max(after - before for before, after in pairwise(changes)) <= 30


@pytest.mark.parametrize("wall", [0, 1, 10**15, -(10**13)])
def test_any_time_has_a_job(wall: int) -> None:
    for algorithm in ALGORITHMS.values():
        feed = JobFeed(algorithm, 1)
        assert feed.job(feed.moment(Instant(wall)), 0, True).height > 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_job_ids_differ_within_a_block_and_between_blocks(algorithm: str) -> None:
    feed = JobFeed(ALGORITHMS[algorithm], 1)
    ids = set()
    jobs = 0
    for moment in dict.fromkeys(feed.moment(Instant(NOON + at)) for at in range(0, HOUR_MS, 5_000)):
        for variant in range(3):
            ids.add(feed.job(moment, variant, False).id)
            jobs += 1
    assert len(ids) == jobs


def logged_in(desk: Callable[..., Desk], algorithm: str, **settings: Any) -> Desk:
    pool = desk(algorithm, **settings)
    if algorithm == "randomx":
        pool.ask(1, "login", {"login": "w", "pass": "x"})
    else:
        pool.ask(1, "mining.subscribe", ["x"])
        pool.ask(2, "mining.authorize", ["w", "x"])
    return pool


def submit_v1(pool: Desk, job: list[Any], nonce: int, job_id: str | None = None) -> dict[str, Any]:
    params = ["w", job_id or job[0], "00000000", job[7], f"{nonce:08x}"]
    return pool.ask(4, "mining.submit", params)[0]


def test_a_new_block_makes_earlier_jobs_stale_and_a_renewed_job_does_not(desk: Callable[..., Desk]) -> None:
    pool = desk("sha256", work_limit=1e-9)
    pool.ask(1, "mining.subscribe", ["x"])
    job = pool.ask(2, "mining.authorize", ["w", "x"])[-1]["params"]
    seen_renewed = seen_block = False
    for _ in range(200):
        for said in pool.tick(10.0):
            if said["method"] != "mining.notify":
                continue
            fresh = said["params"]
            answer = submit_v1(pool, job, 1)
            if fresh[8]:
                assert answer["error"][0] == 21
                seen_block = True
            else:
                assert answer["error"] is None
                seen_renewed = True
            job = fresh
    assert seen_renewed
    assert seen_block


def test_a_clock_that_jumps_a_week_costs_one_clean_job(desk: Callable[..., Desk]) -> None:
    pool = logged_in(desk, "kawpow")
    said = pool.tick(7 * 86_400.0)
    assert [line["method"] for line in said] == ["mining.notify"]
    assert said[0]["params"][4] is True


def test_a_clock_that_goes_back_still_gets_jobs(desk: Callable[..., Desk]) -> None:
    pool = logged_in(desk, "sha256")
    said = pool.tick(-7 * 86_400.0)
    assert said[-1]["params"][8] is True


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_retarget_sends_the_difficulty_and_then_another_job(algorithm: str, desk: Callable[..., Desk]) -> None:
    pool = logged_in(desk, algorithm)
    before = pool.tick(0.0)
    assert before == []
    lines = pool.pool.retarget(pool.seat, START_DIFFICULTY[algorithm] * 2, NOON)
    told = [line.split(b'"method":"')[1].split(b'"')[0].decode() for line in lines]
    assert told[-1] in ("mining.notify", "job")
    assert told[:-1] in ([], ["mining.set_difficulty"], ["mining.set_target"])
    assert len(told) == 2 or algorithm in ("octopus", "randomx")


def test_a_share_counts_at_the_difficulty_its_job_was_offered_at(desk: Callable[..., Desk]) -> None:
    """Even where the difficulty has changed since."""
    pool = desk("sha256", difficulty=8.0, work_limit=1e-9)
    pool.ask(1, "mining.subscribe", ["x"])
    first = pool.ask(2, "mining.authorize", ["w", "x"])[-1]["params"]
    import json

    second = json.loads(pool.pool.retarget(pool.seat, 32.0, NOON)[-1])["params"]
    assert submit_v1(pool, first, 1)["error"] is None
    assert pool.pool.tally.work == 8.0
    assert submit_v1(pool, second, 1)["error"] is None
    assert pool.pool.tally.work == 40.0


@pytest.mark.parametrize(("shares_a_minute", "factor"), [(4, 1.0), (40, 4.0), (8, 2.0), (0, 0.25), (2, 0.5)])
def test_vardiff_steers_towards_a_share_every_15_seconds(shares_a_minute: int, factor: float) -> None:
    vardiff = Vardiff(VardiffSettings(), 100.0, NOON)
    for _ in range(shares_a_minute * 3 // 2):
        vardiff.share()
    assert vardiff.retarget(100.0, Instant(NOON + 89_000)) is None
    changed = vardiff.retarget(100.0, Instant(NOON + 90_000))
    assert (changed or 100.0) == pytest.approx(100.0 * factor)


def test_vardiff_stays_within_its_bounds() -> None:
    vardiff, difficulty, now = Vardiff(VardiffSettings(lowest=0.5), 100.0, NOON), 100.0, NOON
    for _ in range(10):
        now = Instant(now + 90_000)
        difficulty = vardiff.retarget(difficulty, now) or difficulty
    assert difficulty == 50.0


def test_a_session_with_vardiff_is_told_its_new_difficulty(desk: Callable[..., Desk]) -> None:
    pool = logged_in(desk, "sha256", vardiff=VardiffSettings())
    told = [line for _ in range(10) for line in pool.tick(10.0) if line["method"] == "mining.set_difficulty"]
    assert [line["params"] for line in told] == [[16_384]]


def test_accounts_add_up_and_turn_into_hashrate() -> None:
    algorithm = ALGORITHMS["sha256"]
    tally = Tally(algorithm)
    for second in range(0, 600, 3):
        tally.add(Verdict(None, difficulty=65_536.0, achieved=70_000.0 + second), Instant(NOON + second * 1000))
    tally.add(Verdict(RejectCode.STALE, "Job not found"), NOON)
    tally.add(Verdict(RejectCode.DUPLICATE, "Duplicate share"), NOON)
    assert tally.accepted == 200
    assert tally.work == 200 * 65_536.0
    assert tally.stale == 1
    assert tally.rejected == 2
    assert tally.best == 70_597.0
    assert tally.hashrate(Instant(NOON + 600_000)) == pytest.approx(65_536 * 2**32 / 3, rel=0.02)
    assert tally.hashrate(Instant(NOON + 3 * HOUR_MS)) == 0.0


def test_a_name_nobody_logged_in_with_gets_no_account(desk: Callable[..., Desk]) -> None:
    pool = logged_in(desk, "sha256")
    for number in range(50):
        pool.ask(4, "mining.submit", [f"ghost{number}", "1", "00000000", "00000000", "00000000"])
    assert list(pool.pool.workers) == []
    assert pool.pool.tally.rejects[RejectCode.UNAUTHORIZED] == 50


def test_every_algorithm_has_a_start_difficulty_and_a_miner() -> None:
    assert set(START_DIFFICULTY) == set(ALGORITHMS)
    for algorithm in ALGORITHMS.values():
        assert speech_of(algorithm).miners
        assert SimulatedPool(algorithm, 1).difficulty > 0
