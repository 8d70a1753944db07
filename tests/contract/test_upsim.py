"""The simulator itself conforms in every clause, on each kind of store; and mutants of it are found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.results import Verdict
from contract.runner import Plan
from tests.contract.mutants.answers import WRAPPERS, Wrapper
from tests.contract.mutants.run import fate_on_upsim, judged_upsim
from upsim.simulator import Simulator

SAMPLE = WRAPPERS[::9]
"""Every ninth of the wrappers: all of them run on the second implementation, and `make mutants` runs all on both."""


@pytest.fixture
def simulator(store_url: str) -> Iterator[Simulator]:
    """A simulator without a socket, on each kind of store in turn."""
    with Simulator(store=store_url, listen=False) as one:
        yield one


def test_upsim_conforms_in_every_clause(simulator: Simulator) -> None:
    found = judged_upsim(simulator.app, Plan(cases=1))
    assert {one.clause.id: one.differences[0] for one in found.outcome.ledger.with_verdict(Verdict.DIFFERS)} == {}
    assert {one.clause.id: one.reason for one in found.outcome.ledger.with_verdict(Verdict.NOT_VERIFIED)} == {}
    assert found.outcome.cut_short == {}
    assert found.exit_code == 0


@pytest.fixture(scope="module")
def in_memory() -> Iterator[Simulator]:
    """One simulator for all mutants: each run has a world of its own."""
    with Simulator(listen=False) as one:
        yield one


@pytest.mark.parametrize("mutant", [pytest.param(one, id=one.name) for one in SAMPLE])
def test_a_mutant_of_upsim_is_killed_by_the_check_meant_for_it(mutant: Wrapper, in_memory: Simulator) -> None:
    fate = fate_on_upsim(mutant, in_memory.app)
    assert fate.killed, f"{fate.name} survives {fate.clause}"
