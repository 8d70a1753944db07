"""upsim beside other simulators: start-up, a small answer, a page of 100 out of 1,000 and out of 10,000.

    make bench ARGS=peers

On request only: it installs them, with npm and pip, into a cache folder outside the repository (UPSIM_BENCH_CACHE, or
upsim-bench among the user's caches). Each figure is a ratio to the bare app in the same run, the two taking turns: of
calls per second, and after the stroke of calls per second of processor time, which other work on the machine disturbs
less; above 1 is faster, for start-up slower. Each is asked over sixteen kept connections, by wrk
where that is installed (load.py). upsim looks up a key, counts the call, checks its scope and writes its journal; the
others are asked to do nothing of the kind. One that cannot be had or started is said so, and left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.http import FIXTURE, KEY, Started, bare, upsim
from bench.load import CLIENT, load
from bench.peer_list import PEERS, Peer, Request, install

TURNS: Final = 3
SECONDS: Final = 2
CONNECTIONS: Final = 16
SIZES: Final = (1_000, 10_000)
KEYED: Final = (f"X-API-Key: {KEY}",)
SMALL: Final = Request("/v1/profiles/default?algorithm=randomx", headers=KEYED)
PAGE: Final = Request("/v1/workers?page=5&limit=100", headers=KEYED)


class Asker:
    """One connection, opened anew where the server closes it."""

    def __init__(self, port: int, request: Request) -> None:
        self._port = port
        self._text = request.text()
        self._socket: socket.socket | None = None

    def send(self) -> None:
        """The request."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._text)

    def receive(self) -> bytes:
        """The answer's body, whole."""
        assert self._socket is not None
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = head.lower()
        assert head.split(b" ", 2)[1].startswith(b"2"), head[:200] + body[:200]
        if b"transfer-encoding: chunked" in fields:
            while not body.endswith(b"0\r\n\r\n"):
                body += self._more()
        else:
            length = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
            while len(body) < length:
                body += self._more()
        if head.startswith(b"HTTP/1.0") or b"connection: close" in fields:
            self._socket.close()
            self._socket = None
        return body

    def ask(self) -> bytes:
        """One call."""
        self.send()
        return self.receive()

    def _more(self) -> bytes:
        assert self._socket is not None
        piece = self._socket.recv(1 << 18)
        if not piece:
            raise ConnectionError("the server closed the connection")
        return piece


Rates = tuple[float, float]
"""Calls per second, and per second of processor time."""


def rates(server: Started, request: Request) -> Rates:
    """What one turn comes to."""
    spent = _cpu_s(server.pid)
    done, took = load(server.port, request, CONNECTIONS, SECONDS)
    return done / took, done / (_cpu_s(server.pid) - spent)


