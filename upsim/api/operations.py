"""What answers a call that the gate lets through: scope, parameters by the spec, one rule, JSON.

Where a call is plainly for one of the spec's operations, which Flask's routes tell, it is answered at once. What Flask
does around a view (contexts, a session, signals, a response that might still be changed) takes longer than most answers
take to compute, and nothing here asks for it. All other calls are Flask's: paths and methods of no operation, bodies
too long or of no known length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter
from werkzeug.wrappers import Request

from upsim.api import passage, record
from upsim.api.call import Call
from upsim.api.passage import Passage
from upsim.errors import ScopeMissing
from upsim.spec import API, Operation
from upsim.web import params
from upsim.web.app import MAX_BODY_BYTES
from upsim.web.reply import Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Handler = Callable[[Call], Reply]

_BY_ID: Final = {operation.id: operation for operation in API.operations}


def answer(operation: Operation, handler: Handler, call: Passage, path: Mapping[str, Any], request: Request) -> Reply:
    """What an operation answers to a call.

    Raises:
        UpsimError: it is refused.
        HTTPException: its body cannot be read.
    """
    if operation.scope not in call.caller.key.scopes:
        raise ScopeMissing(operation.scope, sorted(call.caller.key.scopes))
    call.input = params.read(operation, path, request)
    reply = handler(Call(call.landed, call.caller.account, call.input))
    call.until = reply.until
    return reply


class Operations:
    """A WSGI app behind the gate, which sees refusals; and before Flask's."""

    def __init__(self, app: WSGIApplication, routes: MapAdapter, handlers: Mapping[str, Handler]) -> None:
        """Stand before the app.

        Args:
            routes: from a path and a method to the operationId.
            handlers: by operationId.
        """
        self._app = app
        self._routes = routes
        self._handlers = handlers

    def operation_of(self, method: str, path: str) -> str | None:
        """The operationId of a method and a path; None where there is none."""
        found = self._find(method, path)
        return found[0].id if found else None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one call, or have it answered."""
        call: Passage | None = environ.get(passage.KEY)  # none beside /v1
        found = self._find(call.method, call.path) if call is not None and _is_plain(environ) else None
        if call is None or found is None or found[0].method != call.method:  # as it is for HEAD
            return self._app(environ, start_response)
        operation, path = found
        request = Request(environ)
        try:
            reply = answer(operation, self._handlers[operation.id], call, path, request)
        except HTTPException:  # the body ends before it should, which Flask finds too, and says
            return self._app(environ, start_response)
        finally:
            call.entered, call.operation, call.sent = True, operation.id, record.sent(call, request)
        body = reply.body
        fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{reply.status.value} {reply.status.phrase.upper()}", fields)
        return [body]

    def _find(self, method: str, path: str) -> tuple[Operation, Mapping[str, Any]] | None:
        try:
            name, values = self._routes.match(path, method=method)
        except HTTPException:
            return None
        operation = _BY_ID.get(name)
        return (operation, values) if operation else None


def _is_plain(environ: WSGIEnvironment) -> bool:
    """Whether the body is of a length that is known, and accepted."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return False
    length: str = environ.get("CONTENT_LENGTH") or "0"
    return len(length) < 10 and length.isdecimal() and int(length) <= MAX_BODY_BYTES
