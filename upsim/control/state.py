"""How the simulator itself is: health and magic for people, readiness for load balancers, metrics for Prometheus."""

from __future__ import annotations

from flask import Response

from upsim.control.call import ControlCall
from upsim.errors import NotFound, StoreUnavailable, UpsimError
from upsim.records import dataclass
from upsim.rules import worlds
from upsim.rules.magic import magic_values
from upsim.web.reply import Reply


class NotReady(StoreUnavailable):
    """The process cannot answer calls now."""

    def __init__(self, reasons: str) -> None:
        UpsimError.__init__(self, f"Not ready: {reasons}. Ask again shortly; send calls elsewhere meanwhile.")


@dataclass(frozen=True, slots=True)
class Exposition:
    """What Prometheus reads: text, not JSON."""

    text: bytes
    content_type: str

    def response(self) -> Response:
        """The answer as Flask sends it."""
        return Response(self.text, content_type=self.content_type)


def get_health(call: ControlCall) -> Reply:
    count = len(worlds.list_worlds(call.universe))
    return Reply({"status": "ok", "store": call.universe.store.url.partition(":")[0], "worlds": count})


def get_ready(call: ControlCall) -> Reply:
    lacking = call.controls.lacking()
    if lacking:
        raise NotReady("; ".join(f"{what}: {why}" for what, why in lacking.items()))
    return Reply({"status": "ready"})


def get_metrics(call: ControlCall) -> Exposition:
    metrics = call.controls.metrics
    if metrics is None:
        raise NotFound("Metrics", "this server keeps none; it would with --metrics on")
    try:
        count = len(worlds.list_worlds(call.universe))
    except StoreUnavailable:
        return Exposition(*metrics.exposition(None))  # the rest is what tells of it
    return Exposition(*metrics.exposition(count))


def get_magic(call: ControlCall) -> Reply:
    rows = magic_values(call.universe.fixture, call.behaviours)
    return Reply({"data": [{"kind": row.kind, "value": row.value, "outcome": row.outcome} for row in rows]})
