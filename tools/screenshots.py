"""`make screenshots`: every page of the dashboard, in both themes, wide and on a phone, as pictures to look at.

The world is of the demo fixture, its seed and clock fixed, so that two runs show the same. README shows two of them;
they are kept with the repository, the others are not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.browser import chromium
from tests.browser.conftest import FLAGS
from tests.proxy.harness import Pretender
from upsim.config import configure
from upsim.loop import LoopThread
from upsim.serve import Server

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "img" / "dashboard"
PAGES: Final = (
    "overview",
    "workers",
    "miners",
    "pools",
    "profiles",
    "settings",
    "simulator",
    "journal",
    "worlds",
    "worker",
    "docs",
)
SIZES: Final = {"wide": (1280, 800), "phone": (390, 844)}


def main() -> int:
    """Write the pictures."""
    program = chromium.path()
    if program is None:
        print(f"screenshots: {chromium.ABSENT}.", file=sys.stderr)
        return 1
    server = Server(configure({"port": "0", "seed": "7", "stratum": "sha256=0,randomx=0"}, {}))
    url = server.listen()
    server.start()
    FOLDER.mkdir(parents=True, exist_ok=True)
    miners = LoopThread("miners")
    try:
        worker = _prepare(server)
        _mine(server, miners)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            for theme in ("light", "dark"):
                for size, (width, height) in SIZES.items():
                    context = browser.new_context(
                        viewport={"width": width, "height": height},
                        color_scheme="dark" if theme == "dark" else "light",
                        reduced_motion="reduce",
                    )
                    for name in PAGES:
                        _shoot(context, url, name, worker, FOLDER / f"{name}-{theme}-{size}.png")
                    context.close()
            browser.close()
    finally:
        miners.stop()
        server.close()
    print(f"{len(PAGES) * 4} pictures in {FOLDER}")
    return 0


def _prepare(server: Server) -> str:
    """Something in the journal, a fault, and the clock at rest; the id of a worker to look at."""
    client = server.app.test_client()
    world = "/_upsim/worlds/default"
    client.post(f"{world}/clock", json={"set": "2026-03-01T12:00:10Z", "freeze": True})
    vip = {"X-API-Key": "up_k_demovip"}
    listed = client.get("/v1/workers?limit=1&algorithm=randomx", headers=vip).json or {}
    client.get("/v1/overview", headers={"X-API-Key": "up_k_demolimited"})
    client.post("/v1/pools", headers=vip, json={"name": "new", "algorithm": "sha256"})
    client.post("/v1/workers/bulk-assign", headers={"X-API-Key": "up_k_demoreader"}, json={})
    pools = client.get("/v1/pools?algorithm=sha256", headers=vip).json or {}
    client.delete(f"/v1/pools/{pools['data'][0]['_id']}", headers=vip)
    client.post(
        f"{world}/faults", json={"method": "POST", "path": "/v1/workers/bulk-assign", "status": 503, "times": 3}
    )
    client.post("/v1/workers/bulk-assign", headers=vip, json={"worker_ids": [], "profile_id": ""})
    client.post(f"{world}/snapshots", json={"name": "before-the-test"})
    return str(listed["data"][0]["_id"])


def _mine(server: Server, miners: LoopThread) -> None:
    """Four miners at the door, with a few shares each."""
    door = server.stratum
    openings = door.openings if door is not None else []
    for number, opening in enumerate([*openings] * 2):
        miner = Pretender(opening.algorithm, f"vip.live-{number + 1}")
        miners.run(miner.connect(opening.port))
        miners.run(miner.shares(number + 1))
    if door is not None:
        door.step()


def _shoot(context: BrowserContext, url: str, name: str, worker: str, file: Path) -> None:
    page: Page = context.new_page()
    if name == "docs":
        page.goto(f"{url}/docs#op-create_pool")
        page.locator("#op-create_pool").wait_for()
    else:
        page.goto(f"{url}/#/{f'workers/{worker}' if name == 'worker' else name}")
        page.locator("main#main > :not(.skeleton)").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file)
    page.close()


if __name__ == "__main__":
    sys.exit(main())
