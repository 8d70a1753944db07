"""The specs as the server uses them: which operations there are, what each asks for, and the document to hand out.

API is contract/openapi.yaml, the one source of truth of what is simulated; CONTROL is that of the control plane.
Nothing in them is restated anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from upsim import documents
from upsim.records import dataclass

_METHODS: Final = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of a spec.

    Attributes:
        id: its operationId; the name of its handler.
        path: with parameters in braces, as the spec writes it.
        scope: what the key needs; empty where the spec has no scopes.
    """

    spec: Spec
    id: str
    method: str
    path: str
    scope: str
    definition: Mapping[str, Any]

    @property
    def rule(self) -> str:
        """The path as Flask writes it."""
        return self.path.replace("{", "<").replace("}", ">")

    def parameters(self, where: str) -> Iterator[tuple[str, bool, Mapping[str, Any]]]:
        """Name, whether required, and schema of the parameters in "path" or "query"."""
        shared = self.spec.document["paths"][self.path].get("parameters", ())
        for parameter in (*shared, *self.definition.get("parameters", ())):
            found = self.spec.resolved(parameter)
            if found["in"] == where:
                yield found["name"], found.get("required", False), found["schema"]

    @property
    def body(self) -> Mapping[str, Any] | None:
        """The schema of the body it takes, without references; None where it takes none."""
        body = self.definition.get("requestBody")
        if body is None:
            return None
        schema: Mapping[str, Any] = self.spec.resolved(body)["content"]["application/json"]["schema"]
        return schema

    @property
    def body_required(self) -> bool:
        """Whether it can do without the body it takes."""
        return bool(self.spec.resolved(self.definition["requestBody"]).get("required", False))


class Spec:
    """An OpenAPI document, parsed when it is first asked."""

    def __init__(self, package: str) -> None:
        """The spec in a package's openapi.yaml."""
        self._package = package

    @cached_property
    def file(self) -> Traversable:
        """Where it stands."""
        return files(self._package) / "openapi.yaml"

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The parsed document."""
        content: Mapping[str, Any] = documents.load(self.file)
        return content

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation, in the spec's order."""
        return tuple(
            Operation(self, definition["operationId"], method.upper(), path, definition.get("x-scope", ""), definition)
            for path, item in self.document["paths"].items()
            for method, definition in item.items()
            if method in _METHODS
        )

    def resolved(self, node: Any) -> Any:
        """The part of the document with every reference in it replaced by what it refers to."""
        if isinstance(node, Mapping):
            reference = node.get("$ref")
            if reference is not None:
                target: Any = self.document
                for step in reference.removeprefix("#/").split("/"):
                    target = target[step.replace("~1", "/").replace("~0", "~")]
                return self.resolved(target)
            return {name: self.resolved(value) for name, value in node.items()}
        if isinstance(node, list):
            return [self.resolved(value) for value in node]
        return node


API: Final = Spec("upsim_contract")
CONTROL: Final = Spec("upsim.control")
