"""`upsim clock` and `upsim fault`: a world's time, and the failures of its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from upsim.commands.connection import Sandbox, drives, given, number_or_text, parsed
from upsim.commands.worlds import running


@click.group()
def clock() -> None:
    """Read, stop, set, move and speed up a world's clock."""


@clock.command()
@drives()
def show(sandbox: Sandbox) -> None:
    """What it shows."""
    _show_clock(sandbox, sandbox.in_world("GET", "clock"))


@clock.command()
@click.option("--at", metavar="TIME", help="At which time: 2026-01-05T08:00:00Z, or Unix seconds.")
@drives()
def freeze(sandbox: Sandbox, at: str | None) -> None:
    """Stop it."""
    _change(sandbox, given(set=None if at is None else number_or_text(at), freeze=True))


@clock.command()
@drives()
def run(sandbox: Sandbox) -> None:
    """Let it run again as real time does."""
    _change(sandbox, {"freeze": False})


@clock.command("set")
@click.argument("time")
@drives()
def set_clock(sandbox: Sandbox, time: str) -> None:
    """Let it show another TIME: 2026-01-05T08:00:00Z, or Unix seconds."""
    _change(sandbox, {"set": number_or_text(time)})


# A duration may begin with a minus, which would else be taken for an option.
@clock.command(context_settings={"ignore_unknown_options": True})
@click.argument("duration")
@drives()
def advance(sandbox: Sandbox, duration: str) -> None:
    """Move it by a DURATION: 90s, 15m, 1d12h, or seconds; -15m moves it back."""
    _change(sandbox, {"advance": number_or_text(duration)})


@clock.command()
@click.argument("factor", type=click.FloatRange(min=0))
@drives()
def speed(sandbox: Sandbox, factor: float) -> None:
    """Let it run so many times as fast as real time; 0 stops it."""
    _change(sandbox, {"speed": factor})


@click.group()
def fault() -> None:
    """Make a world's calls fail."""


@fault.command()
@click.argument(
    "effect",
    type=click.Choice(["status", "drop", "cut", "malformed", "content-type", "latency"]),
    default="status",
)
@click.option("--method", metavar="METHOD", help="Only calls with this method.")
@click.option("--path", metavar="PATH", help="Only calls on this path, in which * stands for any text.")
@click.option("--account", metavar="NAME", help="Only calls of this account.")
@click.option("--status", type=int, help="For status: what is answered. Default: 503.")
@click.option("--body", metavar="JSON", help="For status: what is answered; an error where it is left out.")
@click.option("--latency", metavar="DURATION", help="How long the answer waits: 2s, or drawn between two: 1s..3s.")
@click.option("--times", type=click.IntRange(min=1), help="It strikes the next so many calls; else without end.")
@click.option("--share", type=click.FloatRange(0, 1), help="It strikes this share of the calls, 0 to 1.")
@click.option("--after", is_flag=True, default=None, help="The call does its work, and only the answer is lost.")
@drives()
def add(sandbox: Sandbox, body: str | None, latency: str | None, **fields: Any) -> None:
    """Add a fault: a status, a dropped connection, an answer cut short, malformed, of a wrong type, or late."""
    asked = given(**fields)
    if body is not None:
        asked["body"] = parsed("--body", body)
    if latency is not None:
        least, dots, most = latency.partition("..")
        asked["latency"] = [number_or_text(least), number_or_text(most)] if dots else number_or_text(latency)
    if "method" in asked:
        asked["method"] = asked["method"].upper()
    answer = sandbox.in_world("POST", "faults", body=asked)
    sandbox.show(answer, f"{answer['id']}: {_effect(answer)}; {_calls(answer)}, {_when(answer)}.")


@fault.command("list")
@drives()
def list_faults(sandbox: Sandbox) -> None:
    """The world's faults, in the order in which they are tried."""
    answer = sandbox.in_world("GET", "faults")
    rows = [(one["id"], _effect(one), _calls(one), _when(one)) for one in answer["data"]]
    sandbox.show_table(answer, ("fault", "effect", "calls", "when"), rows, "There are no faults.")


@fault.command()
@click.argument("fault_id", metavar="ID")
@drives()
def remove(sandbox: Sandbox, fault_id: str) -> None:
    """Remove one fault."""
    sandbox.show(sandbox.in_world("DELETE", "faults", fault_id), f"{fault_id} is gone.")


@fault.command()
@drives()
def clear(sandbox: Sandbox) -> None:
    """Remove all faults."""
    sandbox.show(sandbox.in_world("DELETE", "faults"), "There are no faults any more.")


def _change(sandbox: Sandbox, change: Mapping[str, Any]) -> None:
    _show_clock(sandbox, sandbox.in_world("POST", "clock", body=change))


def _show_clock(sandbox: Sandbox, answer: Mapping[str, Any]) -> None:
    sandbox.show(answer, f"{answer['now']}, {running(answer)}")


def _effect(one: Mapping[str, Any]) -> str:
    text = str(one["status"]) if one["effect"] == "status" else one["effect"]
    latency = one["latency"]
    if isinstance(latency, list):
        text += f" {latency[0]:g} to {latency[1]:g} s late"
    elif latency:
        text += f" {latency:g} s late"
    return text + (" after its work" if one["after"] else "")


def _calls(one: Mapping[str, Any]) -> str:
    which = " ".join(part for part in (one["method"], one["path"]) if part) or "all calls"
    return which + (f" of {one['account']}" if one["account"] else "")


def _when(one: Mapping[str, Any]) -> str:
    share = "" if one["share"] == 1 else f"{one['share'] * 100:g} % of "
    if one["times"] is None:
        return f"{share}all" if share else "always"
    return f"{share}the next {one['times']}"
