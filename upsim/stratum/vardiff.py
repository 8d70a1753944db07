"""Variable difficulty: steers a session towards a steady trickle of shares. Pure: told what happened when.

Typical of miningcore and NOMP: a share every 15 s, looked at every 90 s, left alone within 30 %.
"""

from __future__ import annotations

from dataclasses import dataclass

from upsim.clock import SECOND, Instant


@dataclass(frozen=True, slots=True)
class VardiffSettings:
    """How difficulty is steered.

    Attributes:
        target_s: wanted seconds between shares.
        retarget_s: seconds between looks.
        variance: part by which the pace may be off.
        step: largest factor of one change.
        lowest, highest: bounds, as factors of the difficulty a session began with.
    """

    target_s: float = 15.0
    retarget_s: float = 90.0
    variance: float = 0.3
    step: float = 4.0
    lowest: float = 1 / 1024
    highest: float = 2.0**20


class Vardiff:
    """Steers one session."""

    def __init__(self, settings: VardiffSettings, start: float, now: Instant) -> None:
        self._settings = settings
        self._start = start
        self._since = now
        self._shares = 0

    def share(self) -> None:
        """A share was accepted."""
        self._shares += 1

    def retarget(self, difficulty: float, now: Instant) -> float | None:
        """The new difficulty; None where it is not time, or nothing needs to change."""
        settings = self._settings
        seconds = (now - self._since) / SECOND
        if seconds < settings.retarget_s:
            # A clock set back would otherwise stop the steering until it is where it was.
            self._since = min(self._since, now)
            return None
        pace = self._shares * settings.target_s / seconds
        self._since, self._shares = now, 0
        if abs(pace - 1) <= settings.variance:
            return None
        wanted = difficulty * min(settings.step, max(1 / settings.step, pace))
        bounded = min(self._start * settings.highest, max(self._start * settings.lowest, wanted))
        return None if bounded == difficulty else bounded
