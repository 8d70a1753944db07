"""Processes that meet a disk as it is on a bad day, whoever runs the tests: root too has no room and no permission."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from tests.serving import UPSIM

OBEYING: Final = (sys.executable, str(Path(__file__).with_name("obeying.py")), *UPSIM)
"""upsim, for which a file without write permission is read-only."""


def on_a_small_disk(folder: Path, size: str) -> Sequence[str]:
    """upsim, with a disk of its own of this size mounted on the folder: seen by nobody else, gone when it ends."""
    mount = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    return (*_OWN_MOUNTS, "sh", "-c", mount, str(folder), *UPSIM)


def as_seen_by(pid: int, folder: Path) -> Path:
    """Where a process's folder is reached from outside, mounts included."""
    return Path(f"/proc/{pid}/root{folder}")


@cache
def own_disks() -> bool:
    """Whether this machine lets a process mount a disk of its own."""
    tried = subprocess.run([*_OWN_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return tried.returncode == 0


_OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount")


@contextmanager
def no_room_for(pid: int) -> Iterator[None]:
    """While the block lasts, the process cannot write a byte to any file."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
