"""`upsim journal`: what was called, and whether that is what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from upsim.client.answers import Entry, Verdict
from upsim.client.journal import amount, explain, wanted
from upsim.commands.connection import Sandbox, drives, given, parsed


@click.group()
def journal() -> None:
    """Look at a world's calls, count them, hold them to an expectation."""


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--decided", metavar="WHAT", help='Only what this decided, as "rate limit" or "fault".'),
        click.option("--account", metavar="NAME", help="Only this account."),
        click.option("--status", type=int, help="Only this status."),
        click.option("--since", type=click.IntRange(min=0), metavar="MARK", help="Only what came after this mark."),
        click.argument("path", required=False),
        click.argument("method", required=False),
    ):
        command = option(command)
    return command


@journal.command()
@_filters
@click.option("-n", "--newest", type=click.IntRange(1, 1000), default=30, show_default=True, help="How many calls.")
@drives()
def show(sandbox: Sandbox, newest: int, method: str | None, path: str | None, **filters: Any) -> None:
    """The newest calls: METHOD and PATH restrict them; in the path * stands for any text."""
    query = given(**_match(method, path, filters), limit=newest, newest="true")
    answer = sandbox.in_world("GET", "journal", query=query)
    answer["data"].reverse()
    entries = [str(Entry.of(doc)) for doc in answer["data"]]
    sandbox.show(answer, "\n".join(entries) or "Nothing was called.")


@journal.command()
@drives()
def mark(sandbox: Sandbox) -> None:
    """The number of the newest call, for --since."""
    answer = sandbox.in_world("GET", "journal", query={"limit": 1, "newest": "true"})
    sandbox.show({"mark": answer["mark"]}, str(answer["mark"]))


@journal.command()
@_filters
@click.option("--body", metavar="JSON", help="Only calls whose body has these fields with these values.")
@drives()
def count(sandbox: Sandbox, method: str | None, path: str | None, body: str | None, **filters: Any) -> None:
    """How many calls match."""
    answer = sandbox.in_world("POST", "journal", "count", body=_match(method, path, filters, body))
    sandbox.show(answer, str(answer["count"]))


@journal.command()
@_filters
@click.option("--body", metavar="JSON", help="Only calls whose body has these fields with these values.")
@click.option("--exactly", type=click.IntRange(min=0), help="Exactly so many calls.")
@click.option("--at-least", type=click.IntRange(min=0), help="At least so many; 1 where nothing is said.")
@click.option("--at-most", type=click.IntRange(min=0), help="At most so many.")
@drives()
def verify(
    sandbox: Sandbox,
    method: str | None,
    path: str | None,
    body: str | None,
    exactly: int | None,
    at_least: int | None,
    at_most: int | None,
    **filters: Any,
) -> None:
    """Exit 0 if as many calls match as expected; else say what came instead, and exit 1."""
    match = _match(method, path, filters, body)
    answer = sandbox.in_world(
        "POST", "journal", "verify", body={**match, **given(exactly=exactly, at_least=at_least, at_most=at_most)}
    )
    expected = (
        f"{amount(exactly, at_least, at_most)}: {wanted(match.pop('method', None), match.pop('path', None), match)}"
    )
    verdict = Verdict.of(answer)
    sandbox.show(answer, f"yes: {expected}" if verdict.met else explain(verdict, expected))
    if not verdict.met:
        click.get_current_context().exit(1)


@journal.command()
@drives()
def clear(sandbox: Sandbox) -> None:
    """Forget all calls; marks stay good."""
    sandbox.show(sandbox.in_world("DELETE", "journal"), "The journal is empty.")


def _match(method: str | None, path: str | None, filters: Mapping[str, Any], body: str | None = None) -> dict[str, Any]:
    if method is not None and method.startswith("/"):  # a path alone
        method, path = None, method
    content = None if body is None else parsed("--body", body)
    return given(method=None if method is None else method.upper(), path=path, **filters, body=content)
