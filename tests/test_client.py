"""Upsim from Python: a simulator in this process, one elsewhere by its URL, and the same client for both."""

from __future__ import annotations

import http.server
import inspect
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

import upsim
from upsim import Client, ControlError, Simulator, World, connect
from upsim.client.transport import HttpTransport, Wire
from upsim.config import Config
from upsim.errors import ConfigError

AT = {"set": "2026-01-05T08:00:00Z", "freeze": True}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=3) as simulator:
        yield simulator


@pytest.fixture(params=["in this process", "by its URL"])
def client(request: pytest.FixtureRequest, simulator: Simulator) -> Client:
    return simulator if request.param == "in this process" else connect(simulator.url)


def get(world: World, key: str, path: str = "/v1/pools") -> httpx.Response:
    return httpx.get(world.url + path, headers={"X-API-Key": key})


def test_a_simulator_is_a_real_server_on_a_free_port() -> None:
    with Simulator(fixture="empty") as one, Simulator(fixture="empty") as other:
        assert one.url.startswith("http://127.0.0.1:")
        assert one.url != other.url
        assert httpx.get(one.url + "/v1/pools").status_code == 401
        gone = one.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(gone + "/v1/pools")


def test_closing_it_lets_go_of_threads_and_connections() -> None:
    before = set(threading.enumerate())
    simulator = Simulator(fixture="empty").start()
    with httpx.Client(base_url=simulator.url) as kept:
        assert kept.get("/openapi.json").status_code == 200
        simulator.close()
        simulator.close()
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


def test_the_app_answers_test_clients_and_httpx_with_no_socket() -> None:
    with Simulator(listen=False) as simulator, simulator.world() as world:
        headers = {"X-API-Key": world.key("vip")}
        assert simulator.app.test_client().get("/v1/pools", headers=headers).status_code == 200
        transport = httpx.WSGITransport(app=simulator.app)
        with httpx.Client(transport=transport, base_url="http://upsim", headers=headers) as api:
            assert api.get("/v1/pools?limit=3").json()["pagination"]["limit"] == 3
        world.journal.assert_called("GET", "/v1/pools", times=2)
        with pytest.raises(RuntimeError, match="does not listen"):
            _ = simulator.url


def test_it_takes_every_setting_of_serve_but_those_of_a_process() -> None:
    settings = {setting.name for setting in fields(Config)}
    parameters = set(inspect.signature(Simulator).parameters) - {"listen"}
    assert parameters <= settings
    for name, default in (
        (name, parameter.default) for name, parameter in inspect.signature(Simulator).parameters.items()
    ):
        if name not in ("listen", "port"):
            assert default == getattr(Config(), name), name


def test_a_setting_that_cannot_be_used_is_named() -> None:
    for wrong, message in (
        ({"fixture": "nope"}, "fixture: 'nope' is neither one of upsim's own"),
        ({"seed": -1}, "--seed=-1: must be a whole number"),
        ({"store": "nope:"}, "store: 'nope:' is not a store"),
        ({"threads": 0}, "--threads=0: must be a whole number from 1"),
        ({"trusted_proxy": ["x"]}, "--trusted-proxy=x: 'x' is neither an address"),
    ):
        with pytest.raises(ConfigError, match=message):
            Simulator(**wrong)


def test_a_path_a_switch_and_a_list_are_settings_as_python_has_them(tmp_path: Path) -> None:
    fixture = tmp_path / "own.yaml"
    fixture.write_text(
        'description: "mine"\nopened: "2025-01-01"\naccounts: [{name: me, tier: basic, keys: [{key: up_k_mine}]}]\n'
    )
    with Simulator(fixture=fixture, rate_limit=False, trusted_proxy=["10.0.0.0/8"]) as simulator:
        key = simulator.default.key("me")
        assert key == "up_k_mine"
        assert {get(simulator.default, key).status_code for _ in range(12)} == {200}


def test_the_default_worlds_keys_are_those_of_its_fixture(simulator: Simulator) -> None:
    assert simulator.default.key() == "up_k_demovip"
    assert simulator.default.key("basic") == "up_k_demobasic"
    assert simulator.default.key("vip", "read only") == "up_k_demoreader"
    assert simulator.default.key("magic", "expired") == "up_k_demoexpired"


