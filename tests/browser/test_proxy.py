"""What the vendor's own dashboard would do, from overview to settings: each action, and its effect."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.dashboard import Dashboard


def test_the_overview_shows_what_there_is(dashboard: Dashboard) -> None:
    dashboard.open("overview")
    overview = dashboard.look("/v1/overview")
    tiles = dashboard.page.locator(".tiles")
    expect(tiles).to_contain_text(f"of {overview['workers']['total']}")
    for block in overview["algorithms"]:
        card = dashboard.page.locator(".algorithm", has_text=block["algorithm"])
        expect(card).to_contain_text(f"{block['workers']['online']} / {block['workers']['total']} workers")
    for prefix in ("PH/s", "GH/s", "TH/s", "MH/s"):
        expect(dashboard.page.locator(".algorithms")).to_contain_text(prefix)


def test_a_range_is_switched_and_the_chart_is_read_by_pointer_and_by_keys(dashboard: Dashboard) -> None:
    dashboard.open("overview")
    dashboard.page.get_by_role("button", name="1h", exact=True).click()
    slider = dashboard.page.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuemax", "59")
    points = dashboard.look("/v1/workers/hashrate?algorithm=sha256&timeRange=1h")["data"]
    slider.focus()
    dashboard.page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^2026-03-01 11:00:00 UTC: .* PH/s$"))
    reading = dashboard.page.locator(".chart-reading")
    expect(reading).to_contain_text(f"{points[0]['hashrate'] / 1e15:.2f} PH/s")
    dashboard.page.keyboard.press("ArrowRight")
    expect(reading).to_contain_text(f"{points[1]['hashrate'] / 1e15:.2f} PH/s")
    slider.hover(position={"x": 400, "y": 100})
    expect(reading).to_be_visible()
    dashboard.page.locator(".algorithm", has_text="scrypt").click()
    expect(dashboard.page.get_by_role("heading", name="Hashrate, scrypt")).to_be_visible()


def test_workers_are_searched_filtered_and_paged(dashboard: Dashboard) -> None:
    dashboard.open("workers")
    rows = dashboard.page.locator("tbody tr")
    expect(rows).to_have_count(50)
    dashboard.page.get_by_role("button", name="Next page").click()
    expect(dashboard.page.locator(".page-number")).to_have_text("2 / 8")
    dashboard.page.get_by_label("Search workers by name").fill("hall-a-s21-00")
    expect(rows).to_have_count(9)
    dashboard.page.get_by_label("Search workers by name").fill("")
    dashboard.page.get_by_label("Algorithm", exact=True).select_option("kawpow")
    dashboard.page.get_by_label("Status", exact=True).select_option("offline")
    expect(dashboard.page.get_by_role("link", name="always-offline")).to_be_visible()
    assert "algorithm=kawpow" in dashboard.page.url
    dashboard.page.get_by_label("Search workers by name").fill("nobody has this name")
    expect(dashboard.page.get_by_role("heading", name="No worker matches")).to_be_visible()
    dashboard.page.get_by_role("button", name="Clear filters").click()
    expect(rows).to_have_count(50)


def test_many_workers_are_selected_and_assigned(dashboard: Dashboard) -> None:
    dashboard.open("workers?algorithm=sha256")
    dashboard.page.get_by_label("Select all on this page").check()
    dashboard.page.get_by_role("button", name="Select all 190").click()
    expect(dashboard.page.locator(".bulk")).to_contain_text("190 workers selected")
    dashboard.page.get_by_role("button", name="Assign to a profile").click()
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_role("combobox").select_option(label="Lottery (sha256)")
    dialog.get_by_role("button", name="Assign").click()
    dashboard.toast("190 workers assigned.")
    lottery = next(one for one in dashboard.look("/v1/profiles?limit=100")["data"] if one["name"] == "Lottery")
    assert dashboard.look(f"/v1/workers?profile_id={lottery['_id']}")["pagination"]["total"] == 190


def test_a_mixed_selection_is_refused_as_the_api_refuses_it(dashboard: Dashboard) -> None:
    dashboard.open("workers?search=0")
    dashboard.page.get_by_label("Select all on this page").check()
    dashboard.page.get_by_label("Search workers by name").fill("epyc-01")
    dashboard.page.get_by_label("Select epyc-01").check()
    dashboard.page.get_by_role("button", name="Assign to a profile").click()
    dialog = dashboard.page.get_by_role("dialog")
    expect(dialog).to_contain_text("The selection mixes sha256, randomx")
    dialog.get_by_role("button", name="Assign").click()
    expect(dialog.get_by_role("alert")).to_contain_text("400 Bad Request")


def test_a_worker_has_a_page_of_its_own(dashboard: Dashboard) -> None:
    dashboard.open("workers?search=epyc-01")
    dashboard.page.get_by_role("link", name="epyc-01").click()
    expect(dashboard.page.get_by_role("heading", name="epyc-01")).to_be_visible()
    worker = dashboard.look("/v1/workers?search=epyc-01")["data"][0]
    content = dashboard.page.locator("main")
    expect(content).to_contain_text(f"{worker['shares']['accepted']:,}")
    expect(content).to_contain_text("Monero main")
    dashboard.page.get_by_role("button", name="7d").click()
    expect(dashboard.page.get_by_role("slider")).to_have_attribute("aria-valuemax", "167")
    dashboard.page.get_by_role("button", name="Assign to a profile").click()
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_role("combobox").select_option(label="Monero encrypted")
    dialog.get_by_text("as curl").click()
    expect(dialog.locator(".curl")).to_contain_text("/v1/workers/bulk-assign")
    dialog.get_by_role("button", name="Assign", exact=True).click()
    expect(content).to_contain_text("on Monero encrypted")
    dashboard.page.get_by_label("Simulate", exact=True).select_option("offline")
    expect(content.locator(".badge", has_text="offline")).to_be_visible()


def test_a_pool_is_tested_saved_changed_and_deleted(dashboard: Dashboard) -> None:
    dashboard.open("pools")
    dashboard.page.get_by_role("button", name="Add a pool").click()
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Mine")
    dialog.get_by_label("Host").fill("no-auth.pool.test")
    dialog.get_by_label("User name").fill("me")
    dialog.get_by_role("button", name="Test and add").click()
    expect(dialog.get_by_role("alert")).to_contain_text("authorization")
    expect(dialog.locator(".stages .passed")).to_have_count(2)
    expect(dialog.locator(".stages .failed")).to_contain_text("authorization")
    dialog.get_by_label("Host").fill("eu.pool.example")
    dialog.get_by_role("button", name="Test and add").click()
    dashboard.toast("Mine is saved.")
    card = dashboard.page.get_by_role("article", name="Mine", exact=True)
    expect(card).to_contain_text("eu.pool.example:3333")
    card.get_by_role("button", name="Edit").click()
    dialog.get_by_label("Name", exact=True).fill("Ours")
    dialog.get_by_role("button", name="Test and save").click()
    dashboard.toast("Ours is saved.")
    card = dashboard.page.get_by_role("article", name="Ours")
    card.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    dashboard.toast("Ours is deleted.")
    expect(card).to_have_count(0)


def test_the_stages_of_a_test_are_shown_and_a_behaviour_changes_them(dashboard: Dashboard) -> None:
    dashboard.open("pools?algorithm=kheavyhash")
    card = dashboard.page.get_by_role("article", name="Kaspa", exact=True)
    dialog = dashboard.page.get_by_role("dialog")
    card.get_by_role("button", name="Test").click()
    expect(dialog.locator(".stages .passed")).to_have_count(3)
    expect(dialog.get_by_role("status")).to_contain_text("the pool is good")
    dialog.get_by_role("button", name="Close").last.click()
    card.get_by_role("combobox").select_option("no-subscribe")
    dashboard.toast("is no-subscribe from the next connection on")
    card.get_by_role("button", name="Test").click()
    expect(dialog.locator(".stages .failed")).to_contain_text("subscription")
    expect(dialog.locator(".stages .skipped")).to_contain_text("authorization")
    dialog.get_by_role("button", name="Close").last.click()
    expect(card).to_contain_text("unhealthy")
    expect(card).to_contain_text("subscription:")


def test_a_pool_in_use_is_kept_and_the_reason_shown(dashboard: Dashboard) -> None:
    dashboard.open("pools?algorithm=sha256")
    dashboard.page.get_by_role("article", name="Bitcoin EU").get_by_role("button", name="Delete").click()
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("alert")).to_contain_text("409 Conflict")
    expect(dialog.get_by_role("alert")).to_contain_text("'Bitcoin'")


def pool_names(dashboard: Dashboard, profile: str) -> list[str]:
    found = next(one for one in dashboard.look("/v1/profiles?limit=100")["data"] if one["name"] == profile)
    return [pool["name"] for pool in found["pools"]]


def test_the_order_of_pools_is_changed_by_drag_by_buttons_and_by_keys(dashboard: Dashboard) -> None:
    dashboard.open("profiles")
    card = dashboard.page.get_by_role("article", name="Monero", exact=True)
    lines = card.locator(".order li")
    expect(lines.nth(0)).to_contain_text("Monero main")
    lines.nth(0).drag_to(lines.nth(1))
    dashboard.toast("Monero main has priority 2")
    assert pool_names(dashboard, "Monero") == ["Monero TLS", "Monero main"]
    card.get_by_role("button", name="Move Monero main up").click()
    dashboard.toast("Monero main has priority 1")
    assert pool_names(dashboard, "Monero") == ["Monero main", "Monero TLS"]
    card.get_by_role("button", name=re.compile("Monero main, priority 1")).focus()
    dashboard.page.keyboard.press("Alt+ArrowDown")
    expect(lines.nth(1)).to_contain_text("Monero main")
    expect(card.get_by_role("button", name=re.compile("Monero main, priority 2"))).to_be_focused()
    expect(dashboard.page.locator(".toast", has_text="Monero main has priority 2")).to_have_count(2)
    assert pool_names(dashboard, "Monero") == ["Monero TLS", "Monero main"]


def test_a_profile_is_created_made_default_and_deleted_and_its_workers_move(dashboard: Dashboard) -> None:
    dashboard.open("profiles")
    dashboard.page.get_by_role("button", name="Add a profile").click()
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Fallback")
    dialog.get_by_role("combobox").select_option("sha256")
    dialog.get_by_label("Bitcoin solo").check()
    dialog.get_by_label("Bitcoin US").check()
    dialog.get_by_role("button", name="Add", exact=True).click()
    dashboard.toast("Fallback is added.")
    assert pool_names(dashboard, "Fallback") == ["Bitcoin solo", "Bitcoin US"]
    card = dashboard.page.get_by_role("article", name="Fallback")
    card.get_by_role("button", name="Make default").click()
    expect(card.locator(".badge", has_text="default")).to_be_visible()
    card.get_by_role("button", name="Delete").click()
    expect(dialog).to_contain_text("is kept")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("alert")).to_contain_text("409 Conflict")
    dialog.get_by_role("button", name="Cancel").click()
    old = dashboard.page.get_by_role("article", name="Bitcoin US first")
    expect(old).to_contain_text("40 workers")
    old.get_by_role("button", name="Delete").click()
    expect(dialog).to_contain_text("Its 40 workers will move to Fallback")
    dialog.get_by_role("button", name="Delete").click()
    dashboard.toast("40 workers moved to Fallback")
    expect(card).to_contain_text("40 workers")


def test_a_key_is_created_shown_once_used_and_revoked(dashboard: Dashboard) -> None:
    dashboard.open("settings")
    dashboard.page.get_by_role("button", name="Create a key").click()
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("from elsewhere")
    dialog.get_by_label("workers:write").uncheck()
    dialog.get_by_label("Addresses").fill("192.0.2.0/24, 2001:db8::/32")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_contain_text("It is shown only now")
    secret = dialog.locator(".secret code").inner_text()
    assert re.fullmatch("up_k_[0-9a-f]{32}", secret)
    dialog.get_by_role("button", name="Copy").click()
    dashboard.toast("Copied")
    assert dashboard.page.evaluate("() => navigator.clipboard.readText()") == secret
    dialog.get_by_role("button", name="I have it").click()
    assert secret not in dashboard.page.content()
    row = dashboard.page.locator("tr", has_text="from elsewhere")
    expect(row).to_contain_text("192.0.2.0/24, 2001:db8::/32")
    expect(row).not_to_contain_text("workers:write")
    row.get_by_role("button", name="Revoke").click()
    dialog.get_by_role("button", name="Revoke").click()
    dashboard.toast("opens nothing any more")
    expect(row).to_have_count(0)


def test_the_tier_is_switched_and_the_limit_is_met(dashboard: Dashboard) -> None:
    dashboard.open("settings", account="basic")
    who = dashboard.page.locator(".who")
    expect(who).to_contain_text("Basic")
    card = dashboard.page.locator("section", has_text="Rate limit").first
    for left in range(9, -1, -1):
        card.get_by_role("button", name="Spend one").click()
        expect(card).to_contain_text(f"{left} of 10 requests left")
    card.get_by_role("button", name="Spend one").click()
    refusal = dashboard.page.locator(".toast", has_text="429 Too Many Requests")
    expect(refusal).to_contain_text("Rate limit of 10 requests per minute exceeded")
    card.get_by_role("button", name="Open the next window").click()
    expect(card).to_contain_text("10 of 10 requests left")
    dashboard.page.get_by_role("button", name="VIP", exact=True).click()
    expect(who.locator(".vip")).to_have_text("VIP")
