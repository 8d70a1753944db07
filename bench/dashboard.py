"""The dashboard with 100,000 workers beside the same with 100: what a person waits, measured in a real Chromium.

First paint and complete page of each page, then the actions; each the best of three, in milliseconds, from the click or
key to the change on the screen. Needs a Chromium on the machine; says so where there is none.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser import chromium
from tests.browser.conftest import FLAGS
from upsim.config import configure
from upsim.serve import Server

FEW, MANY = 100, 100_000
TIMES: Final = 3
PAGES: Final = ("overview", "workers", "pools", "profiles", "settings", "simulator", "journal", "worlds")
ACCOUNT: Final = "bench"

Row = dict[str, float]


def main() -> None:
    """Measure and print."""
    program = chromium.path()
    if program is None:
        print(f"not measured: {chromium.ABSENT}", file=sys.stderr)
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        tables = []
        for count in (FEW, MANY):
            with _served(count) as url:
                context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
                context.add_init_script(f"localStorage.setItem('upsim.account', '{ACCOUNT}')")
                page = context.new_page()
                page.set_default_timeout(120_000)
                expect.set_options(timeout=120_000)
                tables.append({**_paints(page, url), **_actions(page, url, count)})
                context.close()
        browser.close()
    few, many = tables
    print(f"{'ms, best of ' + str(TIMES):44}{FEW:>10,}{MANY:>12,}{'ratio':>9}")
    for name, value in few.items():
        print(f"{name:44}{value:10.0f}{many[name]:12.0f}{many[name] / max(value, 0.1):9.2f}")


@contextmanager
def _served(count: int) -> Iterator[str]:
    """A server whose default world has an account with so many workers, on two profiles."""
    server = Server(configure({"port": "0"}, {}))
    url = server.listen()
    server.start()
    try:
        client = server.app.test_client()
        client.post("/_upsim/worlds/default/accounts", json={"name": ACCOUNT, "tier": "vip"})
        made = client.post(f"/_upsim/worlds/default/accounts/{ACCOUNT}/keys", json={}).json or {}
        key = {"X-API-Key": made["key"]}
        pool = {"name": "P", "algorithm": "sha256", "host": "pool.example", "port": 3333, "username": "u"}
        pool_id = (client.post("/v1/pools", json=pool, headers=key).json or {})["_id"]
        second = {"name": "Second", "algorithm": "sha256", "pools": [{"pool_id": pool_id}]}
        client.post("/v1/profiles", json=second, headers=key)
        profiles = (client.get("/v1/profiles", headers=key).json or {})["data"]
        row = {"name": "rig-{n:06}", "model": "s21", "profile_id": profiles[0]["_id"], "count": count}
        spawned = client.post(f"/_upsim/worlds/default/accounts/{ACCOUNT}/workers", json=row)
        assert spawned.status_code == 201, spawned.get_data(as_text=True)
        client.post("/_upsim/worlds/default/clock", json={"advance": "2h"})
        yield url
    finally:
        server.close()


def _paints(page: Page, url: str) -> Row:
    """First paint and complete content of each page, each in a fresh load."""
    found: Row = {}
    for name in PAGES:
        paints, whole = [], []
        for _ in range(TIMES):
            page.goto("about:blank")
            began = time.perf_counter()
            page.goto(f"{url}/#/{name}")
            page.locator("main#main > :not(.skeleton)").first.wait_for()
            whole.append((time.perf_counter() - began) * 1000)
            paints.append(
                page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
            )
        found[f"{name}: first paint"] = min(paints)
        found[f"{name}: whole"] = min(whole)
    return found


def _actions(page: Page, url: str, count: int) -> Row:
    found: Row = {}

    def measure(name: str, act: Callable[[], object], seen: Callable[[], object], before: Callable[[], object]) -> None:
        times = []
        for _ in range(TIMES):
            before()
            began = time.perf_counter()
            act()
            seen()
            times.append((time.perf_counter() - began) * 1000)
        found[name] = min(times)

    rows, number = page.locator("tbody tr"), page.locator(".page-number")
    shown: list[str] = []

    def first_page() -> None:
        workers()()
        shown[:] = [rows.first.locator("td.name").inner_text()]

    def another_page(number_shown: str) -> Callable[[], None]:
        def seen() -> None:
            expect(number).to_have_text(number_shown)
            expect(rows.first.locator("td.name")).not_to_have_text(shown[0])

        return seen

    pages = -(-count // 50)

    def workers(query: str = "") -> Callable[[], object]:
        def open_page() -> None:
            page.goto("about:blank")
            page.goto(f"{url}/#/workers{query}")
            rows.first.wait_for()

        return open_page

    search = page.get_by_label("Search workers by name")
    measure("workers: search", lambda: search.fill("rig-000042"), lambda: expect(rows).to_have_count(1), workers())
    measure(
        "workers: only those offline",
        lambda: page.get_by_label("Status", exact=True).select_option("offline"),
        lambda: expect(page.locator("tbody .badge", has_text="online")).to_have_count(0),
        workers(),
    )
    measure(
        "workers: next page",
        lambda: page.get_by_role("button", name="Next page").click(),
        another_page(f"2 / {pages:,}"),
        first_page,
    )

    measure(
        "workers: last page",
        lambda: page.evaluate(f"() => {{ location.hash = '/workers?page={pages}'; }}"),
        another_page(f"{pages:,} / {pages:,}"),
        first_page,
    )
    bulk = page.locator(".bulk")
    measure(
        "workers: select a page",
        lambda: page.get_by_label("Select all on this page").check(),
        lambda: expect(bulk).to_contain_text("50 workers selected"),
        workers(),
    )

    everyone = min(count, 10_000)  # as many as one call of the API takes

    def select_all() -> None:
        page.get_by_role("button", name=re.compile("^Select all [0-9,]+$")).click()

    def half_way() -> None:
        workers()()
        page.get_by_label("Select all on this page").check()

    measure(
        "workers: select all, 10,000 at most",
        select_all,
        lambda: expect(bulk).to_contain_text(f"{everyone:,} workers selected"),
        half_way,
    )

    def choose_all() -> None:
        half_way()
        select_all()
        expect(bulk).to_contain_text(f"{everyone:,} workers selected")
        page.get_by_role("button", name="Assign to a profile").click()
        page.get_by_role("dialog").get_by_role("combobox").select_option(label="Second (sha256)")

    measure(
        "workers: assign them",
        lambda: page.get_by_role("dialog").get_by_role("button", name="Assign").click(),
        lambda: page.locator(".toast", has_text=f"{everyone:,} workers assigned").last.wait_for(),
        choose_all,
    )

    def choose_profile() -> None:
        workers()()
        page.get_by_label("Select all on this page").check()
        page.get_by_role("button", name="Assign to a profile").click()
        page.get_by_role("dialog").get_by_role("combobox").select_option(label="Second (sha256)")

    measure(
        "workers: assign 50",
        lambda: page.get_by_role("dialog").get_by_role("button", name="Assign").click(),
        lambda: page.locator(".toast", has_text="50 workers assigned").last.wait_for(),
        choose_profile,
    )
    measure(
        "worker: open one",
        lambda: page.get_by_role("link", name=re.compile("^rig-")).first.click(),
        lambda: page.get_by_role("slider").wait_for(),
        workers(),
    )

    def overview() -> None:
        page.goto("about:blank")
        page.goto(f"{url}/#/overview")
        page.get_by_role("slider").wait_for()

    def show_range(name: str, last: int) -> None:
        measure(
            f"overview: range {name}",
            lambda: page.get_by_role("button", name=name, exact=True).click(),
            lambda: expect(page.get_by_role("slider")).to_have_attribute("aria-valuemax", str(last)),
            overview,
        )

    for name, last in (("1h", 59), ("7d", 167), ("30d", 179)):
        show_range(name, last)

    def twelve() -> None:
        page.goto("about:blank")
        page.goto(f"{url}/#/pools")
        page.get_by_role("article").first.wait_for()

    measure(
        "pools: test one",
        lambda: page.get_by_role("article").first.get_by_role("button", name="Test").click(),
        lambda: page.get_by_text("All three stages passed").wait_for(),
        twelve,
    )
    return found


if __name__ == "__main__":
    main()