def test_a_world_is_fresh_and_gone_after_its_block(client: Client) -> None:
    with client.world(seed=7, clock=AT, expires_in=timedelta(minutes=5)) as world:
        info = world.info()
        assert (info.seed, info.fixture, info.clock.timestamp) == (7, "demo", 1767600000)
        assert info.expires_at is not None
        assert get(world, world.key("vip")).status_code == 200
        assert world.id in repr(world)
    assert get(world, world.key("vip")).status_code == 401


def test_a_world_deleted_or_ended_within_its_block_is_no_error(client: Client) -> None:
    with client.world() as world:
        world.delete()
    with pytest.raises(ControlError, match="World not found"):
        world.delete()


def test_everything_that_can_be_done_to_a_world(client: Client, tmp_path: Path) -> None:
    with client.world(clock=AT) as world:
        assert world.clock.now() == datetime(2026, 1, 5, 8, tzinfo=UTC)
        assert world.clock.advance(timedelta(hours=1)).now.hour == 9
        assert world.clock.advance("1m").timestamp == 1767603660
        assert world.clock.set(datetime(2026, 2, 1, tzinfo=UTC)).now.month == 2
        assert world.clock.freeze(at="2026-01-05T08:00:00Z").timestamp == 1767600000
        assert world.clock.speed(60).speed == 60
        assert not world.clock.run().frozen
        world.clock.freeze()

        fault = world.faults.add("status", method="GET", path="/v1/pools", status=500, times=1)
        assert world.faults.list() == (fault,)
        assert [get(world, world.key("vip")).status_code for _ in range(2)] == [500, 200]
        world.faults.remove(fault)

        world.pools.put("xmr.example", 5555, "refused", times=2)
        assert [(one.host, one.port, one.times) for one in world.pools.list()] == [("xmr.example", 5555, 2)]
        world.pools.remove("xmr.example", 5555)
        assert "refused" in world.pools.behaviours()

        made = world.create_key("vip", "ci", scopes=["pools:read"], addresses=["127.0.0.0/8"], expires_at=4e9)
        assert made.scopes == ("pools:read",)
        assert get(world, made.secret or "").status_code == 200
        assert {key.name for key in world.list_keys("vip")} == {"everything", "read only", "ci"}
        world.revoke_key(made)
        assert get(world, made.secret or "").status_code == 401

        world.create_account("third", "vip")
        world.set_tier("third", "basic")
        assert {account.name: account.tier for account in world.accounts()}["third"] == "basic"

        mark = world.journal.mark()
        get(world, world.key("basic"))
        world.journal.assert_called("GET", "/v1/pools", times=1, since=mark)
        world.journal.assert_not_called("POST", since=mark)
        assert world.journal.count(status=200, account="basic") == 1
        assert [entry.method for entry in world.journal] == ["GET"] * 5

        world.snapshot("here")
        assert world.reset().clock == world.clock.read()
        assert world.restore("here").clock.frozen
        assert [snapshot.name for snapshot in world.snapshots()] == ["here"]
        world.delete_snapshot("here")

        document = world.download(tmp_path / "world.json")
        assert json.loads((tmp_path / "world.json").read_text()) == document
        for source in (document, tmp_path / "world.json", str(tmp_path / "world.json")):
            with client.load(source) as loaded:
                assert {account.name for account in loaded.accounts()} == {"vip", "basic", "magic", "third"}

        assert world.set_options(caps={"calls": 1}).caps == {"calls": 1}
        assert world.id in {info.id for info in client.worlds()}
        assert client.is_well()
        assert {row.kind for row in client.magic_values()} == {"pool host", "key", "worker"}


