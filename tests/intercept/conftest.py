"""What tests of interception share: `upsim run` as a process of its own, and a world to run it on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.farm import write_farm
from tests.serving import UPSIM, environment

Ended = subprocess.CompletedProcess[str]
Upsim = Callable[..., Ended]


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    """A fixture with what the vendor's client needs."""
    return write_farm(tmp_path, workers=150)


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
