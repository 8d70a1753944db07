"""granian as a door: HTTP is read and written in Rust, with several times the calls per second of waitress.

Where it differs, and must: what is no HTTP is answered 400 or 431 without a word, and a fault that drops a connection
shows the answer's head before it does. docs/servers.md has the list, the tests of the wire hold it.

It runs within this process, on a socket of ours, so that port 0, a taken port, signals and several processes are the
same with every door. granian's own command starts processes of its own instead, each of which binds the port: what it
starts in each, its RSGIWorker, is what is used here. That is no public name, hence the narrow range of versions in
pyproject.toml. Its WSGIWorker would be nearer, but lets go of a request's body once the thread returns that took it.

Threads: one of granian's own accepts, reads and writes. One takes each request, and answers it if it can do so without
waiting: threads that come and go for each would spend more time on that than on most answers. One waits for bodies, for
all of them at once. Others, as many as was set, answer what is left.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from granian._granian import CallbackScheduler, RSGIWorker, SocketHolder, WorkerSignal
from granian.http import HTTP1Settings

from upsim.descriptors import connections
from upsim.doors.asked import Asked, environ_of, environ_of_all, fail, has_body, refuse
from upsim.doors.bodies import Bodies
from upsim.doors.bounds import HEAD_BYTES, HEAD_S, MayBeLarge
from upsim.loop import LoopThread

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from upsim.doors import AtOnce
    from upsim.tls.serving import ServerTls

_LOG: Final = logging.getLogger(__name__)

_BACKLOG: Final = 1024
_MOST_CONNECTIONS: Final = 10_000

_FINISHED_WITHIN_S: Final = 10.0
"""How long requests under way may take when it is told to stop; of one that still comes in, it would wait for ever."""

_IDLE_S: Final = 1.0
"""How long threads that have nothing to do may take to end."""

_LOOK_S: Final = 1.0
"""How often the thread that waits for the end comes back to the interpreter. A signal interrupts its wait, but not one
that came just before it, or to another thread: that would be heard when the wait is over, which is for ever."""


class GranianDoor:
    """A granian on a bound socket."""

    def __init__(
        self,
        app: WSGIApplication,
        taken: socket.socket,
        threads: int,
        may_be_large: MayBeLarge,
        tls: ServerTls | None = None,
        at_once: AtOnce | None = None,
    ) -> None:
        """Listen."""
        # It tells of every connection that a fault cuts; what goes wrong in the app, the app logs itself.
        logging.getLogger("_granian").setLevel(logging.CRITICAL)
        taken.listen(_BACKLOG)
        taken.setblocking(False)
        self._taken = taken
        self._told = WorkerSignal()
        self._ended = threading.Event()
        self._told.add_cb(self._ended.set)
        self._others = _Others(app, threads)
        # In a thread of its own: an interrupt of the one that calls `run` could hit a body that just comes.
        self._loop = LoopThread("upsim-bodies")
        bodies = Bodies(self._loop, may_be_large, self._others.ask)
        self._winding_down = threading.Event()
        of_all = environ_of_all(taken.getsockname(), "http" if tls is None else "https")
        take = _taking(of_all, at_once, bodies, self._others, self._winding_down)
        # Their stubs are those of older ones, or none.
        worker: Any = RSGIWorker
        holder: Any = SocketHolder
        self._scheduler = _Scheduler(self._loop.loop, take, None, None, None)
        self._worker = worker(
            1,
            (None, holder(os.dup(taken.fileno()), False, _BACKLOG)),
            None,  # no pipe to a parent
            1,  # threads that read and write
            1,  # those for what would keep them waiting
            1,  # that takes requests
            30,  # seconds after which one without work ends
            connections(_MOST_CONNECTIONS),
            "1",
            HTTP1Settings(header_read_timeout=HEAD_S * 1000, max_buffer_size=HEAD_BYTES),
            None,
            False,  # no websockets
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
            self._worker.serve_mtr(self._scheduler, self._loop.loop, self._told)
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
            if self._closed:
                return
            self._closed = True
            self.wind_down()
            if self._begun:
                self._told.set()
                self._ended.wait(_FINISHED_WITHIN_S)
                self._ended.set()  # whether it said so or not: nobody waits for it any longer
            self._loop.stop()
            self._others.end()
            self._taken.close()


class _Scheduler(CallbackScheduler):
    """What granian hands each request to, in the thread that takes them; its own has a loop call a coroutine."""

    __slots__ = ()

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[Any], None], *_: None) -> None:
        super().__init__()
        self._schedule_fn = take


class _Others:
    """The threads that answer what may have to wait. Nothing is waited for by the end of the process but by `end`."""

    def __init__(self, app: WSGIApplication, count: int) -> None:
        self._app = app
        self._waiting: SimpleQueue[Asked | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._answer, name=f"upsim-answering-{number}", daemon=True)
            for number in range(count)
        ]
        for each in self._threads:
            each.start()

    def ask(self, asked: Asked) -> None:
        """Answer a request, soon."""
        self._waiting.put(asked)

    def end(self) -> None:
        """Let the threads end that have nothing to do; others, which the end of the process will end, are let go.

        Requests that none has begun with are dropped.
        """
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
        for _ in self._threads:
            self._waiting.put(None)
        until = time.monotonic() + _IDLE_S
        for each in self._threads:
            each.join(max(0.0, until - time.monotonic()))

    def _answer(self) -> None:
        while (asked := self._waiting.get()) is not None:
            try:
                asked.ask(self._app)
            except BaseException:
                _LOG.exception("an answer failed")


def _tls_settings(tls: ServerTls | None) -> tuple[Any, ...]:
    """Whether there is TLS, its files, the least version; what would be asked of clients' certificates."""
    if tls is None:
        return (False, None, None, None, "tls1.3", None, [], False)
    certificate, key = tls.files()
    return (True, str(certificate), str(key), None, "tls1.2", None, [], False)


def _taking(
    of_all: WSGIEnvironment, at_once: AtOnce | None, bodies: Bodies, others: _Others, winding_down: threading.Event
) -> Callable[[Any], None]:
    """What takes each request."""

    def take(watcher: Any) -> None:
        scope, protocol = watcher.scope, watcher.proto
        method = scope.method
        if not method.isupper():  # Werkzeug would take it for the method it looks like
            refuse(protocol, 400, "Bad Request: Malformed HTTP method: it is written in capitals")
            return
        try:
            environ = environ_of(scope, method, of_all)
            asked = Asked(environ, protocol, winding_down)
            if has_body(environ):
                bodies.expect(asked, protocol)
            elif at_once is None or (content := at_once(environ, asked)) is None:
                others.ask(asked)
            else:
                asked.answer(content)
        except BaseException:  # what granian refuses to send is no Exception
            fail(protocol)
            _LOG.exception("an answer failed")

    return take
