"""Writes the parts of the README that follow from the code, between their marks; with --check, says where they differ.

A mark is a pair of comments, <!-- name --> and <!-- /name -->; what stands between them is never written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from upsim.config import flag, settings, spoken, variable
from upsim.rules.magic import magic_values
from upsim.spec import API, CONTROL
from upsim.stratum.behaviours import BEHAVIOURS
from upsim.stratum.tables import algorithms_markdown, behaviours_markdown

README: Final = Path(__file__).resolve().parent.parent / "README.md"


def settings_table() -> str:
    """Every setting: flag, variable, meaning, default."""
    rows = (
        (
            f"`{flag(setting)} {setting.metadata['metavar']}`",
            f"`{variable(setting)}`",
            setting.metadata["meaning"],
            f"`{spoken(setting)}`" if spoken(setting) else "",
        )
        for setting in settings()
    )
    return _table(("flag", "variable", "meaning", "default"), rows)


def operations_table() -> str:
    """Every operation of the simulated API, its scope and how sure it is."""
    rows = (
        (
            f"`{operation.method} {operation.path}`",
            f"`{operation.scope}`",
            operation.definition["summary"],
            operation.definition["x-provenance"]["level"],
        )
        for operation in API.operations
    )
    return _table(("call", "scope", "what it does", "provenance"), rows)


def control_table() -> str:
    """Every operation of the control plane."""
    rows = ((f"`{one.method} {one.path}`", one.definition["summary"]) for one in CONTROL.operations)
    return _table(("call", "what it does"), rows)


def magic_table() -> str:
    """Values with a fixed outcome: those of keys and workers; pool hosts stand with the behaviours."""
    rows = ((row.kind, f"`{row.value}`", row.outcome) for row in magic_values("demo", {}))
    pool = ("pool host", "`NAME.pool.test`", f"any of the {len(BEHAVIOURS)} behaviours by its name")
    return _table(("kind", "value", "outcome"), (pool, *rows))


def stranger() -> str:
    """The test file that a stranger would write; the suite runs it where it stands."""
    text = (README.parent / "tests" / "readme" / "test_stranger.py").read_text(encoding="utf-8")
    return f"```python\n{text}```"


SECTIONS: Final[Mapping[str, Callable[[], str]]] = {
    "stranger": stranger,
    "settings": settings_table,
    "operations": operations_table,
    "control": control_table,
    "magic": magic_table,
    "algorithms": algorithms_markdown,
    "behaviours": behaviours_markdown,
}


def written(text: str) -> str:
    """The text with every section between its marks as it has to be.

    Raises:
        ValueError: a section's marks are missing.
    """
    for name, section in SECTIONS.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, opened, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not opened or not closed:
            raise ValueError(f"README.md lacks the marks <!-- {name} --> and <!-- /{name} -->")
        text = f"{before}{start}\n{section().strip()}\n\n{end}{after}"
    return text


def main() -> int:
    """Write the README, or check it."""
    text = README.read_text(encoding="utf-8")
    wanted = written(text)
    if text == wanted:
        return 0
    if "--check" in sys.argv[1:]:
        print("README.md does not follow from the code: run make format", file=sys.stderr)
        return 1
    README.write_text(wanted, encoding="utf-8")
    return 0


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    return "\n".join(_row(line) for line in (titles, ["---"] * len(titles), *rows))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
