"""The call /v1/overview."""

from __future__ import annotations

from upsim.api import render
from upsim.api.call import Call
from upsim.rules import overview
from upsim.web.reply import Reply


def get_overview(call: Call) -> Reply:
    found = overview.get_overview(call.world, call.account)
    return Reply(render.overview(found), until=found.until)
