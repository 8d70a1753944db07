"""Shapes: what differs from a schema, told of the property it is about, strictly and without false alarm."""

from __future__ import annotations

from typing import Any

import pytest

from contract.clauses import clauses, document, operations
from contract.shapes import observe, valid

POOL = {"$ref": "#/components/schemas/Pool"}


def example(operation: str) -> Any:
    """The example answer of an operation."""
    for status, response in operations()[operation].definition["responses"].items():
        if status.startswith("2"):
            content = response["content"]["application/json"]
            return content.get("example") or next(iter(content["examples"].values()))["value"]
    raise AssertionError(operation)


@pytest.mark.parametrize("operation", operations())
def test_the_examples_of_the_spec_are_well_formed(operation: str) -> None:
    seen = list(observe(example(operation), operations()[operation].success_schema))
    assert [one for one in seen if one.expected] == []
    assert seen
    assert {one.clause for one in seen} <= set(clauses())


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"port": "3333"}, "shape.Pool.port"),
        ({"port": 3333.0}, "shape.Pool.port"),
        ({"port": True}, "shape.Pool.port"),
        ({"port": 65536}, "shape.Pool.port"),
        ({"tls": 0}, "shape.Pool.tls"),
        ({"name": ""}, "shape.Pool.name"),
        ({"_id": "65A1F0C2D3E4B5A697880101"}, "shape.Pool._id"),
        ({"created_at": 1737374400}, "shape.Pool.created_at"),
        ({"created_at": None}, "shape.Pool.created_at"),
        ({"health": None}, "shape.Pool.health"),
        ({"health": {**example("get_pool")["health"], "status": "fine"}}, "shape.Health.status"),
        ({"health": {**example("get_pool")["health"], "latency_ms": 1.5}}, "shape.Health.latency_ms"),
    ],
)
def test_each_difference_is_told_of_its_property(change: dict[str, Any], clause: str) -> None:
    seen = observe({**example("get_pool"), **change}, POOL)
    assert [one.clause for one in seen if one.expected] == [clause]


@pytest.mark.parametrize("missing", document()["components"]["schemas"]["Pool"]["required"])
def test_a_missing_field_is_told_of_itself(missing: str) -> None:
    body = {name: value for name, value in example("get_pool").items() if name != missing}
    assert [one.clause for one in observe(body, POOL) if one.expected] == [f"shape.Pool.{missing}"]


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_what_is_no_object_lacks_everything(body: Any) -> None:
    lacking = {one.clause for one in observe(body, POOL) if one.expected}
    assert lacking == {f"shape.Pool.{name}" for name in document()["components"]["schemas"]["Pool"]["required"]}


def test_fields_the_spec_does_not_name_are_no_difference() -> None:
    assert [one for one in observe({**example("get_pool"), "region": "eu"}, POOL) if one.expected] == []


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"pool_id": "0" * 24}, True),
        ({"algorithm": "randomx", "host": "h", "port": 1, "username": "u"}, True),
        ({"host": "h"}, False),
        ({"pool_id": "12"}, False),
        ({"pool_id": "0" * 24, "port": 0}, False),
        ([], False),
    ],
)
def test_whole_bodies_are_judged_with_their_alternatives(body: Any, good: bool) -> None:
    assert valid(body, {"$ref": "#/components/schemas/PoolTestRequest"}) is good
