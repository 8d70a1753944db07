"""The simulated API on the app: its routes are the spec's operations, its handlers the functions of their names.

The way of a call: the gate (key, address, rate limit, faults), then scope, parameters, one rule, JSON; and out by the
gate, which journals it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from upsim.api import passage, record
from upsim.api.call import Call
from upsim.api.gate import Gate, Observer
from upsim.api.limits import Limits
from upsim.api.passage import Passage
from upsim.config import Config
from upsim.errors import ScopeMissing
from upsim.spec import API, Operation
from upsim.web import params
from upsim.web.app import View, add_document, add_operations
from upsim.web.reply import Reply
from upsim.world import Universe

if TYPE_CHECKING:
    from upsim.api.counting import Outside

Handler = Callable[[Call], Reply]


def _handler(operation: Operation) -> Handler:
    """What answers an operation: the function of its operationId in the room of its path, /v1/ROOM/…

    A room is imported by the first call for it: most of what it needs, a start and the calls to other rooms do not.
    """

    @cache
    def find() -> Handler:
        room = operation.path.split("/")[2]
        found: Handler = getattr(import_module(f"upsim.api.{room}"), operation.id)
        return found

    return lambda call: find()(call)


HANDLERS: Final[Mapping[str, Handler]] = {operation.id: _handler(operation) for operation in API.operations}
"""What answers each operation, by operationId."""


def install(
    app: Flask, universe: Universe, config: Config, outside: Outside | None = None, observers: Iterable[Observer] = ()
) -> None:
    """Put the simulated API on the app, and the gate before it.

    Args:
        outside: where requests are counted, if not in the store.
        observers: told of each call when it leaves.
    """
    add_operations(app, API, HANDLERS, _view)
    add_document(app, API, "/openapi")
    app.after_request(_tell)
    limits = Limits(universe.store, outside)
    gate = Gate(app.wsgi_app, universe, config, limits, partial(_operation_of, app.url_map.bind("upsim")), observers)
    app.wsgi_app = gate  # type: ignore[method-assign]  # as Flask says to do


def _operation_of(routes: MapAdapter, method: str, path: str) -> str | None:
    try:
        endpoint: str = routes.match(path, method=method)[0]
    except HTTPException:
        return None
    return endpoint


def _view(operation: Operation, handler: Handler) -> View:
    def answer(**path: Any) -> Response:
        call: Passage = request.environ[passage.KEY]
        if operation.scope not in call.caller.key.scopes:
            raise ScopeMissing(operation.scope, sorted(call.caller.key.scopes))
        call.input = params.read(operation, path, request)
        reply = handler(Call(call.landed, call.caller.account, call.input))
        call.until = reply.until
        return reply.response()

    return answer


def _tell(response: Response) -> Response:
    """Tell the gate what became of a call."""
    call: Passage | None = request.environ.get(passage.KEY)
    if call is not None:
        call.entered = True
        call.operation = request.endpoint
        call.error = g.get("error")
        call.sent = record.sent(call, request)
    return response
