"""The spec as the suite reads it: clauses with how well each is known, operations, schemas. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

SPEC_FILE: Final = files(__package__) / "openapi.yaml"
AREAS: Final = (
    "authentication",
    "rate limits",
    "quotas",
    "errors",
    "ids and fields",
    "lists",
    "overview",
    "workers",
    "series",
    "pools",
    "profiles",
)
_AREA_OF: Final = {
    "auth": "authentication",
    "order": "authentication",
    "rate": "rate limits",
    "quota": "quotas",
    "errors": "errors",
    "ids": "ids and fields",
    "fields": "ids and fields",
    "resources": "ids and fields",
    "lists": "lists",
    "overview": "overview",
    "workers": "workers",
    "bulk-assign": "workers",
    "series": "series",
    "fleet-series": "series",
    "worker-series": "series",
    "pools": "pools",
    "profiles": "profiles",
}
_SCHEMA_AREA: Final = {
    "Pagination": "lists",
    "Error": "errors",
    "Overview": "overview",
    "AlgorithmOverview": "overview",
    "WorkerCounts": "overview",
    "PoolCounts": "overview",
    "Worker": "workers",
    "Shares": "workers",
    "WorkerPage": "workers",
    "BulkAssigned": "workers",
    "Point": "series",
    "Stats": "series",
    "Series": "series",
}


class Level(IntEnum):
    """How well a clause is known; the higher, the better."""

    ASSUMED = 0
    OBSERVED = 1
    DOCUMENTED = 2

    @property
    def word(self) -> str:
        """As the spec writes it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Clause:
    """One sentence the API can be held to.

    Attributes:
        id: the rule's id in the spec, or shape.SCHEMA.PROPERTY.
        source: where the level comes from: a line of the reference, a call of the vendor's client, a reason.
        area: the part of the API it is about, one of AREAS.
    """

    id: str
    level: Level
    source: str
    statement: str
    area: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the spec."""

    id: str
    method: str
    path: str
    scope: str
    statuses: frozenset[int]
    definition: Mapping[str, Any]

    def url(self, identity: str | None = None) -> str:
        """The path with its id filled in."""
        return self.path.replace("{id}", identity or "")

    @property
    def has_id(self) -> bool:
        """Whether its path names a resource."""
        return "{id}" in self.path

    @property
    def has_body(self) -> bool:
        """Whether it needs a JSON body."""
        return "requestBody" in self.definition

    @property
    def success_schema(self) -> Mapping[str, Any]:
        """The schema of its answer."""
        for status, response in self.definition["responses"].items():
            if status.startswith("2"):
                schema: Mapping[str, Any] = response["content"]["application/json"]["schema"]
                return schema
        raise KeyError(self.id)


@cache
def document() -> Mapping[str, Any]:
    """The spec, parsed once."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    parsed: Mapping[str, Any] = yaml.load(SPEC_FILE.read_bytes(), Loader=loader)  # noqa: S506 - a safe loader
    return parsed


def dereference(node: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """The node itself, or what its $ref points to; and the name of the component, if one was."""
    name = None
    while "$ref" in node:
        target: Any = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        name = node["$ref"].rpartition("/")[2]
        node = target
    return node, name


def inlined(node: Any) -> Any:
    """A schema without references, fit for any validator or generator."""
    if isinstance(node, Mapping):
        if "$ref" in node:
            return inlined(dereference(node)[0])
        return {key: inlined(value) for key, value in node.items() if key != "x-provenance"}
    if isinstance(node, list):
        return [inlined(value) for value in node]
    return node


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation by its id."""
    return {
        definition["operationId"]: Operation(
            definition["operationId"],
            method.upper(),
            path,
            definition["x-scope"],
            frozenset(int(status) for status in definition["responses"]),
            definition,
        )
        for path, item in document()["paths"].items()
        for method, definition in item.items()
    }


@cache
def algorithms() -> tuple[str, ...]:
    """Every algorithm's id."""
    return tuple(document()["components"]["schemas"]["Algorithm"]["enum"])


@cache
def clauses() -> Mapping[str, Clause]:
    """Every clause by its id: the rules, then the properties of what is answered."""
    return {clause.id: clause for clause in (*_rules(), *_properties())}


def _rules() -> Iterator[Clause]:
    rules = list(document()["x-rules"])
    for operation in operations().values():
        rules += operation.definition["x-rules"]
    for rule in rules:
        known = rule["x-provenance"]
        area = _AREA_OF[rule["id"].partition(".")[0]]
        yield Clause(rule["id"], Level[known["level"].upper()], known["source"], rule["statement"], area)


def _properties() -> Iterator[Clause]:
    """One clause a property, of each schema that appears in an answer."""
    seen: set[str] = set()
    queue = [operation.success_schema for operation in operations().values()]
    queue.append({"$ref": "#/components/schemas/Error"})
    while queue:
        schema, name = dereference(queue.pop(0))
        if name in seen:
            continue
        if name is not None:
            seen.add(name)
        if "items" in schema:
            queue.append(schema["items"])
        for key, part in schema.get("properties", {}).items():
            queue.append(part)
            inner, _ = dereference(part)
            known = part["x-provenance"]
            meaning = part.get("description") or inner.get("description") or f"as {name} says"
            need = "is always there" if key in schema.get("required", ()) else "where it is there, is right"
            yield Clause(
                f"shape.{name}.{key}",
                Level[known["level"].upper()],
                known["source"],
                f"{name}.{key} {need}: {meaning}.",
                _SCHEMA_AREA.get(str(name)) or ("profiles" if str(name).startswith("Profile") else "pools"),
            )
