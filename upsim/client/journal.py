"""A world's journal from the test's side: what was called since a mark, and whether that is what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from upsim.client.answers import Entry, Verdict
from upsim.client.transport import Wire

_PAGE: Final = 1000


class Journal:
    """The calls of one world under /v1, oldest first when iterated.

    Filters mean the same everywhere: `since` takes only what came after a mark, in `path` a * stands for any text,
    `status` is what was answered, `account` whose call it was, `decided` what decided it, and `body` wants these fields
    with these values, at any depth of objects.
    """

    def __init__(self, wire: Wire, world: str) -> None:
        self._wire = wire
        self._world = world

    def __iter__(self) -> Iterator[Entry]:
        return self.entries()

    def __len__(self) -> int:
        return self.count()

    def entries(self, method: str | None = None, path: str | None = None, **filters: Any) -> Iterator[Entry]:
        """The entries that match, oldest first, as they are asked for."""
        since = int(filters.pop("since", 0))
        while True:
            found = self._list(_given(method=method, path=path, since=since, limit=_PAGE, **filters))
            yield from found
            if len(found) < _PAGE:
                return
            since = found[-1].seq

    def tail(self, count: int = 20) -> list[Entry]:
        """The newest entries, at most 1000, oldest first."""
        return self._list({"limit": count, "newest": "true"})[::-1]

    def mark(self) -> int:
        """The number of the newest entry: what comes after it is `since` this mark.

        A reset or a restore begins the journal anew; marks from before are then refused.
        """
        answer = self._wire.call("GET", *self._place(), query={"limit": 1, "newest": "true"})
        return int(answer["mark"])

    def count(self, method: str | None = None, path: str | None = None, **filters: Any) -> int:
        """How many calls match."""
        answer = self._wire.call("POST", *self._place("count"), body=_given(method=method, path=path, **filters))
        return int(answer["count"])

    def check(
        self,
        method: str | None = None,
        path: str | None = None,
        *,
        exactly: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        **filters: Any,
    ) -> Verdict:
        """Whether as many calls match as expected (at least one where nothing is said), and what came instead."""
        asked = _given(method=method, path=path, exactly=exactly, at_least=at_least, at_most=at_most, **filters)
        return Verdict.of(self._wire.call("POST", *self._place("verify"), body=asked))

    def verify(
        self,
        method: str | None = None,
        path: str | None = None,
        *,
        exactly: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        **filters: Any,
    ) -> tuple[Entry, ...]:
        """Hold the journal to an expectation; answers the calls that matched, the newest fifty at most.

        Raises:
            AssertionError: it is not met; the text says what came instead.
        """
        __tracebackhide__ = True
        verdict = self.check(method, path, exactly=exactly, at_least=at_least, at_most=at_most, **filters)
        if not verdict.met:
            expected = amount(exactly, at_least, at_most)
            raise AssertionError(explain(verdict, f"{expected}: {wanted(method, path, filters)}"))
        return tuple(verdict.matched)

    def assert_called(
        self, method: str, path: str, *, times: int | None = None, since: int = 0, body: Mapping[str, Any] | None = None
    ) -> None:
        """Hold the journal to this call having been made: so many times, or at least once.

        Raises:
            AssertionError: it was not.
        """
        __tracebackhide__ = True
        self.verify(method, path, exactly=times, since=since, body=body)

    def assert_not_called(self, method: str | None = None, path: str | None = None, *, since: int = 0) -> None:
        """Hold the journal to no such call having been made.

        Raises:
            AssertionError: one was.
        """
        __tracebackhide__ = True
        self.verify(method, path, exactly=0, since=since)

    def clear(self) -> None:
        """Forget all entries; marks stay good."""
        self._wire.call("DELETE", *self._place())

    def _list(self, query: Mapping[str, object]) -> list[Entry]:
        answer = self._wire.call("GET", *self._place(), query=query)
        return [Entry.of(entry) for entry in answer["data"]]

    def _place(self, *more: str) -> tuple[str, ...]:
        return ("worlds", self._world, "journal", *more)


def amount(exactly: int | None, at_least: int | None, at_most: int | None) -> str:
    """How many calls are expected, in words."""
    if exactly is not None:
        return "no call" if exactly == 0 else f"exactly {_calls(exactly)}"
    if at_most is None:
        return f"at least {_calls(1 if at_least is None else at_least)}"
    return f"at most {_calls(at_most)}" if at_least is None else f"{at_least} to {_calls(at_most)}"


def wanted(method: str | None, path: str | None, filters: Mapping[str, Any]) -> str:
    """Which calls are expected, in words."""
    more = [f"{name} {value}" for name, value in filters.items() if name != "since" and value is not None]
    since = filters.get("since")
    return " ".join(
        [
            " ".join(part for part in (method, path) if part) or "any call",
            *([f"with {', '.join(more)}"] if more else []),
            *([f"since mark {since}"] if since else []),
        ]
    )


def explain(verdict: Verdict, expected: str) -> str:
    """What was expected and what came instead, for people."""
    lines = [f"expected {expected}; there {'was' if verdict.count == 1 else 'were'} {verdict.count or 'none'}"]
    if verdict.matched:
        lines += ["these matched:", *(f"  {entry}" for entry in verdict.matched)]
    if verdict.instead:
        lines += ["these came instead:" if not verdict.matched else "these came too:"]
        lines += [f"  {entry}" for entry in verdict.instead]
    if not verdict.matched and not verdict.instead:
        lines.append("nothing was called at all")
    return "\n".join(lines)


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
