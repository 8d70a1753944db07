"""An interception from Python: the environment alone changes, and is afterwards what it was."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests

import upsim
from upsim import Simulator
from upsim.intercept.environment import DIRECT

OVERVIEW = "https://api.ultimate-proxy.com/v1/overview"
HEADERS = {"X-API-Key": "up_k_demovip"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(rate_limit=False) as running:
        yield running


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files are made; nothing may be left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert [*folder.iterdir()] == []


def test_clients_made_inside_reach_the_simulator(simulator: Simulator) -> None:
    with simulator.intercept():
        assert httpx.get(OVERVIEW, headers=HEADERS).status_code == 200
        assert requests.get(OVERVIEW, headers=HEADERS, timeout=30).status_code == 200
        opener = urllib.request.build_opener()
        assert opener.open(urllib.request.Request(OVERVIEW, headers=HEADERS), timeout=30).status == 200
        with httpx.Client(headers=HEADERS) as client:
            assert client.get("http://api.ultimate-proxy.com/v1/pools").status_code == 200
            assert client.get(f"{simulator.url}/v1/pools").status_code == 200


def test_nobody_else_is_reached_and_it_is_counted(simulator: Simulator) -> None:
    with simulator.intercept() as led:
        with pytest.raises(httpx.ProxyError, match=r"upsim refuses real\.example:443"):
            httpx.get("https://real.example")
        with pytest.raises(requests.exceptions.ProxyError, match=r"upsim refuses real\.example:443"):
            requests.get("https://real.example", timeout=30)
        assert led.refused == {"real.example:443": 2}
        assert led.passed == {}


def test_more_hosts_can_be_led(simulator: Simulator) -> None:
    with simulator.intercept(hosts=["old-api.example", "*.regions.example"]):
        for host in ("old-api.example", "eu.regions.example"):
            assert httpx.get(f"https://{host}/v1/overview", headers=HEADERS).status_code == 200


def test_programs_started_with_its_environment_are_led(simulator: Simulator) -> None:
    script = f"import httpx; print(httpx.get({OVERVIEW!r}, headers={HEADERS!r}).status_code)"
    led = simulator.intercept()
    try:
        assert "HTTPS_PROXY" not in os.environ
        done = subprocess.run([sys.executable, "-c", script], env=led.env, capture_output=True, text=True, timeout=60)
    finally:
        led.close()
    assert done.stdout == "200\n", done.stderr


def test_the_environment_is_afterwards_what_it_was(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=100")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    before = dict(os.environ)

    def fail_inside() -> None:
        with simulator.intercept():
            assert os.environ["HTTPS_PROXY"] != before["HTTPS_PROXY"]
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        fail_inside()
    assert dict(os.environ) == before


def test_one_inside_another_gives_the_outer_one_back(simulator: Simulator) -> None:
    with simulator.intercept() as outer:
        with simulator.intercept() as inner:
            assert os.environ["HTTPS_PROXY"] == inner.variables["HTTPS_PROXY"]
        assert os.environ["HTTPS_PROXY"] == outer.variables["HTTPS_PROXY"]
        assert httpx.get(OVERVIEW, headers=HEADERS).status_code == 200


def test_exceptions_inherited_from_elsewhere_let_nothing_out(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*,api.ultimate-proxy.com,.example")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with simulator.intercept() as led:
        assert (os.environ["NO_PROXY"], os.environ["no_proxy"]) == (DIRECT, DIRECT)
        assert os.environ["http_proxy"] == os.environ["HTTP_PROXY"] == led.variables["HTTPS_PROXY"]
        assert httpx.get(OVERVIEW, headers=HEADERS).status_code == 200


def test_options_of_node_and_java_are_added_to_those_there_are(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--trace-warnings")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx64m")
    with simulator.intercept() as led:
        assert led.env["NODE_OPTIONS"].startswith('--trace-warnings --require "')
        assert led.env["JAVA_TOOL_OPTIONS"].startswith("-Xmx64m -Dhttp.proxyHost=127.0.0.1 ")


def test_without_exceptions_our_authority_is_the_only_one(simulator: Simulator) -> None:
    """Who looks at no proxy variable then fails at the handshake with the real service, before a key is sent."""
    with simulator.intercept() as led:
        bundle = Path(led.env["SSL_CERT_FILE"])
        assert bundle.read_text().count("BEGIN CERTIFICATE") == 1
        assert [*Path(led.env["SSL_CERT_DIR"]).iterdir()] == []


def test_with_exceptions_the_systems_authorities_are_trusted_too(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with simulator.intercept() as led:
        other = Path(led.env["SSL_CERT_FILE"]).read_text()
    (tmp_path / "company.pem").write_text(other)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with simulator.intercept(pass_through=["mirror.example"]) as led:
        trusted = Path(led.env["SSL_CERT_FILE"]).read_text()
        assert other in trusted
        assert trusted.count("BEGIN CERTIFICATE") >= 2
        assert "SSL_CERT_DIR" not in led.env
        assert httpx.get(OVERVIEW, headers=HEADERS).status_code == 200


def test_a_world_and_a_connected_simulator_are_led_to_as_well(simulator: Simulator) -> None:
    client = upsim.connect(simulator.url)
    with client.world() as world, world.intercept() as led:
        assert (led.env["UPSIM_URL"], led.env["UPSIM_WORLD"]) == (simulator.url, world.id)
        assert httpx.get(OVERVIEW, headers={"X-API-Key": world.key("vip")}).status_code == 200
        world.journal.assert_called("GET", "/v1/overview", times=1)
    with client.intercept():
        assert httpx.get(OVERVIEW, headers=HEADERS).status_code == 200


def test_a_simulator_that_does_not_listen_says_so() -> None:
    with Simulator(listen=False) as deaf, pytest.raises(RuntimeError, match="does not listen"):
        deaf.intercept()


def test_a_wish_that_cannot_be_met_leaves_nothing(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match="host"):
        simulator.intercept(hosts=["https://x"])
    led = simulator.intercept()
    led.close()
    led.close()
