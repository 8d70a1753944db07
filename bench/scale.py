"""What it costs to share: one process or two, a store in memory or a file, limits in a Redis, metrics.

Figures of a machine whose cores the caller shares: calls per second are those of this machine, and what does not depend
on who else is busy is the processor time of a call, added up over all processes of the server.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import http

TURNS: Final = 7
CALLS: Final = 600
"""Calls a turn."""
PATHS: Final = (http.SMALL, http.page(5))


@dataclass(frozen=True, slots=True)
class Setup:
    """One way to run upsim: how it is called here, and its flags, where {folder} is one of its own."""

    title: str
    flags: tuple[str, ...]


SETUPS: Final = (
    Setup("memory:", ()),
    Setup("memory:, --metrics on", ("--metrics", "on")),
    Setup("sqlite:", ("--store", "sqlite:{folder}/store.db")),
    Setup("sqlite:, limits in a Redis", ("--store", "sqlite:{folder}/store.db", "--limits-storage", "{redis}")),
    Setup("sqlite:, 2 processes", ("--store", "sqlite:{folder}/store.db", "--processes", "2")),
    Setup("sqlite:, granian", ("--store", "sqlite:{folder}/store.db", "--server", "granian")),
    Setup(
        "sqlite:, granian, 2 processes",
        ("--store", "sqlite:{folder}/store.db", "--server", "granian", "--processes", "2"),
    ),
)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        redis = stack.enter_context(_redis(folder))
        fixture = folder / "fixture.yaml"
        fixture.write_text(http.FIXTURE.format(key=http.KEY, workers=http.FEW))
        servers = {}
        for number, setup in enumerate(SETUPS):
            if redis is None and "{redis}" in setup.flags:
                print(f"{setup.title:34}left out: there is no redis-server on this machine")
                continue
            own = folder / str(number)
            own.mkdir()
            flags = [flag.format(folder=own, redis=redis) for flag in setup.flags]
            servers[setup.title] = stack.enter_context(http.upsim(own, fixture, *flags))
        # By turns, so that whatever else this machine does is done to all of them.
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(TURNS):
            for title, server in servers.items():
                for path in PATHS:
                    found.setdefault((title, path), []).append(_measured(server, path))
        print(f"{'':34}{'small':>9}{'page':>9}{'small':>10}{'page':>9}{'small':>9}{'page':>7}{'memory':>9}")
        print(f"{'':34}{'/s':>9}{'/s':>9}{'CPU µs':>10}{'CPU µs':>9}{'ratio':>9}{'ratio':>7}{'MB':>9}", flush=True)
        costs = {key: median(cost for _, cost in turns) for key, turns in found.items()}
        for title, server in servers.items():
            rates = "".join(f"{median(rate for rate, _ in found[title, path]):>9,.0f}" for path in PATHS)
            small, page = (costs[title, path] for path in PATHS)
            ratios = [costs[title, path] / costs[SETUPS[0].title, path] for path in PATHS]
            memory = sum(http.memory_mb(pid) for pid in _family(server.pid))
            print(f"{title:34}{rates}{small:>10,.0f}{page:>9,.0f}{ratios[0]:>9.2f}{ratios[1]:>7.2f}{memory:>9,.0f}")


def _measured(server: http.Started, path: str) -> tuple[float, float]:
    """Calls per second of one turn, and the processor time of one call, µs."""
    clients = [http.Client(server.port, path) for _ in range(http.CONNECTIONS)]
    before, began, done = _cpu_s(server.pid), time.perf_counter(), 0
    while done < CALLS:
        done += sum(1 for _ in _asked(clients))
    took = time.perf_counter() - began
    return done / took, (_cpu_s(server.pid) - before) / done * 1e6


def _asked(clients: Sequence[http.Client]) -> Iterator[bytes]:
    for client in clients:
        client.send()
    for client in clients:
        yield client.receive()


def _family(pid: int) -> list[int]:
    """The process and those it started."""
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [pid, *map(int, said.stdout.split())]


def _cpu_s(pid: int) -> float:
    """Processor time that the server has used, all its processes together."""
    return sum(http.cpu_s(one) for one in _family(pid))


@contextmanager
def _redis(folder: Path) -> Iterator[str | None]:
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    door = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(door), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        yield f"redis+unix://{door}"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
