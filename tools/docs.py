"""Writes the parts of README and docs that follow from the code, between their marks; with --check, says what differs.

A mark is a pair of comments, <!-- name --> and <!-- /name -->; what stands between them is never written by hand.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.hostile.cases import GROUPS
from tests.hostile.trials import TRIALS
from upsim.config import flag, settings, spoken, variable
from upsim.rules.magic import magic_values
from upsim.spec import API, CONTROL
from upsim.stratum.behaviours import BEHAVIOURS
from upsim.stratum.tables import algorithms_markdown, behaviours_markdown
from upsim.web.metrics import METRICS

ROOT: Final = Path(__file__).resolve().parent.parent


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
    text = (ROOT / "tests" / "readme" / "test_stranger.py").read_text(encoding="utf-8")
    return f"```python\n{text}```"


def hostile_requests() -> str:
    """Every hostile request that the suite tries, and what it is answered."""
    tables = []
    for group, cases in GROUPS.items():
        rows = (
            (case.title, _statuses(case.answers), "" if case.granian is None else _statuses(case.granian))
            for case in cases
        )
        tables.append(_table((group, "answered", "by granian, where it differs"), rows))
    return "\n\n".join(tables)


def _statuses(text: str) -> str:
    several = text.split(", ")
    if not text:
        return "closed"
    return text if len(several) < 4 else f"{several[0]}, … {several[-1]}"


def hostile_trials() -> str:
    """Every hostile behaviour over time that the suite tries, and what came of it."""
    importlib.import_module("tests.hostile.test_over_time")
    return _table(("what was tried", "what happened"), ((trial.title, trial.outcome) for trial in TRIALS))


def metrics_table() -> str:
    """Every metric: its name with its labels, what kind it is, what it says."""
    rows = (
        (f"`{one.name}{{{', '.join(one.labels)}}}`" if one.labels else f"`{one.name}`", one.kind, one.meaning)
        for one in METRICS
    )
    return _table(("metric", "kind", "meaning"), rows)


DOCUMENTS: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "README.md": {
        "stranger": stranger,
        "settings": settings_table,
        "operations": operations_table,
        "control": control_table,
        "magic": magic_table,
        "algorithms": algorithms_markdown,
        "behaviours": behaviours_markdown,
    },
    "docs/scaling.md": {"metrics": metrics_table},
    "docs/hardening.md": {"requests": hostile_requests, "trials": hostile_trials},
}
"""The documents, and what makes each of their sections."""


def written(document: str, text: str) -> str:
    """The document's text with every section between its marks as it has to be.

    Raises:
        ValueError: a section's marks are missing.
    """
    for name, section in DOCUMENTS[document].items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, opened, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not opened or not closed:
            raise ValueError(f"{document} lacks the marks <!-- {name} --> and <!-- /{name} -->")
        text = f"{before}{start}\n{section().strip()}\n\n{end}{after}"
    return text


def main() -> int:
    """Write the documents, or check them."""
    differ = 0
    for document in DOCUMENTS:
        file = ROOT / document
        text = file.read_text(encoding="utf-8")
        wanted = written(document, text)
        if text == wanted:
            continue
        if "--check" in sys.argv[1:]:
            print(f"{document} does not follow from the code: run make format", file=sys.stderr)
            differ = 1
        else:
            file.write_text(wanted, encoding="utf-8")
    return differ


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    return "\n".join(_row(line) for line in (titles, ["---"] * len(titles), *rows))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
