"""Several processes on one store: worlds, clocks, faults, limits and journals are the same in all of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import UrlFor
from tests.control.harness import Sandbox, opened
from tests.serving import serving
from upsim import Client, World, connect


@contextmanager
def process(store: str, folder: Path) -> Iterator[Client]:
    """`upsim serve` in a process of its own."""
    folder.mkdir()
    with serving(folder, "--store", store) as server:
        yield connect(server.ready["url"])


def statuses(world: World, key: str, count: int, path: str = "/v1/pools") -> list[int]:
    with httpx.Client(base_url=world.url, headers={"X-API-Key": key}) as api:
        return [api.get(path).status_code for _ in range(count)]


def test_two_processes_on_one_file_agree(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'shared.db'}"
    with process(store, tmp_path / "one") as first, process(store, tmp_path / "two") as second:
        here = first.world(id="shared", seed=7, clock={"set": "2026-01-05T08:00:00Z", "freeze": True})
        there = second.open_world("shared")
        key = here.key("basic")
        assert [info.id for info in second.worlds()] == ["default", "shared"]

        assert statuses(here, key, 6) == [200] * 6
        assert statuses(there, key, 6) == [200] * 4 + [429] * 2, "one window, one count"
        there.clock.advance("1m")
        assert here.clock.now() == there.clock.now()
        assert statuses(here, key, 1) == [200]

        here.faults.add(times=3)
        assert statuses(there, key, 2) + statuses(here, key, 3) == [503, 503, 503, 200, 200]
        assert [entry.seq for entry in there.journal] == list(range(1, 19))

        there.snapshot("now")
        here.set_tier("basic", "vip")
        here.restore("now")
        assert [account.tier for account in there.accounts() if account.name == "basic"] == ["basic"]
        assert there.faults.list() == here.faults.list() != ()
        there.delete()
        assert statuses(here, key, 1) == [401]


@pytest.fixture(params=["sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def both(request: pytest.FixtureRequest, url_for: UrlFor) -> Iterator[tuple[Sandbox, Sandbox]]:
    """Two simulators that share nothing but their store, on wall clocks that show the same."""
    url = url_for(str(request.param))
    with ExitStack() as stack:
        yield stack.enter_context(opened(url)), stack.enter_context(opened(url))


def test_two_simulators_on_one_store_agree_call_by_call(both: tuple[Sandbox, Sandbox]) -> None:
    one, two = both
    with one.client.world(id="shared", clock={"freeze": True}) as here:
        there = two.client.open_world("shared")
        key = here.key("basic")
        turns = [one, two] * 6
        assert [sandbox.get(key).status for sandbox in turns] == [200] * 10 + [429] * 2
        here.clock.advance("1m")
        assert two.get(key).status == 200
        there.faults.add(times=3, share=0.5)
        struck = [sandbox.get(key).status for sandbox in turns[:8]]
        assert struck.count(503) <= 3
        here.reset()
        here.faults.add(times=3, share=0.5)
        alone = [one.get(key).status for _ in range(8)]
        assert alone == struck, "the same faults in the same order, whoever answers"
        assert there.faults.list() == here.faults.list()
        assert [entry.seq for entry in there.journal] == list(range(1, 9))


def test_what_is_done_at_once_is_done_once(both: tuple[Sandbox, Sandbox]) -> None:
    with both[0].client.world(id="shared", clock={"freeze": True}) as world:
        doors = [sandbox.client.open_world("shared") for sandbox in both]
        with ThreadPoolExecutor(8) as pool:
            added = list(pool.map(lambda turn: doors[turn % 2].faults.add(path=f"/v1/{turn}").id, range(16)))
            moved = list(pool.map(lambda turn: doors[turn % 2].clock.advance("1s").timestamp, range(16)))
        assert sorted(added) == sorted(f"fault-{number}" for number in range(1, 17))
        assert {fault.id for fault in world.faults.list()} == set(added)
        assert len(set(moved)) == 16, "every second was added"
        world.faults.clear()
        world.faults.add(times=5)
        key = world.key("vip")
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda turn: both[turn % 2].get(key).status, range(24)))
        assert (found.count(503), found.count(200)) == (5, 19)
