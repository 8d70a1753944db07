"""What a handler is given, and what it is about."""

from __future__ import annotations

from typing import Any

from upsim.model import Account, ObjectId
from upsim.records import dataclass
from upsim.store.asking import Span
from upsim.web.params import Input
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


def object_id(text: str) -> ObjectId:
    """An id as it is kept: lower case, however it was written."""
    return ObjectId(text.lower())
