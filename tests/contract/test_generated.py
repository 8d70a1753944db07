"""Generated requests: the same seed, the same requests; they change nothing; what breaks is shown as a curl line."""

from __future__ import annotations

from typing import Any

import pytest

from contract.results import Verdict
from contract.runner import Plan
from tests.contract.mutants.tamper import Call, tampered
from tests.contract.second.app import Second
from tests.contract.world import judged

ONLY = ("generated-requests",)


class Listening:
    """Notes what is asked, but for the keys."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]))
        return self.app(environ, start_response)


def asked(seed: int) -> list[tuple[str, str, str]]:
    """The requests of a seed."""
    listening: list[Listening] = []

    def wrap(app: Any) -> Any:
        listening.append(Listening(app))
        return listening[0]

    judged(Plan(only=ONLY, cases=4, seed=seed), wrap=wrap)
    return listening[0].asked


def test_a_seed_repeats_its_requests_and_another_does_not() -> None:
    first = asked(7)
    assert first == asked(7)
    assert first != asked(8)
    assert len(first) > 40


def test_nothing_is_created_changed_or_deleted() -> None:
    made: list[Second] = []

    def make(now: Any) -> Second:
        made.append(Second(now))
        return made[0]

    untouched = repr(vars(Second(lambda: 0.0).data))
    found = judged(Plan(only=ONLY, cases=15), make)
    assert repr(vars(made[0].data)) == untouched
    assert found.ledger.with_verdict(Verdict.DIFFERS) == []


def crash(call: Call) -> None:
    """Break on long names."""
    if call.status == 404 and call.method == "PUT" and "profiles" in call.path:
        call.answer(500, "internal server error")


@pytest.mark.parametrize("seed", [1])
def test_what_breaks_is_shown_so_that_it_can_be_repeated(seed: int) -> None:
    found = judged(Plan(only=ONLY, cases=25, seed=seed), wrap=lambda app: tampered(app, after=crash))
    finding = found.ledger.findings["errors.never-5xx"]
    assert finding.verdict is Verdict.DIFFERS
    shown = [one.exchange for one in finding.differences if one.exchange is not None]
    assert shown[0]["status"] == 500
    assert shown[0]["curl"].startswith("curl -i -X PUT http://second.test/v1/profiles/")
