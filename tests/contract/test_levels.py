"""Levels: what is only assumed never fails a run, however a server decides it, unless that is asked for."""

from __future__ import annotations

import pytest

from contract.clauses import Level, clauses
from contract.runner import Plan
from tests.contract.mutants.answers import Wrapper
from tests.contract.mutants.rules import Swap
from tests.contract.mutants.run import everything, wrapped
from tests.contract.world import judged

CONTRADICTING = {
    "retry after is always a second": "a window that has not begun when Retry-After says so contradicts the reference",
    "bad bodies are 422": "400 for validation errors is documented",
    "single pools have another name": "what was created is not what is read",
    "the filter algorithm is ignored, pools.filter-algorithm": "it is ignored for workers too, where it is observed",
    "the filter algorithm is ignored, profiles.filter-algorithm": "it is ignored for workers too, where it is observed",
    "some workers have a profile that is gone": "assigned workers do not show their profile",
    "every test succeeds": "success is said, and the health is not reset",
    "Testing a description saves it": "it also fails with 500 on the way",
}
"""Mutants of assumed clauses that contradict a better known one as well, and how."""

ASSUMED = [mutant for mutant in everything() if clauses()[mutant.clause].level is Level.ASSUMED]


def test_there_are_many_ways_to_decide_otherwise() -> None:
    assert len(ASSUMED) > 60
    assert set(CONTRADICTING) <= {mutant.name for mutant in ASSUMED}


@pytest.mark.parametrize(
    "mutant", [pytest.param(one, id=one.name) for one in ASSUMED if one.name not in CONTRADICTING][::8]
)
def test_another_decision_where_the_spec_assumes_does_not_fail_a_whole_run(mutant: Wrapper | Swap) -> None:
    """Every eighth of them, each with a whole run: they are the same from one run to the next."""
    if isinstance(mutant, Wrapper):
        found = judged(Plan(), wrap=lambda app: wrapped(mutant, app))
    else:
        found = judged(Plan(), mutant.make)
    assert {one.clause.id: one.differences[0].got for one in found.ledger.failing(Level.OBSERVED)} == {}
    assert mutant.clause in [one.clause.id for one in found.ledger.failing(Level.ASSUMED)]
