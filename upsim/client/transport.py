"""How a client reaches a control plane: over HTTP, or straight into the app where both are in one process.

Knows requests and answers, not what they mean. Every refusal becomes a ControlError with the server's own words.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, Protocol
from urllib.parse import quote, unquote_to_bytes, urlencode, urlsplit

TIMEOUT_S: Final = 30.0
"""How long a server elsewhere may take to answer."""


class ControlError(Exception):
    """The control plane refused a call, or could not be reached.

    Attributes:
        status: the HTTP status; None where there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class Transport(Protocol):
    """Carries one request to the server."""

    def __call__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Send it and give back status and body.

        Raises:
            ControlError: no answer came.
        """


class Wire:
    """Calls of one control plane.

    Attributes:
        url: of the server; empty where it has no socket.
        token: the admin token, where one is needed.
    """

    def __init__(self, transport: Transport, url: str, token: str | None = None) -> None:
        self.url = url
        self._transport = transport
        self.token = token

    def call(self, method: str, *path: str, body: Any = None, query: Mapping[str, object] | None = None) -> Any:
        """Call /_upsim/… and give back the answer's JSON.

        Args:
            path: its steps behind the prefix, as they are; signs that mean something in a URL are quoted.

        Raises:
            ControlError: it was refused, or there was no answer.
        """
        target = "/_upsim/" + "/".join(quote(step, safe="") for step in path)
        if query:
            target += "?" + urlencode(query)
        headers = {"Accept": "application/json"}
        content = b""
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        if self.token is not None:
            headers["X-Upsim-Token"] = self.token
        status, answer = self._transport(method, target, headers, content)
        if not 200 <= status < 300:
            raise ControlError(_message(status, answer), status)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise ControlError(f"What answers on {self.url} is no upsim: it sent no JSON.", status) from error


class HttpTransport:
    """Over HTTP or HTTPS, a connection a call: calls are few, and any thread may make them."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """Nothing is connected yet.

        Raises:
            ValueError: the URL is not one of HTTP.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no URL of a server: write it like http://127.0.0.1:8080")
        self.url = parts._replace(query="", fragment="").geturl().rstrip("/")
        self._prefix = parts.path.rstrip("/")
        self._connect: Callable[[], HTTPConnection] = lambda: (
            HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout_s)
            if parts.scheme == "https"
            else HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
        )

    def __call__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        connection = self._connect()
        try:
            connection.request(method, self._prefix + target, body or None, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or error or type(error).__name__
            raise ControlError(f"No answer from {self.url}: {reason}. Is `upsim serve` running there?") from error
        finally:
            connection.close()


WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WsgiTransport:
    """Straight into a WSGI application of this process, with no socket between."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def __call__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": _decoded(path),
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in headers.items():
            spelt = name.upper().replace("-", "_")
            environ[spelt if spelt == "CONTENT_TYPE" else f"HTTP_{spelt}"] = value
        statuses: list[int] = []

        def start(status: str, fields: object, problem: object = None) -> None:
            statuses.append(int(status.split(" ", 1)[0]))

        chunks = self._app(environ, start)
        try:
            answer = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return statuses[-1], answer


def _decoded(path: str) -> str:
    """The path as WSGI has it: bytes, each as one character."""
    return unquote_to_bytes(path).decode("latin-1")


def _message(status: int, answer: bytes) -> str:
    try:
        found = json.loads(answer)
        return str(found["error"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {status} and no error that upsim would send."
