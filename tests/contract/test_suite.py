"""The suite as a whole: no clause forgotten, no false alarm, nothing left behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contract.catalogue import FILE, catalogue
from contract.clauses import Level, clauses
from contract.registry import NOT_OBSERVABLE, SCENARIOS, checks
from contract.results import Verdict
from contract.runner import Outcome, Plan, estimate, run
from contract.settings import Settings
from tests.contract.second import data
from tests.contract.second.app import Second
from tests.contract.second.data import Row
from tests.contract.world import Clock, client_of, judged, settings


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """One whole run against the second implementation."""
    return judged(Plan(cases=5))


def test_every_clause_has_a_check_or_a_stated_reason() -> None:
    checked = {check.clause.id for check in checks()}
    assert sorted(set(clauses()) - checked - set(NOT_OBSERVABLE)) == []
    assert sorted(checked & set(NOT_OBSERVABLE)) == []
    assert set(NOT_OBSERVABLE) <= set(clauses())


def test_every_check_has_an_id_of_its_own_and_says_what_it_does() -> None:
    ids = [check.id for check in checks()]
    assert len(ids) == len(set(ids))
    assert [check.id for check in checks() if not check.scenario.purpose] == []


def test_the_list_of_checks_is_up_to_date() -> None:
    assert FILE.read_text("utf-8") == catalogue(), "run: python -m contract.catalogue"


def test_the_second_implementation_conforms_in_every_clause(outcome: Outcome) -> None:
    differing = {one.clause.id: one.differences[0] for one in outcome.ledger.with_verdict(Verdict.DIFFERS)}
    assert differing == {}
    assert [one.clause.id for one in outcome.ledger.with_verdict(Verdict.NOT_VERIFIED)] == []
    assert outcome.ledger.failing(Level.ASSUMED) == []


def test_no_check_stumbles_over_a_conforming_server(outcome: Outcome) -> None:
    assert outcome.cut_short == {}
    assert not outcome.lost


def test_each_check_decides_its_clause(outcome: Outcome) -> None:
    """A scenario that claims a clause and never looks at it would be a check that cannot fail."""
    idle = [
        f"{clause}@{one.name}"
        for one in SCENARIOS.values()
        if one.name != "generated-requests"
        for clause in one.clauses
        if one.name not in outcome.ledger.findings[clause].scenarios
    ]
    assert idle == []


def test_the_estimate_is_near_the_truth(outcome: Outcome) -> None:
    whole = estimate(Plan(cases=5), settings())
    assert 0.75 * outcome.calls < whole < 1.25 * outcome.calls


@pytest.mark.parametrize("control", [True, False], ids=["clock moved", "clock waited for"])
def test_a_run_leaves_the_target_as_it_was(control: bool) -> None:
    clock = Clock()
    app = Second(clock.now)
    before = [dict(row) for row in (*app.data.pools.values(), *app.data.profiles.values(), *app.data.workers.values())]
    frugal = replace(settings(), disposable=False)
    client = client_of(app, clock, frugal, control=control)
    found = run(client, Plan())
    after = [dict(row) for row in (*app.data.pools.values(), *app.data.profiles.values(), *app.data.workers.values())]
    for row in (*before, *after):
        row.pop("health", None)  # a saved pool was tested, as asked
    assert found.left_behind == []
    assert after == before


def test_what_cannot_be_checked_for_want_of_something_is_listed_with_its_reason() -> None:
    alone = settings()
    poor = Settings(alone.url, {"main": alone.keys["main"]})
    found = judged(Plan(), given=poor)
    unseen = {one.clause.id: one.reason for one in found.ledger.with_verdict(Verdict.NOT_VERIFIED)}
    assert "pools.good" in unseen["pools.create"]
    assert "keys.other_user" in unseen["ids.foreign"]
    assert "keys.limited" in unseen["auth.scope-required"]
    assert "move_workers" in unseen["bulk-assign.assigns"] or "pools.good" in unseen["bulk-assign.assigns"]
    assert all(unseen.values())
    assert found.ledger.with_verdict(Verdict.DIFFERS) == []


def test_a_fresh_user_with_nothing_is_no_false_alarm() -> None:
    alone = settings()
    newcomer = {"main": alone.keys["new_user"]}
    found = judged(Plan(cases=2), given=Settings(alone.url, newcomer, good=alone.good, bad=alone.bad))
    assert {one.clause.id: one.differences for one in found.ledger.with_verdict(Verdict.DIFFERS)} == {}


def test_keys_in_the_second_implementation_are_told_apart() -> None:
    assert len({data.VIP, data.VIP_TOO, data.BASIC, data.NOBODY, data.EXPIRED, data.ELSEWHERE}) == 6


def test_workers_that_come_and_go_and_a_clock_that_runs_are_no_false_alarm() -> None:
    """On a live target nothing stands still between two calls."""
    clock = Clock()

    class Living(Second):
        """Each call takes most of a second, and workers change their state every twenty."""

        def answer(self, environ: Row) -> tuple[int, dict[str, str], Any]:
            clock.advance(0.4)
            for row in self.data.workers.values():
                row["online"] = data.unit(row["name"], int(clock.shown // 20)) > 0.1
            return super().answer(environ)

    client = client_of(Living(clock.now), clock, control=False)
    found = run(
        client,
        Plan(only=("overview", "facts-of-*", "filters-of-*", "series-of-*", "paging-*", "window-*", "changing-*")),
    )
    assert {one.clause.id: one.differences[0] for one in found.ledger.with_verdict(Verdict.DIFFERS)} == {}
    assert found.cut_short == {}
