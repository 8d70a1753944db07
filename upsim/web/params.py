"""From text and JSON to typed values, by the spec's schemas. Every 400 for a malformed request is made here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NoReturn

from werkzeug.wrappers import Request

from upsim.errors import InvalidInput
from upsim.records import dataclass
from upsim.spec import Operation
from upsim.web.errors import Unsupported

Schema = Mapping[str, Any]

MAX_DEPTH: Final = 32
"""How deeply lists and objects of a body may be nested; the spec's own need three levels."""


@dataclass(frozen=True, slots=True)
class Input:
    """What a request asks for, checked against the spec, with the spec's defaults filled in."""

    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Mapping[str, Any]


def read(operation: Operation, path: Mapping[str, str], request: Request) -> Input:
    """Read a request as the operation wants it.

    Raises:
        InvalidInput: a parameter or the body is not what the spec says.
        Unsupported: the body is not JSON by its content type.
        RequestEntityTooLarge: the body is over the limit.
    """
    asked = _asked(operation)
    return Input(
        _checked(asked.path, dict(path)),
        _checked(asked.query, _query(asked.query_schemas, request)),
        _checked(asked.body, _json(request, operation)) if asked.body is not None else _drained(request),
    )


Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Asked:
    path: Check
    query: Check
    query_schemas: Mapping[str, Schema]
    body: Check | None


@cache
def _asked(operation: Operation) -> _Asked:
    # Compiled on an operation's first call: most processes never see them all.
    path = {name: schema for name, _, schema in operation.parameters("path")}
    query = {name: schema for name, _, schema in operation.parameters("query")}
    required = [name for name, needed, _ in operation.parameters("query") if needed]
    body = operation.body
    return _Asked(
        _check({"type": "object", "properties": path}),
        _check({"type": "object", "properties": query, "required": required}),
        query,
        # The spec's defaults complete a new thing; a change leaves alone what it does not name.
        None if body is None else _check(body, defaults=operation.method != "PUT"),
    )


def _check(schema: Schema, *, defaults: bool = True) -> Check:
    if schema.get("properties") == {}:
        return lambda value: value  # nothing is asked for, so nothing can be wrong
    import fastjsonschema

    compiled: Check = fastjsonschema.compile(_bare(schema), use_formats=False, use_default=defaults)
    return compiled


_FOR_OTHERS: Final = frozenset({"example", "examples", "format", "readOnly", "deprecated", "title"})


