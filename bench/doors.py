"""What each server, and a second process, makes of the same calls, as ratios to the bare app on waitress, one process.

    make bench ARGS=doors

Two ratios a figure: of calls per second, and after the stroke of calls per second of processor time (of all processes
together): where the machine has a core for each process and one for the client, N processes come to N times the latter.
"Again" and "anew" are as in http.py; who asks, in load.py. The bare app on granian is there for comparison.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.http import FIXTURE, KEY, SMALL, bare, page, upsim
from bench.load import CLIENT
from bench.peer_list import Request
from bench.peers import Asker, Rates, ratio

KEYED: Final = (f"X-API-Key: {KEY}",)
CASES: Final = {
    "small, again": Request(SMALL, headers=KEYED),
    "small, anew": Request(SMALL, headers=(*KEYED, "Content-Type: application/json"), body=" "),
    "page, again": Request(page(5), headers=KEYED),
    "page, anew": Request(page(5), headers=(*KEYED, "Content-Type: application/json"), body=" "),
}
"""A small answer, and a page of 100 out of 1,000 workers."""

KINDS: Final = (("waitress", 1, "memory"), ("waitress", 2, "sqlite"), *(("granian", n, "sqlite") for n in (1, 2)))


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        answers, fixture = folder / "answers", folder / "1000.yaml"
        answers.mkdir()
        fixture.write_text(FIXTURE.format(key=KEY, workers=1_000))
        with upsim(folder, fixture) as ours:
            for name, request in CASES.items():
                (answers / _file(name)).write_bytes(Asker(ours.port, request).ask())
        base = stack.enter_context(bare(answers))
        print(f"{f'by {CLIENT}':34}" + "".join(f"{name:>16}" for name in CASES), flush=True)
        with bare(answers, "granian") as other:
            _row("bare, granian", [ratio(other, Request(f"/{_file(one)}"), base, _file(one)) for one in CASES])
        for door, processes, store in KINDS:
            where = "memory:" if store == "memory" else f"sqlite:{folder / f'{door}-{processes}.db'}"
            more = ["--server", door, "--processes", str(processes), "--store", where]
            with upsim(folder, fixture, *more) as started:
                cells = [ratio(started, request, base, _file(name)) for name, request in CASES.items()]
            _row(f"upsim, {door}, {processes} on {store}", cells)


def _file(name: str) -> str:
    return name.replace(", ", "-")


def _row(title: str, cells: list[Rates]) -> None:
    print(f"{title:34}" + "".join(f"{f'{calls:.2f} / {cpu:.2f}':>16}" for calls, cpu in cells), flush=True)


if __name__ == "__main__":
    main()