def test_the_whole_journal_is_iterated_however_long(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsim.client.journal._PAGE", 10)
    with simulator.world(clock={"freeze": True}) as world:
        headers = {"X-API-Key": world.key("vip")}
        app = simulator.app.test_client()
        for _ in range(25):
            app.get("/v1/nowhere", headers=headers)
        assert [entry.seq for entry in world.journal] == list(range(1, 26))
        assert len(world.journal) == 25


def test_a_world_that_is_there_is_opened_by_name(client: Client) -> None:
    with client.world(id="named") as world:
        again = client.open_world("named")
        again.workers.offline(_workers(world, 2))
        with pytest.raises(LookupError, match="a key is shown only when it is made"):
            again.key("vip")
        key = again.create_key("vip", "mine")
        assert again.key("vip") == key.secret
    with pytest.raises(ControlError, match="World not found: named") as missing:
        client.open_world("named")
    assert missing.value.status == 404


def _workers(world: World, count: int) -> list[str]:
    return [worker["_id"] for worker in get(world, world.key("vip"), f"/v1/workers?limit={count}").json()["data"]]


def test_the_key_that_opens_most_is_an_accounts_own(simulator: Simulator) -> None:
    with simulator.world() as world, simulator.load(world.download()) as loaded:
        for one in (world, loaded):
            assert get(one, one.key("vip"), "/v1/overview").status_code == 200
            named = {key.name: key.secret for key in one.keys if key.account == "vip"}
            assert one.key("vip") == named["everything"]
            with pytest.raises(LookupError, match="no key 'nobody' of world"):
                one.key("nobody")


def test_a_server_that_is_not_there_is_said_to_be_so() -> None:
    nowhere = connect("http://127.0.0.1:1")
    assert not nowhere.is_well()
    with pytest.raises(
        ControlError, match=r"No answer from http://127\.0\.0\.1:1: .*Is `upsim serve` running"
    ) as failed:
        nowhere.world()
    assert failed.value.status is None


@pytest.mark.parametrize("url", ["ftp://x", "http://", "://", "file:///etc/passwd"])
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="is no URL of a server"):
        connect(url)


def test_a_url_may_leave_out_its_scheme(simulator: Simulator) -> None:
    assert connect(simulator.url.removeprefix("http://")).is_well()


def test_a_token_is_sent_and_its_lack_is_told() -> None:
    with Simulator(fixture="empty", admin_token="let-me-in") as simulator:
        assert simulator.world().info().fixture == "empty"
        assert connect(simulator.url, "let-me-in").is_well()
        with pytest.raises(ControlError, match="needs its admin token") as refused:
            connect(simulator.url).is_well()
        assert refused.value.status == 401


def test_beyond_loopback_a_simulator_knows_its_own_token() -> None:
    with Simulator(fixture="empty", host="0.0.0.0") as simulator:
        assert simulator.admin_token is not None
        assert simulator.world().info().fixture == "empty"


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    """Not upsim: answers everything with a page; remembers what it was asked for."""

    asked: list[str] = []  # noqa: RUF012 - of the one server of one test

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if "worlds" in self.path else 502)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_what_is_no_upsim_is_recognised_behind_any_path() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/behind/a/proxy/"
            with pytest.raises(ControlError, match="is no upsim: it sent no JSON"):
                connect(url).worlds()
            with pytest.raises(ControlError, match="answered 502 and no error that upsim would send"):
                connect(url).magic_values()
        finally:
            server.shutdown()
            thread.join()
    assert _Elsewhere.asked == ["/behind/a/proxy/_upsim/worlds", "/behind/a/proxy/_upsim/magic"]


def test_names_are_quoted_on_their_way() -> None:
    asked: list[str] = []

    def transport(method: str, target: str, headers: object, body: bytes) -> tuple[int, bytes]:
        asked.append(target)
        return 200, b"{}"

    Wire(transport, "").call("GET", "worlds", "a/b?c#d é", query={"path": "/v1/*&x"})
    assert asked == ["/_upsim/worlds/a%2Fb%3Fc%23d%20%C3%A9?path=%2Fv1%2F%2A%26x"]
    assert HttpTransport("127.0.0.1:80/x/?y").url == "http://127.0.0.1:80/x"


def test_no_queue_is_talked_about(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    assert simulator.url
    assert not logging.getLogger("waitress.queue").isEnabledFor(logging.WARNING)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("upsim", ["upsim.client", "flask", "yaml", "click", "pytest"]),
        ("upsim.client", ["flask", "yaml", "click", "upsim.serve", "upsim.errors"]),
        ("upsim.pytest_plugin", ["flask", "yaml", "click", "upsim.client", "upsim.serve"]),
        ("upsim.cli", ["flask", "yaml", "upsim.client", "upsim.serve"]),
    ],
)
def test_an_import_brings_only_what_it_is_for(module: str, absent: list[str]) -> None:
    code = f"import {module}, sys; print([name for name in {absent!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_package_names_what_it_offers() -> None:
    assert set(upsim.__all__) <= set(dir(upsim))
    for name in upsim.__all__:
        assert getattr(upsim, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'upsim' has no attribute 'nothing'"):
        _ = upsim.nothing  # type: ignore[attr-defined]  # that is the point
