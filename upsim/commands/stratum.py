"""What the commands that speak Stratum share: options, hashrates and addresses as people write them, how they print.

Everything they show goes to standard output, as text for people or, with --json, as one JSON object a line.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeVar

import click

from upsim.algorithms import ALGORITHMS

SCALES: Final = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18}
_TURN_S: Final = 0.5
"""How often something is shown."""
Command = TypeVar("Command", bound=Callable[..., Any])


class Hashrate(click.ParamType[float]):
    """A hashrate with or without a scale."""

    name = "hashrate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read 100, 2.5k or 110T."""
        text = str(value).strip().lower().removesuffix("h/s").removesuffix("sol/s").strip()
        scale = text[-1:] if text[-1:].isalpha() else ""
        try:
            hashrate = float(text.removesuffix(scale)) * SCALES[scale]
        except (KeyError, ValueError):
            self.fail(f"{value!r} is no hashrate: write a number and k, M, G, T, P or E, such as 110T", param, ctx)
        if not 0 < hashrate < 1e30:
            self.fail("a hashrate must be positive", param, ctx)
        return hashrate


class Address(click.ParamType[tuple[str, int, bool]]):
    """Where a pool is: host, port, and whether TLS was asked for."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int, bool]:
        """Read host:port, [address]:port or a stratum URL; the last item is whether the URL asks for TLS."""
        if isinstance(value, tuple):
            return value
        scheme, _, rest = str(value).rpartition("://")
        tls = scheme.lower() in ("stratum+ssl", "stratum+tls", "stratums", "ssl", "tls")
        host, _, port = rest.rstrip("/").rpartition(":")
        if not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
            self.fail(f"{value!r} is no address of a pool: write HOST:PORT, with a port from 1 to 65535", param, ctx)
        return host.strip("[]"), int(port), tls


def scaled(hashrate: float, unit: str) -> str:
    """A hashrate as people read it: 110.00 TH/s."""
    for scale in ("E", "P", "T", "G", "M", "k"):
        if hashrate >= SCALES[scale.lower()]:
            return f"{hashrate / SCALES[scale.lower()]:.2f} {scale}{unit}"
    return f"{hashrate:.2f} {unit}"


def algorithm_option(command: Command) -> Command:
    """--algorithm, which has to be given."""
    choice = click.Choice(list(ALGORITHMS))
    return click.option("--algorithm", "-a", type=choice, required=True, help="What to mine.")(command)


def json_option(command: Command) -> Command:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")(command)


def for_option(command: Command) -> Command:
    """--for: how long to go on, in seconds."""
    text = "Stop after so many seconds instead of at Ctrl-C."
    return click.option("--for", "for_s", type=click.FloatRange(min=0), metavar="SECONDS", help=text)(command)


def say(text: str) -> None:
    """Print a line for people."""
    click.echo(text)


def say_json(**facts: object) -> None:
    """Print a line for programs."""
    click.echo(json.dumps(facts, separators=(",", ":")))


@contextmanager
def until_stopped(for_s: float | None) -> Iterator[Callable[[], bool]]:
    """Gives a function that waits a turn and says whether to go on: until Ctrl-C, SIGTERM, or the time is up."""
    stop = threading.Event()
    end = None if for_s is None else time.monotonic() + for_s

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    def go_on() -> bool:
        left = _TURN_S if end is None else min(_TURN_S, end - time.monotonic())
        return left > 0 and not stop.wait(left)

    if threading.current_thread() is not threading.main_thread():
        yield go_on
        return
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield go_on
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
