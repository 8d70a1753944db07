"""What calls cost, as ratios to a bare Flask app on waitress that returns the same bytes, prebuilt: above 1 is faster.

    make bench ARGS=http            make bench ARGS="http --output FILE"

Each server is a process of its own; the calls come from this one, over connections that are kept, and upsim and the
bare app take turns. Two ratios are printed, each the median of turns side by side: of calls per second, which whatever
else runs on the machine disturbs; and of the processor time that the server's process took for a call, which it hardly
does.

upsim looks up the key, counts the call and journals it each time. What it answers to a GET, it gives again for as long
as that would be computed the same: rows "again" tell this cost, which a client meets that asks repeatedly within a
minute and while nobody writes. Rows "anew" tell what it costs to compute the answer: the first such call of a minute,
or after a write. (A call with a body is always computed.) "In turn" asks for another page each time.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Final

TURNS: Final = 7
CALLS: Final = 2_000
"""Calls a turn, at most."""
SECONDS: Final = 0.5
"""How long a turn takes, at most; those who are slow take a little longer."""
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
    profiles: [{{name: profile, pools: [pool]}}, {{name: other, pools: [pool]}}]
    workers: [{{name: "cpu-{{n:06}}", count: {workers}, model: ryzen-7950x, profile: profile}}]
"""


FEW, MANY = 1_000, 100_000
SMALL: Final = "/v1/profiles/default?algorithm=randomx"
SERIES: Final = "/v1/workers/hashrate?algorithm=randomx&timeRange=24h"


