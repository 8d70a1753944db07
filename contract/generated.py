"""Requests nobody thought of, drawn from the spec's own schemas: none may break the target, none that is bad may pass.

Reproducible by seed. Nothing drawn can change anything: what would be valid names ids that do not exist.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Final

from .clauses import Operation, dereference, inlined, operations
from .exchange import Reply
from .probe import Blocked, Probe
from .registry import scenario
from .shapes import valid

INVALID_BODY: Final = {
    "create_pool": "pools.create.validation",
    "update_pool": "pools.update.validation",
    "test_pool": "pools.test.body",
    "create_profile": "profiles.create.validation",
    "update_profile": "profiles.update.validation",
    "bulk_assign_workers": "bulk-assign.limits",
}
INVALID_PARAMETER: Final = {
    "page": "lists.range",
    "limit": "lists.range",
    "timeRange": "series.bad-range",
    "id": "ids.malformed",
}
FIXED: Final = ("hashrate", "default", "test", "bulk-assign")
"""Words that are paths of their own and no ids."""


class Disagreement(Exception):
    """The target took what it should have refused, or broke."""

    def __init__(self, clause: str, expected: str, reply: Reply) -> None:
        super().__init__(f"{clause}: {expected}")
        self.clause, self.expected, self.reply = clause, expected, reply


@scenario(
    "errors.never-5xx",
    *INVALID_BODY.values(),
    *sorted(set(INVALID_PARAMETER.values())),
    "lists.bad-filter",
    writes=True,
)
def generated_requests(probe: Probe) -> None:
    """Draws ids, parameters and bodies for each operation, good and bad, from the spec (--cases a piece)."""
    if probe.cases <= 0:
        raise Blocked("no generated requests were asked for (--cases)")
    try:
        import hypothesis
        from hypothesis import configuration, strategies
    except ImportError as error:  # the extra is not installed; everything else works without
        raise Blocked("hypothesis is not installed: pip install 'upsim[contract]'") from error
    shrink = probe.client.control is not None
    phases = [hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if shrink else [])]
    with tempfile.TemporaryDirectory(prefix="upsim-contract-") as folder:
        configuration.set_hypothesis_home_dir(folder)
        for operation in operations().values():
            quiet = hypothesis.settings(
                max_examples=probe.cases,
                deadline=None,
                database=None,
                phases=phases,
                suppress_health_check=list(hypothesis.HealthCheck),
                print_blob=False,
                report_multiple_bugs=False,
            )
            test = hypothesis.seed(probe.seed)(quiet(hypothesis.given(strategies.data())(_test(probe, operation))))
            try:
                test()
            except Disagreement as found:
                probe.expect(found.clause, False, found.expected, "", found.reply)


def _test(probe: Probe, operation: Operation) -> Callable[[Any], None]:
    """The test of one operation, as the library wants it: a function of what is drawn."""

    def test(data: Any) -> None:
        _try(probe, operation, data)

    return test


def _try(probe: Probe, operation: Operation, data: Any) -> None:
    """One request: drawn, sent, judged."""
    from hypothesis import strategies

    bad: list[str] = []
    identity = None
    if operation.has_id:
        identity = data.draw(_identities(), label="id")
        if not valid(identity, {"$ref": "#/components/schemas/IdInput"}):
            bad.append("id")
    query = {}
    for given in operation.definition.get("parameters", []):
        parameter, _ = dereference(given)
        if parameter["in"] == "query" and data.draw(strategies.booleans(), label=parameter["name"]):
            query[parameter["name"]] = data.draw(_values(parameter), label=parameter["name"])
            if not _allowed(query[parameter["name"]], parameter):
                bad.append(parameter["name"])
        elif parameter["in"] == "query" and parameter.get("required"):
            bad.append(parameter["name"])
    more: dict[str, Any] = {}
    if operation.has_body:
        schema = operation.definition["requestBody"]["content"]["application/json"]["schema"]
        body = data.draw(_bodies(schema), label="body")
        if valid(body, schema) and operation.id in ("create_pool", "test_pool"):
            # What is valid would be connected to, wherever it is.
            body["port"] = 0
            body.pop("pool_id", None)
        if not valid(body, schema):
            bad.append("body")
        more["body"] = body
    reply = probe.call(operation.id, identity, query=query, **more)
    if reply.status >= 500 or not reply.status:
        raise Disagreement("errors.never-5xx", "no 5xx, and an answer", reply)
    if bad:
        clause = INVALID_BODY[operation.id] if bad == ["body"] else INVALID_PARAMETER.get(bad[0], "lists.bad-filter")
        if reply.status not in (400, 413):
            raise Disagreement(clause, f"400, as {', '.join(bad)} is not allowed", reply)
        probe.expect(clause, True, "400")


def _identities() -> Any:
    from hypothesis import strategies

    good = strategies.text("0123456789abcdef", min_size=24, max_size=24)
    wild = strategies.text(
        strategies.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\?#.;"), min_size=1, max_size=40
    )
    return good | wild.filter(lambda text: text not in FIXED)


def _values(parameter: Mapping[str, Any]) -> Any:
    """Texts for a query parameter, good and bad."""
    from hypothesis import strategies

    schema, _ = dereference(parameter["schema"])
    wild = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=30)
    if schema["type"] == "integer":
        return strategies.integers(-5, 300).map(str) | wild | strategies.integers().map(str)
    if "enum" in schema:
        return strategies.sampled_from(schema["enum"]) | wild
    if "pattern" in schema:
        return strategies.from_regex(schema["pattern"], fullmatch=True) | wild
    return wild


def _allowed(text: str, parameter: Mapping[str, Any]) -> bool:
    schema, _ = dereference(parameter["schema"])
    if schema["type"] == "integer":
        return text.isascii() and text.isdigit() and len(text) < 20 and valid(int(text), schema)
    return valid(text, schema)


def _bodies(schema: Mapping[str, Any]) -> Any:
    """Objects that obey the schema, and such with one field spoilt or left out."""
    from hypothesis import strategies

    plain = inlined(schema)
    good = _obeying(plain)
    wild: strategies.SearchStrategy[Any] = strategies.one_of(
        strategies.none(),
        strategies.booleans(),
        strategies.integers(),
        strategies.floats(allow_nan=False, allow_infinity=False),
        strategies.text(max_size=300),
        strategies.lists(strategies.integers(), max_size=3),
        strategies.just({}),
    )

    @strategies.composite
    def spoilt(draw: Any) -> Any:
        body = dict(draw(good))
        name = draw(strategies.sampled_from(sorted(plain["properties"])))
        if draw(strategies.booleans()):
            body[name] = draw(wild)
        else:
            body.pop(name, None)
        return body

    return good | spoilt()


def _obeying(schema: Mapping[str, Any]) -> Any:
    """Values that obey one of the spec's schemas for bodies."""
    from hypothesis import strategies

    if "enum" in schema:
        return strategies.sampled_from(schema["enum"])
    kind = schema["type"]
    if kind == "object":
        parts = {name: _obeying(part) for name, part in schema["properties"].items()}
        needed = schema.get("required", ())
        return strategies.fixed_dictionaries(
            {name: part for name, part in parts.items() if name in needed},
            optional={name: part for name, part in parts.items() if name not in needed},
        )
    if kind == "array":
        # Long lists are tried by hand; here they would only be slow.
        return strategies.lists(_obeying(schema["items"]), min_size=schema.get("minItems", 0), max_size=5)
    if kind == "integer":
        return strategies.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "boolean":
        return strategies.booleans()
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        found = strategies.from_regex(schema["pattern"], fullmatch=True)
        return found.filter(lambda text: least <= len(text) <= (most or len(text)))
    return strategies.text(min_size=least, max_size=most)
