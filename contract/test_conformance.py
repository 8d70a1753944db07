"""`pytest --pyargs upsim_contract --contract-url …`: one test a clause. Not part of the project's own tests."""

from __future__ import annotations

import pytest

from .clauses import clauses
from .reports import Summary, difference_text
from .results import Verdict


@pytest.mark.parametrize("clause", clauses())
def test_clause(clause: str, summary: Summary) -> None:
    """The target is as the clause says."""
    finding = summary.outcome.ledger.findings[clause]
    if finding.verdict in (Verdict.NOT_VERIFIED, Verdict.NOT_OBSERVABLE):
        pytest.skip(f"{finding.verdict}: {finding.reason}")
    if finding.verdict is Verdict.DIFFERS:
        if finding.clause.level < summary.level:
            pytest.xfail(f"assumption mismatch: {difference_text(finding)}")
        pytest.fail(difference_text(finding), pytrace=False)
