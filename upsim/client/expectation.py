"""An expectation of calls as one line of text, such as `POST /v1/profiles/*/default == 1`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from upsim.client.answers import Verdict
from upsim.client.journal import Journal, amount, wanted

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
FILTERS: Final = ("status", "account", "decided", "body")
FORM: Final = (
    "[METHOD] [PATH] [FILTER=VALUE …] [== N | >= N | <= N], such as 'POST /v1/profiles/*/default status=200 == 1'"
)

_COMPARISON: Final = re.compile(r"(==|>=|<=|!=|=|>|<)\s*(-?[0-9]+)?(?=\s|[=<>!]|$)\s*")
_FILTER: Final = re.compile(r"([A-Za-z_]+)=")
_WORD: Final = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class Expectation:
    """So many calls of a kind.

    Attributes:
        text: as it was written.
        filters: what else is known of the calls; as Journal has them.
        exactly, at_least, at_most: how many; at least one where nothing is said.
    """

    text: str
    method: str | None = None
    path: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None

    @classmethod
    def parse(cls, text: str) -> Expectation:
        """Read one.

        Raises:
            ValueError: it is none; the text says where, what is wrong, and how to write one.
        """
        try:
            return _Reader(text).expectation()
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}; write {FORM}") from error

    def check(self, journal: Journal, since: int = 0) -> Verdict:
        """Whether a journal meets it."""
        return journal.check(
            self.method,
            self.path,
            exactly=self.exactly,
            at_least=self.at_least,
            at_most=self.at_most,
            since=since,
            **self.filters,
        )

    def __str__(self) -> str:
        """In words."""
        return f"{amount(self.exactly, self.at_least, self.at_most)}: {wanted(self.method, self.path, self.filters)}"


class _Reader:
    """Reads from left to right; `rest` is what is still to be read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rest = text.strip()

    def expectation(self) -> Expectation:
        if not self.rest:
            raise ValueError("it is empty")
        method, path = self._method(), self._path()
        filters: dict[str, Any] = {}
        while found := _FILTER.match(self.rest):
            name = found[1].lower()
            if name not in FILTERS:
                raise ValueError(f"there is no filter {found[1]!r}; there are {', '.join(FILTERS)}")
            if name in filters:
                raise ValueError(f"{name} is there twice")
            self.rest = self.rest[found.end() :]
            filters[name] = self._value(name)
        return Expectation(self.text, method, path, filters, **self._bounds())

    def _method(self) -> str | None:
        found = re.match(r"([A-Za-z]+|\*)(\s+|$)", self.rest)
        if found is None:
            return None
        self.rest = self.rest[found.end() :]
        if found[1] == "*":
            return None
        if found[1].upper() not in METHODS:
            raise ValueError(f"{found[1]!r} is no method; there are {', '.join(METHODS)}, and * for any")
        return found[1].upper()

    def _path(self) -> str | None:
        if not self.rest.startswith("/"):
            return None
        found = _WORD.match(self.rest)
        assert found is not None  # noqa: S101 - it begins with a slash
        self.rest = self.rest[found.end() :]
        path = found[0].strip()
        if "?" in path:
            raise ValueError(f"{path!r}: paths are compared without their query; leave out what begins with the ?")
        return path

    def _value(self, name: str) -> Any:
        if name == "body" or self.rest.startswith('"'):
            try:
                value, end = json.JSONDecoder().raw_decode(self.rest)
            except ValueError as error:
                raise ValueError(f"{name}: what follows is not JSON: {self.rest[:40]!r}") from error
            self.rest = self.rest[end:].lstrip()
            if name == "body" and not isinstance(value, dict):
                raise ValueError("body: has to be a JSON object, whose fields the call's body has to have")
        else:
            found = _WORD.match(self.rest)
            if found is None:
                raise ValueError(f"{name}: has no value")
            value, self.rest = found[0].strip(), self.rest[found.end() :]
        if name == "status":
            if not re.fullmatch(r"[1-5][0-9]{2}", str(value)):
                raise ValueError(f"status: {value!r} is no status, as 200 or 429 is one")
            return int(value)
        return value

    def _bounds(self) -> dict[str, int]:
        bounds: dict[str, int] = {}
        while self.rest:
            found = _COMPARISON.match(self.rest)
            if found is None:
                raise ValueError(f"{self.rest!r} is not understood")
            sign, number = found[1], found[2]
            if sign == "!=":
                raise ValueError("there is no !=; say == 0, >= 1 or how many there may be")
            if number is None or int(number) < 0:
                raise ValueError(f"behind {sign} stands how many calls: a whole number from 0 on")
            name, value = {
                "=": ("exactly", int(number)),
                "==": ("exactly", int(number)),
                ">=": ("at_least", int(number)),
                ">": ("at_least", int(number) + 1),
                "<=": ("at_most", int(number)),
                "<": ("at_most", int(number) - 1),
            }[sign]
            if name in bounds or "exactly" in bounds or (name == "exactly" and bounds):
                raise ValueError("the numbers of calls contradict or repeat each other")
            bounds[name] = value
            self.rest = self.rest[found.end() :]
        if bounds.get("at_most", 0) < 0 or bounds.get("at_least", 0) > bounds.get("at_most", bounds.get("at_least", 0)):
            raise ValueError("no number of calls can be that")
        return bounds
