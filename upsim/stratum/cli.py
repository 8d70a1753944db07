"""`upsim pool`, `upsim check-pool` and `upsim miners`. The only module here that prints or exits.

Everything they show goes to standard output, as text for people or, with --json, as one JSON object a line.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeVar

import click

from upsim.algorithms import ALGORITHMS
from upsim.clock import Clock, SystemClock, iso
from upsim.model import Outcome, PoolTarget, PoolTest, WorldId
from upsim.stratum.account import Account, readable
from upsim.stratum.behaviours import BEHAVIOURS
from upsim.stratum.dialects import speech_of
from upsim.stratum.ledger import Tally
from upsim.stratum.miners import EASY_WORK, MinersPlan, MinersReport, run_miners
from upsim.stratum.options import Address, Hashrate, scaled
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.ports import PoolServer
from upsim.stratum.service import LocalBehaviours, PoolNetwork, PoolWorld
from upsim.stratum.vardiff import VardiffSettings
from upsim.stratum.wire import clip

_EVENTS_A_TURN: Final = 20
"""Lines of single events shown at once; a busy pool's others are only counted."""
_TURN_S: Final = 0.5
Command = TypeVar("Command", bound=Callable[..., Any])


def _algorithm_option(command: Command) -> Command:
    choice = click.Choice(list(ALGORITHMS))
    return click.option("--algorithm", "-a", type=choice, required=True, help="What to mine.")(command)


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")(command)


def _for_option(command: Command) -> Command:
    text = "Stop after so many seconds instead of at Ctrl-C."
    return click.option("--for", "for_s", type=click.FloatRange(min=0), metavar="SECONDS", help=text)(command)


def _say(text: str) -> None:
    click.echo(text)


def _say_json(**facts: object) -> None:
    click.echo(json.dumps(facts, separators=(",", ":")))


@contextmanager
def _until_stopped(for_s: float | None) -> Iterator[Callable[[], bool]]:
    """Gives a function that waits a turn and says whether to go on: until Ctrl-C, SIGTERM, or the time is up."""
    stop = threading.Event()
    end = None if for_s is None else time.monotonic() + for_s

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    def go_on() -> bool:
        left = _TURN_S if end is None else min(_TURN_S, end - time.monotonic())
        return left > 0 and not stop.wait(left)

    if threading.current_thread() is not threading.main_thread():
        yield go_on
        return
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield go_on
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# A pool


