"""What tests of interception share: `upsim run` as a process of its own, and a world to run it on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving import UPSIM, environment

FARM = """
description: "One user with 150 workers and two profiles."
opened: "2025-01-20"
accounts:
  - name: farm
    tier: vip
    keys: [{key: up_k_vipFirst, scopes: ["workers:read", "workers:write", "profiles:write"]}]
    pools:
      - {name: one, algorithm: randomx, host: one.example, port: 5555, username: wallet}
      - {name: two, algorithm: randomx, host: two.example, port: 5555, username: wallet}
    profiles:
      - {name: first, pools: [one]}
      - {name: second, pools: [two]}
    workers:
      - {name: "cpu-{n:04}", count: 150, model: ryzen-7950x, profile: first}
"""

Ended = subprocess.CompletedProcess[str]
Upsim = Callable[..., Ended]


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    """A fixture with what the vendor's client needs."""
    file = tmp_path / "farm.yaml"
    file.write_text(FARM)
    return file


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where `run_upsim` lets temporary files be made: empty before and, if all is well, afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def run_upsim(tmp_path: Path, temporary: Path) -> Upsim:
    """Run `upsim run ARGUMENTS` to its end."""

    def run(*arguments: str, given: str = "", **variables: str) -> Ended:
        return subprocess.run(
            [*UPSIM, "run", *arguments],
            env=environment(TMPDIR=str(temporary), **variables),
            cwd=tmp_path,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
