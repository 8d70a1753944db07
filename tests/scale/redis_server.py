"""A Redis of the tests' own, where this machine has the program: on a Unix socket, so that no port is guessed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def redis_server() -> Iterator[Path]:
    """Run one that keeps nothing on disk; gives its socket. Stands aside where there is no Redis."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    # pytest's own folders may be too deep for the path of a Unix socket.
    with tempfile.TemporaryDirectory(prefix="upsim-redis-") as folder:
        door = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(door), "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen(
            [program, *options, "--daemonize", "no"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        ) as process:
            try:
                _wait_for(process, door)
                yield door
            finally:
                process.kill()


def _wait_for(process: subprocess.Popen[bytes], door: Path) -> None:
    for _ in range(3000):
        assert process.poll() is None, "redis-server ended before it answered"
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(door))
                client.sendall(b"PING\r\n")
                if client.recv(100).startswith(b"+PONG"):
                    return
            except OSError:
                pass
        time.sleep(0.01)
    raise AssertionError("redis-server does not answer")
