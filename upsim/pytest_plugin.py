"""The pytest plugin: `upsim`, one simulator for the session, and `upsim_world`, a fresh world for each test.

    def test_my_client(upsim_world):
        client = MyClient(upsim_world.url, upsim_world.key("vip"))

`upsim_intercept` is for clients that have the service's address built in: during the test they reach that world too.

With pytest-xdist each worker process has a simulator of its own, unless `upsim_url` names one that runs elsewhere. The
report of a failed test shows what its world's journal saw last. Nothing else of upsim is imported before a test asks.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from upsim.client import Client, World
    from upsim.intercept.session import Interception

OPTIONS: Final = {
    "fixture": "What worlds hold: demo, empty, or the path of a file.",
    "seed": "What chance follows from.",
    "store": "Where everything is kept: memory:, sqlite:PATH, mongomock:, mongodb://HOST/DATABASE.",
    "rate_limit": "off: requests are counted, but never refused.",
    "pool_network": "simulated, or real: pools are connected wherever they are.",
    "pool_timeout": "How long a pool test may take, in seconds.",
    "url": "Use the simulator that runs there, instead of one in this process.",
    "token": "Its admin token; else the environment variable UPSIM_TOKEN.",
}
"""Each is `upsim_NAME` in the ini file and `--upsim-NAME` on the command line, which wins."""

EXPIRES_IN: Final = "1h"
"""How long a world on a server elsewhere outlives a test run that was killed."""

SHOWN: Final = 20
"""Calls of the journal that a failed test's report shows."""

_WORLD: Final = pytest.StashKey["World"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the options known."""
    group = parser.getgroup("upsim", "upsim, a simulator of the Ultimate Proxy mining API")
    for name, meaning in OPTIONS.items():
        spelt = name.replace("_", "-")
        group.addoption(f"--upsim-{spelt}", dest=f"upsim_{name}", metavar=spelt.upper(), help=meaning)
        parser.addini(f"upsim_{name}", meaning, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line(
        "markers",
        "upsim_world(**wish): what the world of this test shall be, as upsim.Client.world takes it:"
        ' @pytest.mark.upsim_world(seed=7, clock={"freeze": True})',
    )
    config.addinivalue_line(
        "markers",
        "upsim_intercept(hosts, pass_through): what upsim_intercept of this test leads here besides, and lets through:"
        ' @pytest.mark.upsim_intercept(hosts=["api.example.com"])',
    )


@pytest.fixture(scope="session", name="upsim")
def upsim_fixture(pytestconfig: pytest.Config) -> Iterator[Client]:
    """The session's simulator: an upsim.Simulator, or a client of the one at `upsim_url`."""
    asked = {name: _option(pytestconfig, name) for name in OPTIONS}
    url, token = asked.pop("url"), asked.pop("token")
    if url is not None:
        yield _connected(url, token or os.environ.get("UPSIM_TOKEN"))
        return
    from upsim.errors import ConfigError
    from upsim.simulator import Simulator

    settings: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    try:
        simulator = Simulator(**settings).start()
    except ConfigError as error:
        pytest.fail(f"upsim: {error}", pytrace=False)
    with simulator:
        yield simulator


@pytest.fixture(name="upsim_world")
def upsim_world_fixture(upsim: Client, request: pytest.FixtureRequest) -> Iterator[World]:
    """A world of the test's own: fresh, and deleted after it."""
    marker = request.node.get_closest_marker("upsim_world")
    wish: dict[str, Any] = dict(marker.kwargs) if marker is not None else {}
    if _option(request.config, "url") is not None:
        wish.setdefault("expires_in", EXPIRES_IN)
    with upsim.world(**wish) as world:
        request.node.stash[_WORLD] = world
        yield world


@pytest.fixture(name="upsim_intercept")
def upsim_intercept_fixture(upsim_world: World, request: pytest.FixtureRequest) -> Iterator[Interception]:
    """Leads calls to the real service to the test's world, and refuses all others; `env` is for subprocesses."""
    marker = request.node.get_closest_marker("upsim_intercept")
    with upsim_world.intercept(**(marker.kwargs if marker is not None else {})) as led:
        yield led


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failed test's report show the end of its world's journal."""
    report = yield
    world = item.stash.get(_WORLD, None)
    if world is not None and report.when == "call" and report.failed:
        report.sections.append((f"upsim journal of world {world.id}", _tail(world)))
    return report


def _connected(url: str, token: str | None) -> Client:
    from upsim.client import ControlError, connect

    try:
        client = connect(url, token)
        if client.is_well():
            return client
        problem = f"no simulator answers on {url}; start one with: upsim serve"
    except (ControlError, ValueError) as error:
        problem = str(error)
    pytest.fail(f"upsim: {problem}", pytrace=False)


def _tail(world: World) -> str:
    from upsim.client import ControlError

    try:
        entries = world.journal.tail(SHOWN)
    except ControlError as error:
        return f"not to be had: {error}"
    return "\n".join(map(str, entries)) or "nothing was called"


def _option(config: pytest.Config, name: str) -> str | None:
    """What the command line says, else the ini file; a file it names stands beside it."""
    given: str | None = config.getoption(f"upsim_{name}")
    if given is None:
        given = config.getini(f"upsim_{name}")
        beside = config.inipath.parent / given if config.inipath is not None and given and name == "fixture" else None
        if beside is not None and beside.is_file():
            return str(Path(beside))
    return given or None
