"""Faults as the caller meets them: what a fault of the world does to the answer of a call it strikes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http import HTTPStatus

from flask import Response, g, request

from upsim.rules.faults import Fault, strike
from upsim.web.errors import error_response


def before() -> Response | None:
    """Look whether a fault strikes this call, and wait as long as it says; an answer in place of the call's own."""
    found = strike(g.world, request.method, request.path, g.caller.account.name)
    if found is None:
        return None
    g.fault = found.fault
    if found.wait_ms:
        time.sleep(found.wait_ms / 1000)
    if found.fault.after or found.fault.effect not in ("status", "drop"):
        return None
    return Response() if found.fault.effect == "drop" else _status(found.fault)


def after(response: Response) -> Response:
    """The answer as the fault leaves it."""
    fault: Fault | None = g.get("fault")
    if fault is None or fault.effect == "latency":
        return response
    if fault.effect == "status":
        return _with_headers_of(response, _status(fault)) if fault.after else response
    body = response.get_data()
    if fault.effect == "drop":
        return _dropped(response, b"", len(body) or 1)
    if fault.effect == "cut":
        return _dropped(response, body[: len(body) // 2], len(body))
    if fault.effect == "malformed":
        response.set_data(body[: max(1, len(body) * 2 // 3)] + b'"')
    else:
        response.content_type = "text/html"
    return response


def _status(fault: Fault) -> Response:
    name = HTTPStatus(fault.status).phrase if fault.status in _KNOWN else "injected"
    if fault.body is None:
        return error_response(fault.status, f"Fault {fault.id}, injected by the simulator: {fault.status} {name}.")
    return Response(json.dumps(fault.body), fault.status, content_type="application/json")


_KNOWN = frozenset(HTTPStatus)


def _with_headers_of(response: Response, other: Response) -> Response:
    for name, value in response.headers:
        if name.startswith("X-RateLimit-"):
            other.headers[name] = value
    return other


def _dropped(response: Response, sent: bytes, promised: int) -> Response:
    """An answer that promises so many bytes and breaks off after those sent.

    The server closes a connection whose body raises an OSError, and has written nothing where nothing came before.
    """

    def broken() -> Iterator[bytes]:
        if sent:
            yield sent
        raise ConnectionAbortedError("the connection was dropped by a fault of the simulator")

    response.response = broken()
    response.headers["Content-Length"] = str(promised)
    return response
