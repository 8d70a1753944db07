"""How the commands that drive a server reach it, and how they show what it answers."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import click

from upsim.client.transport import ControlError, HttpTransport, Wire

DEFAULT_URL: Final = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A server, one of its worlds, and how to show things.

    Attributes:
        as_json: for programs: what the server answered, as it is.
    """

    wire: Wire
    world: str
    as_json: bool

    def call(self, method: str, *path: str, body: Any = None, query: Mapping[str, object] | None = None) -> Any:
        """Call the control plane.

        Raises:
            ControlError: it refused.
        """
        return self.wire.call(method, *path, body=body, query=query)

    def in_world(self, method: str, *path: str, body: Any = None, query: Mapping[str, object] | None = None) -> Any:
        """Call the control plane about the world.

        Raises:
            ControlError: it refused.
        """
        return self.wire.call(method, "worlds", self.world, *path, body=body, query=query)

    def show(self, answer: Any, text: str) -> None:
        """Print the answer: as JSON for programs, else the text."""
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False) if self.as_json else text)

    def show_table(self, answer: Any, head: Sequence[str], rows: Sequence[Sequence[object]], none: str) -> None:
        """Print the answer: as JSON for programs, else as a table, or what to say where it would be empty."""
        self.show(answer, table(head, rows) if rows else none)


def drives(*, world: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A command that drives a server: gives it a Sandbox, and turns refusals into one line and exit 2.

    Args:
        world: whether it takes --world.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(url: str, token: str | None, as_json: bool, world_name: str = "default", **more: Any) -> None:
            try:
                transport = HttpTransport(url)
                command(Sandbox(Wire(transport, transport.url, token), world_name, as_json), **more)
            except (ControlError, ValueError) as error:
                fail(str(error))

        for option in (
            click.option("--json", "as_json", is_flag=True, help="What the server answered, for programs."),
            click.option("--token", envvar="UPSIM_TOKEN", metavar="TOKEN", help="Its admin token.  [UPSIM_TOKEN]"),
            click.option(
                "--url",
                envvar="UPSIM_URL",
                default=DEFAULT_URL,
                metavar="URL",
                help=f"The server. Default: {DEFAULT_URL}.  [UPSIM_URL]",
            ),
        ):
            run = option(run)
        return world_option(run) if world else run

    return decorate


def world_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--world, for a command that is about one."""
    return click.option(
        "--world",
        "world_name",
        envvar="UPSIM_WORLD",
        default="default",
        metavar="ID",
        help="Which world. Default: default.  [UPSIM_WORLD]",
    )(command)


def fail(message: str) -> NoReturn:
    """One line, and exit 2."""
    click.echo(f"upsim: {message}", err=True)
    sys.exit(2)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table for people: columns as wide as they have to be."""
    lines = [tuple(head), *(tuple("-" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def given(**fields: Any) -> dict[str, Any]:
    """Those of the fields that were given."""
    return {name: value for name, value in fields.items() if value is not None and value != ()}


def parsed(field: str, text: str) -> Any:
    """The JSON in an option.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{field}: {text!r} is not JSON: {error}") from error


def number_or_text(text: str) -> float | str:
    """A number where it is one: durations and times may be either."""
    try:
        return float(text)
    except ValueError:
        return text
