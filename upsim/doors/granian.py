"""granian as a door: HTTP is read and written in Rust, with several times the calls per second of waitress.

Where it differs, and must: what is no HTTP is answered 400 or 431 without a word, and a fault that drops a connection
shows the answer's head before it does. docs/servers.md has the list, the tests of the wire hold it.

It runs within this process, on a socket of ours, so that port 0, a taken port, signals and several processes are the
same with every door. granian's own command starts processes of its own instead, each of which binds the port: what it
starts in each, its WSGIWorker, is what is used here. That is no public name, hence the narrow range of versions in
pyproject.toml.

Threads: one of granian's own accepts, reads and writes; up to so many others answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from granian._futures import _new_cbscheduler
from granian._granian import SocketHolder, WorkerSignal, WSGIWorker
from granian.http import HTTP1Settings

from upsim.descriptors import connections

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from upsim.tls.serving import ServerTls

_BACKLOG: Final = 1024
_MOST_CONNECTIONS: Final = 10_000
_MOST_HEAD_BYTES: Final = 64 << 10
"""How long a request's head may be: as waitress has it."""

_FINISHED_WITHIN_S: Final = 10.0
"""How long requests under way may take when it is told to stop; of one that still comes in, it would wait for ever."""

_LOOK_S: Final = 1.0
"""How often the thread that waits for the end comes back to the interpreter. A signal interrupts its wait, but not one
that came just before it, or to another thread: that would be heard when the wait is over, which is for ever."""

_JSON: Final = [("content-type", "application/json")]
_NO_METHOD: Final = b'{"error": "Bad Request: Malformed HTTP method: it is written in capitals"}'

_MOST_DRAINED: Final = 64 << 20
"""How much of a body is read that was refused: as waitress has it."""

_ENVIRON: Final = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "upsim",
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
"""What granian leaves to the caller. Its own wrapper adds the process's variables too, which are no client's business:
HTTP_PROXY would pass for a field of every request."""


class GranianDoor:
    """A granian on a bound socket."""

    def __init__(self, app: WSGIApplication, taken: socket.socket, threads: int, tls: ServerTls | None = None) -> None:
        """Listen."""
        # It tells of every connection that a fault cuts; what goes wrong in the app, the app logs itself.
        logging.getLogger("_granian").setLevel(logging.CRITICAL)
        taken.listen(_BACKLOG)
        taken.setblocking(False)
        self._taken = taken
        self._told = WorkerSignal()
        self._ended = threading.Event()
        self._told.add_cb(self._ended.set)
        self._loop = asyncio.new_event_loop()  # asked for, though what is no coroutine needs none
        # Their stubs are those of older ones, or none.
        worker: Any = WSGIWorker
        scheduler: Any = _new_cbscheduler
        holder: Any = SocketHolder
        self._winding_down = threading.Event()
        self._scheduler = scheduler(self._loop, _callback(app, self._winding_down), impl_asyncio=True)
        self._worker = worker(
            1,
            (None, holder(os.dup(taken.fileno()), False, _BACKLOG)),
            None,  # no pipe to a parent
            1,  # threads that read and write
            threads,  # those that wait for bodies
            threads,  # those that answer
            30,  # seconds after which one without work ends
            connections(_MOST_CONNECTIONS),
            "1",
            HTTP1Settings(header_read_timeout=60_000, max_buffer_size=_MOST_HEAD_BYTES),
            None,
            None,
            *_tls_settings(tls),
            (None, None),  # no metrics
        )
        self._begun = self._closed = False
        self._closing = threading.Lock()

    def run(self) -> None:
        """Answer until `close`, or until this thread is interrupted: then the requests under way are finished."""
        with self._closing:
            if self._closed:
                return  # it was told to stop before it began
            self._begun = True
            self._worker.serve_mtr(self._scheduler, self._loop, self._told)
        try:
            while not self._ended.wait(_LOOK_S):
                pass
        except (KeyboardInterrupt, SystemExit):
            self.close()

    def wind_down(self) -> None:
        """From now on each answer ends its connection."""
        self._winding_down.set()

    def close(self) -> None:
        """Take no more connections, finish the requests under way, ten seconds at most, and let go of all."""
        with self._closing:
            self._closed = True
            self.wind_down()
            if self._begun and not self._ended.is_set():
                self._told.set()
                self._ended.wait(_FINISHED_WITHIN_S)
                self._ended.set()  # whether it said so or not: nobody waits for it any longer
            self._loop.close()
            self._taken.close()


def _tls_settings(tls: ServerTls | None) -> tuple[Any, ...]:
    """Whether there is TLS, its files, the least version; what would be asked of clients' certificates."""
    if tls is None:
        return (False, None, None, None, "tls1.3", None, [], False)
    certificate, key = tls.files()
    return (True, str(certificate), str(key), None, "tls1.2", None, [], False)


def _callback(app: WSGIApplication, winding_down: threading.Event) -> Callable[[Any, dict[str, Any]], int]:
    """What granian calls with each request: its answer goes to `protocol`, all at once where it can."""
    environ_of_all = {**_ENVIRON, "wsgi.errors": sys.stderr}

    def call(protocol: Any, scope: dict[str, Any]) -> int:
        if not scope["REQUEST_METHOD"].isupper():  # Werkzeug would take it for the method it looks like
            protocol.response_bytes(400, _JSON, _NO_METHOD)
            return 400
        environ = environ_of_all | scope
        environ.pop("HTTP_UPGRADE", None)  # nothing else is spoken here: it goes on as it began
        if "CONTENT_LENGTH" in scope:
            del environ["wsgi.input_terminated"]  # it ends where the client hangs up, too
        query = scope["QUERY_STRING"]
        # As it came over the wire, or as near as it can be told: for the access log.
        environ["REQUEST_URI"] = quote(scope["PATH_INFO"].encode("latin-1")) + (f"?{query}" if query else "")
        started = _Started()
        content = app(environ, started)
        if "CONTENT_LENGTH" in scope or "HTTP_TRANSFER_ENCODING" in scope:
            _drain(scope)
        if winding_down.is_set():
            started.fields.append(("connection", "close"))
        if isinstance(content, list):
            protocol.response_bytes(started.status, started.fields, b"".join(content))
        else:
            protocol.response_iter(started.status, started.fields, _Content(content))
        return started.status

    return call


def _drain(scope: dict[str, Any]) -> None:
    """Read what the app left of a body: who is still sending would not hear a refusal."""
    length = scope.get("CONTENT_LENGTH", "0")
    if not length.isdigit() or int(length) > _MOST_DRAINED:
        return
    left, body = _MOST_DRAINED, scope["wsgi.input"]
    with contextlib.suppress(OSError):  # who went away will hear nothing
        while left > 0 and (piece := body.read(min(left, 1 << 16))):
            left -= len(piece)


class _Started:
    """What WSGI calls start_response."""

    __slots__ = ("fields", "status")

    def __init__(self) -> None:
        self.status = 500
        self.fields: list[tuple[str, str]] = []

    def __call__(self, status: str, fields: list[tuple[str, str]], problem: Any = None) -> Callable[[bytes], object]:
        self.status, self.fields = int(status[:3]), fields
        return _no_write


def _no_write(_: bytes) -> object:
    raise NotImplementedError("an app that writes for itself is none of ours")


class _Content:
    """An answer's content piece by piece, which granian closes in the end."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self._pieces: Iterator[bytes] = iter(content)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        close = getattr(self._content, "close", None)
        if close is not None:
            close()
