"""The command line: from arguments to a Config to a running server. The only room that prints or exits."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from upsim.config import Config, configure, flag, settings, spoken, variable
from upsim.errors import ConfigError

if TYPE_CHECKING:
    from upsim.serve import Opened


_ELSEWHERE: Final[Mapping[str, tuple[str, str]]] = {
    "check-pool": ("upsim.commands.check_pool:check_pool_command", "Say what is wrong with a pool, anybody's."),
    "clock": ("upsim.commands.effects:clock", "Read, stop, set, move and speed up a world's clock."),
    "contract": ("upsim_contract.cli:contract", "Check any server against the spec."),
    "drift": ("upsim_contract.cli:drift", "Compare recorded exchanges with the spec."),
    "fault": ("upsim.commands.effects:fault", "Make a world's calls fail."),
    "journal": ("upsim.commands.journal:journal", "Look at a world's calls, hold them to an expectation."),
    "key": ("upsim.commands.accounts:key", "List, create and revoke a world's API keys."),
    "magic": ("upsim.commands.accounts:magic", "Pools, keys and workers with a fixed outcome."),
    "miners": ("upsim.commands.miners:miners_command", "Exercise a pool or proxy with many sessions; mines nothing."),
    "plot": ("upsim.commands.plot:plot", "Draw what a fixture's workers do."),
    "pool": ("upsim.commands.pool:pool_command", "Run a simulated pool on a port of its own."),
    "run": ("upsim.commands.run:run", "Run a command whose calls to the real service reach a simulator."),
    "snapshot": ("upsim.commands.worlds:snapshot", "Save a world under a name, and bring it back."),
    "tier": ("upsim.commands.accounts:tier", "Show or change the tier of accounts."),
    "world": ("upsim.commands.worlds:world", "Make, look at, reset, download, load and delete worlds."),
}
"""Commands that live in other rooms: where each is, and what it does. Imported when called."""


class _Commands(click.Group):
    """The commands, of which those elsewhere cost nothing until they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = _ELSEWHERE[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = {name: command.get_short_help_str(80) for name, command in self.commands.items()}
        rows = sorted({**own, **{name: meaning for name, (_, meaning) in _ELSEWHERE.items()}}.items())
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="upsim")
def main() -> None:
    """A simulator of the Ultimate Proxy mining API."""


def _with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    for setting in reversed(settings()):
        default = spoken(setting)
        # A switch may be given alone: --sandbox is --sandbox on.
        alone: dict[str, Any] = (
            {"is_flag": False, "flag_value": "on"} if setting.metadata["metavar"] == "on|off" else {}
        )
        command = click.option(
            flag(setting),
            setting.name,
            **alone,
            metavar=setting.metadata["metavar"],
            help=f"{setting.metadata['meaning']}{f' Default: {default}.' if default else ''} [{variable(setting)}]",
        )(command)
    return command


@main.command()
@_with_settings
def serve(**flags: str | None) -> None:
    """Run the simulator."""
    gc.disable()  # nothing that starting makes is garbage; looking for it takes 13 ms. Once it answers, it begins
    try:
        config = configure(flags, os.environ)
        from upsim.running import serve as run

        signal.signal(signal.SIGTERM, _stop)
        run(config, partial(_announce, config))
    except ConfigError as error:
        _fail(error)
    except KeyboardInterrupt:
        sys.exit(0)
    finally:
        gc.enable()


_REMARKS = 10
"""Remarks on its fixture that a start tells."""


def _announce(config: Config, opened: Opened) -> None:
    url = opened.url
    lines = [f"upsim simulates the Ultimate Proxy API on {url}", ""]
    width = max((len(login.key) for login in opened.logins), default=0)
    for login in opened.logins:
        lines.append(f"  {login.key:{width}}  a {login.tier} account's key ({_scopes(login.scopes)})")
    if opened.admin_token is not None and config.admin_token is None:
        lines.append(f"  {opened.admin_token}  the control plane's admin token, shown only here")
    if opened.authority is not None:
        lines += ["", f"Its throw-away authority, gone when it ends: {opened.authority}"]
    curl = "curl" if opened.authority is None else f"curl --cacert {opened.authority}"
    if opened.logins:
        key = opened.logins[0].key
        lines += [
            "",
            "Try:",
            f"  {curl} -H 'X-API-Key: {key}' {url}/v1/overview",
            f"  {curl} -H 'X-API-Key: {key}' '{url}/v1/workers?limit=2'",
        ]
        if opened.mined is not None:
            series = f"/v1/workers/hashrate?algorithm={opened.mined}&timeRange=1h"
            lines.append(f"  {curl} -H 'X-API-Key: {key}' '{url}{series}'")
    if opened.pool_ports:
        lines += ["", "Pools for miners, any user and password:"]
        lines += [f"  {port.url}  {port.algorithm}" for port in opened.pool_ports]
    if opened.remarks:
        lines += ["", *opened.remarks[:_REMARKS]]
        if len(opened.remarks) > _REMARKS:
            lines.append(
                f"… and {len(opened.remarks) - _REMARKS} more: the control plane tells all where it makes a world"
            )
    if opened.stratum:
        lines += ["", "The proxy's own door for miners, as ACCOUNT.WORKER with any password:"]
        lines += [f"  {port.url}  {port.algorithm}" for port in opened.stratum]
    lines += ["", f"Look at it: {url}/. All there is: {url}/docs. Ctrl-C stops it."]
    click.echo("\n".join(lines), err=True)


def _scopes(scopes: tuple[str, ...]) -> str:
    from upsim.model import Scope

    return "all scopes" if len(scopes) == len(Scope) else ", ".join(scopes)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _fail(error: ConfigError) -> NoReturn:
    click.echo(f"upsim: {error}", err=True)
    sys.exit(2)
