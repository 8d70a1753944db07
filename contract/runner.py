"""Runs the scenarios one after another, puts everything back whatever happens, and can go on where it stopped."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from . import checks, generated
from .client import Client, TargetLost
from .probe import Blocked, Probe
from .registry import NOT_OBSERVABLE, SCENARIOS, Scenario
from .results import Ledger
from .settings import Settings

STATE_FORMAT: Final = 1
REGISTERED: Final = (checks, generated)
STUMBLES: Final = (KeyError, TypeError, AttributeError, IndexError, ValueError, StopIteration)
"""What a check runs into where an answer has quite another form than the spec says."""


class CannotRun(Exception):
    """Nothing can be verified at all; the text says why."""


@dataclass(slots=True)
class Plan:
    """What to run.

    Attributes:
        only: patterns of scenario names or clause ids; empty runs all.
        cases: generated requests an operation.
        state: a file to keep what is done in, and to go on from.
    """

    read_only: bool = False
    only: tuple[str, ...] = ()
    cases: int = 0
    seed: int = 0
    state: Path | None = None


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    ledger: Ledger
    url: str
    calls: int = 0
    waited_s: float = 0.0
    interrupted: bool = False
    lost: str = ""
    left_behind: list[str] = field(default_factory=list)
    cut_short: dict[str, str] = field(default_factory=dict)
    """Scenarios that could not go on to their end, and why."""


def chosen(plan: Plan) -> list[Scenario]:
    """The scenarios of a plan, in order."""

    def wanted(one: Scenario) -> bool:
        names = (one.name, *one.clauses)
        return not plan.only or any(fnmatchcase(name, pattern) for name in names for pattern in plan.only)

    return [one for one in SCENARIOS.values() if wanted(one)]


def lacking(one: Scenario, settings: Settings, plan: Plan) -> str:
    """Why a scenario cannot run; empty where it can."""
    if plan.read_only and one.writes:
        return "the run is read-only"
    reasons = {
        "good": (bool(settings.good), "no pool that is well was given (pools.good)"),
        "bad": (bool(settings.bad), "no pool that fails was given (pools.bad)"),
        "limited": (bool(settings.limited), "no keys with few scopes were given (keys.limited)"),
        "other_user": ("other_user" in settings.keys, "no key of another user was given (keys.other_user)"),
        "unusable": ("unusable" in settings.keys, "no expired or revoked key was given (keys.unusable)"),
        "wrong_address": (
            "wrong_address" in settings.keys,
            "no key for another address was given (keys.wrong_address)",
        ),
        "disposable": (
            settings.disposable,
            "the first profile of an algorithm can never be deleted; target.disposable allows it",
        ),
        "move_workers": (settings.move_workers, "workers may not be moved; target.move_workers allows it"),
    }
    return next((reasons[need][1] for need in one.needs if not reasons[need][0]), "")


def estimate(plan: Plan, settings: Settings) -> int:
    """About how many calls a run takes."""
    runnable = [one for one in chosen(plan) if not lacking(one, settings, plan)]
    return sum(one.cost for one in runnable) + 18 * plan.cases * any(
        one.name == "generated-requests" for one in runnable
    )


def duration(client: Client, calls: int) -> str:
    """How long so many calls will take, in words."""
    if client.control is not None:
        return f"About {calls} calls; the target's clock is moved instead of waiting for its rate limit."
    budget = client.budget(client.settings.keys["main"].user)
    if budget is None:
        return f"About {calls} calls."
    minutes = max(1, round(calls / budget.limit))
    return f"About {calls} calls; at {budget.limit} a minute they take about {minutes} minutes."


def preflight(client: Client) -> None:
    """Make sure that there is an API behind the address that takes the key.

    Raises:
        CannotRun: there is not.
    """
    reply = client.send("GET", "/v1/workers", key=client.settings.keys["main"], query={"limit": 1})
    where = client.settings.url
    if not reply.status:
        raise CannotRun(f"{where} does not answer: {reply.exchange.trouble}.")
    if reply.status == 401:
        raise CannotRun(f"{where} does not take the key: 401 {reply.error}")
    if reply.status >= 500:
        raise CannotRun(
            f"{where} answers {reply.status} to the simplest call, GET /v1/workers: nothing can be verified."
        )
    if not reply.body:
        kind = reply.header("content-type") or "nothing"
        raise CannotRun(
            f"{where} answers {reply.status} with {kind}, not with a JSON object: is this the API's address?"
        )


def run(
    client: Client,
    plan: Plan,
    progress: Callable[[str, int, int], None] = lambda name, calls, of: None,
    announce: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Run a plan. Ctrl-C ends it early, with everything put back.

    Args:
        progress: told before each scenario: its name, calls made, calls expected.
        announce: told once how long it will take.

    Raises:
        CannotRun: nothing could be verified.
    """
    ledger = Ledger()
    outcome = Outcome(ledger, client.settings.url)
    probe = Probe(client, ledger, seed=plan.seed, run=secrets.token_hex(3), cases=plan.cases)
    done = _resumed(plan, ledger, client.settings.url)
    total = estimate(plan, client.settings)
    try:
        preflight(client)
        announce(duration(client, total))
        for one in chosen(plan):
            if one.name in done:
                continue
            progress(one.name, client.calls, total)
            reason = lacking(one, client.settings, plan)
            if reason:
                _excuse(ledger, one.clauses, reason)
            else:
                _run_one(probe, one, outcome)
            done.add(one.name)
            _save(plan, ledger, client.settings.url, done)
    except KeyboardInterrupt:
        outcome.interrupted = True
    except TargetLost as error:
        outcome.lost = f"the target does not answer any more: {error}"
    outcome.left_behind = _tidy(probe, sweep=outcome.interrupted or bool(outcome.lost))
    _close(ledger, plan)
    if plan.state is not None and not outcome.interrupted and not outcome.lost:
        plan.state.unlink(missing_ok=True)
    outcome.calls, outcome.waited_s = client.calls, client.waited_s
    return outcome


