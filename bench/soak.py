"""A long run under mixed load: whether memory, descriptors, threads and the slowest calls stay where they were.

    python -m bench soak --minutes 30 --rate 40 --server waitress

Clients call at a steady rate: most read, some write, some break off in the midst of a request, some meet faults; worlds
come and go with all they hold. All within bounds of number and time. One row a period; at the end what the last
third of the run has more than the second, by which it is judged: the first is for everything to warm up.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import mean, quantiles
from typing import Any, Final

CLIENTS: Final = 4
ROWS: Final = 12
"""How many periods a run has."""

READS: Final = (
    "/v1/overview",
    "/v1/workers?limit=100",
    "/v1/workers/hashrate?algorithm=kheavyhash&timeRange=24h",
    "/v1/pools",
    "/v1/profiles",
    "/v1/nothing",
)


@dataclass(frozen=True)
class Row:
    """What one period showed.

    Attributes:
        failed: calls that were not answered as they should have been.
    """

    calls: int
    failed: int
    p50_ms: float
    p99_ms: float
    memory_mb: float
    descriptors: int
    threads: int


@dataclass
class Heard:
    """What the clients heard since the last row."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def take(self) -> tuple[list[float], list[str]]:
        with self.lock:
            taken = self.times, self.failures
            self.times, self.failures = [], []
        return taken


class Visitor:
    """One client: its own world for a while, then the next one."""

    def __init__(self, port: int, number: int, heard: Heard) -> None:
        self._port, self._heard = port, heard
        self._chance = Random(f"soak:{number}")
        self._name = f"soak-{number}"
        self._worlds = 0
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)

    def live(self, until: float, pause_s: float) -> None:
        """Call at a steady rate until that time."""
        while time.monotonic() < until:
            world, key, left = self._arrive(), "", 0
            key, left = world["accounts"][0]["keys"][0]["key"], self._chance.randrange(100, 400)
            while left > 0 and time.monotonic() < until:
                left -= 1
                began = time.monotonic()
                self._do_something(world["id"], key)
                time.sleep(max(0.0, pause_s - (time.monotonic() - began)))
            self._ask("DELETE", f"/_upsim/worlds/{world['id']}", {200})
        self._connection.close()

    def _arrive(self) -> Any:
        self._worlds += 1
        made = self._ask("POST", "/_upsim/worlds", {201}, {"id": f"{self._name}-{self._worlds}", "expires_in": "1h"})
        fault = {"path": "/v1/pools", "share": 0.2, "status": 503}
        self._ask("POST", f"/_upsim/worlds/{made['id']}/faults", {201}, fault)
        return made

    def _do_something(self, world: str, key: str) -> None:
        chance = self._chance.random()
        if chance < 0.70:
            self._ask("GET", self._chance.choice(READS), {200, 404, 503}, key=key)
        elif chance < 0.80:
            name = f"pool {self._chance.randrange(20)}"
            pool = {"name": name, "algorithm": "randomx", "host": "healthy.pool.test", "port": 1, "username": "u"}
            self._ask("POST", "/v1/pools", {201, 403, 503}, pool, key)
        elif chance < 0.88:
            self._ask("POST", f"/_upsim/worlds/{world}/snapshots", {201}, {"name": "kept"})
            self._ask("POST", f"/_upsim/worlds/{world}/snapshots/kept/restore", {200})
        elif chance < 0.94:
            self._ask("POST", f"/_upsim/worlds/{world}/clock", {200}, {"advance": "1h"})
            self._ask("GET", f"/_upsim/worlds/{world}/journal?limit=50", {200})
        elif chance < 0.97:
            self._ask("POST", "/v1/pools", {400, 503}, {"name": 1}, key)
        else:
            self._break_off(key)

    def _break_off(self, key: str) -> None:
        """Begin a request, hang up, and come back over another connection."""
        self._connection.close()
        with suppress(OSError):
            self._connection.connect()
            self._connection.sock.sendall(
                f"POST /v1/pools HTTP/1.1\r\nX-API-Key: {key}\r\nContent-Length: 9\r\n\r\n{{".encode()
            )
        self._connection.close()
        self._connection = self._connect()

    def _ask(self, method: str, path: str, fine: set[int], body: Any = None, key: str = "") -> Any:
        fields = {"X-API-Key": key} | ({} if body is None else {"Content-Type": "application/json"})
        began = time.perf_counter()
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), fields)
            answer = self._connection.getresponse()
            content = answer.read()
            problem = None if answer.status in fine else f"{method} {path}: {answer.status} {content[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            content, problem = b"null", f"{method} {path}: {error!r}"
            self._connection.close()
            self._connection = self._connect()
        with self._heard.lock:
            self._heard.times.append(time.perf_counter() - began)
            if problem is not None:
                self._heard.failures.append(problem)
        return json.loads(content)


