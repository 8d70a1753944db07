"""`upsim plot`: what a fixture's workers do, as a picture. Asks no server: a seed has the same curves everywhere.

matplotlib is an extra, imported when a picture is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from upsim import fixture
from upsim.algorithms import ALGORITHMS
from upsim.clock import DAY, HOUR, SECOND, ClockState, Instant, SystemClock, iso, parse_iso
from upsim.errors import ConfigError
from upsim.fixture import Fixture
from upsim.fleet.series import RANGES, Point
from upsim.model import PoolTarget, PoolTest, WorldId, WorldRecord
from upsim.rules.devices import summands
from upsim.rules.series import fleet_series, worker_series
from upsim.store.base import Store
from upsim.store.factory import open_store
from upsim.world import World

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNITS: Final = ("", "k", "M", "G", "T", "P", "E")
_INK: Final = "#1f4e79"


@click.command()
@click.argument("name", metavar="FIXTURE")
@click.option("--range", "ranges", multiple=True, type=click.Choice(list(RANGES)), help="A panel each; repeatable.")
@click.option("--days", type=click.IntRange(1, 3650), help="One panel over so many days, in four-hour points.")
@click.option("--worker", "names", multiple=True, metavar="NAME", help="A panel of single workers; repeatable.")
@click.option("--algorithm", metavar="NAME", help="Which, where there are several. Else that of most workers.")
@click.option(
    "--at", "at", metavar="TIME", help="When it ends, as 2025-06-30T12:00:00Z. Else the fixture's clock, or now."
)
@click.option("--seed", default=1, show_default=True, help="The world's.")
@click.option("--out", "out", required=True, metavar="FILE", type=click.Path(path_type=Path), help="A PNG or SVG file.")
def plot(
    name: str,
    ranges: tuple[str, ...],
    days: int | None,
    names: tuple[str, ...],
    algorithm: str | None,
    at: str | None,
    seed: int,
    out: Path,
) -> None:
    """Draw the hashrate of a FIXTURE's workers over time."""
    if find_spec("matplotlib") is None:
        raise click.ClickException("drawing needs matplotlib: pip install 'upsim[plot]'")
    try:
        found = fixture.load(name)
        now = parse_iso(at) if at else found.clock or SystemClock().now()
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.BadParameter(f"{at!r} is no time; give one like 2025-06-30T12:00:00Z", param_hint="--at") from error
    with _drawing(found, seed) as farm:
        mined = farm.choose(algorithm)
        panels = [(chosen, farm.fleet(mined, chosen, now)) for chosen in ranges or _default(days)]
        if days is not None:
            panels.append((f"{days} days", _long(farm, mined, now, days)))
        singles = [(wish, farm.worker(mined, wish, "24h", now)) for wish in names]
    title = f"{name}: {farm.counts[mined]} workers, {mined}, seed {seed}, until {iso(now)[:16]}Z"
    _draw(out, title, ALGORITHMS[mined].unit, panels, singles)
    click.echo(f"{out}")


def _default(days: int | None) -> tuple[str, ...]:
    return ("24h", "30d") if days is None else ()


class _Farm:
    """A fixture's workers as the API would tell of them, at any time."""

    def __init__(self, found: Fixture, store: Store, seed: int) -> None:
        self._found = found
        self._store = store
        self._record = WorldRecord(WorldId("plot"), found.name, seed, ClockState.real(), Instant(0))
        store.create_world(self._record, found.content)
        self.counts = Counter(worker.algorithm for worker in found.content.workers)

    def choose(self, wish: str | None) -> str:
        """The algorithm that was wished, or that of most workers."""
        if not self.counts:
            raise click.ClickException("this fixture has no workers to draw")
        if wish is not None and not self.counts[wish]:
            raise click.BadParameter(
                f"no worker mines {wish}; they mine {', '.join(filter(self.counts.get, ALGORITHMS))}",
                param_hint="--algorithm",
            )
        return wish or max(ALGORITHMS, key=lambda mined: self.counts[mined])

    def fleet(self, mined: str, time_range: str, now: Instant) -> Sequence[Point]:
        """The hashrate of all accounts' workers of an algorithm over the range before an instant."""
        world = self._at(now)
        each = [fleet_series(world, account, time_range, mined).points for account in self._found.content.accounts]
        columns = zip(*filter(None, each), strict=True)
        return [Point(column[0].timestamp, sum(point.hashrate for point in column)) for column in columns]

    def worker(self, mined: str, name: str, time_range: str, now: Instant) -> Sequence[Point]:
        """The hashrate of the worker of that name over the range before an instant."""
        for worker in self._found.content.workers:
            if (worker.name, worker.algorithm) == (name, mined):
                account = next(one for one in self._found.content.accounts if one.id == worker.account_id)
                return worker_series(self._at(now), account, worker.id, time_range, None).points
        raise click.BadParameter(f"there is no worker {name!r} of this algorithm", param_hint="--worker")

    def _at(self, now: Instant) -> World:
        return World(replace(self._record, clock=ClockState(Instant(0), now, 0)), self._store, _untested, SystemClock())


