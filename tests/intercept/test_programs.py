"""Programs in five languages, the service's address built in, run as they are, make the vendor client's four calls.

Each first calls somebody else, which has to fail, and to say why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.intercept.conftest import Upsim
from upsim import Simulator

PROGRAMS = Path(__file__).parent / "programs"
ELSEWHERE = "https://real.example/"
SENTENCE = "upsim refuses real.example:443 so that no test reaches a real service by mistake"


def python(library: str) -> Callable[[Path], list[str]]:
    return lambda folder: [sys.executable, str(PROGRAMS / "client.py"), library]


def go(folder: Path) -> list[str]:
    """Built here, offline: it needs nothing but its standard library."""
    program = folder / "client"
    offline = {"GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOPATH": str(folder), "GOCACHE": str(folder / "cache")}
    command = [needed("go", "golang-go"), "build", "-o", str(program), str(PROGRAMS / "client.go")]
    built = subprocess.run(command, env={**os.environ, **offline}, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    return [str(program)]


def node(library: str) -> Callable[[Path], list[str]]:
    return lambda folder: [needed("node", "nodejs"), str(PROGRAMS / "client.js"), library]


def curl(folder: Path) -> list[str]:
    needed("curl", "curl")
    return ["sh", str(PROGRAMS / "client.sh")]


def java(folder: Path) -> list[str]:
    needed("javac", "default-jdk-headless")  # the launcher of source files is there where the compiler is
    return [
        needed("java", "default-jdk-headless"),
        "-Xshare:auto",
        "-XX:TieredStopAtLevel=1",
        str(PROGRAMS / "Client.java"),
    ]


def needed(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"there is no {program} here: install Debian's {package} to try programs in that language")
    return found


@pytest.mark.parametrize(
    ("program", "says_why"),
    [
        pytest.param(python("urllib"), True, id="python-urllib"),
        pytest.param(python("requests"), True, id="python-requests"),
        pytest.param(python("httpx"), True, id="python-httpx"),
        pytest.param(go, True, id="go"),
        pytest.param(node("fetch"), True, id="node-fetch"),
        pytest.param(node("https"), True, id="node-https"),
        pytest.param(curl, False, id="curl"),  # which tells the status of a refusal, and no more
        pytest.param(java, True, id="java"),
    ],
)
def test_a_program_makes_the_vendor_clients_calls_as_it_is(
    run_upsim: Upsim, farm: Path, temporary: Path, tmp_path: Path, program: Callable[[Path], list[str]], says_why: bool
) -> None:
    command = program(tmp_path)
    done = run_upsim(
        *("--fixture", str(farm), "--key-env", "UP_API_KEY=farm"),
        *("--assert", "GET /v1/workers/hashrate status=200 == 1"),
        *("--assert", "POST /v1/profiles/*/default status=200 == 1"),
        *("--assert", "GET /v1/workers status=200 == 2"),
        *("--assert", "POST /v1/workers/bulk-assign status=200 == 1"),
        *("--assert", "* == 5"),
        *("--", *command, second_profile(farm), ELSEWHERE),
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "moved 150"), done.stdout + done.stderr
    assert (SENTENCE in done.stdout) == says_why
    assert "refused: real.example:443, 1 time; --pass-through real.example would allow it" in done.stderr
    assert [*temporary.iterdir()] == []


def second_profile(fixture: Path) -> str:
    """The id of the farm's second profile: it follows from the fixture."""
    with Simulator(fixture=fixture, listen=False) as simulator:
        key = simulator.default.create_key("farm").secret
        found = simulator.app.test_client().get("/v1/profiles", headers={"X-API-Key": key or ""}).get_json()
        return str(found["data"][1]["_id"])