def soak(seconds: float, rate: float, arguments: Sequence[str], rows: int = ROWS) -> list[Row]:
    """Run a server of its own and load it; what each period showed, printed as it ends."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as place, _served(Path(place), arguments) as (pid, port):
        heard, until = Heard(), time.monotonic() + seconds
        visitors = [Visitor(port, number, heard) for number in range(CLIENTS)]
        threads = [threading.Thread(target=one.live, args=(until, CLIENTS / rate), daemon=True) for one in visitors]
        for thread in threads:
            thread.start()
        print(f"{'calls':>8}{'failed':>8}{'p50 ms':>8}{'p99 ms':>8}{'MB':>8}{'fds':>6}{'threads':>9}", flush=True)
        for _ in range(rows):
            time.sleep(seconds / rows)
            times, failures = heard.take()
            cuts = quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
            row = Row(len(times), len(failures), cuts[49] * 1e3, cuts[98] * 1e3, *_held(pid))
            found.append(row)
            print(
                f"{row.calls:>8}{row.failed:>8}{row.p50_ms:>8.1f}{row.p99_ms:>8.1f}{row.memory_mb:>8.1f}"
                f"{row.descriptors:>6}{row.threads:>9}",
                flush=True,
            )
            for failure in failures[:3]:
                print(f"    {failure}", flush=True)
        for thread in threads:
            thread.join(120)
    return found


def main(arguments: Sequence[str] = ()) -> None:
    """Soak as long and as hard as was asked, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench soak")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=40, help="calls per second, all clients together")
    parser.add_argument("--server", default="waitress")
    parser.add_argument("--store", default="sqlite", choices=("sqlite", "memory"))
    told = parser.parse_args(arguments)
    store = "memory:" if told.store == "memory" else "sqlite:soak.db"
    found = soak(told.minutes * 60, told.rate, ("--server", told.server, "--store", store))
    third = len(found) // 3
    before, after = found[third : 2 * third], found[2 * third :]
    print(f"{'':24}{'second third':>14}{'last third':>14}")
    for name, unit in (("memory_mb", "MB"), ("descriptors", ""), ("threads", ""), ("p50_ms", "ms"), ("p99_ms", "ms")):
        earlier, later = (mean(getattr(row, name) for row in part) for part in (before, after))
        print(f"{name:24}{earlier:>14.1f}{later:>14.1f} {unit}")
    print(f"{sum(row.calls for row in found)} calls, {sum(row.failed for row in found)} not answered as they should be")


@contextmanager
def _served(folder: Path, arguments: Sequence[str]) -> Iterator[tuple[int, int]]:
    ready = folder / "ready.json"
    options = ["--port", "0", "--rate-limit", "off", "--ready-file", str(ready), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPSIM_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "upsim", "serve", *options], cwd=folder, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        while not ready.exists():
            assert process.poll() is None, "upsim ended before it answered"
            time.sleep(0.01)
        yield process.pid, int(json.loads(ready.read_text())["url"].rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


def _held(pid: int) -> tuple[float, int, int]:
    """What the process has: MB in memory, descriptors, threads."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return int(status["VmRSS"].split()[0]) / 1024, descriptors, int(status["Threads"])
