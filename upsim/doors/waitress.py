"""waitress as a door. How it reads what comes in, and refuses it, is in channel.py.

Threads: whoever calls `run` accepts, reads and writes; so many others answer.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from waitress.server import create_server
from waitress.wasyncore import dispatcher

from upsim.descriptors import connections
from upsim.doors import channel
from upsim.doors.bounds import HEAD_BYTES, HEAD_S, LARGE_BYTES, MayBeLarge

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from upsim.tls.serving import ServerTls


_MOST_CONNECTIONS: Final = 2000
"""How many are open at one time; each costs a little with everything that comes in on any."""

_PATIENCE_S: Final = 10.0
"""How long requests under way are waited for."""

_HALF_ASKED_S: Final = 1.0
"""How long the rest of a request is waited for."""


class WaitressDoor:
    """A waitress on a bound socket."""

    def __init__(
        self,
        app: WSGIApplication,
        taken: socket.socket,
        threads: int,
        may_be_large: MayBeLarge,
        tls: ServerTls | None = None,
    ) -> None:
        """Listen."""
        most = connections(_MOST_CONNECTIONS, each=1 if tls is None else 3)  # TLS is ended by a relay, with two more
        # "Task queue depth is 3" is no news to anybody.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        server: Any = create_server(
            app,
            sockets=[taken],
            url_scheme="http" if tls is None else "https",
            threads=threads,
            ident="upsim",
            clear_untrusted_proxy_headers=False,  # admission decides whom to believe
            max_request_header_size=HEAD_BYTES,
            max_request_body_size=LARGE_BYTES,
            channel_timeout=HEAD_S,
            cleanup_interval=channel.CHECK_S,
            connection_limit=most + 50,  # room is made before it is reached
            asyncore_use_poll=True,  # select() would end at descriptor 1023
            log_socket_errors=False,  # clients that went away, and faults that drop connections
        )
        server.channel_class = channel.Channel
        server.adj.may_be_large = may_be_large  # handed to each parser
        accept, maintain = server.handle_accept, server.maintenance

        def handle_accept() -> None:
            _make_room(server, most)
            accept()

        def maintenance(now: float) -> None:
            for each in list(server.active_channels.values()):
                each.look_after(now)
            maintain(now)

        server.handle_accept, server.maintenance = handle_accept, maintenance
        if tls is not None:
            server.accept = tls.accepting(server.accept)
            server.adj.socket_options = []  # they are TCP's; what it is given now is another kind of socket
        server.winding_down = False
        self._server = server
        self._running = False
        self._ended = threading.Event()
        self._closing = threading.Lock()
        self._closed = False

    def run(self) -> None:
        """Answer until `close`, or until this thread is interrupted: then the requests under way are finished."""
        self._running = True
        try:
            self._server.run()
        finally:
            self._running = False
            self._ended.set()

    def wind_down(self) -> None:
        """From now on each answer ends its connection."""
        self._server.winding_down = True

    def close(self) -> None:
        """Take no more connections, finish the requests under way, ten seconds at most, and let go of all."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            if not self._running:
                self._server.task_dispatcher.shutdown(timeout=10)
                self._server.close()
                return
            # Sockets are closed by the thread that waits for them, which ends when none is left.
            self.wind_down()
            self._in_loop(self._refuse_more)
            began = time.monotonic()
            while (waited := time.monotonic() - began) < _PATIENCE_S and self._is_busy(waited):
                time.sleep(0.01)
            self._server.task_dispatcher.shutdown(timeout=max(0.1, _PATIENCE_S - waited))
            self._in_loop(self._hang_up)
            self._ended.wait()

    def _in_loop(self, act: Callable[[], None]) -> None:
        """Have the thread that waits for sockets do something."""
        trigger = self._server.trigger
        # pull_trigger lets go of the lock before it writes: by then all may be done, and the pipe closed.
        with trigger.lock:
            trigger.thunks.append(act)
            trigger._physical_pull()

    def _refuse_more(self) -> None:
        dispatcher.close(self._server)  # the listening socket alone: the server's own close() stops the rest too

    def _is_busy(self, waited: float) -> bool:
        """Whether anybody waits for an answer or for the rest of one, or is still asking and was not given up."""
        return any(
            each.requests or each.total_outbufs_len or (each.request is not None and waited < _HALF_ASKED_S)
            for each in list(self._server.active_channels.values())
        )

    def _hang_up(self) -> None:
        for each in list(self._server.active_channels.values()):
            each.handle_close()
        self._server.trigger.close()


def _make_room(server: Any, most: int) -> None:
    """Close the connection that has waited for its request the longest, where there are as many as there may be.

    So neither idle connections nor those that send a request in drops keep others out, however many they are.
    """
    channels = server.active_channels
    if len(channels) >= most:
        waiting = [each for each in channels.values() if not each.requests]
        if waiting:
            min(waiting, key=lambda each: each.waiting_since).handle_close()
