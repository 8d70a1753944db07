"""How a run moves time where the target lets it. Everything else is done through the API under test."""

from __future__ import annotations

from typing import Protocol


class Control(Protocol):
    """A target whose clock can be moved."""

    def now(self) -> float:
        """The target's time, Unix seconds."""

    def advance(self, seconds: float) -> None:
        """Move the target's clock on."""

    def close(self) -> None:
        """Give back what was taken."""
