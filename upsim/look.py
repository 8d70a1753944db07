"""Reading what the API would answer, without calling it: no request is spent, no fault strikes, no line is journaled.

For those who look on, such as the dashboard: a page that refreshes itself must not eat the rate limit of the user it
shows. Reads only; what changes something goes through /v1 like anybody's call.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Request
from werkzeug.test import EnvironBuilder

from upsim.api.app import HANDLERS
from upsim.api.call import Call
from upsim.errors import InvalidInput
from upsim.model import Account
from upsim.spec import API
from upsim.web import params
from upsim.web.reply import Reply
from upsim.world import World

_READS: Final = frozenset(operation.id for operation in API.operations if operation.method == "GET")


def look(app: Flask, world: World, account: Account, target: str) -> Reply:
    """What GET of the target, a path under /v1 with its query, would answer the account now.

    Raises:
        InvalidInput: the target is no such path, or its parameters are not what the spec says.
        NotFound: what it names is not the account's.
    """
    path, query = urlsplit(target).path, urlsplit(target).query
    if not path.startswith("/v1/"):
        raise InvalidInput("call", "must be a path under /v1/ with its query, such as /v1/workers?limit=5.")
    endpoint, values = app.url_map.bind("upsim").match(path, method="GET")
    if endpoint not in _READS:
        raise InvalidInput("call", f"{path} is nothing to look at.")
    operation = next(one for one in API.operations if one.id == endpoint)
    request = Request(EnvironBuilder(path=path, query_string=query).get_environ())
    return HANDLERS[endpoint](Call(world, account, params.read(operation, values, request)))
