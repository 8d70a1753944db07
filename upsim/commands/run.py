"""`upsim run`: a command whose calls to the real service reach a simulator, the command unchanged."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

import click

from upsim.client import ControlError, World, connect
from upsim.client.expectation import FORM, Expectation
from upsim.commands.connection import fail, given, number_or_text
from upsim.commands.outcome import Outcome
from upsim.commands.supervise import BY_SIGNAL, CannotStart, supervise
from upsim.errors import ConfigError
from upsim.intercept.hosts import SERVICE
from upsim.rules.tiers import WINDOW_S

ASSERTION_FAILED: Final = 3
EXPIRES_IN: Final = "1d"
"""How long a world on a server elsewhere outlives a run that was killed."""

_NEWEST: Final = 100


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.argument("command", nargs=-1, type=click.UNPROCESSED),
        click.option("--quiet", is_flag=True, help="Say nothing afterwards but what went wrong."),
        click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a report for CI there."),
        click.option("--assert", "asserted", multiple=True, metavar="EXPECTATION", help=f"Exit 3 unless so: {FORM}."),
        click.option("--world", "world_name", envvar="UPSIM_WORLD", metavar="ID", help="One that is there already."),
        click.option("--token", envvar="UPSIM_TOKEN", metavar="TOKEN", help="Its admin token.  [UPSIM_TOKEN]"),
        click.option(
            "--url",
            envvar="UPSIM_URL",
            metavar="URL",
            help="One that runs already: the command gets a fresh world there. Else one is started.  [UPSIM_URL]",
        ),
        click.option("--rate-limit", type=click.Choice(["on", "off"]), help="off: no call is refused for its number."),
        click.option("--speed", type=float, help="Seconds of the world in a second of the wall."),
        click.option("--freeze", is_flag=True, default=None, help="Stop its clock."),
        click.option("--at", metavar="TIME", help="What its clock shows: 2026-01-05T08:00:00Z, or Unix seconds."),
        click.option("--tier", type=click.Choice(["vip", "basic"]), help="The tier of all its accounts."),
        click.option("--seed", type=click.IntRange(min=0), help="What chance follows from.  Default: 1."),
        click.option("--fixture", metavar="NAME|PATH", help="What the world holds.  Default: demo."),
        click.option(
            "--key-env",
            "key_env",
            multiple=True,
            metavar="NAME=ACCOUNT",
            help="Give the command a key of this account in this variable; ACCOUNT:KEY for the one of that name.",
        ),
        click.option(
            "--pass-through",
            multiple=True,
            metavar="HOST",
            help="May be called for real: a name, *.example.com, HOST:PORT, or * for all. Nobody else is reached.",
        ),
        click.option(
            "--host", "hosts", multiple=True, metavar="HOST", help=f"Lead calls to this host here too, as {SERVICE}."
        ),
    ):
        command = option(command)
    return command


@click.command(context_settings={"allow_interspersed_args": False})
@_options
def run(
    command: tuple[str, ...],
    hosts: tuple[str, ...],
    pass_through: tuple[str, ...],
    key_env: tuple[str, ...],
    asserted: tuple[str, ...],
    junit: Path | None,
    quiet: bool,
    **world: Any,
) -> None:
    """Run COMMAND so that its calls to the real service reach a simulator. It needs no change.

    Exits with the command's own code, or 3 where an --assert does not hold.
    """
    if not command:
        fail("run: which command? Write it behind two dashes, as: upsim run -- python client.py")
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        expectations = [Expectation.parse(text) for text in asserted]
        if junit is not None and not junit.parent.is_dir():
            raise ValueError(f"--junit: there is no folder {junit.parent}")
        wanted_keys = [_key_wish(text) for text in key_env]
        with ExitStack() as stack:
            there = _world(stack, has_keys=bool(wanted_keys), **world)
            since = there.journal.mark()
            keys = {name: there.key(account, key) for name, account, key in wanted_keys}
            led = there.intercept(hosts=hosts, pass_through=pass_through)
            stack.callback(led.close)
            began = time.monotonic()
            code = supervise(command, {**led.env, **keys})
            outcome = Outcome(
                command=command,
                code=code,
                duration_s=time.monotonic() - began,
                calls=there.journal.count(since=since),
                newest=[entry for entry in there.journal.tail(_NEWEST) if entry.seq > since],
                refused=led.refused,
                passed=led.passed,
                judged=[(one, one.check(there.journal, since)) for one in expectations],
            )
        if text := outcome.for_people(quiet=quiet):
            click.echo(text, err=True)
        if junit is not None:
            outcome.write_junit(junit)
    except CannotStart as problem:
        click.echo(f"upsim: {problem}", err=True)
        sys.exit(problem.code)
    except OSError as problem:
        fail(f"{problem.filename or 'run'}: {problem.strerror or problem}")
    except (ConfigError, ControlError, ValueError, LookupError) as problem:
        fail(str(problem))
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.exit(ASSERTION_FAILED if outcome.failed else code)


def _world(
    stack: ExitStack,
    *,
    url: str | None,
    token: str | None,
    world_name: str | None,
    rate_limit: str | None,
    has_keys: bool,
    **wish: Any,
) -> World:
    """The world the command calls: the default one of a simulator of its own, or one of a simulator elsewhere."""
    asked = given(**wish)
    if url is None:
        if world_name is not None:
            raise ValueError("--world: of which simulator? Name it with --url")
        return _own(stack, rate_limit, **wish)
    if rate_limit is not None:
        raise ValueError(
            "--rate-limit: is a setting of the simulator: it was decided when the one at --url was started"
        )
    client = connect(url, token)
    if world_name is not None:
        if asked:
            raise ValueError(f"--{next(iter(asked))}: is for a fresh world; the one --world names is what it is")
        return client.open_world(world_name)
    if not has_keys:
        raise ValueError(
            "--url: a fresh world's keys are new, so say how the command gets one: --key-env NAME=ACCOUNT sets a"
            " variable; or use a world that is there already: --world default"
        )
    clock = given(set=_moment(asked.pop("at", None)), **{n: asked.pop(n) for n in ("freeze", "speed") if n in asked})
    return stack.enter_context(client.world(**asked, clock=clock or None, expires_in=EXPIRES_IN))


def _own(
    stack: ExitStack,
    rate_limit: str | None,
    *,
    fixture: str | None,
    seed: int | None,
    tier: Any,
    at: str | None,
    freeze: bool | None,
    speed: float | None,
) -> World:
    from upsim.simulator import Simulator  # here and not above: who names one that runs needs none

    simulator = Simulator(fixture=fixture or "demo", seed=1 if seed is None else seed, rate_limit=rate_limit != "off")
    world = stack.enter_context(simulator).default
    if at is not None:
        world.clock.freeze(number_or_text(at))
    if tier is not None:  # it counts from the next window on, so it is changed in the one before
        world.clock.advance(-WINDOW_S)
        for account in world.accounts():
            world.set_tier(account.name, tier)
        world.clock.advance(WINDOW_S)
    if freeze:
        world.clock.freeze()
    elif speed is not None:
        world.clock.speed(speed)
    elif at is not None:
        world.clock.run()
    return world


def _moment(text: str | None) -> float | str | None:
    return None if text is None else number_or_text(text)


def _key_wish(text: str) -> tuple[str, str, str | None]:
    """Variable, account and, where one is named, key."""
    found = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)=([^:]+)(?::(.+))?", text)
    if found is None:
        raise ValueError(f"--key-env {text}: write a variable and an account, as UP_API_KEY=vip")
    return found[1], found[2], found[3]


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(BY_SIGNAL + number)
