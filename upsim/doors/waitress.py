"""waitress as a door: requests too broken to reach the app are answered with JSON, as every other error.

Nothing that comes in is left without an answer, or tidied up: two slashes are two slashes.

Threads: whoever calls `run` accepts, reads and writes; so many others answer.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.server import create_server
from waitress.task import ErrorTask, WSGITask

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from upsim.tls.serving import ServerTls


class WaitressDoor:
    """A waitress on a bound socket."""

    def __init__(self, app: WSGIApplication, taken: socket.socket, threads: int, tls: ServerTls | None = None) -> None:
        """Listen."""
        # "Task queue depth is 3" is no news to anybody.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        server: Any = create_server(
            app,
            sockets=[taken],
            url_scheme="http" if tls is None else "https",
            threads=threads,
            ident="upsim",
            clear_untrusted_proxy_headers=False,  # admission decides whom to believe
            max_request_body_size=64 << 20,
            channel_timeout=60,
            connection_limit=500,  # many tests may share a server, each with connections it keeps
            asyncore_use_poll=True,  # select() would end at descriptor 1023
            log_socket_errors=False,  # clients that went away, and faults that drop connections
        )
        server.channel_class = _Channel
        if tls is not None:
            server.accept = tls.accepting(server.accept)
            server.adj.socket_options = []  # they are TCP's; what it is given now is another kind of socket
        self._server = server
        self._running: threading.Thread | None = None

    def run(self) -> None:
        """Answer until `close`, or until this thread is interrupted: then the requests under way are finished."""
        self._running = threading.current_thread()
        try:
            self._server.run()
        finally:
            self._running = None

    def close(self) -> None:
        """Finish the requests under way, ten seconds at most, and let go of every connection."""
        self._server.task_dispatcher.shutdown(timeout=10)
        running = self._running
        if running is None:
            self._server.close()
        else:  # sockets are closed by the thread that waits for them, which ends when none is left
            self._server.trigger.pull_trigger(self._hang_up)
            running.join()

    def _hang_up(self) -> None:
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()


class _Parser(HTTPRequestParser):
    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except TransferEncodingNotImplemented as error:
            # 501 by the book; but what a client sends wrong is never answered as if the server had failed.
            raise ParsingError("Transfer-Encoding: only chunked is understood") from error
        except ValueError as error:
            # What the parser does not foresee: an address without its bracket, a length of thousands of digits.
            raise ParsingError("The request line or Content-Length is malformed") from error


class _Task(WSGITask):
    def get_environment(self) -> Any:
        environ = super().get_environment()
        path: str = self.request.path  # type: ignore[attr-defined]  # an Error, by the stubs; a parser, in truth
        if path.startswith("//"):  # waitress would make one of them, and answer a path that nobody knows
            environ["PATH_INFO"] = path
        return environ


class _JsonError(ErrorTask):
    def execute(self) -> None:
        error: Any = self.request.error  # type: ignore[attr-defined]  # the stubs lack what ErrorTask itself reads
        body = json.dumps({"error": f"{error.reason}: {error.body}"}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [
            ("Content-Length", str(len(body))),
            ("Content-Type", "application/json"),
            ("Connection", "close"),
        ]
        self.close_on_finish = True
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    """A connection of which nothing is answered but in JSON."""

    parser_class = _Parser
    task_class = _Task
    error_task_class = _JsonError