@contextmanager
def _drawing(found: Fixture, seed: int) -> Iterator[_Farm]:
    store = open_store("memory:", summands)
    try:
        yield _Farm(found, store, seed)
    finally:
        store.close()


def _untested(world: World, target: PoolTarget) -> PoolTest:
    """Drawing tries no pool."""
    raise AssertionError(f"{target.host} was not to be tried for {world.id}")


def _long(farm: _Farm, mined: str, now: Instant, days: int) -> Sequence[Point]:
    """Longer than any range the API has: points once shown never change, so that ranges fit each other seamlessly."""
    known: dict[int, Point] = {}
    for back in range(0, days, 30):
        known |= {point.timestamp: point for point in farm.fleet(mined, "30d", Instant(now - back * DAY))}
    first = (now - days * DAY - 4 * HOUR) // SECOND
    return [known[timestamp] for timestamp in sorted(known) if timestamp > first]


def _draw(
    out: Path,
    title: str,
    unit: str,
    panels: Sequence[tuple[str, Sequence[Point]]],
    singles: Sequence[tuple[str, Sequence[Point]]],
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    # Without these two, an SVG holds the time it was made and names by chance.
    matplotlib.rcParams["svg.hashsalt"] = "upsim"
    from matplotlib.figure import Figure

    count = len(panels) + bool(singles)
    figure = Figure(figsize=(11, 2.6 * count + 0.5), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = [figure.add_subplot(count, 1, i + 1) for i in range(count)]
    for axis, (name, points) in zip(axes, panels, strict=False):
        _panel(axis, name, unit, [("", points)])
    if singles:
        _panel(axes[-1], "single workers, 24h", unit, singles)
    metadata = {"Date": None} if out.suffix == ".svg" else {"Software": None}
    figure.savefig(out, dpi=110, metadata=metadata)


def _panel(axis: Axes, name: str, unit: str, lines: Sequence[tuple[str, Sequence[Point]]]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    top = max(point.hashrate for _, points in lines for point in points)
    power = min((len(str(top)) - 1) // 3, len(_UNITS) - 1)
    scale = 1000**power
    for label, points in lines:
        times = [datetime.fromtimestamp(point.timestamp, UTC) for point in points]
        rates = [point.hashrate / scale for point in points]
        color = None if label else _INK
        axis.plot(times, rates, linewidth=1.1, label=label or None, color=color)  # type: ignore[arg-type] # knows no dates
    step = min(after.timestamp - before.timestamp for before, after in pairwise(lines[0][1]))
    lowest = min(point.hashrate for _, points in lines for point in points)
    # From zero, unless there is nothing down there to see.
    axis.set_ylim(0 if lowest < 0.6 * top else lowest / scale * 0.9, top / scale * 1.05)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib has hints, but not for its dates
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # likewise
    axis.set_ylabel(f"{_UNITS[power]}{unit}")
    axis.set_title(f"{name}, a point each {step // 60} min", fontsize=9, loc="left")
    axis.grid(alpha=0.25)
    axis.margins(x=0)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    if lines[0][0]:
        axis.legend(loc="lower left", fontsize=8, frameon=False, ncols=len(lines))