def _cpu_s(pid: int) -> float:
    """User and system time that a process and those it started have spent, what their ended threads had included."""
    ticks, family = 0, [pid]
    while family:
        process = Path(f"/proc/{family.pop()}")
        ticks += sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))
        with contextlib.suppress(FileNotFoundError):  # of a thread that has just ended
            for thread in (process / "task").iterdir():
                family += map(int, (thread / "children").read_text().split())
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Install, measure and print."""
    cache = Path(os.environ.get("UPSIM_BENCH_CACHE") or _caches() / "upsim-bench")
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        answers = folder / "answers"
        answers.mkdir()
        workers = {}
        for size in SIZES:
            (folder / f"{size}.yaml").write_text(FIXTURE.format(key=KEY, workers=size))
            with upsim(folder, folder / f"{size}.yaml") as ours:
                (answers / "page").write_bytes(Asker(ours.port, PAGE).ask())
                (answers / "small").write_bytes(Asker(ours.port, SMALL).ask())
                workers[size] = _all_workers(ours.port, size)
        base = stack.enter_context(bare(answers))
        base_start = median(_start_of(lambda: bare(answers)) for _ in range(TURNS))

        sizes = "".join(f"{f'of {size:,}':>15}" for size in SIZES)
        print(f"{f'by {CLIENT}':30}{'state':>6}{'start':>8}{'small':>15}{sizes}", flush=True)
        for door, processes in (("waitress", 1), ("granian", 1), ("granian", 2)):
            _ours(folder, door, processes, base, base_start)
        for peer in PEERS:
            try:
                _theirs(peer, install(peer, cache), folder, workers, base, base_start)
            except (OSError, subprocess.CalledProcessError, AssertionError) as error:
                said = getattr(error, "stderr", None) or error
                print(f"{peer.name:30}  left out: {' '.join(str(said).split())[-120:]}", flush=True)


def _all_workers(port: int, size: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, size // 100 + 1):
        request = Request(f"/v1/workers?page={page}&limit=100", headers=KEYED)
        found += json.loads(Asker(port, request).ask())["data"]
    return [{"id": str(number), **worker} for number, worker in enumerate(found)]


def _ours(folder: Path, door: str, processes: int, base: Started, base_start: float) -> None:
    cells: list[Rates] = []
    for size in SIZES:
        store = folder / f"{door}-{processes}-{size}.db"
        more = ["--server", door, "--processes", str(processes)]
        if processes > 1:
            more += ["--store", f"sqlite:{store}"]
        fixture = folder / f"{size}.yaml"
        with upsim(folder, fixture, *more) as started:
            if size == SIZES[0]:
                start = started.seconds / base_start
                cells.append(ratio(started, SMALL, base, "small"))
            cells.append(ratio(started, PAGE, base, "page"))
    _row(f"upsim, {door}{f', {processes} processes' if processes > 1 else ''}", True, start, cells)


def _theirs(
    peer: Peer,
    installed: Path,
    folder: Path,
    workers: dict[int, list[dict[str, Any]]],
    base: Started,
    base_start: float,
) -> None:
    cells: list[Rates] = []
    for size in SIZES:
        data = folder / f"{peer.name}-{size}".replace(" ", "-")
        data.mkdir()
        peer.prepare(data, workers[size])
        with _running(peer, installed, data) as started:
            for request in peer.fill(workers[size]):
                Asker(started.port, request).ask()
            if size == SIZES[0]:
                start = started.seconds / base_start
                cells.append(ratio(started, peer.small, base, "small"))
            cells.append(ratio(started, peer.page, base, "page"))
    _row(peer.name, peer.keeps_state, start, cells, peer.note)


def ratio(server: Started, request: Request, base: Started, name: str) -> Rates:
    """Its rates by those of the bare app for the answer of a name, the two taking turns."""
    rates(server, request)  # what compiles itself while it runs, has
    turns = [(rates(server, request), rates(base, Request(f"/{name}"))) for _ in range(TURNS)]
    calls, cpu = (median(theirs[kind] / bare[kind] for theirs, bare in turns) for kind in (0, 1))
    return calls, cpu


def _row(name: str, state: bool, start: float, cells: list[Rates], note: str = "") -> None:
    told = "".join(f"{f'{calls:.2f} / {cpu:.2f}':>15}" for calls, cpu in cells)
    print(f"{name:30}{'yes' if state else 'no':>6}{start:>8.1f}{told}" + (f"  ({note})" if note else ""), flush=True)


def _start_of(begin: Callable[[], Any]) -> float:
    with begin() as started:
        seconds: float = started.seconds
        return seconds


@contextmanager
def _running(peer: Peer, installed: Path, data: Path) -> Iterator[Started]:
    """Start it, and wait until it answers anything."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.perf_counter()
    with (data / "said").open("wb") as said:
        process = subprocess.Popen(
            peer.command(installed, data, port), cwd=data, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        while not _answers(port):
            assert process.poll() is None, (data / "said").read_text()[-300:]
            assert time.perf_counter() - began < 120, "it did not answer in two minutes"
            time.sleep(0.002)
        yield Started(port, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(16).startswith(b"HTTP/1")
    except OSError:
        return False


def _caches() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


if __name__ == "__main__":
    main()
