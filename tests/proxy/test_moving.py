"""Miners move while they are connected: to another profile, down a profile's pools, and back. No share is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import pytest

from tests.proxy.harness import Farm, Pretender, Refused, beside, farm, until
from upsim.algorithms import ALGORITHMS
from upsim.stratum.miners import EASY_WORK
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.ports import PoolServer

ONE_OF_EACH = [
    "sha256",
    "equihash",
    "verushash",
    "etchash",
    "kawpow",
    "kheavyhash",
    "autolykos",
    "octopus",
    "nexapow",
    "randomx",
]


@contextmanager
def real_pool(algorithm: str, here: Farm, seed: int = 1) -> Iterator[tuple[PoolServer, SimulatedPool, int]]:
    """A pool on a port of its own, which can be killed."""
    with PoolServer(here.wall) as server:
        pool = SimulatedPool(ALGORITHMS[algorithm], seed, work_limit=EASY_WORK)
        yield server, pool, server.open(pool)


def on(here: Farm, pool_id: str | None, count: int = 1) -> Callable[[], bool]:
    return lambda: [one["pool_id"] for one in here.sessions()] == [pool_id] * count


@pytest.mark.parametrize("algorithm", ONE_OF_EACH)
def test_bulk_assign_moves_a_connected_miner_with_a_clean_job(algorithm: str) -> None:
    async def mine() -> None:
        miner = Pretender(algorithm, "vip.rig")
        await miner.connect(here.ports[algorithm])
        await miner.shares(1)
        old_work = miner.work
        worker = (await beside(here.workers))["rig"]
        assign = {"worker_ids": [worker["_id"]], "profile_id": other}
        cleaned = miner.cleaned
        await beside(lambda: here.ask("POST", "/v1/workers/bulk-assign", assign))
        await beside(here.step)
        await until(on(here, second))
        await until(lambda: miner.cleaned > cleaned)
        assert not miner.gone.is_set()
        assert not await miner.share(old_work)  # of the pool before: worthless, and said so
        await miner.shares(2)
        await beside(here.step)
        worker = (await beside(here.workers))["rig"]
        assert (worker["pool_id"], worker["profile_id"]) == (second, other)
        assert worker["shares"] == {"accepted": 3, "stale": 1, "rejected": 0}
        await miner.hang_up()

    with farm(algorithm) as here:
        here.pool("first", algorithm)
        second = here.pool("second", algorithm)
        other = here.profile("other", algorithm, second)
        asyncio.run(mine())


def test_a_pools_new_name_moves_nobody_and_shows_at_once() -> None:
    async def mine() -> None:
        miner = Pretender("kheavyhash", "vip.rig")
        await miner.connect(here.ports["kheavyhash"])
        await beside(lambda: here.ask("PUT", f"/v1/pools/{first}", {"name": "renamed"}))
        await beside(here.step)
        (session,) = here.sessions()
        assert (session["pool_id"], session["pool_name"], session["moves"]) == (first, "renamed", 0)
        await miner.shares(1)
        assert miner.cleaned == 1  # with the first job alone
        await miner.hang_up()

    with farm("kheavyhash") as here:
        first = here.pool("first", "kheavyhash")
        asyncio.run(mine())
        here.empty()


def test_a_profiles_new_order_moves_its_miners() -> None:
    async def mine() -> None:
        miner = Pretender("kheavyhash", "vip.rig")
        await miner.connect(here.ports["kheavyhash"])
        assert on(here, first)()
        for order in ([second, first], [first], [second]):
            body = {"pools": [{"pool_id": pool_id} for pool_id in order]}
            await beside(partial(here.ask, "PUT", f"/v1/profiles/{profile}", body))
            await beside(here.step)
            await until(on(here, order[0]))
            await miner.shares(1)
        await miner.hang_up()

    with farm("kheavyhash") as here:
        first, second = here.pool("first", "kheavyhash"), here.pool("second", "kheavyhash")
        profile = here.ask("GET", "/v1/profiles/default?algorithm=kheavyhash")["_id"]
        asyncio.run(mine())


def test_another_default_profile_takes_new_miners_and_leaves_workers_where_they_are_assigned() -> None:
    def places() -> dict[str, str | None]:
        return {one["worker"]: one["pool_id"] for one in here.sessions()}

    async def mine() -> None:
        old, new = Pretender("kheavyhash", "vip.old"), Pretender("kheavyhash", "vip.new")
        await old.connect(here.ports["kheavyhash"])
        await beside(lambda: here.ask("POST", f"/v1/profiles/{other}/default"))
        await new.connect(here.ports["kheavyhash"])
        await beside(here.step)
        await until(lambda: places() == {"old": first, "new": second})
        await old.hang_up()
        await until(lambda: places() == {"new": second})
        await old.connect(here.ports["kheavyhash"])  # who comes back is the same worker, on the profile it had
        await until(lambda: places() == {"old": first, "new": second})
        workers = await beside(here.workers)
        assert {name: worker["profile_id"] for name, worker in workers.items()} == {"old": profile, "new": other}
        body = {"pools": [{"pool_id": third}]}
        await beside(lambda: here.ask("PUT", f"/v1/profiles/{other}", body))
        await beside(here.step)
        await until(lambda: places() == {"old": first, "new": third})
        await old.hang_up()
        await new.hang_up()

    with farm("kheavyhash") as here:
        first, second, third = (here.pool(name, "kheavyhash") for name in ("first", "second", "third"))
        profile = here.ask("GET", "/v1/profiles/default?algorithm=kheavyhash")["_id"]
        other = here.profile("other", "kheavyhash", second)
        asyncio.run(mine())


@pytest.mark.parametrize("algorithm", ["sha256", "randomx", "kawpow"])
def test_a_pool_that_dies_is_left_for_the_next_and_come_back_to(algorithm: str) -> None:
    async def mine() -> None:
        miner = Pretender(algorithm, "vip.rig")
        await miner.connect(here.ports[algorithm])
        assert on(here, main)()
        await miner.shares(3)
        here.ask("POST", "/_upsim/worlds/default/pools", {"host": "main.example", "port": 3333, "behaviour": "refused"})
        await beside(here.step)  # the door sees what was put on the pool, as it would see it hang up
        await until(on(here, spare))
        await miner.shares(2)
        await beside(here.step)
        assert (await beside(here.workers))["rig"]["pool_id"] == spare
        health = (await beside(lambda: here.ask("GET", f"/v1/pools/{main}")))["health"]
        assert (health["status"], health["last_error"]) == (
            "unhealthy", "connectivity: connection refused: nothing listens on this port",
        )  # fmt: skip
        here.ask("POST", "/_upsim/worlds/default/pools", {"host": "main.example", "port": 3333, "behaviour": None})
        await until(on(here, main))
        await miner.shares(1)
        await beside(here.step)
        worker = (await beside(here.workers))["rig"]
        assert worker["pool_id"] == main
        assert worker["shares"]["accepted"] == miner.accepted == 6
        assert not miner.gone.is_set()
        await miner.hang_up()

    with farm(algorithm) as here:
        main, spare = here.pool("main", algorithm), here.pool("spare", algorithm)
        profile = here.ask("GET", f"/v1/profiles/default?algorithm={algorithm}")["_id"]
        here.ask("PUT", f"/v1/profiles/{profile}", {"pools": [{"pool_id": main}, {"pool_id": spare}]})
        asyncio.run(mine())


def test_where_no_pool_is_healthy_a_miner_waits_without_being_hung_up_on() -> None:
    async def mine() -> None:
        miner = Pretender("sha256", "vip.rig")
        await miner.connect(here.ports["sha256"])
        await miner.shares(1)
        put = {"host": "main.example", "port": 3333}
        here.ask("POST", "/_upsim/worlds/default/pools", {**put, "behaviour": "no-auth"})
        await beside(here.step)
        await until(on(here, None))
        async with asyncio.timeout(60):  # that the pool refuses the login, too, is known only once it was asked
            while (worker := (await beside(here.workers))["rig"])["pool_id"] is not None:
                await beside(here.step)
        assert worker["status"] == "online"
        assert not await miner.share()
        here.ask("POST", "/_upsim/worlds/default/pools", {**put, "behaviour": None})
        await until(on(here, main))
        await miner.shares(1)
        await miner.hang_up()

    with farm("sha256") as here:
        main = here.pool("main", "sha256")
        asyncio.run(mine())


def test_a_share_that_a_dead_pool_did_not_answer_is_refused() -> None:
    """Never acknowledged, never counted: whoever sent it knows."""

    async def mine() -> None:
        miner = Pretender("kheavyhash", "vip.rig")
        await miner.connect(here.ports["kheavyhash"])
        waiting = asyncio.create_task(miner.share())
        await until(lambda: pool.tally.accepted == 1)
        server.close()
        assert not await waiting
        assert miner.refusals == ["The pool hung up before it answered"]
        await beside(here.step)
        assert (await beside(here.workers))["rig"]["shares"] == {"accepted": 0, "stale": 1, "rejected": 0}
        await miner.hang_up()

    with farm("kheavyhash") as here, PoolServer(here.wall) as server:
        pool = SimulatedPool(ALGORITHMS["kheavyhash"], 1)
        here.pool("mute", "kheavyhash", "127.0.0.1", server.open(pool, behaviour="mute-shares"))
        asyncio.run(mine())


@pytest.mark.parametrize("algorithm", ["sha256", "kheavyhash", "randomx"])
def test_a_hundred_moves_back_and_forth_lose_no_share(algorithm: str) -> None:
    async def keep_on(miner: Pretender, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await miner.share()

    async def mine() -> None:
        miners = [Pretender(algorithm, f"vip.rig{number}") for number in range(5)]
        await asyncio.gather(*(miner.connect(here.ports[algorithm]) for miner in miners))
        ids = [worker["_id"] for worker in (await beside(here.workers)).values()]
        stop = asyncio.Event()
        mining = [asyncio.create_task(keep_on(miner, stop)) for miner in miners]
        for turn in range(100):
            target, pool_id = ((other, ids_of[1]), (default, ids_of[0]))[turn % 2]
            assign = {"worker_ids": ids, "profile_id": target}
            await beside(partial(here.ask, "POST", "/v1/workers/bulk-assign", assign))
            await beside(here.step)
            await until(on(here, pool_id, 5))
        stop.set()
        await asyncio.gather(*mining)
        await beside(here.step)
        counted = {name: worker["shares"] for name, worker in (await beside(here.workers)).items()}
        for number, miner in enumerate(miners):
            shares = counted[f"rig{number}"]
            assert shares["accepted"] == miner.accepted > 0
            assert shares["stale"] + shares["rejected"] == len(miner.refusals)
        assert sum(pool.tally.accepted for pool in pools) == sum(miner.accepted for miner in miners)
        assert not any(miner.gone.is_set() for miner in miners)
        for miner in miners:
            await miner.hang_up()

    with farm(algorithm) as here, real_pool(algorithm, here, 1) as one, real_pool(algorithm, here, 2) as two:
        pools = [one[1], two[1]]
        ids_of = [here.pool(name, algorithm, "127.0.0.1", port) for name, port in (("a", one[2]), ("b", two[2]))]
        default = here.ask("GET", f"/v1/profiles/default?algorithm={algorithm}")["_id"]
        other = here.profile("other", algorithm, ids_of[1])
        asyncio.run(mine())


def test_a_killed_pool_moves_all_within_two_seconds_of_the_worlds_clock_and_loses_nothing_acknowledged() -> None:
    """The world's clock runs at a twentieth: two of its seconds are forty of a busy machine's."""

    def world_now() -> float:
        return datetime.fromisoformat(here.ask("GET", "/_upsim/worlds/default/clock")["now"]).timestamp()

    async def mine() -> None:
        miners = [Pretender("sha256", f"vip.rig{number}") for number in range(60)]
        await asyncio.gather(*(miner.connect(here.ports["sha256"]) for miner in miners))
        assert on(here, main, 60)()
        await asyncio.gather(*(miner.shares(2) for miner in miners))
        under_way = [asyncio.create_task(miner.share()) for miner in miners]
        began = await beside(world_now)
        await beside(killed.close)
        await until(on(here, spare, 60))
        assert 0 < await beside(world_now) - began < 2
        await asyncio.gather(*under_way)
        await asyncio.gather(*(miner.shares(1) for miner in miners))
        await beside(here.step)
        counted = await beside(here.workers)
        acknowledged = {f"rig{number}": miner.accepted for number, miner in enumerate(miners)}
        assert {name: worker["shares"]["accepted"] for name, worker in counted.items()} == acknowledged
        assert sum(acknowledged.values()) <= dead.tally.accepted + alive.tally.accepted
        for miner in miners:
            await miner.hang_up()

    with (
        farm("sha256", real_time=True) as here,
        real_pool("sha256", here, 1) as one,
        real_pool("sha256", here, 2) as two,
    ):
        here.ask("POST", "/_upsim/worlds/default/clock", {"speed": 0.05})
        (killed, dead, first_port), (_, alive, second_port) = one, two
        main = here.pool("main", "sha256", "127.0.0.1", first_port)
        spare = here.pool("spare", "sha256", "127.0.0.1", second_port)
        profile = here.ask("GET", "/v1/profiles/default?algorithm=sha256")["_id"]
        here.ask("PUT", f"/v1/profiles/{profile}", {"pools": [{"pool_id": main}, {"pool_id": spare}]})
        asyncio.run(mine())


@pytest.mark.parametrize("algorithm", ["equihash", "verushash", "etchash", "kawpow", "autolykos", "nexapow"])
def test_a_miner_that_takes_no_other_extranonce_is_sent_back_and_finds_its_place_kept(algorithm: str) -> None:
    """The dialects whose nonces begin with what the hello was answered with, before anybody said who it is."""

    async def move(name: str) -> None:
        assign = {"worker_ids": [(await beside(here.workers))[name]["_id"]], "profile_id": other}
        await beside(lambda: here.ask("POST", "/v1/workers/bulk-assign", assign))
        await beside(here.step)

    async def come(miner: Pretender) -> None:
        with pytest.raises(Refused, match=r"client\.reconnect"):
            await miner.connect(here.ports[algorithm])
        await miner.connect(here.ports[algorithm])

    async def mine() -> None:
        # Somebody is on the second pool twice: else both pools would happen to give the miner the same extranonce.
        first_there = Pretender(algorithm, "vip.other")
        await first_there.connect(here.ports[algorithm])
        await move("other")
        await until(on(here, second))
        await first_there.hang_up()
        await first_there.connect(here.ports[algorithm])
        await until(on(here, second))
        miner = Pretender(algorithm, "vip.rig", takes_extranonces=False)
        await come(miner)
        assert [one["pool_id"] for one in here.sessions()] == [second, first]
        await miner.shares(2)
        assert miner.refusals == []
        await move("rig")
        await until(miner.gone.is_set)
        await miner.hang_up()
        await miner.connect(here.ports[algorithm])
        assert on(here, second, 2)()
        await miner.shares(1)
        await beside(here.step)
        assert (await beside(here.workers))["rig"]["shares"] == {"accepted": 3, "stale": 0, "rejected": 0}
        await miner.hang_up()
        await first_there.hang_up()

    with farm(algorithm) as here:
        first, second = here.pool("first", algorithm), here.pool("second", algorithm)
        other = here.profile("other", algorithm, second)
        asyncio.run(mine())
