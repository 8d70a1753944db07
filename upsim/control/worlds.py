"""Worlds, their clocks, options and snapshots: the calls under /_upsim/worlds."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from upsim.control import render
from upsim.control.call import ControlCall
from upsim.control.times import duration_ms, instant
from upsim.errors import InvalidInput
from upsim.model import Tier
from upsim.rules import clocks, portable, snapshots, worlds
from upsim.rules.clocks import ClockChange
from upsim.web.reply import Reply


def list_worlds(call: ControlCall) -> Reply:
    wall = call.universe.wall.now()
    return Reply({"data": [render.world(record, wall) for record in worlds.list_worlds(call.universe)]})


def create_world(call: ControlCall) -> Reply:
    body = call.body
    wish = worlds.Wish(
        id=body.get("id"),
        fixture=body.get("fixture"),
        seed=body.get("seed"),
        tier=Tier(body["tier"]) if "tier" in body else None,
        clock=_clock_change(body.get("clock", {})),
        lifetime_ms=_lifetime(body),
        caps=body.get("caps"),
    )
    if "snapshot" in body:
        made = portable.load_world(call.universe, wish, body["snapshot"])
    else:
        made = worlds.create_world(call.universe, wish)
    return Reply(render.new_world(call.universe, made), HTTPStatus.CREATED)


def get_world(call: ControlCall) -> Reply:
    return Reply(render.whole_world(call.world))


def delete_world(call: ControlCall) -> Reply:
    world = call.world
    if world.id == worlds.DEFAULT:
        raise InvalidInput("world", "the default world cannot be ended; reset it instead.")
    call.universe.store.delete_world(world.id)
    return Reply({"deleted": True, "id": world.id})


def reset_world(call: ControlCall) -> Reply:
    return Reply(render.world(snapshots.reset_world(call.universe, call.world), call.universe.wall.now()))


def change_options(call: ControlCall) -> Reply:
    changed = worlds.change_options(
        call.world, caller_address=call.body.get("caller_address"), caps=call.body.get("caps")
    )  # fmt: skip
    return Reply(render.world(changed, call.universe.wall.now()))


def get_clock(call: ControlCall) -> Reply:
    return Reply(render.clock(call.world.record.clock, call.universe.wall.now()))


def change_clock(call: ControlCall) -> Reply:
    changed = clocks.change_clock(call.world, _clock_change(call.body))
    return Reply(render.clock(changed.clock, call.universe.wall.now()))


def list_snapshots(call: ControlCall) -> Reply:
    return Reply({"data": [render.snapshot(record) for record in snapshots.list_snapshots(call.universe, call.world)]})


def save_snapshot(call: ControlCall) -> Reply:
    saved = snapshots.save_snapshot(call.universe, call.world, call.body["name"])
    return Reply(render.snapshot(saved), HTTPStatus.CREATED)


def delete_snapshot(call: ControlCall) -> Reply:
    snapshots.delete_snapshot(call.universe, call.world, call.path["snapshot"])
    return Reply({"deleted": True, "name": call.path["snapshot"]})


def restore_snapshot(call: ControlCall) -> Reply:
    restored = snapshots.restore_snapshot(call.universe, call.world, call.path["snapshot"])
    return Reply(render.world(restored, call.universe.wall.now()))


def download_world(call: ControlCall) -> Reply:
    return Reply(portable.save_world(call.world), for_people=True)


def _clock_change(body: Mapping[str, Any]) -> ClockChange:
    speed = body.get("speed")
    if "freeze" in body:
        if speed is not None:
            raise InvalidInput("speed", "cannot be given together with freeze.")
        speed = 0.0 if body["freeze"] else 1.0
    return ClockChange(
        set_to=instant("set", body["set"]) if "set" in body else None,
        advance_ms=duration_ms("advance", body["advance"]) if "advance" in body else None,
        speed=speed,
    )


def _lifetime(body: Mapping[str, Any]) -> int | None:
    if "expires_in" not in body:
        return None
    lifetime = duration_ms("expires_in", body["expires_in"])
    if lifetime <= 0:
        raise InvalidInput("expires_in", "must be longer than nothing.")
    return lifetime
