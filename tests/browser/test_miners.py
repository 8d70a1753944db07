"""The page of miners: who is connected, shares as they come, and a failover as it happens."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.dashboard import Dashboard
from tests.proxy.harness import Pretender
from upsim.loop import LoopThread


def test_a_miner_its_shares_and_its_failover_show_as_they_happen(dashboard: Dashboard) -> None:
    world, page = dashboard.world.record.id, dashboard.page
    door = dashboard.server.stratum
    assert door is not None
    port = next(one.port for one in door.openings if one.algorithm == "sha256")
    dashboard.open("miners")
    expect(page.get_by_text("No miner is connected")).to_be_visible()
    expect(page.locator("main")).to_contain_text(f"{world}/vip.WORKER")
    thread = LoopThread("miners")
    miner = Pretender("sha256", f"{world}/vip.live-rig")
    try:
        thread.run(miner.connect(port))
        thread.run(miner.shares(2))
        dashboard.open("workers")
        dashboard.open("miners")
        row = page.get_by_role("row").filter(has_text="live-rig").first
        session = door.sessions(world)[0]
        expect(row).to_contain_text(session["pool_name"])
        events = page.get_by_label("What happens")
        expect(events.get_by_role("row").filter(has_text="accepted at difficulty")).to_have_count(2)
        thread.run(miner.shares(1))
        expect(events.get_by_role("row").filter(has_text="accepted at difficulty")).to_have_count(3)
        pool = dashboard.look(f"/v1/pools/{session['pool_id']}")
        dashboard.control(
            "POST",
            "/pools",
            {"host": pool["host"], "port": pool["port"], "behaviour": "refused"},
        )
        expect(events).to_contain_text("connection refused")
        expect(events).to_contain_text(re.compile(f"to (?!{re.escape(pool['name'])})|no pool is left"))
        dashboard.open("workers?search=live-rig")
        expect(page.get_by_role("row").filter(has_text="live-rig")).to_contain_text("live")
        expect(page.get_by_title("Its miner is connected to the proxy's own door")).to_be_visible()
        thread.run(miner.hang_up())
        dashboard.open("miners")
        expect(page.get_by_text("No miner is connected")).to_be_visible()
        expect(page.get_by_label("What happens")).to_contain_text("hung up")
    finally:
        thread.stop()
