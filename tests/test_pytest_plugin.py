"""The pytest plugin: run as somebody's suite would, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.serving import environment
from upsim import Simulator

ROOT = Path(__file__).parents[1]


def suite(folder: Path, tests: str, *arguments: str, ini: str = "", **variables: str) -> str:
    """What pytest says of a suite of one file; the plugin is loaded by hand, whatever is installed here."""
    (folder / "test_suite.py").write_text(tests)
    (folder / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{ini}\n")
    command = [sys.executable, "-m", "pytest", "-p", "upsim.pytest_plugin", "-p", "no:cacheprovider", "-q", *arguments]
    variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout + done.stderr


FRESH = """
import urllib.request

def get(world, path="/v1/pools"):
    request = urllib.request.Request(world.url + path, headers={"X-API-Key": world.key("vip")})
    return urllib.request.urlopen(request).status

seen = set()

def test_one(upsim, upsim_world):
    seen.add((upsim.url, upsim_world.id))
    upsim_world.clock.freeze()
    upsim_world.faults.add(path="/v1/never")
    assert get(upsim_world) == 200

def test_two(upsim, upsim_world):
    seen.add((upsim.url, upsim_world.id))
    assert not upsim_world.clock.read().frozen
    assert upsim_world.faults.list() == ()
    assert len(upsim_world.journal) == 0

def test_three(upsim):
    assert len({url for url, _ in seen}) == 1
    assert len({world for _, world in seen}) == 2
    assert [info.id for info in upsim.worlds()] == ["default"]
"""


def test_each_test_has_a_world_of_its_own_on_one_server(tmp_path: Path) -> None:
    assert "3 passed" in suite(tmp_path, FRESH)


def test_the_ini_file_and_the_command_line_say_what_worlds_are(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        'description: "mine"\nopened: "2025-01-01"\naccounts: [{name: me, tier: basic, keys: [{key: up_k_mine}]}]\n'
    )
    tests = """
import pytest

def test_settings(upsim, upsim_world):
    info = upsim_world.info()
    assert (info.fixture.endswith("own.yaml"), info.seed) == (True, 8)
    assert upsim.default.key("me") == "up_k_mine"
    statuses = {upsim.app.test_client().get("/v1/pools", headers={"X-API-Key": upsim_world.key()}).status_code
                for _ in range(12)}
    assert statuses == {200}

@pytest.mark.upsim_world(seed=5, tier="vip", clock={"set": "2026-01-05T08:00:00Z", "freeze": True})
def test_wish(upsim_world):
    assert upsim_world.info().seed == 5
    assert upsim_world.clock.read().timestamp == 1767600000
    assert upsim_world.accounts()[0].tier == "vip"
"""
    ini = 'upsim_fixture = "own.yaml"\nupsim_seed = "7"\nupsim_rate_limit = "off"\naddopts = "--strict-markers"'
    assert "2 passed" in suite(tmp_path, tests, "--upsim-seed=8", ini=ini)


def test_workers_of_xdist_have_a_simulator_each(tmp_path: Path) -> None:
    tests = """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(4))
def test_worker(upsim, upsim_world, number):
    pathlib.Path(f"{os.environ['PYTEST_XDIST_WORKER']}-{number}").write_text(upsim.url)
    assert [info.id for info in upsim.worlds()] == ["default", upsim_world.id]
"""
    said = suite(tmp_path, tests, "-p", "xdist", "-n", "2", "--dist", "each")
    assert "8 passed" in said, said
    urls = {file.name[:3]: file.read_text() for file in tmp_path.glob("gw*")}
    assert set(urls) == {"gw0", "gw1"}
    assert len(set(urls.values())) == 2


def test_a_simulator_elsewhere_is_used_by_its_url_and_token(tmp_path: Path) -> None:
    tests = """
def test_elsewhere(upsim, upsim_world):
    assert type(upsim).__name__ == "Client"
    assert upsim_world.info().expires_at is not None, "whatever becomes of this run"
