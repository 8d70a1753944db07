"""What a handler of the control plane is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from flask import Request

from upsim.model import Account, WorldId
from upsim.records import dataclass
from upsim.rules.faults import MAX_LATENCY_MS
from upsim.rules.worlds import NewWorld, require_world
from upsim.web.metrics import Metrics
from upsim.web.params import Input
from upsim.web.reply import Json, Reply
from upsim.world import Universe, World


class Visits(Protocol):
    """A public sandbox, as the control plane knows it: visitors drive the worlds they were given, and nothing else."""

    @property
    def terms(self) -> Json:
        """What a visitor gets, and for how long."""

    def may_drive(self, request: Request) -> bool:
        """Whether the call needs no admin token, since it touches a visitor's own world only."""

    def open_world(self, address: str) -> NewWorld:
        """A private world for the visitor from this address."""


class Miners(Protocol):
    """The proxy's own door for miners, as the control plane knows it."""

    @property
    def ports(self) -> Sequence[Json]:
        """Where it listens: algorithm and URL."""

    def sessions(self, world_id: WorldId) -> Sequence[Json]:
        """The world's miners that are connected."""

    def events(self, world_id: WorldId, since: int) -> Sequence[Json]:
        """What happened to them last, after the event of that number."""


@dataclass(frozen=True, slots=True)
class Controls:
    """What the control plane may touch besides the worlds.

    Attributes:
        token: its admin token; None where any local program may drive it.
        behaviours: every behaviour a pool can be given, with what it does.
        look: what a GET under /v1 would answer an account.
        logins: the default world's accounts with keys that are known to all.
        visits: the public sandbox, where this is one.
        max_latency_ms: how long a fault may make an answer wait.
        stratum: the proxy's door for miners, where this process holds it.
        address_of: where a request comes from.
        lacking: what keeps this process from answering calls, with the reason; empty where it is ready.
        metrics: what is counted for Prometheus, where it is.
    """

    token: str | None
    behaviours: Callable[[], Mapping[str, str]]
    look: Callable[[World, Account, str], Reply]
    logins: Callable[[], Sequence[Json]] = tuple
    visits: Visits | None = None
    max_latency_ms: int = MAX_LATENCY_MS
    stratum: Callable[[], Miners | None] = lambda: None
    address_of: Callable[[Request], str] = lambda asked: asked.remote_addr or ""
    lacking: Callable[[], Mapping[str, str]] = dict
    metrics: Metrics | None = None


@dataclass(frozen=True, slots=True)
class ControlCall:
    """One well-formed call of the control plane.

    Attributes:
        asked: the request as it came.
    """

    universe: Universe
    input: Input
    controls: Controls
    asked: Request

    @property
    def behaviours(self) -> Mapping[str, str]:
        """Every behaviour a pool can be given, with what it does."""
        return self.controls.behaviours()

    @property
    def look(self) -> Callable[[World, Account, str], Reply]:
        """What a GET under /v1 would answer an account."""
        return self.controls.look

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
