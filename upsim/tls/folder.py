"""A private folder for what other programs have to find in files, gone with the process whatever ends it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

# Waits for the end of its input, which comes when the pipe's other end is closed: by us, or by our death.
_GUARD = 'cat >/dev/null; rm -rf -- "$1"'


class PrivateFolder:
    """A temporary folder that its owner alone can look into. Nothing secret is put there all the same.

    On POSIX a shell waits beside us to remove it should we be killed; elsewhere what is killed leaves it behind.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="upsim-"))
        self._guard: subprocess.Popen[bytes] | None = None
        # No shell, no guard: what is killed then leaves the folder behind.
        with contextlib.suppress(OSError):
            self._guard = _guard_of(self.path) if os.name == "posix" else None

    def write(self, name: str, content: bytes) -> Path:
        """Put a file there, and say where it is."""
        path = self.path / name
        path.write_bytes(content)
        return path

    def close(self) -> None:
        """Remove it. A second time does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None


def _guard_of(path: Path) -> subprocess.Popen[bytes]:
    # In a session of its own: what interrupts us from the terminal shall not end it before its work is done.
    return subprocess.Popen(  # noqa: S603 - a fixed script, and a path that we made
        ["/bin/sh", "-c", _GUARD, "upsim-guard", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env={"PATH": os.defpath},
    )
