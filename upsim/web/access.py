"""The access log: one line a call, for whoever asked for it. Tells who called what and how it ended; never a key."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Flask

from upsim.clock import Clock, iso
from upsim.rules.journal import masked_text

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("upsim.access")

ACCOUNT: Final = "upsim.account"
"""Where the name of the account that a call counts for stands in its environment."""


def install(app: Flask, wall: Clock) -> None:
    """Log each call of the app on standard error. Comes last, so that it sees what leaves in the end."""
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [logging.StreamHandler(sys.stderr)]
    inner = app.wsgi_app

    def logged(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()

        def note(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            took_ms = (time.perf_counter() - began) * 1000
            # As it came over the wire: a decoded path may hold a line break.
            target = masked_text(environ.get("REQUEST_URI") or environ["PATH_INFO"])
            log.info(
                f"{iso(wall.now())} {environ.get('REMOTE_ADDR')} {environ.get(ACCOUNT, '-')}"
                f" {environ['REQUEST_METHOD']} {target} {status[:3]} {took_ms:.1f}ms"
            )
            return start_response(status, headers, *rest)

        return inner(environ, note)

    app.wsgi_app = logged  # type: ignore[method-assign]  # as Flask says to do
