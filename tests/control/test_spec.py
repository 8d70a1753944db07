"""The control plane's own document: valid, complete, and what it says of defaults and words is true."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.control.harness import Sandbox
from upsim.control.app import HANDLERS
from upsim.rules.faults import EFFECTS
from upsim.rules.machines import Wanted
from upsim.rules.worlds import CAPS
from upsim.spec import CONTROL


def test_the_document_is_valid_and_names_each_operation_once() -> None:
    document: Any = CONTROL.document
    errors = list(OpenAPIV31SpecValidator(document).iter_errors())
    assert errors == []
    ids = [operation.id for operation in CONTROL.operations]
    assert len(ids) == len(set(ids))
    assert set(ids) == set(HANDLERS)


def test_it_is_served_and_describes_what_is_there(sandbox: Sandbox) -> None:
    served = sandbox.raw("GET", "/_upsim/openapi.json").json
    assert served == CONTROL.document
    assert sandbox.raw("GET", "/_upsim/openapi.yaml").text.startswith("#")


def schema(path: str, method: str = "post") -> Any:
    body = CONTROL.document["paths"][path][method]["requestBody"]
    return CONTROL.resolved(body)["content"]["application/json"]["schema"]


def test_the_words_it_lists_are_those_the_rules_know() -> None:
    assert schema("/_upsim/worlds/{world}/faults")["properties"]["effect"]["enum"] == list(EFFECTS)
    change = schema("/_upsim/worlds/{world}/accounts/{account}/workers/change")
    assert change["properties"]["action"]["enum"] == list(Wanted)
    assert tuple(schema("/_upsim/worlds")["properties"]["caps"]["properties"]) == CAPS


@pytest.mark.parametrize("operation", CONTROL.operations, ids=lambda operation: str(operation.id))
def test_each_operation_is_routed_and_refuses_in_words(sandbox: Sandbox, operation: Any) -> None:
    path = re.sub(r"\{key\}", "0" * 24, operation.path)
    path = re.sub(r"\{\w+\}", "nowhere", path)
    answer = sandbox.raw(operation.method, path)
    assert answer.status != 405
    if answer.status >= 400:
        assert "No such endpoint" not in answer.error
        assert answer.error.endswith((".", "characters"))


def test_an_unknown_path_points_to_the_right_document(sandbox: Sandbox) -> None:
    assert "/_upsim/openapi.yaml" in sandbox.raw("GET", "/_upsim/nope").error
    assert " /openapi.yaml" in sandbox.raw("GET", "/nope").error
    assert sandbox.raw("DELETE", "/_upsim/worlds").headers["Allow"] == "GET, HEAD, POST"
