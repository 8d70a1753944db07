"""The access log: one line a call, for whoever asked for it. Tells who called what and how it ended; never a key."""

from __future__ import annotations

import logging
import sys
import time

from flask import Flask, Response, g, request

from upsim.clock import Clock, iso
from upsim.rules.journal import masked_text

log = logging.getLogger("upsim.access")


def install(app: Flask, wall: Clock) -> None:
    """Log each call of the app on standard error. Comes first of all hooks, so that it sees what leaves in the end."""
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [logging.StreamHandler(sys.stderr)]

    def receive() -> None:
        g.received = time.perf_counter()

    def note(response: Response) -> Response:
        took_ms = (time.perf_counter() - g.received) * 1000
        # As it came over the wire: a decoded path may hold a line break.
        target = masked_text(request.environ.get("REQUEST_URI") or request.path)
        account = g.caller.account.name if "caller" in g else "-"
        log.info(
            f"{iso(wall.now())} {request.remote_addr} {account} {request.method} {target}"
            f" {response.status_code} {took_ms:.1f}ms"
        )
        return response

    app.before_request(receive)
    app.after_request(note)
