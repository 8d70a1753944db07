"""The wheel: built offline, whole, and at work in a place that knows nothing of this folder."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.serving import KEY, environment, serving

ROOT = Path(__file__).parents[1]
PACKAGES = {"upsim": "upsim", "contract": "upsim_contract", "fixtures": "upsim_fixtures"}


def pip(*arguments: str) -> None:
    """Run pip, which must not ask anybody."""
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing is left behind here."""
    copy, built = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    for folder in PACKAGES:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(built), str(copy))
    (found,) = built.glob("upsim-*.whl")
    return found


def test_the_wheel_holds_every_file_of_its_packages(wheel: Path) -> None:
    """A package that is missing from pyproject.toml is missing here too."""
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(Path(package) / file.relative_to(ROOT / folder))
        for folder, package in PACKAGES.items()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not _for_developers(file.relative_to(ROOT))
    }
    assert wanted - held == set()
    own = {name for name in held if ".dist-info/" not in name}
    assert own - wanted == set()
    assert {"upsim/py.typed", "upsim_contract/openapi.yaml", "upsim_fixtures/demo.yaml"} <= held


def _for_developers(file: Path) -> bool:
    """Pages to read in the repository, and conversations recorded for the tests."""
    return file.suffix == ".md" or file.parts[:2] == ("fixtures", "stratum")


def test_the_wheel_serves_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """With its own spec, fixtures and command, and none of this folder's."""
    target, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip("install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    # The dependencies are this environment's; what this environment knows of upsim comes after the installed copy.
    path = os.pathsep.join([str(target), *site.getsitepackages()])
    where = subprocess.run(
        [sys.executable, "-c", "import upsim, upsim_contract, upsim_fixtures as f; print(upsim.__file__, f.__file__)"],
        env=environment(PYTHONPATH=path), cwd=elsewhere, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert all(file.startswith(str(target)) for file in where.stdout.split()), where

    command = [sys.executable, str(target / "bin" / "upsim")]
    with serving(elsewhere, "--fixture", "demo", command=command, PYTHONPATH=path) as server:
        assert server.ask("GET", "/openapi.json", key=None)[1]["openapi"].startswith("3.1")
        status, overview = server.ask("GET", "/v1/overview", key=KEY)
        assert (status, overview["workers"]["total"] > 200) == (200, True)
        assert server.stop()[0] == 0
