"""Faults, pools' behaviours and the journal: what is done to calls, and what is known of them afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from upsim.control import render
from upsim.control.call import ControlCall
from upsim.control.times import duration_ms
from upsim.errors import InvalidInput
from upsim.rules import behaviours, faults, journal
from upsim.rules.faults import Fault
from upsim.rules.journal import Expectation
from upsim.store.asking import EntryFilter
from upsim.web.reply import Reply
from upsim.world import World


def list_faults(call: ControlCall) -> Reply:
    return Reply({"data": [render.fault(fault) for fault in faults.list_faults(call.world.record)]})


def add_fault(call: ControlCall) -> Reply:
    body = call.body
    fault = Fault(
        id="",
        effect=body["effect"],
        method=body.get("method"),
        path=body.get("path"),
        account=body.get("account"),
        status=body["status"],
        body=body.get("body"),
        latency_ms=_latency(body.get("latency", 0), call.controls.max_latency_ms),
        times=body.get("times"),
        share=body["share"],
        after=body["after"],
    )
    if fault.effect == "latency" and fault.latency_ms == (0, 0):
        raise InvalidInput("latency", "is required for the effect latency: how long the answer waits.")
    return Reply(render.fault(faults.add_fault(call.world, fault)), HTTPStatus.CREATED)


def remove_fault(call: ControlCall) -> Reply:
    faults.remove_fault(call.world, call.path["fault"])
    return Reply({"removed": True, "id": call.path["fault"]})


def remove_faults(call: ControlCall) -> Reply:
    faults.remove_faults(call.world)
    return Reply({"removed": True})


def list_behaviours(call: ControlCall) -> Reply:
    return Reply(_behaviours(call, call.world))


def put_behaviour(call: ControlCall) -> Reply:
    body = call.body
    if body["behaviour"] is not None and body["behaviour"] not in call.behaviours:
        raise InvalidInput("behaviour", f"must be one of {', '.join(call.behaviours)}, or null.")
    behaviours.put_behaviour(call.world, body["host"], body["port"], body["behaviour"], body.get("times"))
    return Reply(_behaviours(call, call.world))


def list_entries(call: ControlCall) -> Reply:
    world, query = call.world, call.query
    journal.check_mark(world, query["since"])
    mark = world.store.last_entry(world.id)
    found = world.store.list_entries(
        world.id, _filter(query), query["limit"], newest_first=query["newest"] == "true"
    )  # fmt: skip
    return Reply({"data": [render.entry(entry) for entry in found], "mark": mark})


def clear_journal(call: ControlCall) -> Reply:
    call.world.store.clear_journal(call.world.id)
    return Reply({"cleared": True})


def count_entries(call: ControlCall) -> Reply:
    return Reply({"count": journal.verify(call.world, _expectation(call.body)).count})


def verify_entries(call: ControlCall) -> Reply:
    verdict = journal.verify(call.world, _expectation(call.body))
    return Reply(
        {
            "met": verdict.met,
            "count": verdict.count,
            "matched": [render.entry(entry) for entry in verdict.matched],
            "instead": [render.entry(entry) for entry in verdict.instead],
        }
    )


def _behaviours(call: ControlCall, world: World) -> dict[str, Any]:
    return {
        "data": [
            {"host": one.host, "port": one.port, "behaviour": one.behaviour, "times": one.times}
            for one in behaviours.list_behaviours(world.record)
        ],
        "behaviours": dict(call.behaviours),
    }


def _latency(value: Any, at_most: int) -> tuple[int, int]:
    bounds = value if isinstance(value, list) else [value, value]
    least, most = (duration_ms("latency", bound) for bound in bounds)
    if not 0 <= least <= most <= at_most:
        raise InvalidInput("latency", f"must be from 0 to {at_most // 1000} seconds, the least before the most.")
    return least, most


def _filter(fields: Mapping[str, Any]) -> EntryFilter:
    method = fields.get("method")
    return EntryFilter(
        since=fields["since"],
        method=method.upper() if method else None,
        path=fields.get("path"),
        status=fields.get("status"),
        account=fields.get("account"),
        decided=fields.get("decided"),
    )


def _expectation(body: Mapping[str, Any]) -> Expectation:
    exactly = body.get("exactly")
    if exactly is not None and ("at_least" in body or "at_most" in body):
        raise InvalidInput("exactly", "cannot be given together with at_least or at_most.")
    least = body.get("at_least", 0 if "at_most" in body else 1) if exactly is None else exactly
    most = body.get("at_most") if exactly is None else exactly
    return Expectation(_filter(body), body.get("body"), least, most)
