"""A request with its answer, as the reports show it: secrets masked, and as a curl line. Opens no connection."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SECRET_HEADERS: Final = frozenset({"x-api-key", "authorization", "cookie", "set-cookie"})
SHOWN_BODY: Final = 2000
KEY: Final = re.compile(r"\bup_k_[A-Za-z0-9_-]+")
PASSWORD: Final = re.compile(r'("password"\s*:\s*)"(?:[^"\\]|\\.)*"')


def masked(text: str) -> str:
    """The text without keys and passwords."""
    return PASSWORD.sub(r'\1"***"', KEY.sub("up_k_***", text))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and what came back.

    Attributes:
        operation: the operation's id, or None for a path or method the spec does not name.
        status: 0 where no answer came; trouble says why.
        raw: the answer's body as text.
    """

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: str | None
    operation: str | None = None
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: str = ""
    trouble: str = ""

    @property
    def curl(self) -> str:
        """A line that makes the same call again, with $KEY in place of the key."""
        parts = ["curl", "-i"]
        if self.method != "GET":
            parts += ["-X", self.method]
        parts.append(shlex.quote(self.url))
        for name, value in self.request_headers.items():
            if name.lower() == "x-api-key":
                parts.append('-H "X-API-Key: $KEY"')
            elif name.lower() == "authorization":
                parts.append(f'-H "Authorization: {value.partition(" ")[0]} $KEY"')
            else:
                parts.append("-H " + shlex.quote(f"{name}: {value}"))
        if self.request_body is not None:
            body = masked(self.request_body)
            parts.append("--data-binary " + shlex.quote(body if len(body) <= SHOWN_BODY else body[:SHOWN_BODY] + "…"))
        return " ".join(parts)

    def shown(self) -> dict[str, Any]:
        """For the reports: everything a reader needs, nothing secret."""

        def headers(given: Mapping[str, str]) -> dict[str, str]:
            return {name: "***" if name.lower() in SECRET_HEADERS else masked(value) for name, value in given.items()}

        return {
            "method": self.method,
            "url": masked(self.url),
            "request_headers": headers(self.request_headers),
            "request_body": None if self.request_body is None else masked(self.request_body)[:SHOWN_BODY],
            "status": self.status,
            "headers": headers(self.headers),
            "body": masked(self.raw)[:SHOWN_BODY],
            "trouble": self.trouble,
            "curl": self.curl,
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """What a check looks at: the exchange and the parsed body."""

    exchange: Exchange
    parsed: Any

    @classmethod
    def of(cls, exchange: Exchange) -> Reply:
        """Read the body as JSON; what is not JSON is None."""
        try:
            return cls(exchange, json.loads(exchange.raw))
        except ValueError:
            return cls(exchange, None)

    @property
    def status(self) -> int:
        """The status code."""
        return self.exchange.status

    @property
    def ok(self) -> bool:
        """Whether it is any 2xx: what the vendor's client takes for success."""
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether it is any 4xx."""
        return 400 <= self.status < 500

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object; empty where there is none."""
        return self.parsed if isinstance(self.parsed, dict) else {}

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items of a list; empty where there are none."""
        data = self.body.get("data")
        return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []

    @property
    def error(self) -> str:
        """The error message; empty where there is none."""
        message = self.body.get("error")
        return message if isinstance(message, str) else ""

    def header(self, name: str) -> str | None:
        """A header's value, whatever the case of its name."""
        return next((value for key, value in self.exchange.headers.items() if key.lower() == name.lower()), None)

    def number(self, name: str) -> int | None:
        """A header's value where it is a whole number."""
        value = self.header(name)
        return int(value) if value is not None and re.fullmatch(r"[0-9]{1,15}", value) else None
