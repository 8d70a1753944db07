"""A client that says what it was answered, headers and all, over a connection that it keeps."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from tests.serving import KEY


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    json: Any

    @property
    def error(self) -> str:
        message: str = self.json["error"]
        return message


class Door:
    """A way into a server that runs: not for several threads."""

    def __init__(self, port: int, key: str = KEY, timeout: float = 60) -> None:
        self._key = key
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Make one call.

        Raises:
            OSError, http.client.HTTPException: there was no whole answer.
        """
        headers = {"X-API-Key": self._key}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        content = response.read()
        return Answer(response.status, response.headers, json.loads(content) if content else None)
