"""The dashboard in a real Chromium: the machine's own, headless, with an empty profile. Without one, nothing here runs.

A test gets a page and, in one server, a world of its own whose clock stands still. Whatever it does, the page is judged
at its end: no error on the console, no request to another host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser import chromium
from tests.browser.dashboard import Dashboard
from upsim.clock import parse_iso
from upsim.config import configure
from upsim.rules.clocks import ClockChange
from upsim.rules.worlds import Wish, create_world
from upsim.serve import Server

START: Final = parse_iso("2026-03-01T12:00:10Z")
"""What the clocks of the tests' worlds show: ten seconds into a window."""

FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

WIDE: Final = {"width": 1280, "height": 860}
PHONE: Final = {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if chromium.path() is None:
        # A browser is no Python package: where there is none, the rest of the suite is still worth running.
        absent = pytest.mark.skip(reason=chromium.ABSENT)
        for item in items:
            if item.path.parent == Path(__file__).parent:
                item.add_marker(absent)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a module; each test has a profile of its own in it.

    No longer than that: its driver's event loop runs in this thread, where tests elsewhere want to run their own.
    """
    expect.set_options(timeout=20_000)  # for machines with much else to do; nothing here waits for time to pass
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium.path(), args=FLAGS)
        yield started
        started.close()


@dataclass(frozen=True)
class Served:
    """A server that answers, and where."""

    server: Server
    url: str


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """A server on a free port of loopback."""
    server = Server(configure({"port": "0", "stratum": "sha256=0"}, {}))
    url = server.listen()
    server.start()
    yield Served(server, url)
    server.close()


MakeDashboard = Callable[..., Dashboard]


@pytest.fixture
def make_dashboard(browser: Browser, served: Served) -> Iterator[MakeDashboard]:
    """Makes pages, each in a new profile of the browser and a new world; judged when the test is over."""
    made: list[tuple[Dashboard, BrowserContext]] = []

    def make(*, theme: str = "light", size: dict[str, int] = WIDE, fixture: str = "demo") -> Dashboard:
        clock = ClockChange(set_to=START, speed=0.0)
        world = create_world(served.server.universe, Wish(fixture=fixture, seed=7, clock=clock))
        context = browser.new_context(
            viewport={"width": size["width"], "height": size["height"]},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.add_init_script(f"sessionStorage.setItem('upsim.world', '{world.record.id}')")
        dashboard = Dashboard(context.new_page(), served.url, served.server, world)
        dashboard.page.set_default_timeout(20_000)
        dashboard.watch()
        made.append((dashboard, context))
        return dashboard

    yield make
    for _, context in made:
        context.close()
    for dashboard, _ in made:
        dashboard.judge()


@pytest.fixture
def dashboard(make_dashboard: MakeDashboard) -> Dashboard:
    """A wide page with the light theme, in a world of the demo fixture."""
    return make_dashboard()
