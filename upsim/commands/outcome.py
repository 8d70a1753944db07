"""What is said of a run once its command has ended: to people on standard error, to CI as JUnit."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from upsim.client.answers import Entry, Verdict
from upsim.client.expectation import Expectation
from upsim.client.journal import explain
from upsim.commands.connection import table
from upsim.documents import write_atomically

_SHOWN_CALLS = 30
_SHOWN_TEXT = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        code: what the command ended with.
        duration_s: how long it ran.
        calls: how many calls it made; `newest` are the last of them, oldest first.
        refused, passed: who else was called, as HOST:PORT, and how often.
        judged: the expectations, and whether they were met.
    """

    command: Sequence[str]
    code: int
    duration_s: float
    calls: int
    newest: Sequence[Entry]
    refused: Mapping[str, int]
    passed: Mapping[str, int]
    judged: Sequence[tuple[Expectation, Verdict]]

    @property
    def failed(self) -> list[tuple[Expectation, Verdict]]:
        """What was expected in vain."""
        return [one for one in self.judged if not one[1].met]

    def for_people(self, *, quiet: bool = False) -> str:
        """Some lines; where it is quiet, those alone that somebody has to do something about."""
        lines = []
        if not quiet:
            lines.append(f"upsim: the command ended with {self.code}, after {_times(self.calls, 'call')}")
            lines += [f"  {line}" for line in self._calls()]
            lines += [f"upsim: let through: {name}, {_times(count, 'time')}" for name, count in self.passed.items()]
        for name, count in self.refused.items():
            allow = name.rpartition(":")[0]
            lines.append(f"upsim: refused: {name}, {_times(count, 'time')}; --pass-through {allow} would allow it")
        for expectation, verdict in self.judged:
            if not verdict.met:
                reason = explain(verdict, str(expectation)).replace("\n", "\n  ")
                lines.append(f"upsim: FAILED: --assert {expectation.text!r}: {reason}")
            elif not quiet:
                lines.append(f"upsim: holds: --assert {expectation.text!r}")
        return "\n".join(lines)

    def write_junit(self, path: Path) -> None:
        """One case for the command, one for each expectation.

        Raises:
            OSError: the file cannot be written.
        """
        failures = len(self.failed) + (self.code != 0)
        counts = {"tests": str(1 + len(self.judged)), "failures": str(failures), "errors": "0", "skipped": "0"}
        root = ElementTree.Element("testsuites", {"name": "upsim run", **counts})
        suite = ElementTree.SubElement(root, "testsuite", {"name": "upsim run", **counts, "time": self._seconds})
        shown = shlex.join(self.command)
        ran = ElementTree.SubElement(suite, "testcase", {"classname": "command", "name": shown, "time": self._seconds})
        if self.code:
            ElementTree.SubElement(ran, "failure", {"message": f"the command ended with {self.code}"})
        for expectation, verdict in self.judged:
            judged = ElementTree.SubElement(
                suite, "testcase", {"classname": "assert", "name": expectation.text, "time": "0"}
            )
            if not verdict.met:
                reason = explain(verdict, str(expectation))
                failure = ElementTree.SubElement(judged, "failure", {"message": reason.partition("\n")[0]})
                failure.text = reason
        ElementTree.SubElement(suite, "system-out").text = self.for_people()
        for element in root.iter():
            element.text = _clean(element.text) if element.text else element.text
            for name, value in element.attrib.items():
                element.set(name, _clean(value))
        ElementTree.indent(root)
        write_atomically(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")

    @property
    def _seconds(self) -> str:
        return f"{self.duration_s:.3f}"

    def _calls(self) -> list[str]:
        if not self.newest:
            return []
        shown = self.newest[-_SHOWN_CALLS:]
        rows = [
            (
                entry.account,
                _short(f"{entry.method} {entry.path}" + (f"?{entry.query}" if entry.query else "")),
                "dropped" if entry.status is None else entry.status,
                entry.decided if entry.error is None else _short(f"{entry.decided}: {entry.error}"),
            )
            for entry in shown
        ]
        lines = table(("account", "call", "answer", "decided by"), rows).splitlines()
        left_out = self.calls - len(shown)
        return lines if left_out <= 0 else [*lines, f"… and {_times(left_out, 'call')} before these"]


def _times(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_TEXT else text[: _SHOWN_TEXT - 1] + "…"


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(sign if sign in "\t\n" or (sign >= " " and sign.isprintable()) else "�" for sign in text)
