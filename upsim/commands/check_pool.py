"""`upsim check-pool`: tries a pool, anybody's, and says what is wrong with it."""

from __future__ import annotations

import sys

import click

from upsim.clock import SystemClock
from upsim.commands.stratum import Address, algorithm_option, json_option, say, say_json
from upsim.model import Outcome, PoolTarget, PoolTest, WorldId
from upsim.stratum.service import LocalBehaviours, PoolNetwork, PoolWorld


@click.command("check-pool")
@click.argument("pool", type=Address(), metavar="HOST:PORT")
@algorithm_option
@click.option("--user", "-u", required=True, help="Wallet, wallet.worker or account.worker, as a miner gives it.")
@click.option("--password", "--pass", default="x", show_default=True, help="Most pools ignore it.")
@click.option("--tls", is_flag=True, help="Connect with TLS; its certificate is not verified, as miners do not.")
@click.option("--deadline", type=click.FloatRange(min=0.1, max=600), default=5.0, show_default=True, help="In seconds.")
@json_option
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
        say_json(passed=outcome.failure is None, stages=stages, remarks=list(outcome.remarks))
    else:
        _show_test(outcome)
    sys.exit(0 if outcome.failure is None else 1)


def _show_test(outcome: PoolTest) -> None:
    for stage in outcome.stages:
        took = "" if stage.duration_ms is None else f"{stage.duration_ms} ms"
        word = {Outcome.PASSED: "ok", Outcome.FAILED: "FAILED", Outcome.SKIPPED: "not tried"}[stage.outcome]
        say(f"{stage.stage.value:14} {word:10} {took:>8}  {stage.reason or ''}".rstrip())
    for remark in outcome.remarks:
        say(f"note: {remark}")
