"""`upsim miners`: pretended miners, to exercise a pool or a proxy."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import click

from upsim.algorithms import ALGORITHMS
from upsim.commands.stratum import (
    Address,
    Hashrate,
    algorithm_option,
    for_option,
    json_option,
    say,
    say_json,
    scaled,
    until_stopped,
)
from upsim.stratum.miners import MinersPlan, MinersReport, run_miners


@click.command("miners")
@click.option("--pool", type=Address(), required=True, metavar="HOST:PORT", help="Whose pool or proxy to exercise.")
@algorithm_option
@click.option("--count", "-n", type=click.IntRange(1, 100_000), default=1, show_default=True, help="Sessions to open.")
@click.option("--hashrate", type=Hashrate(), default="1T", show_default=True, help="Of each, pretended.")
@click.option("--user", "-u", default="wallet.rig{n}", show_default=True, help="{n} becomes the miner's number.")
@click.option("--password", "--pass", default="x", show_default=True)
@click.option("--tls", is_flag=True, help="Connect with TLS, certificate not verified.")
@click.option("--stale", type=click.FloatRange(0, 1), default=0.0, help="Part of shares for jobs that do not exist.")
@click.option("--invalid", type=click.FloatRange(0, 1), default=0.0, help="Part of shares that are malformed.")
@click.option("--shares", type=click.IntRange(min=1), help="Stop after so many shares each.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of all chance.")
@for_option
@json_option
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
        say(f"{count} synthetic {algorithm} miners of {rate} each, for {host}:{port}. No real mining is done.")
    done = threading.Event()
    thread = threading.Thread(target=_run_miners, args=(plan, report, done), name="upsim-miners", daemon=True)
    with until_stopped(for_s) as go_on:
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
        say_json(
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
    say(f"{report.connected} connected, {shares}")
    for reason, times in report.reasons.most_common(5):
        say(f"  {times:>8} times: {reason}")
