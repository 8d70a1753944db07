"""The list of checks. A scenario is a piece of use of the API; a check is a scenario looking at one clause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .clauses import Clause, clauses

if TYPE_CHECKING:
    from .probe import Probe

MAIN_LIMIT: Final = 60


@dataclass(frozen=True, slots=True)
class Scenario:
    """A piece of use.

    Attributes:
        clauses: the clauses it decides, beside those every answer is held to.
        needs: what has to be there: names of Probe.NEEDS.
        writes: whether it changes anything on the target.
        cost: how many calls it takes, about.
    """

    name: str
    purpose: str
    clauses: tuple[str, ...]
    needs: tuple[str, ...]
    writes: bool
    cost: int
    run: Callable[[Probe], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One scenario on one clause."""

    scenario: Scenario
    clause: Clause

    @property
    def id(self) -> str:
        """Unique: the clause and the scenario."""
        return f"{self.clause.id}@{self.scenario.name}"


SCENARIOS: dict[str, Scenario] = {}

AUDITED: Final = (
    "errors.never-5xx",
    "errors.content-type",
    "errors.shape",
    "errors.no-secrets",
    "errors.statuses",
    "rate.headers",
    "rate.limit-header",
    "ids.format",
    "fields.dates",
    "fields.dates-utc",
    "fields.timestamps",
    "fields.hashrates",
    "workers.hashrate-integer",
    "pools.password-hidden",
)
"""Rules that every answer is held to (see audit.py), beside all the shape clauses."""


def scenario(
    *decides: str, needs: tuple[str, ...] = (), writes: bool = False, cost: int = 5
) -> Callable[[Callable[[Probe], None]], Callable[[Probe], None]]:
    """Register a scenario; its docstring says what it does.

    Raises:
        ValueError: a clause is not in the spec, or the name is taken.
    """

    def register(run: Callable[[Probe], None]) -> Callable[[Probe], None]:
        name = run.__name__.replace("_", "-")
        unknown = [clause for clause in decides if clause not in clauses()]
        if unknown or name in SCENARIOS:
            raise ValueError(f"{name}: {', '.join(unknown) or 'the name is taken'}")
        purpose = " ".join((run.__doc__ or "").split())
        SCENARIOS[name] = Scenario(name, purpose, decides, needs, writes, cost, run)
        return run

    return register


def every_answer() -> tuple[str, ...]:
    """The clauses every answer is held to."""
    return AUDITED + tuple(name for name in clauses() if name.startswith("shape."))


def checks() -> Iterator[Check]:
    """Every check, in the order of a run; those on every answer come first."""
    audit = Scenario(
        "every-answer", "Holds every answer of a run against the spec.", every_answer(), (), False, 0, _nothing
    )
    for one in (audit, *SCENARIOS.values()):
        for clause in one.clauses:
            yield Check(one, clauses()[clause])


def _nothing(probe: Probe) -> None:
    del probe


NOT_OBSERVABLE: Final = {
    "auth.key-format": "keys are given out on the vendor's web page; a run only ever sees those it was given",
    "auth.networks": "a key's addresses cannot be set through the API; auth.address tries one such key",
    "quota.keys": "keys are made on the vendor's web page, not through the API",
    "rate.tier-at-window": "a tier cannot be changed through the API",
    "errors.server-error": "a failure of the service cannot be asked for; where one happens its answer is looked at",
    "errors.unavailable": "nobody can take the store away through the API; where it is away the answer is looked at",
}
"""Clauses no call from outside can decide, and why."""
