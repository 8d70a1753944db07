"""The spec as the server uses it: which operations there are, what each asks for, and its document to hand out.

Reads contract/openapi.yaml, the one source of truth; restates none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from upsim import documents

_METHODS: Final = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of the API.

    Attributes:
        id: its operationId; the name of its handler.
        path: with parameters in braces, as the spec writes it.
        scope: what the key needs.
    """

    id: str
    method: str
    path: str
    scope: str
    definition: Mapping[str, Any]

    def parameters(self, where: str) -> Iterator[tuple[str, bool, Mapping[str, Any]]]:
        """Name, whether required, and schema of the parameters in "path" or "query"."""
        for parameter in self.definition.get("parameters", ()):
            found = resolved(parameter)
            if found["in"] == where:
                yield found["name"], found.get("required", False), resolved(found["schema"])

    @property
    def body(self) -> Mapping[str, Any] | None:
        """The schema of the body it needs, without references; None where it needs none."""
        body = self.definition.get("requestBody")
        if body is None:
            return None
        schema: Mapping[str, Any] = resolved(resolved(body)["content"]["application/json"]["schema"])
        return schema


def source() -> bytes:
    """The spec's own text."""
    return (files("upsim_contract") / "openapi.yaml").read_bytes()


@cache
def document() -> Mapping[str, Any]:
    """The parsed spec."""
    content: Mapping[str, Any] = documents.load(files("upsim_contract") / "openapi.yaml")
    return content


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation, in the spec's order."""
    return tuple(
        Operation(definition["operationId"], method.upper(), path, definition["x-scope"], definition)
        for path, item in document()["paths"].items()
        for method, definition in item.items()
        if method in _METHODS
    )


def resolved(node: Any) -> Any:
    """The part of the spec with every reference in it replaced by what it refers to."""
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        if reference is not None:
            target: Any = document()
            for step in reference.removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            return resolved(target)
        return {name: resolved(value) for name, value in node.items()}
    if isinstance(node, list):
        return [resolved(value) for value in node]
    return node
