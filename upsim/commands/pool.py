"""`upsim pool`: a simulated pool on a port of its own, and what happens there as it happens."""

from __future__ import annotations

import time
from typing import Final

import click

from upsim.algorithms import ALGORITHMS
from upsim.clock import Clock, SystemClock, iso
from upsim.commands.stratum import algorithm_option, for_option, json_option, say, say_json, scaled, until_stopped
from upsim.stratum.account import Account, readable
from upsim.stratum.behaviours import BEHAVIOURS
from upsim.stratum.dialects import speech_of
from upsim.stratum.ledger import Tally
from upsim.stratum.miners import EASY_WORK
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.ports import PoolServer
from upsim.stratum.vardiff import VardiffSettings
from upsim.stratum.wire import clip

_EVENTS_A_TURN: Final = 20
"""Lines of single events shown at once; a busy pool's others are only counted."""


def _list_behaviours(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    for behaviour in BEHAVIOURS.values():
        say(f"{behaviour.name:22} {behaviour.summary}")
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
        say_json(event="summary", sessions=connections, **facts, workers=workers)
        return
    unit = pool.algorithm.unit
    rate = scaled(float(str(facts["hashrate"])), unit)
    rejected = pool.tally.rejected
    say(f"summary  {connections} sessions, {pool.tally.accepted} shares accepted, {rejected} rejected, {rate}")
    for name, worker in workers.items():
        speed = scaled(float(str(worker["hashrate"])), unit)
        say(f"         {clip(name, 40):40}  {worker['accepted']:>8} accepted  {speed}")
    if rejected:
        reasons = ", ".join(f"{count} {code.name.lower()} ({int(code)})" for code, count in pool.tally.rejects.items())
        say(f"         rejected: {reasons}")


@click.command("pool")
@algorithm_option
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
@for_option
@json_option
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
    with PoolServer(clock) as server, until_stopped(for_s) as go_on:
        try:
            opened = server.open(pool, port, address=address, behaviour=behaviour, behaviour_times=times)
        except OSError as problem:
            raise click.ClickException(f"cannot listen on {address}:{port}: {problem.strerror or problem}") from None
        if as_json:
            say_json(event="open", address=address, port=opened, algorithm=algorithm, behaviour=behaviour)
        else:
            say(f"A simulated {algorithm} pool ({speech_of(pool.algorithm).name}) listens on {address}:{opened}.")
            say(f"Connections meet: {behaviour}. Any login is welcome; Ctrl-C ends it.")
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
            say_json(**event)
        else:
            say(readable(event))
    if not as_json and len(events) > _EVENTS_A_TURN:
        say(f"         … and {len(events) - _EVENTS_A_TURN} more events")
