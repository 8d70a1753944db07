"""A request as granian tells of it, in RSGI's terms, made one of WSGI: its environment, and its answer.

Every call comes through here: no more is asked of granian than is needed, and nothing twice.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from io import BytesIO
from threading import Event
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_ENVIRON: Final = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "upsim",
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
"""What is the same for every request. The process's own variables are no client's business, as CGI had it: HTTP_PROXY
would pass for a field of every request."""

_VERSIONS: Final = {"1": "HTTP/1.0", "1.1": "HTTP/1.1"}


def environ_of_all(address: tuple[Any, ...], scheme: str) -> WSGIEnvironment:
    """What every request's environment has that comes to an address."""
    name, port = address[:2]
    return {
        **_ENVIRON,
        "SERVER_NAME": name,
        "SERVER_PORT": str(port),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": scheme,
    }


def environ_of(scope: Any, method: str, of_all: WSGIEnvironment) -> WSGIEnvironment:
    """The environment of one request, but for REQUEST_URI, which is added where it may be asked for."""
    environ = of_all.copy()
    path, query = scope.path, scope.query_string
    # As WSGI has text: each character a byte.
    environ["PATH_INFO"] = path if path.isascii() else path.encode().decode("latin-1")
    environ["QUERY_STRING"] = query if query.isascii() else query.encode().decode("latin-1")
    environ["REQUEST_METHOD"] = method
    environ["REMOTE_ADDR"] = _host(scope.client)
    environ["SERVER_PROTOCOL"] = _VERSIONS.get(scope.http_version, "HTTP/1.1")
    environ["wsgi.input"] = BytesIO()
    for name, value in scope.headers.items():
        variable = _variable(name)
        if variable in environ:
            environ[variable] += f"{';' if variable == 'HTTP_COOKIE' else ','}{value}"
        elif variable is not None:
            environ[variable] = value
    return environ


def has_body(environ: WSGIEnvironment) -> bool:
    """Whether anything comes behind the head."""
    return environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ


def fields_of(environ: WSGIEnvironment) -> Mapping[str, str]:
    """A request's fields, HOST for Host."""
    return {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}


@lru_cache(1024)
def _variable(name: str) -> str | None:
    """What a field is called in the environment; None where it is to be left out.

    With an underscore in its name it could pass for another that has a dash there, which a proxy before this server may
    have set: X_Forwarded_For. What asks for an upgrade is for a server that speaks something else, too: it goes on as
    it began.
    """
    if "_" in name or name == "upgrade":
        return None
    variable = name.upper().replace("-", "_")
    return variable if variable in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{variable}"


@lru_cache(1024)
def _host(client: str) -> str:
    """The address of an address with a port: 127.0.0.1:80, [::1]:80."""
    return client.rpartition(":")[0].strip("[]")


class Asked:
    """A request under way, and what WSGI calls its start_response."""

    __slots__ = ("_fields", "_protocol", "_status", "_winding_down", "environ")

    def __init__(self, environ: WSGIEnvironment, protocol: Any, winding_down: Event) -> None:
        self.environ = environ
        self._protocol = protocol
        self._winding_down = winding_down

    def __call__(self, status: str, fields: list[tuple[str, str]], problem: Any = None) -> Callable[[bytes], object]:
        self._status, self._fields = int(status[:3]), fields
        return _no_write

    def ask(self, app: WSGIApplication) -> None:
        """Have the app answer it; this may wait for as long as it likes."""
        environ = self.environ
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        # As it came over the wire, or as near as it can be told: for the access log.
        environ["REQUEST_URI"] = quote(path.encode("latin-1")) + (f"?{query}" if query else "")
        try:
            self.answer(app(environ, self))
        except BaseException:  # what granian refuses to send is no Exception
            fail(self._protocol)
            raise
        finally:
            environ["wsgi.input"].close()  # which may be a file
            del self._protocol  # as long as anybody has it, granian waits for more of a body

    def answer(self, content: Iterable[bytes]) -> None:
        """Send what was begun with, and this; of content that breaks off, what came of it."""
        if self._winding_down.is_set():
            self._fields.append(("connection", "close"))
        if isinstance(content, list):
            self._protocol.response_bytes(self._status, self._fields, b"".join(content))
            return
        sent: list[bytes] = []
        try:
            sent.extend(content)
        except OSError:
            self._break_off(b"".join(sent))
        else:
            self._protocol.response_bytes(self._status, self._fields, b"".join(sent))
        finally:
            close = getattr(content, "close", None)
            if close is not None:
                close()

    def _break_off(self, sent: bytes) -> None:
        """Send less than was promised, upon which granian can but close the connection."""
        if not any(name.lower() == "content-length" for name, _ in self._fields):
            self._fields.append(("content-length", str(len(sent) + 1)))
        # With that it is sent: there is nothing to be awaited. An empty piece is sent, too: where there is none when
        # granian begins to write, it takes that for the whole, whatever was promised.
        self._protocol.response_stream(self._status, self._fields).send_bytes(sent)


def refuse(protocol: Any, status: int, why: str) -> None:
    """Answer a request that no app is to see, and be done with its connection; who was answered, stays answered."""
    fields = [("content-type", "application/json"), ("connection", "close")]
    protocol.response_bytes(status, fields, json.dumps({"error": why}).encode())


def fail(protocol: Any) -> None:
    """Answer a request that the app failed at."""
    refuse(protocol, 500, "Internal Server Error: The server failed at this request; its log says why")


def _no_write(_: bytes) -> object:
    raise NotImplementedError("an app that writes for itself is none of ours")
