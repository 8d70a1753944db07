"""The command line: from arguments to a Config to a running server. The only room that prints or exits."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from upsim.config import configure, flag, settings, spoken, variable
from upsim.errors import ConfigError

if TYPE_CHECKING:
    from upsim.serve import Simulator


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="upsim")
def main() -> None:
    """A simulator of the Ultimate Proxy mining API."""


def _with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    for setting in reversed(settings()):
        default = spoken(setting)
        command = click.option(
            flag(setting),
            setting.name,
            metavar=setting.metadata["metavar"],
            help=f"{setting.metadata['meaning']}{f' Default: {default}.' if default else ''} [{variable(setting)}]",
        )(command)
    return command


@main.command()
@_with_settings
def serve(**flags: str | None) -> None:
    """Run the simulator."""
    try:
        config = configure(flags, os.environ)
        from upsim.serve import serve as run

        signal.signal(signal.SIGTERM, _stop)
        run(config, _announce)
    except ConfigError as error:
        _fail(error)
    except KeyboardInterrupt:
        sys.exit(0)


def _announce(simulator: Simulator, url: str) -> None:
    lines = [f"upsim simulates the Ultimate Proxy API on {url}", ""]
    width = max((len(login.key) for login in simulator.logins), default=0)
    for login in simulator.logins:
        lines.append(f"  {login.key:{width}}  a {login.tier} account's key ({_scopes(login.scopes)})")
    if simulator.admin_token is not None and simulator.config.admin_token is None:
        lines.append(f"  {simulator.admin_token}  the control plane's admin token, shown only here")
    if simulator.logins:
        key = simulator.logins[0].key
        lines += [
            "",
            "Try:",
            f"  curl -H 'X-API-Key: {key}' {url}/v1/overview",
            f"  curl -H 'X-API-Key: {key}' '{url}/v1/workers?limit=2'",
            f"  curl -H 'X-API-Key: {key}' '{url}/v1/workers/hashrate?algorithm=randomx&timeRange=1h'",
        ]
    lines += ["", f"All there is: {url}/openapi.yaml. Ctrl-C stops it."]
    click.echo("\n".join(lines), err=True)


def _scopes(scopes: tuple[str, ...]) -> str:
    from upsim.model import Scope

    return "all scopes" if len(scopes) == len(Scope) else ", ".join(scopes)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _fail(error: ConfigError) -> NoReturn:
    click.echo(f"upsim: {error}", err=True)
    sys.exit(2)
