"""A real HAProxy on the configuration that upsim comes with, where this machine has the program."""

from __future__ import annotations

import csv
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"


def program() -> str:
    """The program; the test stands aside where there is none."""
    found = shutil.which("haproxy")
    if found is None:
        pytest.skip("there is no haproxy on this machine: apt-get install haproxy")
    return found


class HAProxy:
    """One that runs."""

    def __init__(self, url: str, door: Path) -> None:
        self.url = url
        self._door = door

    def wait_for(self, port: int, ready: bool) -> None:
        """Wait until it takes that server for ready, or for not."""
        for _ in range(3000):
            if (self._statuses().get(f"on-{port}") == "UP") is ready:
                return
            time.sleep(0.02)
        raise AssertionError(f"{port}: ready is not {ready}: {self._statuses()}")

    def _statuses(self) -> dict[str, str]:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self._door))
            asking.sendall(b"show stat\n")
            said = b"".join(iter(lambda: asking.recv(65536), b"")).decode()
        return {row["svname"]: row["status"] for row in csv.DictReader(said.lstrip("# ").splitlines())}


@contextmanager
def haproxy(ports: Sequence[int]) -> Iterator[HAProxy]:
    """Run one before servers on these ports, configured as deploy/haproxy.cfg says."""
    servers = "\n".join(f"    server on-{port} 127.0.0.1:{port}" for port in ports)
    text = re.sub(r"^ +server-template.*$", servers, CONFIG.read_text(), flags=re.MULTILINE)
    with (
        tempfile.TemporaryDirectory(prefix="upsim-haproxy-") as folder,
        socket.create_server(("127.0.0.1", 0)) as front,
    ):
        door, file = Path(folder) / "stats", Path(folder) / "haproxy.cfg"
        text = text.replace("bind :8080", f"bind fd@{front.fileno()}")
        file.write_text(text.replace("global\n", f"global\n    stats socket {door}\n"))
        command = [program(), "-db", "-f", str(file)]
        process = subprocess.Popen(
            command, pass_fds=[front.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not door.exists():
                assert process.poll() is None, "haproxy ended before it listened"
                time.sleep(0.01)
            yield HAProxy(f"http://127.0.0.1:{front.getsockname()[1]}", door)
        finally:
            process.kill()
            process.wait()
