"""Builds upsim.pyz: upsim and all it stands on in one file, which any Python from 3.11 on runs, offline.

    python -m tools.onefile [--offline] FILE

It is a zip archive as the standard library's zipapp makes them. In it lie upsim, as its wheel has it, and its
dependencies, as they are installed beside this very Python. Compiled parts that only make things faster are left out:
what has them does without. What does not, cryptography, is put apart, for the system and processor this runs on; its
one part that differs from Python to Python, cffi's, is asked of the package index for the other versions.
"""

from __future__ import annotations

import argparse
import py_compile
import shutil
import stat
import subprocess
import sys
import tempfile
import zipapp
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parent.parent
MAIN: Final = Path(__file__).with_name("onefile_main.py")

NATIVE: Final = frozenset({"cryptography", "cffi"})
"""Distributions that do not work without their compiled parts."""

VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
"""Pythons for which cffi's compiled part is asked for."""

_LEFT_OUT: Final = (".so", ".pyd", ".dylib", ".pyi", ".pyc", ".c", ".h", ".pxd", ".pyx")
_SOURCES: Final = ("pyproject.toml", "README.md", "LICENSE", "upsim", "contract", "fixtures")


def build(target: Path, *, offline: bool) -> list[str]:
    """Build the file; the versions of Python for which it has certificates.

    Args:
        offline: ask nobody for anything: certificates are for this Python's version only.
    """
    with tempfile.TemporaryDirectory(prefix="upsim-onefile-") as place:
        stage, native = Path(place) / "stage", Path(place) / "stage" / "native"
        _unpack_own(stage, Path(place))
        for found in dependencies("upsim"):
            name = canonicalize_name(found.name)
            _copy(found, native if name in NATIVE else stage, compiled=name in NATIVE)
        if not offline:
            _other_versions(native, Path(place))
        _compile(stage)
        _keep_parsed(stage)
        shutil.copy(MAIN, stage / "__main__.py")
        target.parent.mkdir(parents=True, exist_ok=True)
        zipapp.create_archive(stage, target, interpreter="/usr/bin/env python3", compressed=True)
        target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        return sorted(_version_of(file) for file in native.glob("_cffi_backend.cpython-*"))


def dependencies(name: str) -> Iterator[Distribution]:
    """What a distribution needs, and what that needs, as it is installed here; itself left out."""
    seen, wanted = {canonicalize_name(name)}, [distribution(name)]
    while wanted:
        for text in wanted.pop().requires or ():
            needed = Requirement(text)
            known = canonicalize_name(needed.name)
            if known in seen or (needed.marker is not None and not needed.marker.evaluate({"extra": ""})):
                continue
            seen.add(known)
            wanted.append(found := distribution(needed.name))
            yield found


def _unpack_own(stage: Path, place: Path) -> None:
    """What upsim's own wheel holds, built from a copy so that nothing is left behind here."""
    copy = place / "copy"
    copy.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(place), str(copy))
    (wheel,) = place.glob("upsim-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(stage)


def _copy(found: Distribution, stage: Path, *, compiled: bool) -> None:
    for file in found.files or ():
        apart = ".." in file.parts or "__pycache__" in file.parts
        native = any(file.name.endswith(ending) for ending in (".so", ".pyd", ".dylib"))
        if apart or (file.name.endswith(_LEFT_OUT) and not (native and compiled)):
            continue
        (stage / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(str(found.locate_file(file))), stage / file)


def _other_versions(native: Path, place: Path) -> None:
    here = distribution("cffi").version
    for version in VERSIONS:
        asked = ["--only-binary=:all:", "--no-deps", "--python-version", version, f"cffi=={here}"]
        folder = place / version
        try:
            _pip("download", *asked, "--dest", str(folder))
        except subprocess.CalledProcessError as error:
            print(f"onefile: no certificates on Python {version}: {error.stderr.strip()}", file=sys.stderr)
            continue
        for wheel in folder.glob("cffi-*.whl"):
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(native, [name for name in packed.namelist() if name.startswith("_cffi_backend.")])


def _compile(stage: Path) -> None:
    """Byte code beside the sources, where the import from an archive looks for it: good for Pythons of this version."""
    for file in stage.rglob("*.py"):
        if "native" not in file.relative_to(stage).parts:
            shown = str(file.relative_to(stage))
            py_compile.compile(
                str(file),
                str(file) + "c",
                shown,
                quiet=1,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )


def _keep_parsed(stage: Path) -> None:
    """The documents' parsed form, as it is kept beside the byte code elsewhere: nobody can write into the file."""
    code = (
        "from upsim import fixture, spec; spec.API.document, spec.CONTROL.document, *map(fixture.load, fixture.names())"
    )
    environment = {"PYTHONPATH": str(stage)}
    subprocess.run([sys.executable, "-c", code], cwd=stage, env=environment, check=True)  # noqa: S603 - our own words


def _version_of(file: Path) -> str:
    tag = file.name.split(".")[1].split("-")[1]
    return f"{tag[0]}.{tag[1:]}"


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments, "--quiet"]
    subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own words


def main() -> int:
    """Build it and say what it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.onefile", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--offline", action="store_true", help="ask nobody; certificates for this Python only")
    parser.add_argument("file", type=Path, metavar="FILE")
    given = parser.parse_args()
    versions = build(given.file, offline=given.offline)
    megabytes = given.file.stat().st_size / 1e6
    print(f"{given.file}: {megabytes:.1f} MB; certificates on Python {', '.join(versions)} of {sys.platform}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
