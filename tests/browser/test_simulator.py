"""What only a simulator can do: clock, faults, snapshots, journal, worlds; keys alone; text that would be markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import MakeDashboard
from tests.browser.dashboard import Dashboard
from upsim.config import configure
from upsim.serve import Server

MARKUP = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>"


def test_the_clock_is_frozen_moved_set_and_sped_up(dashboard: Dashboard) -> None:
    dashboard.open("simulator")
    clock = dashboard.page.locator(".clock")
    expect(clock).to_contain_text("2026-03-01 12:00:10")
    dashboard.page.get_by_role("button", name="+1d", exact=True).click()
    expect(clock).to_contain_text("2026-03-02 12:00:10")
    dashboard.page.get_by_label("Set the clock to (UTC)").fill("2026-04-05T06:07")
    dashboard.page.get_by_role("button", name="Set", exact=True).click()
    expect(clock).to_contain_text("2026-04-05 06:07:00")
    dashboard.page.get_by_role("button", name="600×", exact=True).click()  # noqa: RUF001 - as it is written there
    expect(clock).to_contain_text("600")
    assert dashboard.control("GET", "/clock")["speed"] == 600
    dashboard.page.get_by_role("button", name="Freeze").click()
    expect(dashboard.page.get_by_role("button", name="Let it run")).to_be_visible()
    assert dashboard.control("GET", "/clock")["frozen"]


def test_a_fault_is_added_met_journaled_and_removed(dashboard: Dashboard) -> None:
    dashboard.open("simulator")
    dashboard.page.get_by_role("button", name="Add a fault").click()
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_label("Path").fill("/v1/overview")
    dialog.get_by_label("For the next").fill("1")
    dialog.get_by_text("as curl").click()
    expect(dialog.locator(".curl")).to_contain_text('"times":1')
    dialog.get_by_role("button", name="Add", exact=True).click()
    dashboard.toast("fault-1 strikes")
    expect(dashboard.page.get_by_role("region", name="Faults")).to_contain_text("answers 503, 1 times")
    dashboard.go("Settings")
    dashboard.page.get_by_role("button", name="Spend one").click()
    expect(dashboard.page.locator(".toast", has_text="503")).to_contain_text("injected by the simulator")
    dashboard.page.get_by_role("button", name="Spend one").click()
    dashboard.toast("one request spent")
    dashboard.go("Journal")
    rows = dashboard.page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("overview.answers")
    expect(rows.nth(1)).to_contain_text("fault")
    rows.nth(1).get_by_role("button").click()
    expect(dashboard.page.locator(".more")).to_contain_text("fault-1")
    dashboard.page.get_by_label("Decided by").select_option("fault")
    expect(dashboard.page.locator("tbody tr", has_text="GET /v1/overview")).to_have_count(1)
    dashboard.go("Clock & faults")
    dashboard.page.get_by_role("button", name="Remove fault-1").click()
    dashboard.toast("fault-1 is removed")
    assert dashboard.control("GET", "/faults")["data"] == []


def test_a_snapshot_is_saved_and_restored(dashboard: Dashboard) -> None:
    dashboard.open("simulator")
    dashboard.page.get_by_label("Name of the snapshot").fill("before")
    dashboard.page.get_by_role("button", name="Save").click()
    dashboard.toast("Saved as before.")
    dashboard.page.get_by_role("button", name="+7d", exact=True).click()
    expect(dashboard.page.locator(".clock")).to_contain_text("2026-03-08")
    dashboard.page.get_by_role("button", name="Restore before").click()
    expect(dashboard.page.locator(".clock")).to_contain_text("2026-03-01 12:00:10")
    with dashboard.page.expect_download() as download:
        dashboard.page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".json")
    dashboard.page.get_by_role("button", name="Delete before").click()
    dashboard.toast("before is forgotten")


def test_worlds_are_created_switched_reset_and_deleted(dashboard: Dashboard) -> None:
    first = dashboard.world.record.id
    dashboard.open("worlds")
    dashboard.page.get_by_role("button", name="Create a world").click()
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(f"{first}-two")
    dialog.get_by_label("Tier of its accounts").select_option("basic")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_contain_text("Its keys are shown only now")
    expect(dialog.locator(".secret code").first).to_contain_text("up_k_")
    dialog.get_by_role("button", name="Switch to it").click()
    dashboard.toast(f"This is world {first}-two.")
    expect(dashboard.page.locator(".world-name")).to_contain_text(f"{first}-two")
    expect(dashboard.page.locator(".who")).to_contain_text("Basic")
    dashboard.go("Settings")
    dashboard.page.get_by_role("button", name="Spend one").click()  # with the key it was just given
    dashboard.toast("one request spent")
    dashboard.go("Worlds")
    dashboard.page.get_by_role("button", name="Reset to its fixture").click()
    dialog.get_by_role("button", name="Reset").click()
    dashboard.toast("what its fixture says")
    dashboard.page.get_by_role("button", name=f"Delete {first}-two").click()
    dialog.get_by_role("button", name="Delete").click()
    dashboard.toast("has ended")
    expect(dashboard.page.locator(".world-name")).to_have_attribute("title", "World default")


def test_what_the_page_did_can_be_copied_as_curl(dashboard: Dashboard) -> None:
    dashboard.open("settings")
    dashboard.page.get_by_role("button", name="Spend one").click()
    dashboard.toast("one request spent").get_by_role("button", name="curl").click()
    dashboard.toast("Copied")
    command = dashboard.page.evaluate("() => navigator.clipboard.readText()")
    assert re.fullmatch(rf"curl -H 'X-API-Key: up_k_[0-9a-z]+' '{dashboard.url}/v1/overview'", command)
    dashboard.page.get_by_role("button", name="Calls of this page, as curl").click()
    panel = dashboard.page.get_by_role("complementary")
    expect(panel).to_contain_text("GET /v1/overview")
    panel.get_by_label("show reads too").check()
    expect(panel).to_contain_text("/v1/overview (look)" if "overview" in dashboard.page.url else "/accounts")


def test_by_the_keyboard_alone_a_worker_is_moved(dashboard: Dashboard) -> None:
    dashboard.open("overview")
    press = dashboard.page.keyboard.press

    def tab_to(name: str, role: str) -> None:
        wanted = dashboard.page.get_by_role(role, name=name, exact=True).first  # type: ignore[arg-type]  # roles are names
        for _ in range(60):
            if wanted.evaluate("(node) => node === document.activeElement"):
                return
            press("Tab")
        raise AssertionError(f"{role} {name!r} is not reached by the Tab key")

    press("Tab")
    expect(dashboard.page.get_by_role("link", name="Skip to content")).to_be_focused()
    tab_to("Workers", "link")
    press("Enter")
    dashboard.page.get_by_label("Search workers by name").wait_for()
    tab_to("Search workers by name", "searchbox")
    dashboard.page.keyboard.type("epyc-01")
    expect(dashboard.page.locator("tbody tr")).to_have_count(1)
    tab_to("Select epyc-01", "checkbox")
    press("Space")
    for _ in range(12):
        press("Shift+Tab")
        if dashboard.page.get_by_role("button", name="Assign to a profile").evaluate(
            "(node) => node === document.activeElement"
        ):
            break
    press("Enter")
    profile = dashboard.page.get_by_role("dialog").get_by_role("combobox")
    while not profile.evaluate("(node) => node === document.activeElement"):
        press("Tab")
    dashboard.page.keyboard.type("Monero enc")
    tab_to("Assign", "button")
    press("Enter")
    dashboard.toast("1 worker assigned.")
    assert dashboard.look("/v1/workers?search=epyc-01")["data"][0]["profile_name"] == "Monero encrypted"


def test_a_dialog_takes_the_focus_keeps_it_and_gives_it_back(dashboard: Dashboard) -> None:
    dashboard.open("pools")
    opener = dashboard.page.get_by_role("button", name="Add a pool")
    opener.focus()
    dashboard.page.keyboard.press("Enter")
    dialog = dashboard.page.get_by_role("dialog")
    dialog.wait_for()
    for _ in range(20):
        dashboard.page.keyboard.press("Tab")
        assert dashboard.page.evaluate(
            "() => document.activeElement === document.body || !!document.activeElement?.closest('dialog')"
        )
    dashboard.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()


def test_markup_in_every_name_and_error_comes_out_as_text(dashboard: Dashboard) -> None:
    pools = dashboard.look("/v1/pools?limit=100&algorithm=sha256")["data"]
    dashboard.v1("PUT", f"/v1/pools/{pools[0]['_id']}", {"name": MARKUP, "username": MARKUP[:60]})
    profiles = dashboard.look("/v1/profiles?limit=100&algorithm=sha256")["data"]
    sha256 = next(one for one in profiles if one["algorithm"] == "sha256" and one["is_default"])
    dashboard.v1("PUT", f"/v1/profiles/{sha256['_id']}", {"name": MARKUP})
    row = {"name": MARKUP, "model": "s21", "profile_id": sha256["_id"]}
    spawned = dashboard.control("POST", "/accounts/vip/workers", row)["worker_ids"][0]
    dashboard.control("POST", "/accounts/vip/keys", {"name": MARKUP})
    dashboard.control("POST", "/faults", {"path": f"/v1/overview{MARKUP}"})
    dashboard.control(
        "POST", "/faults", {"path": "/v1/overview", "method": "GET", "status": 418, "body": {"error": MARKUP}}
    )
    for page in ("workers?search=onerror", f"workers/{spawned}", "pools", "profiles", "settings", "simulator"):
        dashboard.open(page)
        dashboard.settle()
        expect(dashboard.page.locator("main")).to_contain_text("onerror=")
    dashboard.open("settings")
    dashboard.page.get_by_role("button", name="Spend one").click()
    expect(dashboard.page.locator(".toast", has_text="418")).to_contain_text(MARKUP)
    dashboard.open("overview")
    expect(dashboard.page.locator(".journal")).to_contain_text("418")
    dashboard.open("journal")
    dashboard.page.get_by_role("button", name="GET /v1/overview").click()
    dashboard.open("simulator")
    dashboard.page.get_by_label("Name of the snapshot").fill(MARKUP[:60])
    dashboard.page.get_by_role("button", name="Save").click()
    dashboard.toast("400 Bad Request")
    dashboard.page.goto(f"{dashboard.url}/#/workers?search={MARKUP}&page={MARKUP}")
    dashboard.page.locator("main#main").wait_for()
    assert dashboard.page.evaluate("() => window.pwned") is None
    assert dashboard.page.locator("img[src='x']").count() == 0


def test_read_through_the_api_the_page_is_a_client_like_any(dashboard: Dashboard) -> None:
    dashboard.open("settings", account="basic")
    dashboard.page.get_by_role("button", name="Through /v1").click()
    dashboard.go("Pools")  # one request
    expect(dashboard.page.get_by_role("article")).to_have_count(2)
    assert [entry["path"] for entry in dashboard.control("GET", "/journal")["data"]] == ["/v1/pools"]
    dashboard.control("POST", "/faults", {"path": "/v1/pools", "status": 503})
    dashboard.refresh()
    expect(dashboard.page.get_by_role("alert")).to_contain_text("injected by the simulator")
    dashboard.control("DELETE", "/faults")
    for _ in range(9):
        dashboard.refresh()
    expect(dashboard.page.get_by_role("alert")).to_contain_text("429 Too Many Requests")


def test_a_broken_answer_is_said_to_be_one(dashboard: Dashboard) -> None:
    dashboard.open("settings")
    for effect, text in (
        ("drop", "The connection broke"),
        ("malformed", "is not JSON"),
        ("cut", "The connection broke"),
    ):
        # Without an end: a browser asks again by itself where a connection broke.
        dashboard.control("POST", "/faults", {"effect": effect, "path": "/v1/overview"})
        dashboard.page.get_by_role("button", name="Spend one").click()
        dashboard.toast(text).get_by_role("button", name="Dismiss").click()
        dashboard.control("DELETE", "/faults")


def test_a_login_by_token_is_asked_for_once(browser: Browser) -> None:
    server = Server(configure({"port": "0", "admin_token": "open-sesame"}, {}))
    url = server.listen()
    server.start()
    page = browser.new_page()
    try:
        page.goto(url)
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Token").fill("wrong")
        dialog.get_by_role("button", name="Go on").click()
        expect(dialog.get_by_role("alert")).to_contain_text("401")
        dialog.get_by_label("Token").fill("open-sesame")
        dialog.get_by_role("button", name="Go on").click()
        expect(page.locator(".tiles")).to_be_visible()
        page.reload()
        expect(page.locator(".tiles")).to_be_visible()
        expect(dialog).to_have_count(0)
        assert page.evaluate("() => JSON.stringify(localStorage)").find("sesame") < 0
    finally:
        page.context.close()
        server.close()


@pytest.fixture
def sandbox() -> Iterator[tuple[Server, str]]:
    server = Server(configure({"port": "0", "sandbox": "on", "sandbox_worlds": "8"}, {}))
    url = server.listen()
    server.start()
    yield server, url
    server.close()


def test_a_visitor_of_a_sandbox_lives_in_a_world_of_their_own(browser: Browser, sandbox: tuple[Server, str]) -> None:
    _, url = sandbox
    links = []
    for number in range(2):
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        expect(page.get_by_role("main")).to_contain_text("It is a simulation")
        page.get_by_role("button", name="Open my world").click()
        expect(page.locator(".tiles")).to_be_visible()
        links.append(page.url)
        page.get_by_role("link", name="Pools", exact=True).first.click()
        page.get_by_role("button", name="Add a pool").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name", exact=True).fill(f"visitor {number}")
        dialog.get_by_label("Host").fill("eu.pool.example")
        dialog.get_by_label("User name").fill("me")
        dialog.get_by_role("button", name="Test and add").click()
        expect(page.get_by_role("article", name=f"visitor {number}")).to_be_visible()
        expect(page.get_by_role("article", name=f"visitor {1 - number}")).to_have_count(0)
        context.close()
    assert re.fullmatch(rf"{url}/s/s-[0-9a-f]{{32}}.*", links[0])
    assert links[0].partition("#")[0] != links[1].partition("#")[0]
    page = browser.new_page()
    page.goto(f"{links[0].partition('#')[0]}#/pools")  # another browser, by the link
    expect(page.get_by_role("article", name="visitor 0")).to_be_visible()
    page.goto(f"{url}/s/s-{'0' * 32}")
    expect(page.get_by_role("heading", name="This world has ended")).to_be_visible()
    page.goto(url)
    page.get_by_role("button", name="Open my world").click()
    expect(page.locator(".toast")).to_contain_text("503")  # two of eight places are all one address may have
    page.context.close()


def test_the_reference_tries_a_call_with_a_demo_key(make_dashboard: MakeDashboard) -> None:
    dashboard = make_dashboard()
    dashboard.page.goto(f"{dashboard.url}/docs")
    dashboard.page.get_by_role("button", name="Try GET /v1/workers", exact=True).click()
    form = dashboard.page.get_by_role("region", name="Try GET /v1/workers")
    form.get_by_label("limit").fill("1")
    form.get_by_label("algorithm").fill("")
    expect(form.locator(".curl")).to_contain_text("/v1/workers?limit=1'")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("status")).to_contain_text("x-ratelimit-remaining")
    expect(form.get_by_label("Answer", exact=True)).to_contain_text('"pagination"')


def test_the_reference_shows_where_each_clause_is_from(dashboard: Dashboard) -> None:
    dashboard.page.goto(f"{dashboard.url}/docs#rule-pools.delete.in-use")
    rule = dashboard.page.locator("[id='rule-pools.delete.in-use']")
    expect(rule).to_be_in_viewport()
    expect(rule.locator(".level")).to_have_text("documented")
    expect(rule).to_contain_text("reference L")
    dashboard.page.get_by_role("button", name=re.compile("^documented")).click()
    expect(rule).to_have_count(0)
    bare = dashboard.page.locator(".rules li:not(:has(.level))")
    expect(bare).to_have_count(0)
