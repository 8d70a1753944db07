"""The suite bites: every small deviation is found by the check that is meant for it."""

from __future__ import annotations

import pytest

from contract.clauses import clauses
from tests.contract.mutants.answers import Wrapper
from tests.contract.mutants.rules import Swap
from tests.contract.mutants.run import everything, fate_of


def test_there_are_at_least_sixty_mutants_over_every_area() -> None:
    mutants = everything()
    assert len(mutants) >= 60
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    areas = {clauses()[mutant.clause].area for mutant in mutants}
    assert areas == {clause.area for clause in clauses().values()}


@pytest.mark.parametrize("mutant", [pytest.param(mutant, id=mutant.name) for mutant in everything()])
def test_the_mutant_is_killed_by_the_check_meant_for_it(mutant: Wrapper | Swap) -> None:
    fate = fate_of(mutant)
    assert fate.killed, f"{fate.name} survives {fate.clause}"
