"""What a handler gives back, and how it becomes an answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Response

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is JSON."""

    content: Json
    status: HTTPStatus = HTTPStatus.OK

    def response(self) -> Response:
        """The answer as Flask sends it."""
        return Response(encode(self.content), self.status, content_type="application/json")


def encode(content: Any) -> bytes:
    """JSON text, as short as it can be."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
