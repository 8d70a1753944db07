"""Middleware that changes requests before, and answers after, the application sees them. Only under /v1."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


@dataclass(slots=True)
class Call:
    """One call as a mutant sees it: the request, then the answer, all of it open to change."""

    environ: Environ
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    text: str | None = None
    """Sent instead of the body, where it is set."""

    @property
    def method(self) -> str:
        """GET, POST, …"""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        """The path."""
        return str(self.environ["PATH_INFO"])

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(parse_qsl(self.environ.get("QUERY_STRING", ""), keep_blank_values=True))

    @query.setter
    def query(self, values: dict[str, str]) -> None:
        self.environ["QUERY_STRING"] = urlencode(values)

    @property
    def key(self) -> str | None:
        """What X-API-Key says."""
        return self.environ.get("HTTP_X_API_KEY")

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items of a list, or the one resource that was answered."""
        if not isinstance(self.body, dict) or self.status >= 300:
            return []
        data = self.body.get("data")
        return data if isinstance(data, list) else [self.body]

    def answer(self, status: int, message: str = "refused") -> None:
        """Say something else than the application did."""
        self.status, self.body = status, {"error": message}


Change = Callable[[Call], None]


def tampered(app: App, before: Change | None = None, after: Change | None = None) -> App:
    """The application with every call to /v1 changed on its way in and out."""

    def wrapped(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/v1"):
            return app(environ, start_response)
        call = Call(environ)
        if before is not None:
            before(call)
        begun: list[Any] = []

        def note(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
            del exc_info
            begun[:] = [int(status.split()[0]), dict(headers)]
            return lambda data: None

        answer = app(environ, note)
        raw = b"".join(answer)
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        call.status, call.headers = begun
        call.body = json.loads(raw) if raw else None
        unchanged = json.dumps(call.body)
        if after is not None:
            after(call)
        if call.text is not None:
            raw = call.text.encode()
        elif json.dumps(call.body) != unchanged or begun[0] != call.status:
            raw = json.dumps(call.body).encode()
        headers = {name: value for name, value in call.headers.items() if name.lower() != "content-length"}
        start_response(f"{call.status} Mutated", [*headers.items(), ("Content-Length", str(len(raw)))])
        return [raw]

    return wrapped
