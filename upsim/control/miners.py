"""The proxy's own Stratum door: who is connected, and what happens there."""

from __future__ import annotations

from collections import Counter

from upsim.control.call import ControlCall
from upsim.web.reply import Reply


def list_miners(call: ControlCall) -> Reply:
    world, limit = call.world, call.query["limit"]
    door = call.controls.stratum()
    sessions = [] if door is None else door.sessions(world.id)
    events = [] if door is None else door.events(world.id, call.query["since"])
    told = events[-limit:] if limit else []
    return Reply(
        {
            "ports": [] if door is None else list(door.ports),
            "total": len(sessions),
            "algorithms": dict(Counter(session["algorithm"] for session in sessions)),
            "sessions": list(sessions[:limit]),
            "events": told,
            "mark": events[-1]["seq"] if events else call.query["since"],
        }
    )
