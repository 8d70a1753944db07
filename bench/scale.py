"""What it costs to share: one process or two, a store in memory or a file, limits in a Redis, metrics.

Figures of a machine whose cores the caller shares: calls per second are those of this machine, and what does not depend
on who else is busy is the processor time of a call, added up over all processes of the server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import http

TURNS: Final = 3


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
    print(f"{'':40}{'small':>9}{'page':>9}{'small':>10}{'page':>10}{'memory':>9}")
    print(f"{'':40}{'/s':>9}{'/s':>9}{'CPU µs':>10}{'CPU µs':>10}{'MB':>9}", flush=True)
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        redis = stack.enter_context(_redis(folder))
        fixture = folder / "fixture.yaml"
        fixture.write_text(http.FIXTURE.format(key=http.KEY, workers=http.FEW))
        for number, setup in enumerate(SETUPS):
            if redis is None and "{redis}" in setup.flags:
                print(f"{setup.title:40}   there is no redis-server on this machine")
                continue
            own = folder / str(number)
            own.mkdir()
            flags = [flag.format(folder=own, redis=redis) for flag in setup.flags]
            with http.upsim(own, fixture, *flags) as server:
                found = [_measured(server, path) for path in (http.SMALL, http.page(5))]
                memory = sum(http.memory_mb(pid) for pid in _family(server.pid))
            rates = "".join(f"{rate:>9,.0f}" for rate, _ in found)
            costs = "".join(f"{cost:>10,.0f}" for _, cost in found)
            print(f"{setup.title:40}{rates}{costs}{memory:>9,.0f}", flush=True)


def _measured(server: http.Started, path: str) -> tuple[float, float]:
    """Calls per second, and the processor time of one, µs."""
    clients = [http.Client(server.port, path) for _ in range(http.CONNECTIONS)]
    http.turn(server, clients)  # warm
    rates, costs = [], []
    for _ in range(TURNS):
        before = _cpu_s(server.pid)
        done = sum(1 for _ in range(http.CALLS // http.CONNECTIONS) for _ in _asked(clients))
        costs.append((_cpu_s(server.pid) - before) / done * 1e6)
        rates.append(http.turn(server, clients).rate)
    return median(rates), median(costs)


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
    ticks = os.sysconf("SC_CLK_TCK")
    spent = 0
    for one in _family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / ticks


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
