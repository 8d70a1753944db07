"""How waitress reads a connection here: strictly, within bounds, and with JSON for whatever cannot be read.

Where two readers of one request could find different requests in it, it is refused: this server may stand behind
another. Nothing that comes in is left without an answer, or tidied up: two slashes are two slashes. And nobody holds
for long what others need: of a body no more is kept than could be accepted, a head has a minute to come, and who reads
no answer loses it.
"""

from __future__ import annotations

import json
import re
import threading
from typing import Any, Final

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver, FixedStreamReceiver
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

from upsim.doors.bounds import BODY_S, HEAD_S, KEPT_BYTES, LARGE_BYTES, MEMORY_BYTES, TOO_SLOW

CHECK_S: Final = 5
"""How often it is looked whether a request has taken too long."""

_LINE_BYTES: Final = 1024
"""How long the line before a chunk may be."""

_TRAILER_BYTES: Final = 8192
"""How long the fields behind the last chunk may be."""

_CODINGS: Final = re.compile(rb"(?im)^transfer-encoding[ \t]*:[ \t]*(.*?)[ \t]*\r?$")


_FOLDED: Final = re.compile(rb"\n[ \t]")
"""A field that goes on in the next line, as none may any more: RFC 9112, 5.2."""


class _TooSlow(Error):
    code = 408
    reason = "Request Timeout"


class _Body(OverflowableBuffer):
    """A body of which no more is kept than may be accepted; its length is that of the whole."""

    def __init__(self) -> None:
        super().__init__(MEMORY_BYTES)
        self._forgotten = 0

    def __len__(self) -> int:
        return super().__len__() + self._forgotten

    def append(self, piece: bytes) -> None:
        kept = piece[: max(0, KEPT_BYTES - len(self))]
        if kept:
            super().append(kept)
        self._forgotten += len(piece) - len(kept)


class _Chunks(ChunkedReceiver):
    """A body in chunks whose lines between the chunks have an end."""

    def received(self, data: bytes) -> int:
        taken = super().received(data)
        if len(self.control_line) > _LINE_BYTES or len(self.trailer) > _TRAILER_BYTES:
            self.error = BadRequest("What stands between the chunks of the body is too long")
        elif self.chunk_remainder > LARGE_BYTES:
            self.error = RequestEntityTooLarge(f"exceeds max_body of {LARGE_BYTES}")
        return taken


class _Parser(HTTPRequestParser):
    path: str  # which the stubs lack, as they do requests_lock below
    adj: Any  # with what the door adds to it
    headers: dict[str, str]

    def received(self, data: bytes) -> int:
        if self.body_rcv is None and not self.header_plus and (first := data.lstrip(b"\r\n")[:1]):
            # What is no HTTP may never come to what ends a head: it is told at once, not when its time is over.
            if first == b"\x16":
                return self._refuse(data, "This is TLS, and the port speaks plain HTTP: use http://")
            if not first.isalpha():
                return self._refuse(data, "This is no HTTP")
        return super().received(data)

    def _refuse(self, data: bytes, why: str) -> int:
        _fail(self, BadRequest(why))
        return len(data)

    def parse_header(self, header_plus: bytes) -> None:
        codings = _CODINGS.findall(header_plus.partition(b"\r\n")[2])
        if codings and [coding.lower() for coding in codings] != [b"chunked"]:
            # 501 by the book; but what a client sends wrong is never answered as if the server had failed.
            raise ParsingError("Transfer-Encoding: only chunked is understood, and once")
        if _FOLDED.search(header_plus):
            raise ParsingError("A field goes on over a line break")
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            # What the parser does not foresee: an address without its bracket, a length of thousands of digits.
            raise ParsingError("The request line or Content-Length is malformed") from error
        fields = self.headers
        if "close" in (option.strip().lower() for option in fields.get("CONNECTION", "").split(",")):
            fields["CONNECTION"] = "close"  # which waitress knows only where it stands alone
        if self.version not in ("1.0", "1.1"):
            raise ParsingError("The version is not one that is spoken here: use HTTP/1.1")
        if not self.path.startswith("/"):
            raise ParsingError("The target of a request is a path, which begins with a slash")
        if codings and (self.version == "1.0" or "CONTENT_LENGTH" in fields):
            raise ParsingError("Transfer-Encoding: not in HTTP/1.0, and not beside Content-Length")
        if "," in fields.get("HOST", ""):
            raise ParsingError("Host: is given more than once")
        if self.body_rcv is not None:
            large = self.adj.may_be_large(self.path, fields)
            body = self.body_rcv.getbuf() if large else _Body()
            self.body_rcv = _Chunks(body) if self.chunked else FixedStreamReceiver(self.content_length, body)


class _Task(WSGITask):
    def build_response_header(self) -> bytes:
        server: Any = self.channel.server
        if server.winding_down:
            self.set_close_on_finish()
        return super().build_response_header()

    def write(self, data: bytes) -> None:
        """Write a part of the body. The head leaves with the first: a call of the system less, and a packet."""
        together = self.complete and not self.wrote_header and data and self.has_body
        if not together or self.content_length is None or len(data) > self.content_length:
            super().write(data)
            return
        head = self.build_response_header()
        self.wrote_header = True
        self.content_bytes_written += len(data)
        self.channel.write_soon(head + data)

    def get_environment(self) -> Any:
        environ = super().get_environment()
        environ.pop("HTTP_UPGRADE", None)  # is for this server, which speaks nothing else: it goes on as it began
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


class Channel(HTTPChannel):
    """A connection of which nothing is answered but in JSON.

    Attributes:
        waiting_since: when the request that it waits for began to come; before that, since when it is idle.
    """

    parser_class = _Parser
    task_class = _Task
    error_task_class = _JsonError
    requests_lock: threading.Lock
    server: Any

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.waiting_since = self.creation_time

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.waiting_since = self.last_activity
        return super().received(data)

    def service(self) -> None:
        super().service()
        self.waiting_since = self.last_activity

    def look_after(self, now: float) -> None:
        """Refuse the request that is coming if that takes too long; the thread that reads asks every few seconds."""
        asked = self.request
        if self.requests or asked is None:
            return  # one is being answered; or none is coming, and waitress ends idle connections by itself
        bound = BODY_S if asked.headers_finished else HEAD_S
        if now - self.waiting_since >= bound or now - self.last_activity >= HEAD_S:
            late = self.parser_class(self.adj)
            _fail(late, _TooSlow(TOO_SLOW))
            with self.requests_lock:
                self.request = None
                self.requests = [late]
            self.server.add_task(self)

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait until most of what is to be sent was taken; as waitress does, but not for one who takes nothing."""
        with self.outbuf_lock:
            while self.connected and self.total_outbufs_len > self.adj.outbuf_high_watermark:
                left = self.total_outbufs_len
                self.server.pull_trigger()
                if not self.outbuf_lock.wait(HEAD_S) and self.total_outbufs_len >= left:
                    self.cancel()
                    self.server.pull_trigger()


def _fail(request: HTTPRequestParser, error: Error) -> None:
    """Make it a request that is answered with the error."""
    request.parse_header(b"GET / HTTP/1.0\r\n")
    request.error = error
    request.completed = True
