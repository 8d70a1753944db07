"""What runs when upsim.pyz is run: `__main__` of the archive, of which the rest is packages. See tools/onefile.py.

All of it is imported from within the archive, but for what is compiled: that is good for one kind of machine, and is
needed for certificates only. It is unpacked into a private temporary folder when it is first imported, which is gone
when the process is.
"""

# ruff: noqa: E402 - what says that this Python is too old, and what finds the rest, comes before the rest

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said here, and not in the middle of a traceback
    sys.exit(f"upsim needs Python 3.11 or newer; this is {sys.version_info[0]}.{sys.version_info[1]}.")

import atexit
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

NATIVE = "native/"
"""Where in the archive that lies which is compiled, or of no use without."""


class _Unpacking:
    """Finds what lies there, and unpacks all of it when the first of it is wanted."""

    def __init__(self, archive: str) -> None:
        self._archive = archive
        with zipfile.ZipFile(archive) as packed:
            held = [name for name in packed.namelist() if name.startswith(NATIVE)]
        self._held = held
        self._names = {name.removeprefix(NATIVE).partition("/")[0].partition(".")[0] for name in held}
        self._folder: Path | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names:
            return None
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="upsim-native-"))
            atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
            with zipfile.ZipFile(self._archive) as packed:
                packed.extractall(self._folder, self._held)
        return PathFinder.find_spec(name, [str(self._folder / NATIVE)])


sys.meta_path.insert(0, _Unpacking(sys.path[0]))

from upsim.cli import main

main(prog_name="upsim")
