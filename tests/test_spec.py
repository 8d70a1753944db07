"""The specs as the server uses them: read when asked for, references followed, nothing restated."""

from __future__ import annotations

from importlib import import_module

import pytest

from upsim.api.app import HANDLERS
from upsim.api.record import DECIDED
from upsim.errors import UpsimError
from upsim.model import Scope
from upsim.spec import API, CONTROL, Spec
from upsim.web.errors import SPELLING, status_of


@pytest.mark.parametrize("spec", [API, CONTROL], ids=["api", "control"])
def test_references_are_followed_to_their_end(spec: Spec) -> None:
    for operation in spec.operations:
        assert "$ref" not in str(spec.resolved(operation.definition))
        for where in ("path", "query"):
            for name, _, schema in operation.parameters(where):
                assert name
                assert "type" in schema or "enum" in schema


def test_each_operation_has_its_handler_and_each_handler_its_operation() -> None:
    operations = {(operation.path.split("/")[2], operation.id) for operation in API.operations}
    handlers = {
        (room, name)
        for room, _ in operations
        for name, value in vars(import_module(f"upsim.api.{room}")).items()
        if getattr(value, "__annotations__", None) == {"call": "Call", "return": "Reply"}
    }
    assert handlers == operations
    assert set(HANDLERS) == {name for _, name in operations}


def test_each_operation_needs_a_scope_that_exists_and_each_scope_is_needed() -> None:
    assert {operation.scope for operation in API.operations} == {scope.value for scope in Scope}


def all_refusals(kind: type[UpsimError] = UpsimError) -> list[type[UpsimError]]:
    """Every kind of refusal the API can meet; other rooms have some of their own, and tables for them."""
    found = [refusal for child in kind.__subclasses__() for refusal in [child, *all_refusals(child)]]
    return [refusal for refusal in found if refusal.__module__ == UpsimError.__module__]


@pytest.mark.parametrize("kind", all_refusals(), ids=lambda kind: kind.__name__)
def test_each_refusal_has_a_status_and_an_explanation_in_the_journal(kind: type[UpsimError]) -> None:
    """A subclass that is not named has its parent's."""
    refusal = kind.__new__(kind)
    assert 400 <= status_of(refusal) < 600
    is_raised = not kind.__subclasses__()
    before_any_call = SPELLING.get(kind) == 500
    assert any(parent in DECIDED for parent in kind.__mro__) or before_any_call or not is_raised
