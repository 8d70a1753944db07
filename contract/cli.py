"""The commands `upsim contract` and `upsim drift`. The only place in the suite that prints or exits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from .clauses import Level

LEVEL_WORDS = [level.word for level in Level]


def fail(message: str) -> NoReturn:
    """One line, and exit 2: the run could not be done."""
    click.echo(f"upsim: {message}", err=True)
    sys.exit(2)


def needs_extra(error: ImportError) -> NoReturn:
    """The suite's own dependencies are not installed."""
    fail(f"{error.name} is not installed; the contract suite needs: pip install 'upsim[contract]'")


@click.command()
@click.argument("url", required=False)
@click.option("--key", envvar="CONTRACT_KEY", metavar="KEY", help="API key of the user to test with.")
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Keys and pools: TOML, or a ready-file."
)
@click.option(
    "--level", type=click.Choice(LEVEL_WORDS), default="observed", show_default=True, help="What fails a run."
)
@click.option("--read-only", is_flag=True, help="Change nothing on the target.")
@click.option("--yes-write", is_flag=True, help="Write even to the vendor's own service.")
@click.option("--no-control", is_flag=True, help="Do not use upsim's control plane to move the clock; wait instead.")
@click.option(
    "--admin-token", envvar="CONTRACT_ADMIN_TOKEN", metavar="TOKEN", help="What upsim's control plane asks for."
)
@click.option("--only", multiple=True, metavar="PATTERN", help="Scenarios or clauses to run, as pools.*; repeatable.")
@click.option("--cases", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Generated requests each.")
@click.option("--seed", type=int, default=0, show_default=True, help="What generated requests follow from.")
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="FILE", help="Keep what is done here; go on from it."
)
@click.option("--clean-up", is_flag=True, help="Only remove what earlier runs left behind.")
@click.option("--list", "listing", is_flag=True, help="List the checks and stop.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JUnit XML.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as one HTML page.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 600), default=15.0, show_default=True, help="Seconds an answer may take."
)
@click.option("-v", "--verbose", is_flag=True, help="Show every reason.")
def contract(url: str | None, key: str | None, config: Path | None, **options: Any) -> None:
    """Check any server that claims to be this API, clause by clause.

    Exits 0 where it conforms, 1 where it does not, 2 where the run could not be done. What a run makes is named
    upsim-contract-… and removed again.
    """
    try:
        from . import runner, session
        from .settings import SettingsError, load, override
    except ImportError as error:
        needs_extra(error)
    if options["listing"]:
        click.echo(session.listing())
        return
    try:
        settings = override(load(config) if config else None, url, key)
    except SettingsError as error:
        fail(str(error))
    if settings.is_vendor and not options["read_only"] and not options["yes_write"]:
        fail(f"{settings.url} is the vendor's own service: add --read-only, or --yes-write to create and delete there.")
    progress = Progress(sys.stderr.isatty())
    try:
        summary = session.check(
            settings,
            runner.Plan(options["read_only"], options["only"], options["cases"], options["seed"], options["resume"]),
            Level[options["level"].upper()],
            control=not options["no_control"],
            token=options["admin_token"],
            timeout_s=options["timeout"],
            progress=progress.show,
            waiting=progress.wait,
            announce=lambda text: click.echo(text, err=True),
            clean_up=options["clean_up"],
        )
    except (runner.CannotRun, SettingsError) as error:
        progress.end()
        fail(str(error))
    except KeyboardInterrupt:
        progress.end()
        fail("interrupted before anything was made")
    progress.end()
    if summary is None:
        click.echo("Nothing of earlier runs is left.")
        return
    from .page import as_html
    from .reports import as_json, as_junit, terminal

    click.echo(terminal(summary, full=options["verbose"]))
    for name, render in (("json_file", as_json), ("junit", as_junit), ("html", as_html)):
        _write(options[name], render, summary)
    sys.exit(summary.exit_code)


def _write(path: Path | None, render: Callable[[Any], str], summary: Any) -> None:
    if path is not None:
        try:
            path.write_text(render(summary), "utf-8")
        except OSError as error:
            fail(f"{path}: {error.strerror or error}")


class Progress:
    """A line at the bottom of a terminal; silent where there is none."""

    def __init__(self, on: bool) -> None:
        self._on = on
        self._text = ""

    def show(self, name: str, calls: int, total: int) -> None:
        """Which scenario, and how far."""
        share = min(calls / total, 0.99) if total else 0.0
        filled = "█" * int(24 * share)
        self._put(f"{filled:·<24} {calls} of about {max(total, calls)} calls  {name}")

    def wait(self, seconds: float) -> None:
        """Waiting for the rate limit."""
        note = f"waiting {seconds:.0f} s for the rate limit"
        if self._on:
            self._put(f"{self._text}  ({note})", keep=True)

    def end(self) -> None:
        """Clear the line."""
        if self._on and self._text:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _put(self, text: str, *, keep: bool = False) -> None:
        if self._on:
            click.echo(f"\r\x1b[K{text[:150]}", nl=False, err=True)
            self._text = self._text if keep else text


@click.command()
@click.argument("source", metavar="URL|HAR|JSON")
@click.option("--key", envvar="CONTRACT_KEY", metavar="KEY", help="API key, where SOURCE is a URL.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write what was found as JSON."
)
@click.option("--save", type=click.Path(path_type=Path), metavar="FILE", help="Store the exchanges, redacted.")
@click.option(
    "--patch", type=click.Path(path_type=Path), metavar="FILE", help="Write a patch to the spec's provenance."
)
def drift(source: str, key: str | None, json_file: Path | None, save: Path | None, patch: Path | None) -> None:
    """Compare recorded exchanges, or a live target that is only read, with the spec.

    Exits 0 where nothing documented or observed is contradicted, 1 where something is, 2 where SOURCE cannot be used.
    """
    try:
        from .drift import DriftError, compare, gather, provenance_patch
    except ImportError as error:
        needs_extra(error)
    try:
        exchanges = gather(source, key)
    except DriftError as error:
        fail(str(error))
    found = compare(exchanges)
    click.echo(found.text())
    for path, content in (
        (json_file, found.as_json),
        (save, found.recording),
        (patch, lambda: provenance_patch(found)),
    ):
        if path is not None:
            path.write_text(content(), "utf-8")
    sys.exit(1 if found.contradicted else 0)
