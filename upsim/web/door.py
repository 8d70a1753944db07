"""What waitress answers by itself, to requests too broken to reach the app: JSON, as every other error."""

from __future__ import annotations

import json
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask


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
    """A connection whose errors are JSON."""

    error_task_class = _JsonError