def page(number: int) -> str:
    """The path of a page of 100 workers."""
    return f"/v1/workers?page={number}&limit=100"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of call.

    Attributes:
        workers: how many the account has.
        paths: what is asked for, one after the other.
        anew: the answer is computed each time.
    """

    title: str
    workers: int
    paths: Sequence[str]
    anew: bool = False


def _both(title: str, workers: int, *paths: str) -> tuple[Case, Case]:
    return Case(f"{title}, again", workers, paths), Case(f"{title}, anew", workers, paths, anew=True)


CASES: Final = (
    *_both("a small answer (the default profile)", FEW, SMALL),
    *_both("page 5 of 1,000 workers", FEW, page(5)),
    *_both("page 500 of 100,000 workers", MANY, page(500)),
    *_both("the last page of 100,000 workers", MANY, page(1000)),
    Case("all pages of 1,000 workers in turn", FEW, [page(number) for number in range(1, 11)]),
    Case("all pages of 100,000 in turn", MANY, [page(1 + number * 37 % 1000) for number in range(1000)]),
    Case("workers by name (of 100,000), anew", MANY, ["/v1/workers?search=00042&limit=100"], anew=True),
    Case("workers online (of 100,000), anew", MANY, ["/v1/workers?status=online&limit=100"], anew=True),
    *_both("24 h of 1,000 workers", FEW, SERIES),
    *_both("24 h of 100,000 workers", MANY, SERIES),
)
"""GETs; a page has 100 workers."""

STORES: Final = ("memory", "sqlite")


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
        servers = {
            (store, workers): stack.enter_context(
                upsim(folder, _fixture(folder, workers), *_store(folder, store, workers))
            )
            for store in STORES
            for workers in (FEW, MANY)
        }
        for number, case in enumerate(CASES):
            (answers / f"case-{number}").write_bytes(Client(servers["memory", case.workers].port, case.paths[0]).ask())
        (answers / "write").write_bytes(_assigning(servers["memory", FEW])[0].ask())
        bare_server = stack.enter_context(bare(answers))
        for store in STORES:
            print(f"{store:44}{'calls per second':^32}{'processor, µs a call':^32}")
            print(f"{'':44}{'upsim':>10}{'bare':>10}{'ratio':>8}    {'upsim':>10}{'bare':>10}{'ratio':>8}", flush=True)
            for number, case in enumerate(CASES):
                server = servers[store, case.workers]
                ours = [Client(server.port, *case.paths, body=b" " * case.anew) for _ in range(CONNECTIONS)]
                _row(case.title, server, ours, bare_server, f"/case-{number}")
            server = servers[store, FEW]
            _row("bulk-assign of a worker, a write", server, _assigning(server), bare_server, "/write")


def _store(folder: Path, store: str, workers: int) -> tuple[str, str]:
    return "--store", "memory:" if store == "memory" else f"sqlite:{folder / f'{workers}.db'}"


def _assigning(server: Started) -> list[Client]:
    """Clients that assign a worker each to one profile and to the other, in turn."""
    workers = json.loads(Client(server.port, page(1)).ask())["data"]
    profiles = [row["_id"] for row in json.loads(Client(server.port, "/v1/profiles").ask())["data"]]
    bodies = [
        [json.dumps({"worker_ids": [worker["_id"]], "profile_id": profile}).encode() for profile in profiles]
        for worker in workers[:CONNECTIONS]
    ]
    return [Client(server.port, "/v1/workers/bulk-assign", method="POST", bodies=several) for several in bodies]


def _fixture(folder: Path, workers: int) -> Path:
    file = folder / f"{workers}.yaml"
    file.write_text(FIXTURE.format(key=KEY, workers=workers))
    return file


@contextmanager
def upsim(folder: Path, fixture: Path, *more: str) -> Iterator[Started]:
    """Run upsim as a user would, with its limits switched off; `more` are further arguments."""
    ready = folder / f"ready-{fixture.stem}.json"
    ready.unlink(missing_ok=True)
    options = ["--port", "0", "--fixture", str(fixture), "--rate-limit", "off", "--ready-file", str(ready), *more]
    began = time.perf_counter()
    with _process([sys.executable, "-m", "upsim", "serve", *options]) as process:
        while not ready.exists():
            assert process.poll() is None, "upsim ended before it answered"
            time.sleep(0.001)
        port = int(json.loads(ready.read_text())["url"].rpartition(":")[2])
        Client(port, SMALL).ask()
        yield Started(port, process.pid, time.perf_counter() - began)


@contextmanager
def bare(answers: Path, *more: str) -> Iterator[Started]:
    """Run the bare app; `more` are further arguments."""
    began = time.perf_counter()
    with _process([sys.executable, "-m", "bench.bare", str(answers), *more]) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        Client(port, f"/{next(answers.iterdir()).name}").ask()
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
    """One kept connection that asks for some paths in turn, with as little work of its own as can be."""

    def __init__(
        self,
        port: int,
        *paths: str,
        key: str = KEY,
        body: bytes = b"",
        method: str = "GET",
        bodies: Sequence[bytes] = (),
    ) -> None:
        """Connect; `bodies` are sent in turn, where there are several."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = "{} {} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {}\r\n{}\r\n"
        described = "Content-Type: application/json\r\nContent-Length: {}\r\n"
        self._requests = cycle(
            head.format(method, path, key, described.format(len(sent)) if sent else "").encode() + sent
            for path in paths
            for sent in (bodies or [body])
        )

    def ask(self) -> bytes:
        """One call; the body of its answer."""
        self.send()
        return self.receive()

    def send(self) -> None:
        """The request."""
        self._socket.sendall(next(self._requests))

    def receive(self) -> bytes:
        """The answer's body, whole."""
        data = self._socket.recv(1 << 20)
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(1 << 20)
        head, _, body = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head + body
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._socket.recv(1 << 20)
        return body


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn found.

    Attributes:
        rate: calls per second.
        cpu_us: processor time of the server's process for a call, microseconds.
    """

    rate: float
    cpu_us: float


def turn(server: Started, clients: list[Client]) -> Turn:
    """One turn: all connections ask at once, and again when all are answered."""
    done, used, began = 0, cpu_s(server.pid), time.perf_counter()
    while done < CALLS and time.perf_counter() - began < SECONDS:
        for client in clients:
            client.send()
        for client in clients:
            client.receive()
        done += len(clients)
    took = time.perf_counter() - began
    return Turn(done / took, (cpu_s(server.pid) - used) / done * 1e6)


def cpu_s(pid: int) -> float:
    """Processor time that the process has taken, seconds: to the nanosecond where Linux tells, else to the tick."""
    try:
        tasks = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(text.split()[0]) for text in tasks) / 1e9
    except (OSError, IndexError):
        said = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True)
        hours, minutes, seconds = said.stdout.strip().split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def memory_mb(pid: int) -> float:
    """What of the process is in memory, MB."""
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(said.stdout) / 1024


def _row(title: str, server: Started, ours: list[Client], bare_server: Started, bare_path: str) -> None:
    theirs = [Client(bare_server.port, bare_path) for _ in range(CONNECTIONS)]
    turns = [(turn(server, ours), turn(bare_server, theirs)) for _ in range(TURNS)]
    rate, bare_rate = (median(of[side].rate for of in turns) for side in (0, 1))
    cpu_us, bare_cpu_us = (median(of[side].cpu_us for of in turns) for side in (0, 1))
    # Of turns side by side, which the rest of the machine disturbs alike.
    faster = median(one.rate / other.rate for one, other in turns)
    cheaper = median(other.cpu_us / one.cpu_us for one, other in turns)
    print(
        f"{title:44}{rate:>10,.0f}{bare_rate:>10,.0f}{faster:>8.2f}"
        f"    {cpu_us:>10,.0f}{bare_cpu_us:>10,.0f}{cheaper:>8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
