"""What a world costs: a new one, its reset, a snapshot and its return, as ratios to a bare request of the same run.

The bare request is an answer of a few bytes from Flask on waitress (bench.bare). Server and bare app are processes of
their own, asked in turns over connections that are kept; the median is what is printed. Last, what the journal adds to
a call: the same call into the same app with and without it, in this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, Final

from werkzeug.test import Client

from upsim.api import record
from upsim.simulator import Simulator

TURNS: Final = 60
CALLS: Final = 200
"""Calls a round, with and without the journal."""
ROUNDS: Final = 15


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder, answers = Path(place), Path(place) / "answers"
        answers.mkdir()
        (answers / "small").write_text('{"ok": true}')
        bare = stack.enter_context(_bare(answers))
        print(f"{'':40}{'ms':>10}{'ratio':>10}", flush=True)
        for store in ("memory:", f"sqlite:{folder / 'bench.db'}"):
            with _upsim(folder, store) as server:
                _measure(store.partition(":")[0], bare, server)
    plain, journaled = _journal()
    print(f"{'':40}{'µs':>10}{'ratio':>10}")
    print(f"{'a call without the journal':40}{plain * 1e6:>10.0f}{1:>10.2f}")
    print(f"{'the same call, journaled':40}{journaled * 1e6:>10.0f}{journaled / plain:>10.2f}", flush=True)


def _measure(store: str, bare: HTTPConnection, server: HTTPConnection) -> None:
    key, world = "up_k_demovip", "bench"
    steps: dict[str, Callable[[], object]] = {
        "a bare request": lambda: _ask(bare, "GET", "/small"),
        "a small answer of /v1": lambda: _ask(server, "GET", "/v1/pools?limit=1", key=key),
        "a new world of the demo fixture": lambda: _ask(server, "POST", "/_upsim/worlds", {"id": world}),
        "a snapshot of it": lambda: _ask(server, "POST", f"/_upsim/worlds/{world}/snapshots", {"name": "s"}),
        "its restore": lambda: _ask(server, "POST", f"/_upsim/worlds/{world}/snapshots/s/restore"),
        "its reset": lambda: _ask(server, "POST", f"/_upsim/worlds/{world}/reset"),
        "its end": lambda: _ask(server, "DELETE", f"/_upsim/worlds/{world}"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(TURNS + 3):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            if turn >= 3:  # what is made once, such as the fixture's template, is made by then
                seconds[name].append(time.perf_counter() - began)
    base = median(seconds["a bare request"])
    for name, taken in seconds.items():
        print(f"{f'{store}: {name}':40}{median(taken) * 1000:>10.2f}{median(taken) / base:>10.1f}", flush=True)


def _journal() -> tuple[float, float]:
    """Seconds a call takes without the journal and with it."""
    write = record.write
    plain, journaled = [], []
    with Simulator(listen=False, rate_limit=False) as simulator:
        app = Client(simulator.app)

        def a_round() -> float:
            began = time.perf_counter()
            for _ in range(CALLS):
                app.get("/v1/pools?limit=1", headers={"X-API-Key": "up_k_demovip"}).close()
            return (time.perf_counter() - began) / CALLS

        a_round()
        try:
            for _ in range(ROUNDS):
                record.write = lambda *_: None
                plain.append(a_round())
                record.write = write
                journaled.append(a_round())
        finally:
            record.write = write
    return min(plain), min(journaled)  # the round that other work on this machine disturbed least


def _ask(connection: HTTPConnection, method: str, path: str, body: Any = None, key: str = "") -> None:
    headers = {"X-API-Key": key} if key else {}
    content = None if body is None else json.dumps(body).encode()
    connection.request(method, path, content, headers if body is None else {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status < 300, said


@contextmanager
def _upsim(folder: Path, store: str) -> Iterator[HTTPConnection]:
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    options = ["--port", "0", "--store", store, "--rate-limit", "off", "--ready-file", str(ready)]
    with _process([sys.executable, "-m", "upsim", "serve", *options]) as process:
        while not ready.exists():
            assert process.poll() is None, "upsim ended before it answered"
            time.sleep(0.01)
        yield _connection(int(json.loads(ready.read_text())["url"].rpartition(":")[2]))


@contextmanager
def _bare(answers: Path) -> Iterator[HTTPConnection]:
    with _process([sys.executable, "-m", "bench.bare", str(answers)]) as process:
        assert process.stdout is not None
        yield _connection(int(process.stdout.readline()))


def _connection(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=60)


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


if __name__ == "__main__":
    main()
