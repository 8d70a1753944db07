"""The simulated API on the app: its routes are the spec's operations, its handlers the functions of their names.

The way of a call: the gate (key, address, rate limit, faults), then the operation (scope, parameters, one rule, JSON);
and out by the gate, which journals it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, g, request

from upsim.api import passage, record
from upsim.api.gate import Gate, Observer
from upsim.api.limits import Limits
from upsim.api.operations import Handler, Operations, answer
from upsim.api.passage import Passage
from upsim.config import Config
from upsim.spec import API, Operation
from upsim.web.app import View, add_document, add_operations
from upsim.world import Universe

if TYPE_CHECKING:
    from upsim.api.counting import Outside


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
) -> Gate:
    """Put the simulated API on the app, and the gate before it, which is returned.

    Args:
        outside: where requests are counted, if not in the store.
        observers: told of each call when it leaves.
    """
    add_operations(app, API, HANDLERS, _view)
    add_document(app, API, "/openapi")
    app.after_request(_tell)
    limits = Limits(universe.store, outside)
    operations = Operations(app.wsgi_app, app.url_map.bind("upsim"), HANDLERS)
    gate = Gate(operations, universe, config, limits, operations.operation_of, observers)
    app.wsgi_app = gate  # type: ignore[method-assign]  # as Flask says to do
    return gate


def _view(operation: Operation, handler: Handler) -> View:
    def view(**path: Any) -> Response:
        return answer(operation, handler, request.environ[passage.KEY], path, request).response()

    return view


def _tell(response: Response) -> Response:
    """Tell the gate what became of a call."""
    call: Passage | None = request.environ.get(passage.KEY)
    if call is not None:
        call.entered = True
        call.operation = request.endpoint
        call.error = g.get("error")
        call.sent = record.sent(call, request)
    return response