def _list_behaviours(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    for behaviour in BEHAVIOURS.values():
        _say(f"{behaviour.name:22} {behaviour.summary}")
    ctx.exit()


def _tally_facts(tally: Tally, clock: Clock) -> dict[str, object]:
    return {
        "accepted": tally.accepted,
        "rejected": {str(int(code)): count for code, count in sorted(tally.rejects.items())},
        "stale": tally.stale,
        "work": tally.work,
        "best": tally.best,
        "hashrate": tally.hashrate(clock.now()),
        "last_share_at": None if tally.last_share is None else iso(tally.last_share),
    }


def _show_summary(pool: SimulatedPool, server: PoolServer, clock: Clock, as_json: bool) -> None:
    connections = len(server.connections())
    facts = server.ask(lambda: _tally_facts(pool.tally, clock))
    workers = server.ask(lambda: {name: _tally_facts(tally, clock) for name, tally in list(pool.workers.items())[-20:]})
    if as_json:
        _say_json(event="summary", sessions=connections, **facts, workers=workers)
        return
    unit = pool.algorithm.unit
    rate = scaled(float(str(facts["hashrate"])), unit)
    rejected = pool.tally.rejected
    _say(f"summary  {connections} sessions, {pool.tally.accepted} shares accepted, {rejected} rejected, {rate}")
    for name, worker in workers.items():
        speed = scaled(float(str(worker["hashrate"])), unit)
        _say(f"         {clip(name, 40):40}  {worker['accepted']:>8} accepted  {speed}")
    if rejected:
        reasons = ", ".join(f"{count} {code.name.lower()} ({int(code)})" for code, count in pool.tally.rejects.items())
        _say(f"         rejected: {reasons}")


@click.command("pool")
@_algorithm_option
@click.option("--port", "-p", type=click.IntRange(0, 65_535), default=3333, show_default=True, help="0: any free one.")
@click.option("--address", default="127.0.0.1", show_default=True, help="To listen on; 0.0.0.0 for everybody.")
@click.option(
    "--behaviour", "-b", type=click.Choice(list(BEHAVIOURS)), default="healthy", show_default=True, metavar="NAME",
    help="What connections meet; --behaviours lists them.",
)  # fmt: skip
@click.option(
    "--times", type=click.IntRange(min=1), help="Only for so many connections; later ones meet a healthy pool."
)
@click.option(
    "--behaviours", is_flag=True, is_eager=True, expose_value=False, callback=_list_behaviours,
    help="List the behaviours and leave.",
)  # fmt: skip
@click.option("--difficulty", type=click.FloatRange(min=0, min_open=True), help="Where sessions begin.")
@click.option("--vardiff/--no-vardiff", default=True, show_default=True, help="Steer it to a share every 15 s.")
@click.option(
    "--easy", is_flag=True, help="Ask next to no work of a share, so that `upsim miners` can send valid ones."
)
@click.option("--seed", type=int, default=1, show_default=True, help="All jobs follow from it.")
@click.option(
    "--every", type=click.FloatRange(min=0.5), default=10.0, show_default=True, help="Seconds between summaries."
)
@_for_option
@_json_option
def pool_command(
    algorithm: str,
    port: int,
    address: str,
    behaviour: str,
    times: int | None,
    difficulty: float | None,
    vardiff: bool,
    easy: bool,
    seed: int,
    every: float,
    for_s: float | None,
    as_json: bool,
) -> None:
    """Be a mining pool: sessions, jobs that move, shares checked and counted. Nothing is ever paid, or passed on."""
    clock, account = SystemClock(), Account()
    pool = SimulatedPool(
        ALGORITHMS[algorithm],
        seed,
        difficulty=difficulty,
        vardiff=VardiffSettings() if vardiff else None,
        work_limit=EASY_WORK if easy else None,
        watcher=account,
    )
    with PoolServer(clock) as server, _until_stopped(for_s) as go_on:
        try:
            opened = server.open(pool, port, address=address, behaviour=behaviour, behaviour_times=times)
        except OSError as problem:
            raise click.ClickException(f"cannot listen on {address}:{port}: {problem.strerror or problem}") from None
        if as_json:
            _say_json(event="open", address=address, port=opened, algorithm=algorithm, behaviour=behaviour)
        else:
            _say(f"A simulated {algorithm} pool ({speech_of(pool.algorithm).name}) listens on {address}:{opened}.")
            _say(f"Connections meet: {behaviour}. Any login is welcome; Ctrl-C ends it.")
        shown = time.monotonic()
        while go_on():
            _show_events(account, as_json)
            if time.monotonic() - shown >= every:
                shown = time.monotonic()
                _show_summary(pool, server, clock, as_json)
        _show_events(account, as_json)
        _show_summary(pool, server, clock, as_json)


def _show_events(account: Account, as_json: bool) -> None:
    events = account.drain()
    for event in events if as_json else events[:_EVENTS_A_TURN]:
        if as_json:
            _say_json(**event)
        else:
            _say(readable(event))
    if not as_json and len(events) > _EVENTS_A_TURN:
        _say(f"         … and {len(events) - _EVENTS_A_TURN} more events")


# A check


@click.command("check-pool")
@click.argument("pool", type=Address(), metavar="HOST:PORT")
@_algorithm_option
@click.option("--user", "-u", required=True, help="Wallet, wallet.worker or account.worker, as a miner gives it.")
@click.option("--password", "--pass", default="x", show_default=True, help="Most pools ignore it.")
@click.option("--tls", is_flag=True, help="Connect with TLS; its certificate is not verified, as miners do not.")
@click.option("--deadline", type=click.FloatRange(min=0.1, max=600), default=5.0, show_default=True, help="In seconds.")
@_json_option
def check_pool_command(
    pool: tuple[str, int, bool], algorithm: str, user: str, password: str, tls: bool, deadline: float, as_json: bool
) -> None:
    """Try a pool as a miner would: connect, subscribe, authorize. Submits nothing. Exits with 1 where a stage fails."""
    host, port, wants_tls = pool
    network = PoolNetwork("real", LocalBehaviours(), deadline_s=deadline)
    target = PoolTarget(host, port, tls or wants_tls, algorithm, user, password)
    try:
        outcome = network.test(PoolWorld(WorldId("check"), 1, SystemClock()), target)
    finally:
        network.close()
    if as_json:
        stages = [
            {"stage": s.stage.value, "outcome": s.outcome.value, "duration_ms": s.duration_ms, "reason": s.reason}
            for s in outcome.stages
        ]
        _say_json(passed=outcome.failure is None, stages=stages, remarks=list(outcome.remarks))
    else:
        _show_test(outcome)
    sys.exit(0 if outcome.failure is None else 1)


def _show_test(outcome: PoolTest) -> None:
    for stage in outcome.stages:
        took = "" if stage.duration_ms is None else f"{stage.duration_ms} ms"
        word = {Outcome.PASSED: "ok", Outcome.FAILED: "FAILED", Outcome.SKIPPED: "not tried"}[stage.outcome]
        _say(f"{stage.stage.value:14} {word:10} {took:>8}  {stage.reason or ''}".rstrip())
    for remark in outcome.remarks:
        _say(f"note: {remark}")


# Miners


@click.command("miners")
@click.option("--pool", type=Address(), required=True, metavar="HOST:PORT", help="Whose pool or proxy to exercise.")
@_algorithm_option
@click.option("--count", "-n", type=click.IntRange(1, 100_000), default=1, show_default=True, help="Sessions to open.")
@click.option("--hashrate", type=Hashrate(), default="1T", show_default=True, help="Of each, pretended.")
@click.option("--user", "-u", default="wallet.rig{n}", show_default=True, help="{n} becomes the miner's number.")
@click.option("--password", "--pass", default="x", show_default=True)
@click.option("--tls", is_flag=True, help="Connect with TLS, certificate not verified.")
@click.option("--stale", type=click.FloatRange(0, 1), default=0.0, help="Part of shares for jobs that do not exist.")
@click.option("--invalid", type=click.FloatRange(0, 1), default=0.0, help="Part of shares that are malformed.")
@click.option("--shares", type=click.IntRange(min=1), help="Stop after so many shares each.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of all chance.")
@_for_option
@_json_option
def miners_command(
    pool: tuple[str, int, bool],
    algorithm: str,
    count: int,
    hashrate: float,
    user: str,
    password: str,
    tls: bool,
    stale: float,
    invalid: float,
    shares: int | None,
    seed: int,
    for_s: float | None,
    as_json: bool,
) -> None:
    """Pretend to be miners, to exercise a pool or a proxy. NO REAL MINING is done, and nothing can be earned.

    Shares come at the pace of the pretended hashrate and the difficulty the pool assigns. They are valid where a pool
    asks for next to no work (`upsim pool --easy`), and structurally right elsewhere.
    """
    host, port, wants_tls = pool
    if stale + invalid > 1:
        raise click.UsageError("--stale and --invalid are parts of all shares: together at most 1")
    plan = MinersPlan(
        host, port, algorithm, count, hashrate, tls or wants_tls, user, password, stale, invalid, seed, shares
    )
    report = MinersReport()
    if not as_json:
        rate = scaled(hashrate, ALGORITHMS[algorithm].unit)
        _say(f"{count} synthetic {algorithm} miners of {rate} each, for {host}:{port}. No real mining is done.")
    done = threading.Event()
    thread = threading.Thread(target=_run_miners, args=(plan, report, done), name="upsim-miners", daemon=True)
    with _until_stopped(for_s) as go_on:
        thread.start()
        shown = time.monotonic()
        while go_on() and thread.is_alive():
            if time.monotonic() - shown >= 5:
                shown = time.monotonic()
                _show_report(report, as_json)
    done.set()
    thread.join()
    _show_report(report, as_json)
    if not report.logged_in:
        sys.exit(1)


def _run_miners(plan: MinersPlan, report: MinersReport, done: threading.Event) -> None:
    async def until_done() -> None:
        mining = asyncio.create_task(run_miners(plan, report))
        while not mining.done() and not done.is_set():
            await asyncio.wait({mining}, timeout=0.2)
        mining.cancel()
        await asyncio.gather(mining, return_exceptions=True)

    asyncio.run(until_done())


def _show_report(report: MinersReport, as_json: bool) -> None:
    if as_json:
        _say_json(
            event="summary",
            connected=report.connected,
            logged_in=report.logged_in,
            sent=report.sent,
            accepted=report.accepted,
            rejected=report.rejected,
            jobs=report.jobs,
            work=report.work,
            reasons=dict(report.reasons.most_common(10)),
        )
        return
    shares = f"{report.sent} shares sent, {report.accepted} accepted, {report.rejected} rejected"
    _say(f"{report.connected} connected, {shares}")
    for reason, times in report.reasons.most_common(5):
        _say(f"  {times:>8} times: {reason}")


@click.group()
def main() -> None:
    """Stratum, without the rest of upsim."""


main.add_command(pool_command)
main.add_command(check_pool_command)
main.add_command(miners_command)

__all__ = ["check_pool_command", "main", "miners_command", "pool_command"]

if __name__ == "__main__":
    main()
