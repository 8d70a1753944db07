"""`upsim world` and `upsim snapshot`: make, look at, reset, save, take elsewhere and delete worlds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from upsim.commands.connection import Sandbox, drives, given, number_or_text, table


@click.group()
def world() -> None:
    """Make, look at, reset, download, load and delete worlds."""


@world.command()
@click.option("--id", "name", metavar="ID", help="Its name; a fresh one where it is left out.")
@click.option("--fixture", metavar="NAME", help="What it holds: demo, empty, or the server's own.")
@click.option("--seed", type=click.IntRange(min=0), help="What chance follows from.")
@click.option("--tier", type=click.Choice(["vip", "basic"]), help="The tier of all its accounts.")
@click.option("--at", metavar="TIME", help="What its clock shows: 2026-01-05T08:00:00Z, or Unix seconds.")
@click.option("--freeze", is_flag=True, default=None, help="Stop its clock.")
@click.option("--speed", type=float, help="Seconds of the world in a second of the wall.")
@click.option("--expires-in", metavar="DURATION", help="It vanishes after so long: 90s, 15m, 1d12h.")
@click.option("--cap", "caps", multiple=True, metavar="NAME=N", help="A cap, as calls=1000; repeatable.")
@drives(world=False)
def create(
    sandbox: Sandbox,
    name: str | None,
    fixture: str | None,
    seed: int | None,
    tier: str | None,
    at: str | None,
    freeze: bool | None,
    speed: float | None,
    expires_in: str | None,
    caps: tuple[str, ...],
) -> None:
    """Make a world; shows its keys, this once."""
    clock = given(set=None if at is None else number_or_text(at), freeze=freeze, speed=speed)
    wish = given(id=name, fixture=fixture, seed=seed, tier=tier, expires_in=expires_in, caps=_caps(caps))
    _show_new(sandbox, sandbox.call("POST", "worlds", body={**wish, **({"clock": clock} if clock else {})}))


@world.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--id", "name", metavar="ID", help="Its name; a fresh one where it is left out.")
@click.option("--expires-in", metavar="DURATION", help="It vanishes after so long: 90s, 15m, 1d12h.")
@drives(world=False)
def load(sandbox: Sandbox, file: Path, name: str | None, expires_in: str | None) -> None:
    """Make a world that begins as a downloaded one; shows its keys, this once."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"{file}: not JSON: {error}") from error
    wish = {**given(id=name, expires_in=expires_in), "snapshot": document}
    _show_new(sandbox, sandbox.call("POST", "worlds", body=wish))


@world.command("list")
@drives(world=False)
def list_worlds(sandbox: Sandbox) -> None:
    """Every world."""
    answer = sandbox.call("GET", "worlds")
    rows = [
        (one["id"], one["fixture"], one["seed"], one["clock"]["now"], running(one["clock"]), one["expires_at"])
        for one in answer["data"]
    ]
    sandbox.show_table(answer, ("world", "fixture", "seed", "its time", "clock", "expires"), rows, "There is no world.")


@world.command()
@click.argument("name", envvar="UPSIM_WORLD", default="default")
@drives(world=False)
def show(sandbox: Sandbox, name: str) -> None:
    """One world, and all that was done to it."""
    answer = sandbox.call("GET", "worlds", name)
    rows = [
        (one["name"], one["tier"], one["workers"], one["pools"], one["profiles"]) for one in answer["accounts"]
    ]  # fmt: skip
    caps = ", ".join(f"{cap} {most}" for cap, most in answer["caps"].items())
    lines = [
        f"world     {answer['id']}: fixture {answer['fixture']}, seed {answer['seed']}",
        f"clock     {answer['clock']['now']}, {running(answer['clock'])}",
        f"expires   {answer['expires_at'] or 'never'}",
        f"caps      {caps or 'none'}",
        f"faults    {', '.join(fault['id'] for fault in answer['faults']) or 'none'}",
        f"journal   {answer['journal_mark']} calls",
        "",
        table(("account", "tier", "workers", "pools", "profiles"), rows),
    ]
    sandbox.show(answer, "\n".join(lines))


@world.command()
@click.argument("name", envvar="UPSIM_WORLD", default="default")
@drives(world=False)
def reset(sandbox: Sandbox, name: str) -> None:
    """Make a world what it was when it was created."""
    sandbox.show(sandbox.call("POST", "worlds", name, "reset"), f"World {name} is as it was at its beginning.")


@world.command()
@click.argument("name")
@drives(world=False)
def delete(sandbox: Sandbox, name: str) -> None:
    """End a world."""
    sandbox.show(sandbox.call("DELETE", "worlds", name), f"World {name} is gone.")


@world.command()
@click.argument("name", envvar="UPSIM_WORLD", default="default")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; else standard output.")
@drives(world=False)
def download(sandbox: Sandbox, name: str, output: Path | None) -> None:
    """A world as one readable document, without secrets: `upsim world load` begins one with it."""
    document = sandbox.call("GET", "worlds", name, "download")
    text = json.dumps(document, indent=1, ensure_ascii=False)
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{output}: {error.strerror or error}") from error
    sandbox.show({"file": str(output)}, f"World {name} is in {output}.")


@click.group()
def snapshot() -> None:
    """Save a world under a name, and bring it back."""


@snapshot.command()
@click.argument("name")
@drives()
def save(sandbox: Sandbox, name: str) -> None:
    """Save the world as it is, its clock and faults included."""
    answer = sandbox.in_world("POST", "snapshots", body={"name": name})
    sandbox.show(answer, f"Saved as {name}, at {answer['now']} by its clock.")


@snapshot.command()
@click.argument("name")
@drives()
def restore(sandbox: Sandbox, name: str) -> None:
    """Make the world what it was when it was saved."""
    answer = sandbox.in_world("POST", "snapshots", name, "restore")
    sandbox.show(answer, f"World {sandbox.world} is as it was at {answer['clock']['now']} by its clock.")


@snapshot.command("list")
@drives()
def list_snapshots(sandbox: Sandbox) -> None:
    """What was saved of the world."""
    answer = sandbox.in_world("GET", "snapshots")
    rows = [(one["name"], one["now"], one["saved_at"]) for one in answer["data"]]
    sandbox.show_table(answer, ("snapshot", "its time", "saved at"), rows, "Nothing was saved.")


@snapshot.command("delete")
@click.argument("name")
@drives()
def delete_snapshot(sandbox: Sandbox, name: str) -> None:
    """Forget a snapshot."""
    sandbox.show(sandbox.in_world("DELETE", "snapshots", name), f"Snapshot {name} is gone.")


def running(clock: Mapping[str, Any]) -> str:
    """How a clock runs, in words."""
    if clock["frozen"]:
        return "frozen"
    return "runs" if clock["speed"] == 1 else f"runs {clock['speed']:g} times as fast"


def _show_new(sandbox: Sandbox, answer: Mapping[str, Any]) -> None:
    rows = [
        (account["name"], account["tier"], key["name"], key["key"])
        for account in answer["accounts"]
        for key in account["keys"]
    ]
    clock = answer["clock"]
    text = (
        f"World {answer['id']}: fixture {answer['fixture']}, seed {answer['seed']}, {clock['now']}, {running(clock)}."
    )
    sandbox.show(answer, text + ("\n\n" + table(("account", "tier", "key", "secret"), rows) if rows else ""))


def _caps(texts: tuple[str, ...]) -> dict[str, int] | None:
    caps = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not number.isdigit():
            raise ValueError(f"--cap {text}: write a name and a whole number, as calls=1000")
        caps[name] = int(number)
    return caps or None
