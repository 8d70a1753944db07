"""How refusals are spelt in HTTP: the table of statuses, and the one shape every error has."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from upsim import errors
from upsim.rules.journal import without_keys

log = logging.getLogger(__name__)

SPELLING: Final[Mapping[type[errors.UpsimError], HTTPStatus]] = {  # source: reference, "HTTP Status Codes"
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.AddressRefused: HTTPStatus.FORBIDDEN,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ScopeMissing: HTTPStatus.FORBIDDEN,
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.QuotaExceeded: HTTPStatus.FORBIDDEN,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ConfigError: HTTPStatus.INTERNAL_SERVER_ERROR,  # raised at start only, before there is anybody to answer
}
"""The status of each refusal; a subclass not named here has its parent's."""

_TEXTS: Final[Mapping[int, str]] = {
    415: "Content-Type must be application/json for this call.",
}


class Unsupported(errors.UpsimError):
    """The body is of a type this call does not take."""

    def __init__(self, found: str) -> None:
        super().__init__(f"Content-Type: got {found!r}, this call takes application/json.")


def status_of(error: errors.UpsimError) -> HTTPStatus:
    """The status that spells the refusal."""
    if isinstance(error, Unsupported):
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    return next(SPELLING[kind] for kind in type(error).__mro__ if kind in SPELLING)


def error_response(status: int, message: str) -> Response:
    """An error as every error looks. Source: reference, "Error Responses"."""
    # Whatever a message repeats of a request, it never repeats a key.
    content = json.dumps({"error": without_keys(message)}, ensure_ascii=False)
    return Response(content, status, content_type="application/json")


def install(app: Flask) -> None:
    """Make every failure of the app, foreseen or not, an error of that shape."""
    app.register_error_handler(errors.UpsimError, _refuse)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _crash)


def response_to(error: errors.UpsimError) -> Response:
    """The refusal as it is answered."""
    response = error_response(status_of(error), str(error))
    if isinstance(error, errors.RateLimited):
        response.headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, errors.StoreUnavailable):
        response.headers["Retry-After"] = "1"
    elif isinstance(error, errors.Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def crash(method: str, path: str, error: Exception) -> Response:
    """What is answered where the simulator itself failed; why, stands in its log."""
    log.error("%s %s failed", method, without_keys(path), exc_info=error)
    return error_response(500, "Internal server error: this is a fault of the simulator, not of the request.")


def _refuse(error: errors.UpsimError) -> Response:
    g.error = error
    return response_to(error)


def _http(error: HTTPException) -> Response:
    g.error = error
    code = error.code or 500
    if code == 404:
        spec = "/_upsim/openapi.yaml" if request.path.startswith("/_upsim/") else "/openapi.yaml"
        slash = "/" if request.environ["PATH_INFO"].startswith("//") else ""  # which request.path leaves out
        message = (
            f"No such endpoint: {_short(request.method)} {slash}{_short(request.path)}. All there are stand in {spec}."
        )
    elif isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        message = f"Method {_short(request.method)} is not allowed on {_short(request.path)}; allowed: {allowed}."
    elif code == 413 and request.max_content_length is not None:
        most = request.max_content_length
        message = f"Request body too large: at most {most >> 20} MiB ({most:,} bytes) is accepted."
    else:
        message = _TEXTS.get(code) or f"{error.name}: {error.description or 'the request cannot be answered'}"
    response = error_response(code, message)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _short(text: str) -> str:
    """No more of what came than tells what it was."""
    return text if len(text) <= 300 else text[:300] + "…"


def _crash(error: Exception) -> Response:
    g.error = error
    return crash(request.method, request.path, error)
