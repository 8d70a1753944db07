"""Synthetic miners against our own pool: what they pretend is what the pool accounts."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from typing import Any

import pytest
from click.testing import CliRunner

from upsim.algorithms import ALGORITHMS
from upsim.cli import main
from upsim.commands.stratum import scaled
from upsim.stratum.behaviours import BEHAVIOURS
from upsim.stratum.miners import EASY_WORK, MinersPlan, MinersReport, run_miners, share_gap_s
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.ports import PoolServer
from upsim.stratum.tables import algorithms_markdown, behaviours_markdown
from upsim.stratum.wire import RejectCode


def mined(algorithm: str, *, easy: bool = True, tls: bool = False, **plan: Any) -> tuple[SimulatedPool, MinersReport]:
    """Let a few miners send twenty shares each, quickly."""
    pool = SimulatedPool(ALGORITHMS[algorithm], 1, work_limit=EASY_WORK if easy else None)
    report = MinersReport()
    hashrate = pool.difficulty * pool.algorithm.work_per_difficulty / 0.002
    with PoolServer() as server:
        port = server.open(pool)
        settings = {"count": 4, "shares": 20, "hashrate": hashrate, "tls": tls, **plan}
        asyncio.run(run_miners(MinersPlan("127.0.0.1", port, algorithm, **settings), report))
    return pool, report


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithms_shares_are_accepted_and_accounted(algorithm: str) -> None:
    pool, report = mined(algorithm)
    assert report.sent == 80
    assert report.finished == 4
    # A job may change while a share is under way; nearly all count all the same.
    assert report.accepted >= 72
    assert pool.tally.accepted == report.accepted
    assert pool.tally.work == pytest.approx(report.accepted * pool.difficulty)
    assert set(pool.workers) == {"wallet.rig0", "wallet.rig1", "wallet.rig2", "wallet.rig3"}


@pytest.mark.parametrize("algorithm", ["sha256", "randomx", "kawpow", "equihash", "octopus", "kheavyhash"])
def test_a_chosen_part_is_stale_and_another_malformed(algorithm: str) -> None:
    pool, report = mined(algorithm, stale=0.5, invalid=0.25, shares=50)
    assert pool.tally.rejects[RejectCode.STALE] == pytest.approx(100, abs=30)
    assert pool.tally.rejects[RejectCode.OTHER] == pytest.approx(50, abs=25)
    assert report.accepted + report.rejected == 200


def test_a_pool_that_asks_for_work_gets_none() -> None:
    """No real mining: against full difficulty, shares are refused."""
    pool, report = mined("sha256", easy=False)
    assert report.accepted == 0
    assert pool.tally.rejects == {RejectCode.LOW_DIFFICULTY: 80}


@pytest.mark.parametrize(("algorithm", "difficulty", "mean_s"), [("sha256", 65_536.0, 2.815), ("randomx", 1e15, 10.0)])
def test_the_pace_of_shares_is_the_pretended_hashrates(algorithm: str, difficulty: float, mean_s: float) -> None:
    """100 TH/s at difficulty 65536: a share each 2.8 s, on average."""
    chance = random.Random("pace")
    gaps = [share_gap_s(chance, difficulty, ALGORITHMS[algorithm], 1e14) for _ in range(20_000)]
    assert sum(gaps) / len(gaps) == pytest.approx(mean_s, rel=0.03)
    assert len(set(gaps)) > 19_000


def test_miners_connect_with_tls() -> None:
    pool, report = mined("sha256", tls=True)
    assert report.accepted == pool.tally.accepted == 80


def test_a_refused_login_is_a_reason() -> None:
    report = MinersReport()

    async def for_a_moment(port: int) -> None:
        plan = MinersPlan("127.0.0.1", port, "sha256", count=2, pace=0.01)
        mining = asyncio.create_task(run_miners(plan, report))
        while not report.reasons:
            await asyncio.sleep(0.005)
        mining.cancel()
        await asyncio.gather(mining, return_exceptions=True)

    with PoolServer() as server:
        asyncio.run(for_a_moment(server.open(SimulatedPool(ALGORITHMS["sha256"], 1), behaviour="no-auth")))
    assert list(report.reasons) == ["Unauthorized worker"]
    assert report.connected == 0


def test_miners_stop_when_told_to_while_they_hang_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation in the middle of closing must not be taken for the end of one session, followed by the next."""

    async def cancelled_while_closing(port: int) -> bool:
        closing = asyncio.Event()

        async def never_closed(writer: asyncio.StreamWriter) -> None:
            closing.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(asyncio.StreamWriter, "wait_closed", never_closed)
        mining = asyncio.create_task(run_miners(MinersPlan("127.0.0.1", port, "sha256"), MinersReport()))
        await closing.wait()
        mining.cancel()
        done, _ = await asyncio.wait({mining}, timeout=10)
        return mining in done

    with PoolServer() as server:
        port = server.open(SimulatedPool(ALGORITHMS["sha256"], 1), behaviour="no-auth")
        loop = asyncio.new_event_loop()
        try:
            assert loop.run_until_complete(cancelled_while_closing(port))
        finally:
            loop.close()


