"""`python -m bench [SECTION …]`: measure, and print tables of the same form every time, so that two can be compared.

With `--output FILE` behind the sections, the tables are written there too.

`python -m bench soak [--minutes N] …` is a run of its own, for as long as it is told: see soak.py.

Everything runs on this machine, over loopback, bounded in number and time. What is printed beside a figure is its ratio
to the bare cost of the same work in the same run: figures differ from machine to machine, ratios hardly.
"""

from __future__ import annotations

import importlib
import io
import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Final, TextIO

SECTIONS: Final = ("start", "http", "doors", "stratum", "door", "worlds", "dashboard", "keys", "scale")
"""Modules of this package whose `main` measures one thing and prints it."""

ON_REQUEST: Final = ("peers",)
"""Those that run only when they are named: they install other programs."""


def main(wanted: list[str]) -> int:
    """Run the sections of these names, or all that install nothing."""
    if wanted[:1] == ["soak"]:
        from bench import soak

        soak.main(wanted[1:])
        return 0
    output: Path | None = None
    if "--output" in wanted:
        at = wanted.index("--output")
        if at != len(wanted) - 2:
            print("bench: --output takes a file, and comes last.", file=sys.stderr)
            return 2
        output, wanted = Path(wanted[-1]), wanted[:at]
    unknown = [name for name in wanted if name not in (*SECTIONS, *ON_REQUEST)]
    if unknown:
        there_are = ", ".join((*SECTIONS, *ON_REQUEST))
        print(f"bench: there is no section {unknown[0]!r}; there are {there_are}.", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        if output is not None:
            kept = stack.enter_context(output.open("w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(_Both(sys.stdout, kept)))
        for number, name in enumerate(wanted or SECTIONS):
            print(f"{chr(10) if number else ''}{name}", flush=True)
            importlib.import_module(f"bench.{name}").main()
    return 0


class _Both(io.TextIOBase):
    """A text stream that writes to two."""

    def __init__(self, *streams: TextIO) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        for stream in self._streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self._streams:
            stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
