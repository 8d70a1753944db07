"""What a page or a client has to know before it can ask for anything; and how a visitor of a public sandbox begins."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version

from upsim import fixture
from upsim.algorithms import ALGORITHMS
from upsim.control import render
from upsim.control.call import ControlCall
from upsim.errors import NotFound
from upsim.fleet.hardware import HARDWARE
from upsim.fleet.series import RANGES
from upsim.model import Scope
from upsim.rules.tiers import ALLOWANCES
from upsim.rules.worlds import CAPS, DEFAULT
from upsim.web.reply import Reply


def get_about(call: ControlCall) -> Reply:
    visits = call.controls.visits
    return Reply(
        {
            "version": version("upsim"),
            "default_world": DEFAULT,
            "default_fixture": call.universe.fixture if call.universe.fixture in fixture.names() else None,
            "fixtures": list(fixture.names()),
            "logins": list(call.controls.logins()),
            "stratum": [] if (door := call.controls.stratum()) is None else list(door.ports),
            "sandbox": None if visits is None else visits.terms,
            "algorithms": [{"id": one.id, "coins": one.coins, "unit": one.unit} for one in ALGORITHMS.values()],
            "models": [
                {"model": one.model, "name": one.name, "algorithm": one.algorithm, "nominal": one.nominal}
                for one in HARDWARE.values()
            ],
            "ranges": list(RANGES),
            "scopes": list(Scope),
            "caps": list(CAPS),
            "tiers": {
                tier.value: {"requests": one.requests, "keys": one.keys, "pools": one.pools, "profiles": one.profiles}
                for tier, one in ALLOWANCES.items()
            },
        }
    )


def create_visit(call: ControlCall) -> Reply:
    visits = call.controls.visits
    if visits is None:
        raise NotFound("Sandbox", "this server is none; it would be with --sandbox on")
    made = visits.open_world(call.controls.address_of(call.asked))
    return Reply(
        {**render.new_world(call.universe, made), "link": f"/s/{made.record.id}", "terms": visits.terms},
        HTTPStatus.CREATED,
    )
