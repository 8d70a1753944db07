"""What a handler of the control plane is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from upsim.rules.worlds import require_world
from upsim.web.params import Input
from upsim.world import Universe, World


@dataclass(frozen=True, slots=True)
class ControlCall:
    """One well-formed call of the control plane.

    Attributes:
        list_behaviours: says every behaviour a pool can be given, with what it does.
    """

    universe: Universe
    input: Input
    list_behaviours: Callable[[], Mapping[str, str]]

    @property
    def behaviours(self) -> Mapping[str, str]:
        """Every behaviour a pool can be given, with what it does."""
        return self.list_behaviours()

    @property
    def path(self) -> Mapping[str, Any]:
        """The path's values by name."""
        return self.input.path

    @property
    def query(self) -> Mapping[str, Any]:
        """The query's values by name, the spec's defaults filled in."""
        return self.input.query

    @property
    def body(self) -> Mapping[str, Any]:
        """The body's fields by name, the spec's defaults filled in."""
        return self.input.body

    @property
    def world(self) -> World:
        """The world in the path, as it is now.

        Raises:
            NotFound: there is none of that name.
        """
        return require_world(self.universe, self.path["world"])
