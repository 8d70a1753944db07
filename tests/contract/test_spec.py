"""The spec itself: valid OpenAPI, complete in provenance, true in its examples, and as wide as the reference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from upsim.algorithms import ALGORITHMS

SPEC_FILE = Path(__file__).parents[2] / "contract" / "openapi.yaml"

# The reference, version 1.0: method, path, and the scope its table of scopes implies.
REFERENCE = {
    ("get", "/v1/overview"): ("get_overview", "dashboard:read"),
    ("get", "/v1/workers"): ("list_workers", "workers:read"),
    ("get", "/v1/workers/{id}"): ("get_worker", "workers:read"),
    ("get", "/v1/workers/{id}/hashrate"): ("get_worker_hashrate", "workers:read"),
    ("post", "/v1/workers/bulk-assign"): ("bulk_assign_workers", "workers:write"),
    ("get", "/v1/workers/hashrate"): ("get_workers_hashrate", "workers:read"),
    ("get", "/v1/pools"): ("list_pools", "pools:read"),
    ("post", "/v1/pools"): ("create_pool", "pools:write"),
    ("get", "/v1/pools/{id}"): ("get_pool", "pools:read"),
    ("put", "/v1/pools/{id}"): ("update_pool", "pools:write"),
    ("delete", "/v1/pools/{id}"): ("delete_pool", "pools:write"),
    ("post", "/v1/pools/test"): ("test_pool", "pools:write"),
    ("get", "/v1/profiles"): ("list_profiles", "profiles:read"),
    ("post", "/v1/profiles"): ("create_profile", "profiles:write"),
    ("put", "/v1/profiles/{id}"): ("update_profile", "profiles:write"),
    ("delete", "/v1/profiles/{id}"): ("delete_profile", "profiles:write"),
    ("post", "/v1/profiles/{id}/default"): ("set_default_profile", "profiles:write"),
    ("get", "/v1/profiles/default"): ("get_default_profile", "profiles:read"),
}

DRAFT_07_WORDS = {
    "type", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "required", "properties",
    "items", "minItems", "maxItems", "anyOf", "oneOf", "description", "default", "writeOnly", "x-provenance",
}  # fmt: skip

Node = dict[str, Any]


@cache
def spec() -> Node:
    """The document, read once."""
    loaded: Node = yaml.safe_load(SPEC_FILE.read_text("utf-8"))
    return loaded


def walk(node: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    """Every node with its place."""
    yield path, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, f"{path}/{index}")


def resolve(pointer: str) -> Any:
    """What a $ref inside the document points to."""
    node: Any = spec()
    for part in pointer.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def inlined(schema: Any) -> Any:
    """A schema with every $ref replaced by what it points to, so that any validator can take it alone."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return inlined(resolve(schema["$ref"]))
        return {key: inlined(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [inlined(value) for value in schema]
    return schema


def operations() -> Iterator[tuple[str, str, Node]]:
    """Every operation with its method and path."""
    for path, item in spec()["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def rules() -> list[Node]:
    """Every rule, those at the top and those of the operations."""
    found: list[Node] = list(spec()["x-rules"])
    for _, _, operation in operations():
        found += operation["x-rules"]
    return found


def needs_provenance() -> Iterator[tuple[str, Node]]:
    """Everything that must say how well it is known. References say it where they point."""
    for method, path, operation in operations():
        yield f"{method} {path}", operation
        for parameter in operation.get("parameters", []):
            yield f"{method} {path} parameter", inlined(parameter)
        for status, response in operation["responses"].items():
            yield f"{method} {path} {status}", resolve(response["$ref"]) if "$ref" in response else response
            for name, header in response.get("headers", {}).items():
                yield f"{method} {path} {status} {name}", resolve(header["$ref"])
    for room in ("parameters", "headers", "responses", "schemas", "securitySchemes"):
        for name, part in spec()["components"][room].items():
            yield f"{room} {name}", part
    for where, node in walk(spec()["components"]["schemas"]):
        if where.endswith("/properties"):
            for name, part in node.items():
                yield f"{where}/{name}", part
    for rule in rules():
        yield rule["id"], rule


def test_a_published_validator_accepts_the_spec() -> None:
    validate(spec())


def test_the_operations_and_their_scopes_are_those_of_the_reference() -> None:
    found = {
        (method, path): (operation["operationId"], operation["x-scope"]) for method, path, operation in operations()
    }
    assert found == REFERENCE


def test_every_operation_takes_the_key_in_either_header() -> None:
    assert all(operation["security"] == [{"apiKey": []}, {"bearer": []}] for _, _, operation in operations())


def test_everything_says_how_well_it_is_known() -> None:
    wrong = []
    for where, node in needs_provenance():
        known = node.get("x-provenance", {})
        source = known.get("source", "")
        accepted = {
            "documented": re.match(r"reference L\d+", source),
            "observed": re.match(r"client call [1-4]\b", source),
            "assumed": len(source) > 5,
        }.get(known.get("level"))
        if not accepted or set(known) != {"level", "source"}:
            wrong.append((where, known))
    assert wrong == []


def test_lines_of_the_reference_exist() -> None:
    cited = {
        int(line) for _, node in needs_provenance() for line in re.findall(r"L(\d+)", node["x-provenance"]["source"])
    }
    assert min(cited) >= 1
    assert max(cited) <= 115, "the reference has 115 lines"
    operations_lines = {62, *range(66, 71), *range(74, 80), *range(83, 89)}
    assert operations_lines <= cited
    assert set(range(101, 108)) <= cited, "every status of the reference has a rule or an answer"


def test_every_reference_inside_the_document_leads_somewhere() -> None:
    broken = []
    for where, node in walk(spec()):
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            try:
                resolve(node["$ref"])
            except KeyError:
                broken.append((where, node["$ref"]))
    assert broken == []


def test_rule_ids_are_unique_and_well_formed() -> None:
    ids = [rule["id"] for rule in rules()]
    assert len(ids) == len(set(ids))
    assert [name for name in ids if not re.fullmatch(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", name)] == []
    assert [rule["id"] for rule in rules() if set(rule) != {"id", "statement", "x-provenance"}] == []


def test_each_rule_is_one_sentence() -> None:
    assert [rule["id"] for rule in rules() if not re.fullmatch(r"[^\n]{10,240}[.}]", rule["statement"])] == []


def media(node: Node) -> Iterator[tuple[Any, Any]]:
    """Each (schema, example) pair of a body or an answer."""
    for content in node.get("content", {}).values():
        if "example" in content:
            yield content["schema"], content["example"]
        for example in content.get("examples", {}).values():
            yield content["schema"], example["value"]


def examples() -> Iterator[tuple[str, Any, Any]]:
    """Every example of the document: where it stands, its schema, itself."""
    for method, path, operation in operations():
        for parameter in operation.get("parameters", []):
            given = inlined(parameter)
            yield f"{method} {path} {given['name']}", given["schema"], given["example"]
        for schema, example in media(operation.get("requestBody", {})):
            yield f"{method} {path} body", schema, example
        for status, response in operation["responses"].items():
            for schema, example in media(response):
                yield f"{method} {path} {status}", schema, example
    for name, response in spec()["components"]["responses"].items():
        for schema, example in media(response):
            yield name, schema, example
    for name, header in spec()["components"]["headers"].items():
        yield name, header["schema"], header["example"]


def test_every_body_and_answer_has_an_example() -> None:
    lacking = [
        f"{method} {path}"
        for method, path, operation in operations()
        for node in [operation.get("requestBody"), *operation["responses"].values()]
        if node and "$ref" not in node and not list(media(node))
    ]
    assert lacking == []


@pytest.mark.parametrize(("where", "schema", "example"), [pytest.param(*found, id=found[0]) for found in examples()])
def test_examples_obey_their_schemas(where: str, schema: Any, example: Any) -> None:
    assert [error.message for error in OAS31Validator(inlined(schema)).iter_errors(example)] == [], where


def test_the_series_in_the_examples_is_true_to_its_own_rules() -> None:
    series = spec()["paths"]["/v1/workers/hashrate"]["get"]["responses"]["200"]["content"]["application/json"][
        "example"
    ]
    rates = [point["hashrate"] for point in series["data"]]
    times = [point["timestamp"] for point in series["data"]]
    step = series["granularity"]
    assert len(rates) == series["hours"] * 3600 // step
    assert times == list(range(times[0], times[0] + len(times) * step, step))
    assert times[0] % step == 0
    assert series["stats"] == {"avg_hashrate": sum(rates) / len(rates), "peak_hashrate": max(rates)}


def test_the_overview_in_the_examples_adds_up() -> None:
    overview = spec()["paths"]["/v1/overview"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    for kind in ("workers", "pools"):
        for count, total in overview[kind].items():
            assert total == sum(block[kind][count] for block in overview["algorithms"])


def test_request_schemas_need_no_more_than_a_draft_07_validator() -> None:
    for method, path, operation in operations():
        schemas = [inlined(parameter)["schema"] for parameter in operation.get("parameters", [])]
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schemas.append(inlined(content["schema"]))
        for schema in schemas:
            for where, node in walk(schema):
                if isinstance(node, dict) and not where.endswith("/properties") and "/x-provenance" not in where:
                    assert set(node) <= DRAFT_07_WORDS, f"{method} {path} {where}"


def test_every_request_property_says_what_it_allows() -> None:
    for method, path, operation in operations():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = inlined(content["schema"])
            assert [name for name, part in schema["properties"].items() if not part.get("description")] == [], (
                f"{method} {path}"
            )


@pytest.mark.parametrize("name", ["IdInput", "Id", "Host", "Name", "DateTime"])
def test_patterns_are_anchored(name: str) -> None:
    pattern = spec()["components"]["schemas"][name]["pattern"]
    assert pattern.startswith("^")
    assert pattern.endswith("$")


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("pool.example.com", True),
        ("pool.example.com.", True),
        ("localhost", True),
        ("no-auth.pool.test", True),
        ("192.0.2.7", True),
        ("2001:db8::1", True),
        ("::1", True),
        ("::ffff:192.0.2.7", True),
        ("", False),
        ("pool example", False),
        ("http://pool.example.com", False),
        ("pool.example.com:3333", False),
        ("-pool.example.com", False),
        ("pool..example.com", False),
        ("pool/1", False),
        ("user@pool", False),
    ],
)
def test_hosts_are_names_or_addresses_and_nothing_around_them(host: str, good: bool) -> None:
    schema = inlined({"$ref": "#/components/schemas/Host"})
    assert OAS31Validator(schema).is_valid(host) is good


def test_the_algorithms_are_those_of_the_simulator() -> None:
    assert spec()["components"]["schemas"]["Algorithm"]["enum"] == list(ALGORITHMS)