"""
    with Simulator(fixture="empty", admin_token="let-me-in") as simulator:
        ini = f'upsim_url = "{simulator.url}"'
        assert "1 passed" in suite(tmp_path, tests, ini=ini, UPSIM_TOKEN="let-me-in")
        assert "1 passed" in suite(tmp_path, tests, f"--upsim-url={simulator.url}", "--upsim-token=let-me-in")
        refused = suite(tmp_path, tests, ini=ini)
        assert "upsim: The control plane needs its admin token" in refused
        assert [info.id for info in simulator.worlds()] == ["default"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--upsim-url=http://127.0.0.1:1", "upsim: no simulator answers on http://127.0.0.1:1"),
        ("--upsim-url=nope://", "upsim: 'nope://' is no URL of a server"),
        ("--upsim-store=nope:", "upsim: store: 'nope:' is not a store"),
        ("--upsim-fixture=nope", "upsim: fixture: 'nope' is neither one of upsim's own"),
    ],
)
def test_a_setting_that_cannot_be_used_is_said_in_one_line(tmp_path: Path, argument: str, said: str) -> None:
    output = suite(tmp_path, "def test_it(upsim_world): pass", argument)
    assert said in output
    assert "Traceback" not in output
    assert "transport.py" not in output


def test_a_failed_tests_report_shows_what_its_world_was_asked(tmp_path: Path) -> None:
    tests = """
def ask(upsim, world, path):
    upsim.app.test_client().get(path, headers={"X-API-Key": world.key("vip")})

def test_fails(upsim, upsim_world):
    ask(upsim, upsim_world, "/v1/pools?limit=0")
    assert False

def test_fails_in_silence(upsim_world):
    assert False

def test_passes(upsim, upsim_world):
    ask(upsim, upsim_world, "/v1/overview")

def test_fails_without_a_world():
    assert False
"""
    said = suite(tmp_path, tests)
    assert "3 failed, 1 passed" in said
    assert len(re.findall(r"-- upsim journal of world w-\w+ --", said)) == 2
    assert "vip GET /v1/pools?limit=0 → 400 (validation): limit: must be from 1 to 100, got 0." in said
    assert "nothing was called" in said
    assert "/v1/overview" not in said


def test_the_wheel_offers_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"]["upsim"] == "upsim.pytest_plugin"


def test_a_suite_that_asks_for_nothing_pays_for_nothing(tmp_path: Path) -> None:
    tests = """
import sys
def test_nothing():
    assert not {"flask", "upsim.serve", "upsim.client", "upsim.rules"} & set(sys.modules)
"""
    assert "1 passed" in suite(tmp_path, tests)
    assert os.listdir(tmp_path)


INTERCEPTED = """
import os, subprocess, sys, urllib.request
import pytest

def call(host, world):
    request = urllib.request.Request(f"https://{host}/v1/pools", headers={"X-API-Key": world.key("vip")})
    return urllib.request.build_opener().open(request).status

def test_built_in_address(upsim_intercept, upsim_world):
    assert call("api.ultimate-proxy.com", upsim_world) == 200
    upsim_world.journal.assert_called("GET", "/v1/pools", times=1)
    script = "import os; print(os.environ['HTTPS_PROXY'])"
    said = subprocess.run([sys.executable, "-c", script], env=upsim_intercept.env, capture_output=True, text=True)
    assert said.stdout.strip() == os.environ["HTTPS_PROXY"]
    with pytest.raises(OSError, match="upsim refuses real.example:443"):
        call("real.example", upsim_world)

@pytest.mark.upsim_intercept(hosts=["api.example.com"])
def test_another_address(upsim_intercept, upsim_world):
    assert call("api.example.com", upsim_world) == 200

def test_afterwards():
    assert "HTTPS_PROXY" not in os.environ
"""


def test_clients_with_the_address_built_in_reach_the_world_of_the_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert "3 passed" in suite(tmp_path, INTERCEPTED)
