"""What a handler is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from upsim.api.params import Input
from upsim.api.render import Json
from upsim.model import Account, ObjectId
from upsim.store.base import Span
from upsim.world import World


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted, well-formed call: where it landed, whose it is, what it asks."""

    world: World
    account: Account
    input: Input

    @property
    def id(self) -> ObjectId:
        """The id in the path."""
        return object_id(self.input.path["id"])

    @property
    def query(self) -> Any:
        """The query's values by name, the spec's defaults filled in."""
        return self.input.query

    @property
    def body(self) -> Any:
        """The body's fields by name, the spec's defaults filled in."""
        return self.input.body

    @property
    def span(self) -> Span:
        """The page that is asked for."""
        limit = self.query["limit"]
        return Span((self.query["page"] - 1) * limit, limit)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is JSON."""

    content: Json
    status: HTTPStatus = HTTPStatus.OK


def object_id(text: str) -> ObjectId:
    """An id as it is kept: lower case, however it was written."""
    return ObjectId(text.lower())