def _run_one(probe: Probe, one: Scenario, outcome: Outcome) -> None:
    ledger = probe.ledger
    before = {name: ledger.findings[name].observations for name in one.clauses}
    reason = "the check did not come to it"
    with probe.during(one):
        try:
            one.run(probe)
        except Blocked as blocked:
            reason = outcome.cut_short[one.name] = str(blocked)
        except STUMBLES as error:
            reason = f"the answers have another form than expected ({type(error).__name__}: {error})"
            outcome.cut_short[one.name] = reason
        finally:
            # On Ctrl-C too: what was made goes.
            probe.put_back()
    _excuse(ledger, [name for name in one.clauses if ledger.findings[name].observations == before[name]], reason)


def _tidy(probe: Probe, *, sweep: bool) -> list[str]:
    """Take away what is still there; what could not be taken."""
    try:
        probe.put_back()
        # What was being made when a run was stopped may not have been noted yet: it is found by its name.
        left = probe.sweep() if sweep else []
        return probe.left_behind() + left
    except (TargetLost, Blocked) as error:
        return [f"pools and profiles whose names begin with {probe.tag} ({error})"]


def _excuse(ledger: Ledger, names: Iterable[str], reason: str) -> None:
    for name in names:
        ledger.excuse(name, reason)


def _close(ledger: Ledger, plan: Plan) -> None:
    """Give every clause that was not seen its reason."""
    for name, finding in ledger.findings.items():
        if name in NOT_OBSERVABLE:
            finding.observable, finding.reason = False, NOT_OBSERVABLE[name]
        elif not finding.observations and not finding.reason:
            finding.reason = "not asked for (--only)" if plan.only else "no answer held it"


def _resumed(plan: Plan, ledger: Ledger, url: str) -> set[str]:
    if plan.state is None or not plan.state.exists():
        return set()
    try:
        saved: dict[str, Any] = json.loads(plan.state.read_text("utf-8"))
        if (saved["format"], saved["url"]) != (STATE_FORMAT, url):
            raise CannotRun(f"{plan.state} is of a run on {saved['url']}; remove it, or name another file.")
        ledger.restore(saved["ledger"])
        return set(saved["done"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotRun(f"{plan.state} is no state of a run ({error}); remove it, or name another file.") from error


def _save(plan: Plan, ledger: Ledger, url: str, done: set[str]) -> None:
    if plan.state is not None:
        state = {"format": STATE_FORMAT, "url": url, "done": sorted(done), "ledger": ledger.saved()}
        part = plan.state.with_name(plan.state.name + ".part")
        part.write_text(json.dumps(state), "utf-8")
        os.replace(part, plan.state)
