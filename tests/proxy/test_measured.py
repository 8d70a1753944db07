"""What the API says of measured workers: hashrate, series and counters, alone and beside simulated ones."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.harness import Farm, Pretender, beside, farm, until
from tests.serving import serving
from upsim.algorithms import ALGORITHMS
from upsim.stratum.pool import START_DIFFICULTY

MINERS = int(os.environ.get("UPSIM_TEST_MINERS", "500"))
GAP_S = 12.0
"""Seconds of the world between two shares of one miner."""


def pretended(algorithm: str, gap_s: float = GAP_S) -> float:
    """The hashrate of a miner that finds a share each so many seconds."""
    return START_DIFFICULTY[algorithm] * ALGORITHMS[algorithm].work_per_difficulty / gap_s


def test_five_hundred_miners_of_three_algorithms_measure_what_they_pretend_after_ten_shares() -> None:
    algorithms = ("sha256", "kheavyhash", "randomx")

    async def mine() -> None:
        miners = [
            Pretender(algorithms[number % 3], f"vip.{algorithms[number % 3]}-{number}") for number in range(MINERS)
        ]
        for at in range(0, MINERS, 100):
            batch = miners[at : at + 100]
            await asyncio.gather(*(miner.connect(here.ports[miner.algorithm]) for miner in batch))
        for _ in range(10):
            here.wall.advance(GAP_S)
            await beside(here.door.tick)
            await asyncio.gather(*(miner.shares(1) for miner in miners))
        await beside(here.step)
        blocks = {block["algorithm"]: block for block in here.ask("GET", "/v1/overview")["algorithms"]}
        for algorithm in algorithms:
            count = sum(miner.algorithm == algorithm for miner in miners)
            assert blocks[algorithm]["workers"] == {"total": count, "online": count, "offline": 0}
            assert blocks[algorithm]["hashrate"] == pytest.approx(count * pretended(algorithm), rel=0.05)
            for worker in here.workers(algorithm=algorithm).values():
                assert worker["hashrate"] == pytest.approx(pretended(algorithm), rel=0.05)
                assert worker["shares"]["accepted"] == 10
        for miner in miners:
            await miner.hang_up()

    with farm(*algorithms) as here:
        for algorithm in algorithms:
            here.pool(algorithm, algorithm)
        asyncio.run(mine())


def series(here: Farm, time_range: str, worker: str = "") -> list[int]:
    """The points of a series."""
    path = f"/v1/workers/{worker}/hashrate" if worker else "/v1/workers/hashrate"
    found = here.ask("GET", f"{path}?algorithm=sha256&timeRange={time_range}")
    return [point["hashrate"] for point in found["data"]]


RANGES = {"1h": 60, "6h": 300, "24h": 600, "7d": 3600, "30d": 14_400}


@pytest.mark.parametrize("store", ["memory:", "mongomock:"])
def test_every_range_is_exact_and_a_fleets_series_is_the_sum_of_its_workers(store: str) -> None:
    async def mine() -> None:
        miners = [Pretender("sha256", f"vip.rig{number}") for number in range(3)]
        for miner in miners:
            await miner.connect(here.ports["sha256"])
        here.wall.at = type(here.wall.at)(here.wall.at - here.wall.at % 14_400_000)
        for turn in range(8):  # shares at the beginning of minutes 0, 35, 70, …, 245
            await beside(here.step)
            await beside(here.door.tick)
            for number, miner in enumerate(miners):
                await miner.shares(number + 1)
            await beside(here.step)
            here.wall.advance(35 * 60 if turn < 7 else 0)
        for miner in miners:
            await miner.hang_up()

    with farm("sha256", store=store) as here:
        here.pool("main", "sha256")
        asyncio.run(mine())
        here.empty()
        workers = here.workers()
        share = START_DIFFICULTY["sha256"] * 2**32
        here.wall.advance(60)
        for time_range, seconds in RANGES.items():
            alone = {name: series(here, time_range, worker["_id"]) for name, worker in workers.items()}
            together = series(here, time_range)
            assert [sum(points) for points in zip(*alone.values(), strict=True)] == pytest.approx(together, abs=2)
            first = alone["rig0"]
            assert max(first) == pytest.approx(share * {"7d": 2, "30d": 7}.get(time_range, 1) / seconds, rel=1e-6)
        assert sum(series(here, "6h")) * 300 == pytest.approx(7 * 6 * share, rel=1e-6)  # five minutes are not over
        here.wall.advance(14_400)
        assert sum(series(here, "30d")) * 14_400 == pytest.approx(8 * 6 * share, rel=1e-6)
        assert sum(series(here, "7d")) * 3_600 == pytest.approx(8 * 6 * share, rel=1e-6)
        assert sum(series(here, "24h")) * 600 == pytest.approx(8 * 6 * share, rel=1e-6)


def test_measured_and_simulated_workers_add_up() -> None:
    async def mine() -> None:
        miners = [Pretender("sha256", f"vip.live{number}") for number in range(4)]
        for number, miner in enumerate(miners):
            await miner.connect(here.ports["sha256"])
            here.wall.advance(7)
            await miner.shares(number)
        await beside(here.step)
        here.wall.advance(90)
        workers = here.workers(algorithm="sha256")
        assert {worker["status"] for name, worker in workers.items() if name.startswith("live")} == {"online"}
        block = next(one for one in here.ask("GET", "/v1/overview")["algorithms"] if one["algorithm"] == "sha256")
        assert block["workers"]["total"] == len(workers) == 10
        assert block["workers"]["online"] == sum(worker["status"] == "online" for worker in workers.values())
        assert block["hashrate"] == pytest.approx(sum(worker["hashrate"] for worker in workers.values()), abs=10)
        online = here.workers(algorithm="sha256", status="online")
        assert set(online) == {name for name, worker in workers.items() if worker["status"] == "online"}
        here.wall.advance(60)
        alone = [series(here, "1h", worker["_id"]) for worker in workers.values()]
        assert [sum(points) for points in zip(*alone, strict=True)] == pytest.approx(series(here, "1h"), abs=10)
        for miner in miners:
            await miner.hang_up()

    with farm("sha256") as here:
        here.pool("main", "sha256")
        profile = here.ask("GET", "/v1/profiles/default?algorithm=sha256")["_id"]
        row = {"name": "made-up-{n}", "model": "s21", "profile_id": profile, "count": 6}
        here.ask("POST", "/_upsim/worlds/default/accounts/vip/workers", row)
        here.wall.advance(600)
        asyncio.run(mine())


def test_hashrate_is_of_the_last_ten_minutes_and_ends_with_the_miner() -> None:
    async def mine() -> None:
        miner = Pretender("sha256", "vip.rig")
        await miner.connect(here.ports["sha256"])
        for _ in range(20):
            here.wall.advance(60)
            await beside(here.step)
            await beside(here.door.tick)
            await miner.shares(1)
        await beside(here.step)
        rate = here.workers()["rig"]["hashrate"]
        assert rate == pytest.approx(pretended("sha256", 60), rel=0.1)
        here.wall.advance(300)  # it is there, but finds nothing
        assert rate / 3 < here.workers()["rig"]["hashrate"] < rate * 2 / 3
        here.wall.advance(400)
        assert here.workers()["rig"]["hashrate"] == 0
        assert here.workers()["rig"]["status"] == "online"
        await miner.hang_up()

    with farm("sha256") as here:
        here.pool("main", "sha256")
        asyncio.run(mine())


def test_a_clock_that_stands_goes_back_or_leaps_makes_no_nonsense() -> None:
    async def mine() -> None:
        miner = Pretender("sha256", "vip.rig")
        await miner.connect(here.ports["sha256"])
        await miner.shares(2)  # no time has passed at all
        await beside(here.step)
        share = START_DIFFICULTY["sha256"] * 2**32
        assert here.workers()["rig"]["hashrate"] == pytest.approx(2 * share / 10, rel=1e-6)
        for change in ({"advance": "40d"}, {"advance": "-80d"}, {"advance": "1h"}, {"speed": 1000}, {"freeze": True}):
            here.ask("POST", "/_upsim/worlds/default/clock", change)
            await beside(here.step)
            await beside(here.step)
            await miner.shares(1)
            await beside(here.step)
            worker = here.workers()["rig"]
            assert 0 <= worker["hashrate"] <= 3 * share / 10
            assert worker["uptime_seconds"] >= 0
            assert sum(series(here, "30d")) >= 0
        assert here.workers()["rig"]["shares"]["accepted"] == 7
        assert here.workers()["rig"]["status"] == "online"
        await miner.hang_up()

    with farm("sha256") as here:
        here.pool("main", "sha256")
        asyncio.run(mine())


def test_what_is_measured_is_not_changed_by_hand() -> None:
    async def mine() -> None:
        miner = Pretender("sha256", "vip.rig")
        await miner.connect(here.ports["sha256"])
        body = {"worker_ids": [here.workers()["rig"]["_id"]], "action": "offline"}
        with pytest.raises(AssertionError, match="is measured: it does what its miner does"):
            here.ask("POST", "/_upsim/worlds/default/accounts/vip/workers/change", body)
        await miner.hang_up()

    with farm("sha256") as here:
        here.pool("main", "sha256")
        asyncio.run(mine())


def test_reset_snapshot_and_download_of_a_world_with_a_miner_in_it() -> None:
    async def mine() -> None:
        miner = Pretender("sha256", "vip.rig")
        await miner.connect(here.ports["sha256"])
        await miner.shares(3)
        await beside(here.step)
        world = "/_upsim/worlds/default"
        await beside(lambda: here.ask("POST", f"{world}/snapshots", {"name": "three"}))
        saved = await beside(lambda: here.ask("GET", f"{world}/download"))
        await miner.shares(2)
        await beside(here.step)
        await beside(lambda: here.ask("POST", f"{world}/snapshots/three/restore", {}))
        assert here.workers()["rig"]["shares"]["accepted"] == 3
        await beside(here.step)
        await beside(here.step)
        await miner.shares(1)
        await beside(here.step)
        worker = here.workers()["rig"]
        assert (worker["status"], worker["shares"]["accepted"]) == ("online", 4)
        made = await beside(lambda: here.ask("POST", "/_upsim/worlds", {"snapshot": saved}))
        keys = {account["name"]: account["keys"] for account in made["accounts"]}
        loaded = here.ask("GET", "/v1/workers", key=keys["vip"][0]["key"])["data"]
        assert [(one["name"], one["status"], one["shares"]["accepted"]) for one in loaded] == [("rig", "offline", 3)]
        # Reset, the world has no pool any more: the miner is turned away, and may come back when it has.
        await beside(lambda: here.ask("POST", f"{world}/reset", {}))
        await beside(here.step)
        await beside(here.step)
        assert here.workers() == {}
        await miner.hang_up()

    with farm("sha256") as here:
        here.pool("main", "sha256")
        asyncio.run(mine())


def test_a_crash_loses_no_history_and_miners_come_back_to_the_profile_they_had(tmp_path: Path) -> None:
    def settings(port: str) -> list[str]:
        return [
            "--rate-limit",
            "off",
            "--store",
            f"sqlite:{tmp_path / 'upsim.db'}",
            "--fixture",
            "empty",
            "--stratum",
            f"kheavyhash={port}",
        ]

    async def mine(port: int, count: int) -> Pretender:
        miner = Pretender("kheavyhash", "vip.rig")
        await miner.connect(port)
        await miner.shares(count)
        return miner

    def wait_for(accepted: int) -> dict[str, object]:
        for _ in range(2_000):
            _, page = here.ask("GET", "/v1/workers")
            worker: dict[str, Any] = page["data"][0]
            if worker["shares"]["accepted"] == accepted:
                return worker
        raise AssertionError(f"{accepted} shares never show: {worker}")

    def stratum() -> int:
        return int(here.ready["stratum"][0]["url"].rpartition(":")[2])

    with serving(tmp_path, *settings("0")) as here:
        pool = {"algorithm": "kheavyhash", "host": "a.example", "port": 1, "username": "w", "password": "x"}
        ids = [here.ask("POST", "/v1/pools", {**pool, "name": name})[1]["_id"] for name in ("one", "two")]
        other = {"name": "other", "algorithm": "kheavyhash", "pools": [{"pool_id": ids[1]}]}
        profile = here.ask("POST", "/v1/profiles", other)[1]["_id"]

        async def until_counted() -> None:
            miner = await mine(stratum(), 5)
            worker = await beside(lambda: wait_for(5))
            await beside(
                lambda: here.ask(
                    "POST", "/v1/workers/bulk-assign", {"worker_ids": [worker["_id"]], "profile_id": profile}
                )
            )
            here.process.kill()
            await until(miner.gone.is_set)
            await miner.hang_up()

        asyncio.run(until_counted())
    with serving(tmp_path, *settings("0")) as here:
        worker = wait_for(5)
        assert (worker["status"], worker["hashrate"]) == ("offline", 0)

        async def back() -> None:
            miner = await mine(stratum(), 2)
            worker = await beside(lambda: wait_for(7))
            assert (worker["status"], worker["profile_id"], worker["pool_id"]) == ("online", profile, ids[1])
            await miner.hang_up()

        asyncio.run(back())
