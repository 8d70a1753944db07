"""What was tried on a server over time, and what came of it, in words; docs/hardening.md shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

_Test = TypeVar("_Test", bound=Callable[..., None])


@dataclass(frozen=True)
class Trial:
    """One thing that was tried, and what came of it."""

    title: str
    outcome: str


TRIALS: Final[list[Trial]] = []
"""Every trial, in the order of the tests that hold its outcome."""


def tried(title: str, outcome: str) -> Callable[[_Test], _Test]:
    """Say of a test what it tries and what its assertions show."""

    def note(test: _Test) -> _Test:
        TRIALS.append(Trial(title, outcome))
        return test

    return note
