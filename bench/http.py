"""What the API costs: start-up, memory and calls per second, as ratios to a bare Flask app that returns the same bytes.

Each server is a process of its own; the calls come from this one, over connections that are kept. upsim and the bare
app take turns within one run, and the median of the turns is what is printed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

TURNS: Final = 5
CALLS: Final = 2_000
"""Calls a turn, at most."""
SECONDS: Final = 3.0
"""How long a turn takes, at most."""
CONNECTIONS: Final = 4
KEY: Final = "up_k_bench"

FIXTURE: Final = """\
description: "Workers to count."
opened: "2025-01-20"
accounts:
  - name: bench
    tier: vip
    keys: [{{key: {key}}}]
    pools: [{{name: pool, algorithm: randomx, host: xmr.example, port: 5555, username: wallet, health: healthy}}]
    profiles: [{{name: profile, pools: [pool]}}]
    workers: [{{name: "cpu-{{n:06}}", count: {workers}, model: ryzen-7950x, profile: profile}}]
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of call.

    Attributes:
        name: also that of the file the bare app answers it from.
        workers: how many the account has.
    """

    name: str
    title: str
    workers: int
    path: str


FEW, MANY = 1_000, 100_000
CASES: Final = (
    Case("small", "a small answer (the default profile)", FEW, "/v1/profiles/default?algorithm=randomx"),
    Case("page", "a page of 100 workers out of 1,000", FEW, "/v1/workers?page=5&limit=100"),
    Case("deep-page", "a page of 100 workers out of 100,000", MANY, "/v1/workers?page=500&limit=100"),
    Case("series", "24 h of 1,000 workers", FEW, "/v1/workers/hashrate?algorithm=randomx&timeRange=24h"),
    Case("long-series", "24 h of 100,000 workers", MANY, "/v1/workers/hashrate?algorithm=randomx&timeRange=24h"),
)


@dataclass(frozen=True, slots=True)
class Started:
    """A server that answers.

    Attributes:
        seconds: from its start to its first answer.
    """

    port: int
    pid: int
    seconds: float


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder, answers = Path(place), Path(place) / "answers"
        answers.mkdir()
        fixtures = {workers: _fixture(folder, workers) for workers in (FEW, MANY)}
        servers = {workers: stack.enter_context(upsim(folder, file)) for workers, file in fixtures.items()}
        for case in CASES:
            (answers / case.name).write_bytes(Client(servers[case.workers].port, case.path).ask())
        bare_server = stack.enter_context(bare(answers))

        _heading()
        starts: dict[str, list[Started]] = {"upsim": [], "bare": []}
        for _ in range(TURNS):
            with upsim(folder, fixtures[FEW]) as started:
                starts["upsim"].append(started)
            with bare(answers) as started:
                starts["bare"].append(started)
        _row("start-up to the first answer", "ms", *(median(s.seconds for s in starts[n]) * 1000 for n in starts))
        _row(
            "start-up with 100,000 workers",
            "ms",
            servers[MANY].seconds * 1000,
            median(s.seconds for s in starts["bare"]) * 1000,
        )
        resting = memory_mb(bare_server.pid)
        _row("memory after start", "MB", memory_mb(servers[FEW].pid), resting)
        _row("memory with 100,000 workers", "MB", memory_mb(servers[MANY].pid), resting)
        for case in CASES:
            ours = [Client(servers[case.workers].port, case.path) for _ in range(CONNECTIONS)]
            theirs = [Client(bare_server.port, f"/{case.name}") for _ in range(CONNECTIONS)]
            turns = [(rate(ours), rate(theirs)) for _ in range(TURNS)]
            _row(case.title, "/s", median(turn[0] for turn in turns), median(turn[1] for turn in turns))


def _fixture(folder: Path, workers: int) -> Path:
    file = folder / f"{workers}.yaml"
    file.write_text(FIXTURE.format(key=KEY, workers=workers))
    return file


@contextmanager
def upsim(folder: Path, fixture: Path, *more: str) -> Iterator[Started]:
    """Run upsim as a user would, with its limits switched off."""
    ready = folder / f"ready-{fixture.stem}.json"
    ready.unlink(missing_ok=True)
    options = ["--port", "0", "--fixture", str(fixture), "--rate-limit", "off", "--ready-file", str(ready)]
    began = time.perf_counter()
    with _process([sys.executable, "-m", "upsim", "serve", *options, *more]) as process:
        while not ready.exists():
            assert process.poll() is None, "upsim ended before it answered"
            time.sleep(0.001)
        port = int(json.loads(ready.read_text())["url"].rpartition(":")[2])
        Client(port, CASES[0].path).ask()
        yield Started(port, process.pid, time.perf_counter() - began)


@contextmanager
def bare(answers: Path) -> Iterator[Started]:
    """Run the bare app."""
    began = time.perf_counter()
    with _process([sys.executable, "-m", "bench.bare", str(answers)]) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        Client(port, f"/{CASES[0].name}").ask()
        yield Started(port, process.pid, time.perf_counter() - began)


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPSIM_")}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


class Client:
    """One kept connection that asks for one path, with as little work of its own as can be."""

    def __init__(self, port: int, path: str, key: str = KEY) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\n\r\n".encode()

    def ask(self) -> bytes:
        """One call; the body of its answer."""
        self.send()
        return self.receive()

    def send(self) -> None:
        """The request."""
        self._socket.sendall(self._request)

    def receive(self) -> bytes:
        """The answer's body, whole."""
        data = self._socket.recv(1 << 20)
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(1 << 20)
        head, _, body = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._socket.recv(1 << 20)
        return body


def rate(clients: list[Client]) -> float:
    """Calls per second of one turn: all connections ask at once, and again when all are answered."""
    done, began = 0, time.perf_counter()
    while done < CALLS and time.perf_counter() - began < SECONDS:
        for client in clients:
            client.send()
        for client in clients:
            client.receive()
        done += len(clients)
    return done / (time.perf_counter() - began)


def memory_mb(pid: int) -> float:
    """What of the process is in memory, MB."""
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(said.stdout) / 1024


def _heading() -> None:
    print(f"{'':40}{'upsim':>10}{'bare':>10}      {'ratio':>6}", flush=True)


def _row(title: str, unit: str, ours: float, bare_app: float) -> None:
    print(f"{title:40}{ours:>10,.0f}{bare_app:>10,.0f} {unit:<4} {ours / bare_app:>6.2f}", flush=True)


if __name__ == "__main__":
    main()
