"""What is promised of every page, in both themes, wide and on a phone."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

from tests.browser.conftest import PHONE, WIDE, MakeDashboard
from tests.browser.dashboard import Dashboard

PAGES = ("overview", "workers", "miners", "pools", "profiles", "settings", "simulator", "journal", "worlds")

WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

PAINTED = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"

SHIFTS = """() => {
  window.shifts = [];
  const told = (entry) => [entry.value, ...entry.sources.map((source) => source.node?.outerHTML?.slice(0, 200))];
  const found = (list) => window.shifts.push(...list.getEntries().map(told));
  window.shiftObserver = new PerformanceObserver(found);
  window.shiftObserver.observe({ type: "layout-shift", buffered: false });
}"""


def axe(dashboard: Dashboard, within: tuple[str, ...] = ("html",)) -> list[str]:
    """What axe-core calls serious or critical, one line a problem."""
    if not dashboard.page.evaluate("() => 'axe' in window"):
        source = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
        dashboard.page.evaluate(source)
    judge = "(within) => axe.run({include: within.map((one) => [one])}, {resultTypes: ['violations']})"
    found: dict[str, Any] = dashboard.page.evaluate(judge, list(within))
    return [
        f"{problem['id']}: {problem['help']}: {node['html'][:160]}"
        for problem in found["violations"]
        if problem["impact"] in ("serious", "critical")
        for node in problem["nodes"][:3]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [pytest.param(WIDE, id="wide"), pytest.param(PHONE, id="phone")])
def test_every_page_is_accessible_and_fits(make_dashboard: MakeDashboard, theme: str, size: dict[str, int]) -> None:
    dashboard = make_dashboard(theme=theme, size=size)
    dashboard.v1("GET", "/v1/overview")  # so that the journal has a line
    # A few lines of the long lists are enough: the others are alike, and axe looks at each.
    short = {"workers": "workers?search=bitaxe", "pools": "pools?algorithm=scrypt"}
    one = f"workers/{dashboard.look('/v1/workers?limit=1')['data'][0]['_id']}"
    for page in (*(short.get(name, name) for name in PAGES), one):
        dashboard.open(page)
        dashboard.settle()
        if size is WIDE or page in ("overview", "profiles", "settings"):
            assert axe(dashboard) == [], page
        wider = dashboard.page.evaluate(WIDER)
        assert wider <= 0, page


def test_the_reference_is_accessible_and_fits(make_dashboard: MakeDashboard) -> None:
    for theme, size in (("light", PHONE), ("dark", WIDE)):
        dashboard = make_dashboard(theme=theme, size=size)
        dashboard.page.goto(f"{dashboard.url}/docs")
        dashboard.page.get_by_role("button", name="Try GET /v1/overview").click()
        if theme == "dark":  # the contrast of the light theme's colours is held by the other pages
            assert axe(dashboard, (".docs-nav", ".docs-top", ".levels", "#op-get_overview", "#op-create_profile")) == []
        wider = dashboard.page.evaluate(WIDER)
        assert wider <= 0


@pytest.mark.parametrize("size", [pytest.param(WIDE, id="wide"), pytest.param(PHONE, id="phone")])
def test_long_names_break_no_page(make_dashboard: MakeDashboard, size: dict[str, int]) -> None:
    dashboard = make_dashboard(size=size)
    for kind in ("pools", "profiles"):
        for one in dashboard.look(f"/v1/{kind}?limit=2&algorithm=sha256")["data"]:
            dashboard.v1("PUT", f"/v1/{kind}/{one['_id']}", {"name": "n" * 100})
    profile = dashboard.look("/v1/profiles?limit=1")["data"][0]["_id"]
    row = {"name": "W" * 76 + "{n}", "model": "s21", "profile_id": profile, "count": 3}
    worker = dashboard.control("POST", "/accounts/vip/workers", row)["worker_ids"][0]
    dashboard.control("POST", "/accounts/vip/keys", {"name": "k" * 100, "addresses": ["2001:db8::/32"] * 20})
    dashboard.control("POST", "/faults", {"path": "/v1/" + "p" * 190})
    for page in ("overview", "workers?search=WWW", f"workers/{worker}", "pools", "profiles", "settings", "simulator"):
        dashboard.open(page)
        dashboard.settle()
        wider = dashboard.page.evaluate(WIDER)
        assert wider <= 0, page


def test_nothing_moves_when_a_page_refreshes(dashboard: Dashboard) -> None:
    """Though the numbers change: the clock goes on between the readings."""
    for page in PAGES:
        dashboard.open(page)
        dashboard.settle()
        dashboard.page.evaluate(SHIFTS)
        for _ in range(2):
            dashboard.control("POST", "/clock", {"advance": "37s"})
            dashboard.refresh()
            dashboard.page.evaluate(PAINTED)
        shifts = dashboard.page.evaluate("() => { window.shiftObserver.takeRecords(); return window.shifts; }")
        assert shifts == [], page
    # And were something to move, it would be seen.
    dashboard.page.evaluate(
        "() => document.body.prepend(Object.assign(document.createElement('p'), {textContent: 'in the way'}))"
    )
    dashboard.page.wait_for_function("() => window.shifts.length > 0")


def test_a_refresh_keeps_focus_what_is_typed_and_what_is_open(dashboard: Dashboard) -> None:
    dashboard.open("simulator")
    name = dashboard.page.get_by_label("Name of the snapshot")
    name.fill("half a na")
    dashboard.page.get_by_text("Magic values").click()
    name.focus()
    dashboard.refresh()
    assert name.input_value() == "half a na"
    assert name.evaluate("(node) => node === document.activeElement")
    assert dashboard.page.get_by_text("refused.pool.test").is_visible()


def test_an_open_page_leaves_the_rate_limit_alone(dashboard: Dashboard) -> None:
    dashboard.open("overview", account="basic")
    for link in ("Workers", "Pools", "Profiles", "Settings", "Journal", "Overview"):
        dashboard.go(link)
        dashboard.refresh()
    used = {one["name"]: one["window"]["used"] for one in dashboard.control("GET", "/accounts")["data"]}
    assert used["basic"] == 0
    assert dashboard.control("GET", "/journal")["data"] == []


def test_a_paused_page_asks_for_nothing(dashboard: Dashboard) -> None:
    dashboard.page.clock.install()
    dashboard.open("overview")
    dashboard.page.clock.run_for(11_000)
    dashboard.settle()
    before = len(dashboard.asked)
    dashboard.page.clock.run_for(11_000)
    dashboard.settle()
    assert len(dashboard.asked) > before
    dashboard.page.get_by_role("button", name="Pause refreshing").click()
    dashboard.settle()
    before = len(dashboard.asked)
    dashboard.page.clock.run_for(60_000)
    dashboard.settle()
    assert len(dashboard.asked) == before


def test_the_theme_is_the_systems_until_it_is_chosen_and_then_kept(make_dashboard: MakeDashboard) -> None:
    dashboard = make_dashboard(theme="dark")
    dashboard.open("overview")

    def background() -> str:
        found: str = dashboard.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        return found

    assert background() == "rgb(13, 16, 24)"
    dashboard.page.get_by_role("button", name="Light theme").click()
    assert background() == "rgb(245, 246, 250)"
    dashboard.page.reload()
    dashboard.page.get_by_role("button", name="Dark theme").wait_for()
    assert background() == "rgb(245, 246, 250)"


def test_on_a_phone_the_menu_is_a_drawer(make_dashboard: MakeDashboard) -> None:
    dashboard = make_dashboard(size=PHONE)
    dashboard.open("overview")
    menu = dashboard.page.get_by_role("navigation", name="Pages")
    assert not menu.is_visible()
    dashboard.page.get_by_role("button", name="Menu").click()
    assert menu.is_visible()
    dashboard.page.keyboard.press("Escape")
    assert not menu.is_visible()
    dashboard.page.get_by_role("button", name="Menu").click()
    menu.get_by_role("link", name="Pools").click()
    dashboard.page.locator("h1", has_text="Pools").wait_for()
    assert not menu.is_visible()


def test_the_banner_says_that_this_is_a_simulation(dashboard: Dashboard) -> None:
    dashboard.open("overview")
    banner = dashboard.page.get_by_role("note")
    assert "This is a simulation." in banner.inner_text()
    assert "workers are invented, but for miners that connected to the door" in banner.inner_text()
    banner.get_by_text("up_k_demovip").click()
    dashboard.toast("Copied")
    assert dashboard.page.evaluate("() => navigator.clipboard.readText()") == "up_k_demovip"
