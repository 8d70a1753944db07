"""The single file, upsim.pyz: built offline from what is installed here, and at work where nothing else is.

UPSIM_TEST_PYTHONS names other Pythons to run it with, as paths with a colon between.
"""

from __future__ import annotations

import http.client
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.serving import Serving, environment, serving
from tools import onefile

PYTHONS = [sys.executable, *filter(None, os.environ.get("UPSIM_TEST_PYTHONS", "").split(os.pathsep))]

ALONE = """
import runpy, sys

def refuse(event, given):
    if event == "socket.connect" and given[1][0] not in ("127.0.0.1", "::1"):
        sys.exit(f"it wanted to connect to {given[1]}")
    if event == "open" and "site-packages" in str(given[0]):
        sys.exit(f"it wanted {given[0]}")

sys.addaudithook(refuse)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs the file of its first argument, which gets neither at the network nor at what is installed."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, built without a network: its certificates are for this Python alone."""
    built = tmp_path_factory.mktemp("onefile") / "upsim.pyz"
    assert onefile.build(built, offline=True) == [f"{sys.version_info[0]}.{sys.version_info[1]}"]
    return built


@pytest.fixture(params=PYTHONS)
def python(request: pytest.FixtureRequest) -> str:
    """Each Python in turn."""
    return str(request.param)


@pytest.fixture
def server(archive: Path, tmp_path: Path, python: str) -> Iterator[Serving]:
    """It serves, in an empty folder, for a user who has nothing, with none of this environment's packages."""
    folder, home, scratch = tmp_path / "folder", tmp_path / "home", tmp_path / "scratch"
    for made in (folder, home, scratch):
        made.mkdir()
    command = [python, "-I", "-S", "-c", ALONE, str(archive)]
    with serving(folder, "--pool-ports", "sha256=0", command=command, HOME=str(home), TMPDIR=str(scratch)) as server:
        yield server
        assert server.stop() == (0, "")
    assert [file.name for file in folder.iterdir()] == ["ready.json"]
    assert list(home.iterdir()) == list(scratch.iterdir()) == []


def page(server: Serving, path: str) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200, path
        return response.read().decode()


def test_it_does_all_that_upsim_does(server: Serving) -> None:
    status, overview = server.ask("GET", "/v1/overview")
    assert (status, overview["workers"]["total"] > 200) == (200, True)
    assert "<title>" in page(server, "/")
    assert page(server, "/static/api.js")
    assert page(server, "/openapi.yaml") == (onefile.ROOT / "contract" / "openapi.yaml").read_text()
    assert server.ask("GET", "/_upsim/openapi.json", key=None)[1]["openapi"].startswith("3.1")
    assert server.ask("POST", "/_upsim/worlds", {"fixture": "bad-day"}, key=None)[0] == 201
    pool = {"algorithm": "sha256", "host": "any.example", "port": 1, "username": "u"}
    status, tested = server.ask("POST", "/v1/pools/test", pool)
    assert (status, tested["success"]) == (200, True)


@pytest.mark.parametrize("python", [sys.executable], indirect=True)
def test_certificates_are_made_where_a_pool_wants_them(server: Serving) -> None:
    pool = {"algorithm": "sha256", "host": "tls.pool.test", "port": 1, "username": "u", "tls": True}
    status, tested = server.ask("POST", "/v1/pools/test", pool)
    assert (status, tested["success"]) == (200, True)


def test_it_is_a_program_of_its_own(archive: Path) -> None:
    assert archive.stat().st_mode & stat.S_IXUSR
    assert archive.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    said = subprocess.run(
        [archive, "--version"], env=environment(PATH=path), capture_output=True, text=True, timeout=60
    )
    assert (said.stdout, said.stderr) == ("upsim, version 0.1.0\n", "")


def test_it_checks_a_server_where_the_libraries_for_that_are_installed(archive: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    said = subprocess.run(
        [archive, "contract", "--list"], env=environment(PATH=path), capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0, said.stderr
    assert "pools." in said.stdout
