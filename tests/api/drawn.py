"""Hypothesis strategies for the schemas the spec uses: values a schema allows, and bodies with one thing spoilt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from upsim.spec import Operation

Strategy = st.SearchStrategy[Any]

any_text = st.text(max_size=30)


def _json(numbers: Strategy) -> Strategy:
    leaves = (
        st.none() | st.booleans() | st.integers() | numbers | any_text | st.sampled_from(["$ne", "../", "%00", "'"])
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
        max_leaves=8,
    )


true_json = _json(st.floats(allow_nan=False, allow_infinity=False))
any_json = _json(st.floats())
"""Also what Python writes and no JSON has: NaN and infinities."""


@cache
def valid_body(operation: Operation) -> Strategy:
    """Bodies that the operation's schema allows, fields it does not know among them."""
    assert operation.body is not None
    return allowed(operation.body)


@cache
def spoilt_body(operation: Operation) -> Strategy:
    """A body the schema allows, with one of its fields gone or made something else."""
    assert operation.body is not None
    names = st.sampled_from(sorted(operation.body["properties"]))
    return st.builds(_spoilt, valid_body(operation), names, st.booleans(), any_json)


def _spoilt(body: Mapping[str, Any], name: str, gone: bool, value: object) -> dict[str, Any]:
    rest = {other: kept for other, kept in body.items() if other != name}
    return rest if gone else rest | {name: value}


def allowed(schema: Mapping[str, Any]) -> Strategy:
    """Values that the schema allows.

    Raises:
        KeyError: it uses a type these tests do not know how to draw.
    """
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _BY_TYPE[schema["type"]](schema)


def _texts(schema: Mapping[str, Any]) -> Strategy:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" not in schema:
        return st.text(min_size=least, max_size=most)
    pattern = re.compile(re.sub(r"\$$", r"\\Z", schema["pattern"]))
    if pattern.pattern.startswith(r"^[\s\S]*"):  # nearly anything: sooner drawn and tried than built
        return st.text(min_size=least, max_size=most).filter(pattern.search)
    return st.from_regex(pattern).filter(lambda text: least <= len(text) <= (most or len(text)))


def _lists(schema: Mapping[str, Any]) -> Strategy:
    least = schema.get("minItems", 0)
    return st.lists(allowed(schema["items"]), min_size=least, max_size=min(schema.get("maxItems", 5), least + 5))


def _objects(schema: Mapping[str, Any]) -> Strategy:
    properties = {name: allowed(value) for name, value in schema["properties"].items()}
    unknown = st.dictionaries(any_text.filter(lambda name: name not in properties), true_json, max_size=2)
    choices = [choice["required"] for choice in schema.get("anyOf", ({"required": []},))]
    known = [
        st.fixed_dictionaries(
            {name: properties[name] for name in needed},
            optional={name: value for name, value in properties.items() if name not in needed},
        )
        for choice in choices
        for needed in [{*schema.get("required", ()), *choice}]
    ]
    return st.builds(lambda one, other: {**other, **one}, st.one_of(known), unknown)


_BY_TYPE = {
    "string": _texts,
    "integer": lambda schema: st.integers(schema.get("minimum"), schema.get("maximum")),
    "boolean": lambda schema: st.booleans(),
    "array": _lists,
    "object": _objects,
}