def _bare(schema: Any) -> Any:
    """The schema without what only people and other tools read."""
    if isinstance(schema, list):
        return [_bare(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    bare = {}
    for keyword, value in schema.items():
        if keyword == "properties":
            bare[keyword] = {name: _bare(part) for name, part in value.items()}
        elif keyword in ("enum", "const", "default", "required", "description", "writeOnly"):
            bare[keyword] = value
        elif keyword not in _FOR_OTHERS and not keyword.startswith("x-"):
            bare[keyword] = _bare(value)
    return bare


def _checked(check: Check, value: Any) -> Any:
    import fastjsonschema

    try:
        return check(value)
    except fastjsonschema.JsonSchemaValueException as error:
        _explain(error)


def _explain(error: Any) -> NoReturn:
    """Say which field it was, what was wrong with it, and what is allowed."""
    path, value, rule, wanted = list(error.path)[1:], error.value, error.rule, error.rule_definition
    definition = error.definition or {}
    allowed = " ".join(str(definition.get("description", "")).split())
    field, got = _spelt(path) or "body", _shown(value, secret=bool(definition.get("writeOnly")))
    if rule == "required":
        missing = next(name for name in wanted if name not in value)
        lacked = definition.get("properties", {}).get(missing, {}).get("description")
        raise InvalidInput(_spelt([*path, missing]), f"is required: {lacked}." if lacked else "is required.")
    if rule == "type":
        kinds = wanted if isinstance(wanted, list) else [wanted]
        problem = f"must be {' or '.join(_KINDS[kind] for kind in kinds)}, got {got}."
    elif rule == "enum":
        problem = f"must be one of {', '.join(map(str, wanted))}, got {got}."
    elif rule in ("minimum", "maximum"):
        least, most = definition.get("minimum"), definition.get("maximum")
        span = f"from {least} to {most}" if None not in (least, most) else f"{rule} {wanted}"
        problem = f"must be {span}, got {got}."
    elif rule in ("minLength", "maxLength", "minItems", "maxItems"):
        what = "characters" if "Length" in rule else "items"
        least_or_most = "at least" if rule.startswith("min") else "at most"
        problem = f"must have {least_or_most} {wanted} {what}, got {len(value)}."
    elif rule == "pattern":
        problem = f"is malformed, got {got}. {allowed}".rstrip()
    else:
        problem = f"is not what it has to be. {allowed}".rstrip()
    raise InvalidInput(field, problem)


_KINDS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a JSON object",
    "null": "null",
}


def _spelt(path: Sequence[Any]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) or str(step).isdigit() else f".{step}"
    return text.removeprefix(".")


def _shown(value: Any, *, secret: bool = False) -> str:
    """The value, or where it is a secret, may hold one or is long, what kind of value it is."""
    if isinstance(value, dict | list):
        return _KINDS["object" if isinstance(value, dict) else "array"]
    if secret:
        return _KINDS["string"] if isinstance(value, str) else "something else"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _query(schemas: Mapping[str, Schema], request: Request) -> dict[str, Any]:
    """The query's values by name, numbers as numbers; names the spec does not know are ignored."""
    values: dict[str, Any] = {}
    for name, schema in schemas.items():
        texts = request.args.getlist(name)
        if len(texts) > 1:
            raise InvalidInput(name, f"is given {len(texts)} times; give it once.")
        if texts:
            whole = schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]{1,18}", texts[0])
            values[name] = int(texts[0]) if whole else texts[0]
    return values


def _json(request: Request, operation: Operation) -> Any:
    """The body's JSON, if it is an object.

    Only JSON as RFC 8259 has it: no NaN, no text that is not Unicode. And no deeper than anybody needs, since what is
    nested is gone through level by level, by the parser and by others after it.
    """
    raw = request.get_data()  # kept: the journal tells what was sent, whatever becomes of it
    _check_end(request)
    if not raw and not operation.body_required:
        return {}
    if request.mimetype and request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise Unsupported(request.mimetype)
    try:
        content = json.loads(raw.decode("utf-8"), parse_float=_number, parse_constant=_refuse_constant)
        if b"\\u" in raw:
            json.dumps(content, ensure_ascii=False).encode("utf-8")  # half a surrogate pair cannot be written anywhere
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InvalidInput("body", f"is not valid JSON: {reason}.") from error
    if not isinstance(content, dict):
        raise InvalidInput("body", f"must be a JSON object, got {_shown(content)}.")
    if _deeper(content, MAX_DEPTH):
        raise InvalidInput("body", f"is nested too deeply; at most {MAX_DEPTH} levels are accepted.")
    return content


def _deeper(content: Any, levels: int) -> bool:
    """Whether lists and objects are nested in more than so many levels."""
    level = [content]
    for _ in range(levels):
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


def _number(text: str) -> float | int:
    """A JSON number; one such as 3333.0 is the whole number it says, as JSON Schema has it."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:20]} is too large")
    return int(value) if value.is_integer() else value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _drained(request: Request) -> Mapping[str, Any]:
    """Read and forget a body nobody asked for, but not one that is too large."""
    if not request.content_length and "HTTP_TRANSFER_ENCODING" not in request.environ:
        return {}
    request.get_data(cache=False)
    _check_end(request)
    return {}


def _check_end(request: Request) -> None:
    """Refuse a body of no known length that goes on beyond the limit: until there it was read, without a word.

    Raises:
        RequestEntityTooLarge: it does.
    """
    if "HTTP_TRANSFER_ENCODING" in request.environ:
        request.stream.read(1)
