"""A share that a miner was told is accepted is written down by then: whatever happens to the process, it counts."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.harness import Farm, Pretender, beside, farm, until
from tests.serving import serving
from upsim.errors import StoreUnavailable


async def arrive(here: Farm) -> Pretender:
    miner = Pretender("kheavyhash", "vip.rig")
    await miner.connect(here.ports["kheavyhash"])
    return miner


def accepted(here: Farm) -> int:
    return int(here.workers()["rig"]["shares"]["accepted"])


def test_a_hard_kill_takes_no_share_with_it_that_a_miner_was_told_of(tmp_path: Path) -> None:
    settings = ("--store", f"sqlite:{tmp_path / 'upsim.db'}", "--fixture", "empty", "--stratum", "kheavyhash=0")

    async def mine(port: int) -> None:
        miner = Pretender("kheavyhash", "vip.rig")
        await miner.connect(port)
        await miner.shares(10)
        first.process.kill()
        await until(miner.gone.is_set)
        await miner.hang_up()

    with serving(tmp_path, *settings) as first:
        pool = {"algorithm": "kheavyhash", "name": "main", "host": "a.example", "port": 1, "username": "w"}
        assert first.ask("POST", "/v1/pools", pool)[0] == 201
        asyncio.run(mine(int(first.ready["stratum"][0]["url"].rpartition(":")[2])))
    with serving(tmp_path, *settings) as second:
        (worker,) = second.ask("GET", "/v1/workers")[1]["data"]
        assert worker["shares"]["accepted"] == 10


@pytest.mark.parametrize("store", ["memory:", "sqlite:", "mongomock:"])
def test_an_accepted_share_shows_as_soon_as_its_miner_knows(store: str, tmp_path: Path) -> None:
    async def mine() -> None:
        miner = await arrive(here)
        for number in range(1, 6):
            await miner.shares(1)
            assert await beside(lambda: accepted(here)) == number
        await miner.hang_up()

    with farm("kheavyhash", store=f"sqlite:{tmp_path / 'x.db'}" if store == "sqlite:" else store) as here:
        here.pool("main", "kheavyhash")
        asyncio.run(mine())


def test_shares_that_come_while_one_is_written_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    written: list[int] = []

    async def mine() -> None:
        miner = await arrive(here)
        store: Any = here.server.universe.store
        really = store.add_mined

        def add_mined(world: str, mined: Any, *more: Any) -> None:
            go_on.wait(60)
            written.append(sum(one.accepted for one in mined))
            really(world, mined, *more)

        monkeypatch.setattr(store, "add_mined", add_mined)
        answers = [asyncio.create_task(miner.share())]
        await until(lambda: here.sessions()[0]["shares"]["accepted"] == 1)
        answers += [asyncio.create_task(miner.share()) for _ in range(20)]
        await until(lambda: here.sessions()[0]["shares"]["accepted"] == 21)
        assert not any(answer.done() for answer in answers)
        go_on.set()
        assert all(await asyncio.gather(*answers))
        assert written == [1, 20]
        await miner.hang_up()

    with farm("kheavyhash") as here:
        here.pool("main", "kheavyhash")
        asyncio.run(mine())


def test_while_the_store_is_away_miners_are_told_and_it_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*given: object) -> None:
        raise StoreUnavailable("it is away")

    async def mine() -> None:
        miner = await arrive(here)
        with monkeypatch.context() as patch:
            patch.setattr(here.server.universe.store, "add_mined", away)
            await miner.shares(5)
            assert await beside(lambda: accepted(here)) == 0
        await beside(here.step)
        assert await beside(lambda: accepted(here)) == 5
        await miner.hang_up()

    with farm("kheavyhash") as here:
        here.pool("main", "kheavyhash")
        asyncio.run(mine())
