"""Holds an answer against its schema and says, for each difference, which property of the spec it is about.

Strict where a lenient reader would not be: 12.0 is no integer, true is no number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .clauses import dereference


@dataclass(frozen=True, slots=True)
class Observation:
    """One property, seen once.

    Attributes:
        clause: its clause, shape.SCHEMA.PROPERTY.
        where: its place in the answer, as data[3].hashrate.
        expected, got: what was expected and what was there; expected is empty where all is well.
    """

    clause: str
    where: str
    expected: str = ""
    got: str = ""


def observe(value: Any, schema: Mapping[str, Any]) -> Iterator[Observation]:
    """Each property the schema names, well or not."""
    yield from _walk(value, schema, "", "")


def valid(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value obeys a schema as a whole."""
    schema, _ = dereference(schema)
    if difference(value, schema):
        return False
    if "anyOf" in schema and not any(valid(value, one) for one in schema["anyOf"]):
        return False
    if isinstance(value, dict):
        if any(key not in value for key in schema.get("required", ())):
            return False
        return all(valid(value[key], part) for key, part in schema.get("properties", {}).items() if key in value)
    if isinstance(value, list) and "items" in schema:
        return all(valid(item, schema["items"]) for item in value)
    return True


def difference(value: Any, schema: Mapping[str, Any]) -> str:
    """What one value lacks, ignoring what is inside it; empty where nothing."""
    kinds = schema.get("type")
    if kinds is not None and not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return f"a value of type {kinds if isinstance(kinds, str) else ' or '.join(kinds)}"
    if value is None:
        return ""
    if "const" in schema and value != schema["const"]:
        return f"the value {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if isinstance(value, str):
        return _text(value, schema)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            return f"at least {schema['minimum']}"
        if value > schema.get("maximum", value):
            return f"at most {schema['maximum']}"
    if isinstance(value, list) and not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return f"{schema.get('minItems', 0)} to {schema.get('maxItems', 'any number of')} items"
    return ""


def _walk(value: Any, schema: Mapping[str, Any], where: str, clause: str) -> Iterator[Observation]:
    schema, name = dereference(schema)
    lacking = difference(value, schema)
    if clause:
        yield Observation(clause, where, lacking, _short(value) if lacking else "")
    elif lacking:
        # The answer as a whole is not even of the right kind: every property of it is missing.
        for key in schema.get("required", ()):
            yield Observation(f"shape.{name}.{key}", where or "the body", lacking, _short(value))
    if lacking:
        return
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            place = f"{where}.{key}" if where else key
            inner = f"shape.{name}.{key}"
            if key in value:
                yield from _walk(value[key], part, place, inner)
            elif key in schema.get("required", ()):
                yield Observation(inner, place, f"a field {key}", "no such field")
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            part, item_name = dereference(schema["items"])
            if item_name is None or "properties" not in part:
                yield from _walk(item, schema["items"], f"{where}[{index}]", clause)
            else:
                lacking = difference(item, part)
                if lacking:
                    yield Observation(clause, f"{where}[{index}]", lacking, _short(item))
                else:
                    yield from _walk(item, schema["items"], f"{where}[{index}]", "")


def _is(value: Any, kind: str) -> bool:
    if kind == "null":
        return value is None
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "integer":
        return isinstance(value, int)
    if kind == "number":
        return isinstance(value, int | float)
    return isinstance(value, {"string": str, "object": dict, "array": list}[kind])


def _text(value: str, schema: Mapping[str, Any]) -> str:
    if len(value) < schema.get("minLength", 0):
        return f"at least {schema['minLength']} characters"
    if len(value) > schema.get("maxLength", len(value)):
        return f"at most {schema['maxLength']} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return str(schema.get("description") or f"text like {schema['pattern']}")
    return ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "…"
