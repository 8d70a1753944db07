"""How waitress is met at the door: requests too broken to reach the app are answered with JSON, as every other error.

Nothing that comes in is left without an answer, or tidied up: two slashes are two slashes.
"""

from __future__ import annotations

import json
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.task import ErrorTask, WSGITask


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


class Channel(HTTPChannel):
    """A connection of which nothing is answered but in JSON."""

    parser_class = _Parser
    task_class = _Task
    error_task_class = _JsonError
