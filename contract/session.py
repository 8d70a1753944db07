"""A run from settings to summary: finds out what the target offers, runs the plan, lets go of everything."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from .clauses import Level
from .client import Client, TargetLost
from .control import Control, ControlError, attach
from .exchange import masked
from .probe import NAME, Blocked, Probe
from .registry import NOT_OBSERVABLE, checks
from .reports import Summary
from .results import Ledger
from .runner import CannotRun, Plan, preflight, run
from .settings import Settings


def check(
    settings: Settings,
    plan: Plan,
    level: Level,
    *,
    control: bool = True,
    token: str | None = None,
    transport: httpx.BaseTransport | None = None,
    timeout_s: float = 15.0,
    progress: Callable[[str, int, int], None] = lambda name, calls, total: None,
    waiting: Callable[[float], None] = lambda seconds: None,
    announce: Callable[[str], None] = lambda text: None,
    clean_up: bool = False,
) -> Summary | None:
    """Run a plan against a target; None where only earlier runs were to be cleaned up after, and nothing is left.

    Raises:
        CannotRun: nothing could be verified.
    """
    target = settings.url
    clock: Control | None = None
    if control and not plan.read_only and not clean_up:
        try:
            found = attach(settings, transport, timeout_s, token)
        except ControlError as error:
            raise CannotRun(str(error)) from error
        if found is not None:
            settings, clock = found
    if "main" not in settings.keys:
        raise CannotRun("a key is needed: --key up_k_…, or --config FILE")
    client = Client(settings, transport=transport, control=clock, timeout_s=timeout_s, waiting=waiting)
    try:
        if clean_up:
            _clean_up(client)
            return None
        return Summary(run(client, plan, progress, announce), level, masked(target))
    finally:
        client.close()
        if clock is not None:
            clock.close()


def _clean_up(client: Client) -> None:
    probe = Probe(client, Ledger())
    try:
        preflight(client)
        left = probe.sweep(NAME)
    except (TargetLost, Blocked) as error:
        raise CannotRun(str(error)) from error
    if left:
        raise CannotRun(f"could not be removed: {', '.join(left)}")


def listing() -> str:
    """Every check: id, level, statement; then what cannot be checked, and why."""
    lines = [f"{one.id:<72}  {one.clause.level.word:<10}  {one.clause.statement}" for one in checks()]
    lines.append("")
    lines += [f"{name:<72}  {'not observable':<10}  {reason}" for name, reason in NOT_OBSERVABLE.items()]
    return "\n".join(lines)
