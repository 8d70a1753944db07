"""The dashboard on the app: two pages and their assets, as files. All it shows and does goes through /v1 and /_upsim.

Promises that nothing but files of its own `static` folder leaves it, that none of them asks any other host for
anything, and that the browser is told to hold them to that. Knows no world, no key and no rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

from upsim.records import dataclass

HEADERS: Final[Mapping[str, str]] = {
    # No inline script, no inline style, no other host; no frame around it, no form that leaves it.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",  # in a sandbox, the address of a page is the key to its world
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",  # asked again each time, answered 304 by its ETag
}
"""What every page and asset is sent with."""

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the dashboard, ready to be sent."""

    content: bytes
    kind: str
    etag: str


@cache
def assets() -> Mapping[str, Asset]:
    """Every file there is, by its path under `static`; read when the first is asked for."""
    return dict(_walk(files("upsim.dashboard") / "static", ""))


def install(app: Flask) -> None:
    """Put the dashboard on the app: `/`, `/docs`, `/s/<world>` and `/static/…`."""

    def page() -> Response:
        return _send("index.html")

    def sandbox_page(world: str) -> Response:
        # The same page whatever the name: whether there is such a world, the page asks the control plane.
        return _send("index.html")

    def docs() -> Response:
        return _send("docs.html")

    def static(name: str) -> Response:
        if name.endswith(".html"):
            raise NotFound
        return _send(name)

    for rule, view in (("/", page), ("/s/<world>", sandbox_page), ("/docs", docs), ("/static/<path:name>", static)):
        app.add_url_rule(rule, f"dashboard.{view.__name__}", view, methods=["GET"], provide_automatic_options=False)


def _send(name: str) -> Response:
    asset = assets().get(name)
    if asset is None:
        raise NotFound
    response = Response(asset.content, content_type=asset.kind)
    response.headers.update(HEADERS)
    response.set_etag(asset.etag)
    return response.make_conditional(request)  # type: ignore[return-value]  # it returns itself


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif (kind := _TYPES.get(entry.name.rpartition(".")[2])) is not None:
            content = entry.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:20]
            found.append((f"{prefix}{entry.name}", Asset(content, kind, digest)))
    return found
