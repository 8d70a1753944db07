"""Three processes behind a round-robin are one service: the contract holds through it, and a limit is exact."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx

from contract.clauses import Level
from contract.results import Verdict
from contract.runner import Plan
from contract.session import check
from contract.settings import Settings
from tests.scale.conftest import Arguments
from tests.scale.round_robin import RoundRobin
from tests.serving import Serving, serving
from upsim import Client, connect

PROCESSES = 3

WHOLE = os.environ.get("UPSIM_TEST_ROUND_ROBIN") == "whole"
"""Run the whole contract over MongoDB and Redis too, which takes some minutes where the machine is busy."""

ACROSS = ("rate.*", "quota.*", "ids.foreign*", "profiles.default*", "bulk-assign.*", "pools.delete*", "order.*")
"""Clauses of what calls leave to one another; the rest of the contract is each call's own."""


@dataclass(frozen=True)
class Cluster:
    """Processes that share all they keep, and what stands before them."""

    servers: list[Serving]
    front: RoundRobin

    @property
    def client(self) -> Client:
        """The control plane, of whichever process."""
        return connect(self.front.url)


@contextmanager
def cluster(folder: Path, *arguments: str, count: int = PROCESSES) -> Iterator[Cluster]:
    """Start so many processes, and wait until the round-robin has found all of them."""
    with ExitStack() as stack:

        def start(number: int) -> Serving:
            home = folder / f"server-{number}"
            home.mkdir()
            return stack.enter_context(serving(home, *arguments))

        servers = [start(number) for number in range(count)]
        front = RoundRobin([server.port for server in servers])
        stack.callback(front.close)
        for server in servers:
            front.wait_for(server.port, ready=True)
        yield Cluster(servers, front)


def by_turns() -> httpx.HTTPTransport:
    """A transport whose every call is a connection of its own, and so another process's."""
    return httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))


def test_the_contract_holds_through_a_round_robin(shared: Arguments, tmp_path: Path) -> None:
    whole = WHOLE or shared[1].startswith("sqlite:")
    with cluster(tmp_path, *shared) as one:
        plan = Plan(cases=1) if whole else Plan(cases=1, only=ACROSS)
        found = check(Settings(one.front.url, {}), plan, Level.ASSUMED, transport=by_turns())
        assert found is not None
        ledger = found.outcome.ledger
        assert {one.clause.id: one.differences[0] for one in ledger.with_verdict(Verdict.DIFFERS)} == {}
        assert found.outcome.cut_short == {}
        assert found.exit_code == 0
        if whole:
            assert {one.clause.id: one.reason for one in ledger.with_verdict(Verdict.NOT_VERIFIED)} == {}
        calls = sum(one.front.carried.values())
        assert calls > 200
        assert all(carried > calls // 4 for carried in one.front.carried.values()), "each had its share"


def at_once(count: int, call: Callable[[], Any]) -> list[Any]:
    """So many calls, begun together."""
    gate = Barrier(count)

    def run(_: int) -> Any:
        gate.wait()
        return call()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def test_a_limit_is_exact_across_processes(shared: Arguments, tmp_path: Path) -> None:
    with cluster(tmp_path, *shared) as one, one.client.world(clock={"freeze": True}) as world:
        for name, allowed in (("basic", 10), ("basic", 10), ("vip", 60)):
            with httpx.Client(transport=by_turns(), headers={"X-API-Key": world.key(name)}, timeout=60) as http:
                answers = at_once(allowed + 15, partial(http.get, f"{one.front.url}/v1/pools"))
            assert Counter(answer.status_code for answer in answers) == {200: allowed, 429: 15}
            left = sorted(int(answer.headers["X-RateLimit-Remaining"]) for answer in answers)
            assert left == [0] * 15 + list(range(allowed)), "each was told a number of its own"
            world.clock.advance("1m")
        assert len(list(world.journal)) == 2 * 25 + 75
