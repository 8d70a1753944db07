"""A page of the dashboard, as a test drives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page, Request

from upsim.rules.worlds import NewWorld
from upsim.serve import Server

TURN = """() => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { port1.close(); resolve(); };
  port2.postMessage(null);
})"""
"""One turn of the page's event loop, whatever its clock is told."""


@dataclass
class Dashboard:
    """A page of the dashboard in a world of its own.

    Attributes:
        errors: what went wrong in the page: on the console, or thrown.
        foreign: requests to other hosts.
        asked: every request, as method and path.
        under_way: how many of them are not over.
    """

    page: Page
    url: str
    server: Server
    world: NewWorld
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    under_way: int = 0

    def open(self, path: str = "overview", account: str = "vip") -> None:
        """Open a page by its place in the address and wait until it shows its content."""
        self.page.goto(f"{self.url}/#/{path}")
        self.page.locator("main#main > :not(.skeleton)").first.wait_for()
        if account != "vip":
            self.page.get_by_label("Account", exact=True).select_option(account)
            self.page.locator(".who strong", has_text=account).wait_for()
            self.page.locator("main#main > :not(.skeleton)").first.wait_for()

    def go(self, link: str) -> None:
        """Follow a link of the menu."""
        self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=link, exact=True).click()
        self.page.locator("h1", has_text=link).wait_for()
        self.page.locator("main#main > :not(.skeleton)").first.wait_for()

    def toast(self, text: str) -> Locator:
        """The message that says so, once it is there."""
        found = self.page.locator(".toast", has_text=text).last
        found.wait_for()
        return found

    def refresh(self) -> None:
        """Refresh by the button, and wait for the answer."""
        with self.page.expect_response(lambda response: "/_upsim/" in response.url):
            # As by a pointer that leaves the focus where it is.
            self.page.get_by_role("button", name="Refresh now").evaluate("(button) => button.click()")
        self.settle()

    def settle(self) -> None:
        """Wait until the page has asked all it wants to know, and shown it."""
        quiet = 0
        while quiet < 3:  # an answer may be followed by the next question, in the next turns of the page
            self.page.evaluate(TURN)
            quiet = 0 if self.under_way else quiet + 1

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the control plane for this world, without the page."""
        client = self.server.app.test_client()
        answer = client.open(f"/_upsim/worlds/{self.world.record.id}{path}", method=method, json=body)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return answer.json

    def look(self, call: str, account: str = "vip") -> Any:
        """What the account would be answered."""
        client = self.server.app.test_client()
        path = f"/_upsim/worlds/{self.world.record.id}/accounts/{account}/look"
        return client.get(path, query_string={"call": call}).json

    def v1(self, method: str, path: str, body: Any = None, account: str = "vip") -> Any:
        """A call of the API with the account's key, without the page."""
        names = {one.id: one.name for one in self.server.universe.store.list_accounts(self.world.record.id)}
        key = next(one.secret for one in self.world.keys if names[one.key.account_id] == account)
        answer = self.server.app.test_client().open(path, method=method, json=body, headers={"X-API-Key": key})
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return answer.json

    def watch(self) -> None:
        """Note what goes wrong from here on."""

        def console(message: Any) -> None:
            # The browser itself notes each answer of 400 and above; those are what many tests are about.
            if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
                self.errors.append(message.text)

        def request(sent: Request) -> None:
            self.under_way += 1
            self.asked.append(f"{sent.method} {sent.url.removeprefix(self.url)}")
            if not sent.url.startswith((self.url, "blob:", "data:")):
                self.foreign.append(sent.url)

        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

        def over(_: Request) -> None:
            self.under_way -= 1

        self.page.on("request", request)
        self.page.on("requestfinished", over)
        self.page.on("requestfailed", over)

    def judge(self) -> None:
        """Hold the page to what is promised of all of them."""
        assert self.errors == []
        assert self.foreign == []