def run(*words: str) -> Any:
    return CliRunner().invoke(main, list(words))


def test_check_pool_says_what_it_found() -> None:
    with PoolServer() as server:
        port = server.open(SimulatedPool(ALGORITHMS["sha256"], 1))
        good = run("check-pool", f"127.0.0.1:{port}", "-a", "sha256", "-u", "w")
        bad = run("check-pool", f"127.0.0.1:{port}", "-a", "randomx", "-u", "w")
        over_tls = run("check-pool", f"stratum+ssl://127.0.0.1:{port}", "-a", "sha256", "-u", "w", "--json")
    assert good.exit_code == 0
    assert [line.split()[:2] for line in good.output.splitlines()] == [
        ["connectivity", "ok"],
        ["subscription", "ok"],
        ["authorization", "ok"],
    ]
    assert bad.exit_code == 1
    assert "speaks Bitcoin-style Stratum V1, not Monero's login dialect" in bad.output
    assert "authorization  not tried" in bad.output
    assert json.loads(over_tls.output)["passed"] is True


@pytest.mark.parametrize("address", ["pool.example", "pool.example:0", "pool.example:65536", ":3333", "x:y"])
def test_what_is_no_address_is_refused(address: str) -> None:
    found = run("check-pool", address, "-a", "sha256", "-u", "w")
    assert found.exit_code == 2
    assert "write HOST:PORT" in found.output


@pytest.mark.parametrize("hashrate", ["fast", "1X", "-1", "0", "1e40"])
def test_what_is_no_hashrate_is_refused(hashrate: str) -> None:
    found = run("miners", "--pool", "127.0.0.1:1", "-a", "sha256", "--hashrate", hashrate)
    assert found.exit_code == 2
    assert "hashrate" in found.output


def test_the_pool_command_shows_what_happens() -> None:
    found = run("pool", "-a", "kawpow", "--port", "0", "--for", "0", "--behaviour", "no-auth")
    assert found.exit_code == 0
    assert "A simulated kawpow pool (ProgPoW Stratum (kawpow, firopow)) listens on 127.0.0.1:" in found.output
    assert "summary  0 sessions, 0 shares accepted, 0 rejected, 0.00 H/s" in found.output


def test_the_pool_command_speaks_json() -> None:
    found = run("pool", "-a", "sha256", "--port", "0", "--for", "0", "--json")
    events = [json.loads(line) for line in found.output.splitlines()]
    assert [event["event"] for event in events] == ["open", "summary"]


def test_a_taken_port_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = run("pool", "-a", "sha256", "--port", str(port), "--for", "0")
    assert found.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in found.output


def test_the_behaviours_are_listed() -> None:
    found = run("pool", "--behaviours")
    assert found.exit_code == 0
    assert [line.split()[0] for line in found.output.splitlines()] == list(BEHAVIOURS)


def test_the_miners_command_says_that_it_does_not_mine_and_what_came_of_it() -> None:
    with PoolServer() as server:
        pool = SimulatedPool(ALGORITHMS["sha256"], 1, work_limit=EASY_WORK)
        port = server.open(pool)
        found = run("miners", "--pool", f"127.0.0.1:{port}", "-a", "sha256", "--shares", "5", "--hashrate", "1E")
    assert found.exit_code == 0
    assert "No real mining is done." in found.output
    assert "5 shares sent" in found.output


def test_miners_that_reach_nobody_exit_with_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = run("miners", "--pool", f"127.0.0.1:{port}", "-a", "sha256", "--for", "0.3")
    assert found.exit_code == 1
    assert "cannot connect: connection refused, nothing listens on this port" in found.output


@pytest.mark.parametrize(("hashrate", "text"), [(0.0, "0.00 H/s"), (1_500.0, "1.50 kH/s"), (1.1e14, "110.00 TH/s")])
def test_hashrates_are_shown_as_people_read_them(hashrate: float, text: str) -> None:
    assert scaled(hashrate, "H/s") == text


def test_the_table_of_algorithms_has_a_row_for_each_and_says_what_is_checked() -> None:
    lines = algorithms_markdown().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert [line.split("`")[1] for line in lines[2:]] == list(ALGORITHMS)
    complete = [line.split("`")[1] for line in lines if "**completely**" in line]
    assert complete == ["sha256", "scrypt", "sha512256d"]


def test_the_table_of_behaviours_has_a_row_for_each() -> None:
    lines = behaviours_markdown().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert [line.split("`")[1] for line in lines[2:]] == list(BEHAVIOURS)
