"""What starting costs: the time until the first call with a key is answered, and the memory then, with the demo world.

upsim as `upsim serve` starts it, and the bare app, in turns; both with their byte code compiled, as pip leaves it. Time
is wall-clock time from the start of the process to the end of the answer, and beside it the processor time that the
process had spent by then, which other work on the machine disturbs less.
"""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.http import Client, cpu_s, memory_mb

TURNS: Final = 15
KEY: Final = "up_k_demovip"
PATH: Final = "/v1/profiles/default?algorithm=kheavyhash"
ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Start:
    """One start: what it took until the first answer."""

    wall_ms: float
    cpu_ms: float
    memory_mb: float


def main() -> None:
    """Measure and print."""
    for package in ("bench", "contract", "fixtures", "upsim"):
        compileall.compile_dir(ROOT / package, quiet=2)
    with tempfile.TemporaryDirectory() as place:
        folder, answers = Path(place), Path(place) / "answers"
        answers.mkdir()
        with ours(folder, "waitress") as (port, _):
            (answers / "small").write_bytes(Client(port, PATH, key=KEY).ask())
        kinds: dict[str, Callable[[], Start]] = {
            "bare": lambda: _bare_start(answers),
            "waitress": lambda: _our_start(folder, "waitress"),
            "granian": lambda: _our_start(folder, "granian"),
        }
        for start in kinds.values():  # what the first one leaves on disk, those that count find there
            start()
        found: dict[str, list[Start]] = {name: [] for name in kinds}
        for _ in range(TURNS):
            for name, start in kinds.items():
                found[name].append(start())
    print(f"{'':40}{'bare':>10}{'waitress':>10}{'ratio':>7}{'granian':>10}{'ratio':>7}", flush=True)
    _row("start-up to the first answer, ms", found, lambda start: start.wall_ms)
    _row("processor time until then, ms", found, lambda start: start.cpu_ms)
    _row("memory after it, MB", found, lambda start: start.memory_mb)


def _row(title: str, found: dict[str, list[Start]], of: Callable[[Start], float]) -> None:
    bare, waitress, granian = (median(of(start) for start in found[name]) for name in ("bare", "waitress", "granian"))
    print(f"{title:40}{bare:>10,.0f}{waitress:>10,.0f}{waitress / bare:>7.2f}{granian:>10,.0f}{granian / bare:>7.2f}")


@contextmanager
def ours(folder: Path, door: str) -> Iterator[tuple[int, int]]:
    """`upsim serve` with the demo world; its port and process id, once it is ready."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [str(Path(sys.executable).with_name("upsim")), "serve", "--port", "0", "--server", door]
    with _process([*command, "--ready-file", str(ready)]) as process:
        while not ready.exists():
            assert process.poll() is None, "upsim ended before it answered"
            time.sleep(0.0005)
        yield int(json.loads(ready.read_text())["url"].rpartition(":")[2]), process.pid


def _our_start(folder: Path, door: str) -> Start:
    began = time.perf_counter()
    with ours(folder, door) as (port, pid):
        return _answered(port, PATH, pid, began)


def _bare_start(answers: Path) -> Start:
    began = time.perf_counter()
    with _process([sys.executable, "-m", "bench.bare", str(answers)]) as process:
        assert process.stdout is not None
        return _answered(int(process.stdout.readline()), "/small", process.pid, began)


def _answered(port: int, path: str, pid: int, began: float) -> Start:
    Client(port, path, key=KEY).ask()
    return Start((time.perf_counter() - began) * 1000, cpu_s(pid) * 1000, memory_mb(pid))


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    without = ("UPSIM_", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


if __name__ == "__main__":
    main()
