"""Runs mutants: what the intended clause says of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from contract.clauses import Level
from contract.reports import Summary
from contract.results import Verdict
from contract.runner import Outcome, Plan
from contract.session import check
from contract.settings import Settings
from tests.contract.mutants import contents, owned
from tests.contract.mutants.answers import WRAPPERS, Wrapper
from tests.contract.mutants.rules import SWAPS, Swap
from tests.contract.mutants.tamper import tampered
from tests.contract.world import judged

REGISTERED = (contents, owned)
"""Importing them is what puts their mutants on the lists."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant.

    Attributes:
        killed: the intended clause differs. also: how many other clauses differ.
    """

    name: str
    clause: str
    killed: bool
    also: int
    calls: int


def wrapped(mutant: Wrapper, app: Any) -> Any:
    """An application with the deviation around it."""
    return tampered(
        app,
        mutant.before() if mutant.before is not None else None,
        mutant.after() if mutant.after is not None else None,
    )


def fate_of(mutant: Wrapper | Swap) -> Fate:
    """Run what decides the mutant's clause against it."""
    if isinstance(mutant, Wrapper):
        plan = Plan(only=mutant.only or (mutant.clause,))
        return judge(mutant, judged(plan, wrap=lambda app: wrapped(mutant, app)))
    return judge(mutant, judged(Plan(only=(mutant.clause,)), mutant.make))


def judged_upsim(app: Any, plan: Plan) -> Summary:
    """A run against an upsim in this process, in a world of its own."""

    def plain(environ: dict[str, Any], start_response: Any) -> Any:
        # The transport hands paths over as text; WSGI wants their bytes, each as one character.
        environ["PATH_INFO"] = environ["PATH_INFO"].encode().decode("latin-1")
        return app(environ, start_response)

    here = Settings("http://127.0.0.1", {})
    found = check(here, plan, Level.ASSUMED, transport=httpx.WSGITransport(plain))
    assert found is not None
    return found


def fate_on_upsim(mutant: Wrapper, app: Any) -> Fate:
    """Run what decides the mutant's clause against upsim with the mutant around it."""
    plan = Plan(only=mutant.only or (mutant.clause,))
    return judge(mutant, judged_upsim(wrapped(mutant, app), plan).outcome)


def judge(mutant: Wrapper | Swap, outcome: Outcome) -> Fate:
    """What a run says of a mutant."""
    differing = [finding.clause.id for finding in outcome.ledger.with_verdict(Verdict.DIFFERS)]
    killed = mutant.clause in differing
    return Fate(mutant.name, mutant.clause, killed, len(differing) - killed, outcome.calls)


def everything() -> list[Wrapper | Swap]:
    """All mutants."""
    return [*WRAPPERS, *SWAPS]
