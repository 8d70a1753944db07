"""Who may drive the simulator: whoever holds the admin token; on loopback, where none was given, any local program.

A browser is not a local program: pages of other origins are refused by the fields a browser sends and a page cannot
forge, and by the name under which the server was reached, so that no page can borrow one.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Request

from upsim.errors import UpsimError


class TokenMissing(UpsimError):
    """The control plane was called without its admin token."""

    def __init__(self) -> None:
        super().__init__(
            "The control plane needs its admin token: send it as 'Authorization: Bearer …' or 'X-Upsim-Token: …'."
            " It was given with --admin-token, or shown when the server started."
        )


class ForeignOrigin(UpsimError):
    """A page of another origin tried to drive the simulator."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The control plane refuses calls from other origins ({what}).")


def check(request: Request, token: str | None, may_drive: Callable[[Request], bool] | None = None) -> None:
    """Let the request pass, or refuse it.

    Args:
        may_drive: says which calls of visitors need no token, in a public sandbox.

    Raises:
        ForeignOrigin: it comes from a page of another origin, or by a name that is not this server's.
        TokenMissing: a token is needed, and it is missing or wrong.
    """
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise ForeignOrigin(f"Origin: {origin[:100]}")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site not in ("none", "same-origin"):
        raise ForeignOrigin(f"Sec-Fetch-Site: {site[:20]}")
    if token is None:
        if not _is_local(request.host):
            raise ForeignOrigin(f"Host: {request.host[:100]}; without a token, reach it as 127.0.0.1 or localhost")
        return
    if may_drive is not None and may_drive(request):
        return
    if not holds_token(request, token):
        raise TokenMissing


def holds_token(request: Request, token: str) -> bool:
    """Whether the request carries the admin token."""
    return is_token(request.headers.get("Authorization", ""), request.headers.get("X-Upsim-Token"), token)


def is_token(authorization: str, own: str | None, token: str) -> bool:
    """Whether one of the two fields, of which X-Upsim-Token goes first, carries the admin token."""
    scheme, _, credentials = authorization.partition(" ")
    given = own or (credentials if scheme.lower() == "bearer" else "")
    return hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())


def _is_local(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
