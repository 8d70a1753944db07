"""`upsim plot`: pictures of any fixture, and mistakes answered in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from upsim.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plot", *arguments])


def test_a_picture_is_drawn_of_the_ranges_and_workers_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "bad.svg"
    found = run("bad-day", "--range", "24h", "--range", "1h", "--worker", "loose-1", "--days", "40", "--out", str(out))
    assert found.exit_code == 0, found.output
    drawn = out.read_text()
    assert drawn.count('id="axes_') == 4
    assert "until 2025-07-15T22:00Z" in drawn


def test_the_same_command_draws_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        assert run("small-farm", "--at", "2025-06-01", "--range", "1h", "--out", str(tmp_path / name)).exit_code == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_png_is_a_png(tmp_path: Path) -> None:
    out = tmp_path / "farm.png"
    assert run("small-farm", "--algorithm", "scrypt", "--out", str(out)).exit_code == 0
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["nowhere"], "neither one of upsim's own", id="fixture"),
        pytest.param(["empty"], "has no workers to draw", id="no workers"),
        pytest.param(["small-farm", "--algorithm", "ethash"], "they mine sha256, scrypt, randomx", id="algorithm"),
        pytest.param(["small-farm", "--worker", "s99"], "there is no worker 's99'", id="worker"),
        pytest.param(["small-farm", "--at", "noon"], "'noon' is no time", id="time"),
    ],
)
def test_what_cannot_be_drawn_is_said(arguments: list[str], said: str, tmp_path: Path) -> None:
    out = tmp_path / "none.png"
    found = run(*arguments, "--out", str(out))
    assert found.exit_code != 0
    assert said in found.output
    assert not out.exists()
