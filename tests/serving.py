"""`upsim` as a process of its own, for the tests that need one."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

KEY = "up_k_demovip"
UPSIM = (sys.executable, "-m", "upsim")


def environment(**variables: str) -> dict[str, str]:
    """This process's environment, less whatever there is to upsim in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("UPSIM_")} | variables


class Serving:
    """A server that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any], banner: str) -> None:
        self.process = process
        self.ready = ready
        self.banner = banner
        self.port = int(ready["url"].rpartition(":")[2])

    def ask(
        self, method: str, path: str, body: object = None, key: str | None = KEY, token: str | None = None
    ) -> tuple[int, Any]:
        """Make one call, with a key to /v1, or the control plane's token."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            headers = {"X-API-Key": key} if key else {}
            if token is not None:
                headers["X-Upsim-Token"] = token
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; the exit status, and what was said since the banner."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextmanager
def serving(folder: Path, *arguments: str, command: Sequence[str] = UPSIM, **variables: str) -> Iterator[Serving]:
    """Run `upsim serve` on a free port until the block ends; waits for its banner, which says that it answers."""
    ready = folder / "ready.json"
    told = [*command, "serve", "--port", "0", "--ready-file", str(ready), *arguments]
    process = subprocess.Popen(
        told, env=environment(**variables), cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        banner = ""
        while "Ctrl-C stops it." not in banner:
            line = process.stderr.readline()
            assert line, f"it ended before it answered: {banner}"
            banner += line
        yield Serving(process, json.loads(ready.read_text()), banner)
    finally:
        process.kill()
        process.communicate()
