"""What a fleet of a hundred thousand costs to ask, as ratios to a fleet of a hundred in the same run.

Each fleet is a world of its own in a process of its own, so that the first call is the first since the start. Calls go
through the whole app, key and limit and all, without a socket.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from upsim.config import Config
from upsim.serve import Server

SMALL, LARGE = 100, 100_000
CALLS = {
    "fleet series 24h": "/v1/workers/hashrate?timeRange=24h",
    "fleet series 30d": "/v1/workers/hashrate?timeRange=30d",
    "overview": "/v1/overview",
}
REPEATS = 40
ROUNDS = 3
_KEY = "up_k_fleetbench"
_HEAD = f"""description: "a fleet to measure"
opened: "2025-01-20T08:00:00Z"
clock: "2025-07-15T22:00:00Z"
accounts:
  - name: farm
    tier: vip
    keys: [{{key: {_KEY}}}]
    pools:
      - {{name: pool, algorithm: sha256, host: btc.example, port: 3333, username: farm}}
      - {{name: spare, algorithm: sha256, host: btc2.example, port: 3333, username: farm}}
      - name: bad
        algorithm: sha256
        host: bad.example
        port: 3333
        username: farm
        events: [%s]
    profiles: [{{name: Bitcoin, pools: [pool]}}, {{name: Spared, pools: [bad, spare]}}, {{name: Alone, pools: [bad]}}]
    workers:
"""
_BAD_DAY = ", ".join(
    f'{{at: "2025-07-{day}T{hour:02}:{minute}:00Z", health: {health}}}'
    for day in (14, 15)
    for hour in range(1, 22, 4)
    for minute, health in ((12, "unhealthy"), (47, "healthy"))
)
"""A pool that fails six times a day, for the last two days."""
_SPAWN = multiprocessing.get_context("spawn")

Times = dict[str, tuple[float, float]]
"""By call, the seconds of the first and of the fastest later one: what others do on the machine only adds."""


def fixture_of(workers: int, troubled: bool) -> str:
    """A fixture of so many workers on four sites; on two of them their pool fails again and again."""
    profiles = ("Bitcoin", "Spared", "Bitcoin", "Alone") if troubled else ("Bitcoin",) * 4
    each = f"count: {workers // 4}, model: s21"
    rows = (
        f'      - {{name: "site-{site}-{{n:05}}", {each}, profile: {profile}, site: {site}}}\n'
        for site, profile in enumerate(profiles)
    )
    return _HEAD % (_BAD_DAY if troubled else "") + "".join(rows)


def _measure(workers: int, troubled: bool, answer: Pipe) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.yaml"
        path.write_text(fixture_of(workers, troubled))
        server = Server(replace(Config(), fixture=str(path), rate_limit=False))
    client = server.app.test_client()
    found: Times = {}
    for name, target in CALLS.items():
        took = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            reply = client.get(target, headers={"X-API-Key": _KEY})
            took.append(time.perf_counter() - began)
            if reply.status_code != 200:
                raise RuntimeError(f"{target} answered {reply.status_code}: {reply.text}")
        found[name] = took[0], min(took[1:])
    server.close()
    answer.send(found)


def measured(workers: int, troubled: bool) -> Times:
    """Ask a fleet of so many workers, in a process of its own."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_measure, args=(workers, troubled, theirs))
    process.start()
    theirs.close()
    try:
        found: Times = ours.recv()
    finally:
        process.join()
    return found


def _fastest(runs: Sequence[Times]) -> Times:
    return {name: (min(run[name][0] for run in runs), min(run[name][1] for run in runs)) for name in CALLS}


def main() -> None:
    """Print the tables."""
    for title, troubled in (("healthy pools", False), ("pools that fail", True)):
        runs = [(measured(SMALL, troubled), measured(LARGE, troubled)) for _ in range(ROUNDS)]
        small, large = (_fastest([run[side] for run in runs]) for side in (0, 1))
        print(f"{title:20} {'first, ms':>20} {'ratio':>6} {'later, ms':>20} {'ratio':>6}")
        for name in CALLS:
            cells = []
            for few, many in zip(small[name], large[name], strict=True):
                cells.append(f"{few * 1000:>8.2f} -> {many * 1000:>8.2f} {many / few:>6.2f}")
            print(f"{name:20} {' '.join(cells)}")


if __name__ == "__main__":
    main()
