"""Make the recording that comes with upsim as an example: fixtures/recorded-farm.csv. Made, not measured.

    python -m tools.recording

It looks as what a farm's own logger writes every ten minutes: noise that lingers, warm afternoons, restarts, a hash
board that fails, a machine switched off, and a night on which the logger itself was down for a while.
"""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

from upsim.clock import DAY, HOUR, MINUTE, SECOND, Instant, parse_iso

OUT = Path(__file__).parent.parent / "fixtures" / "recorded-farm.csv"
START = parse_iso("2025-09-01T00:00:00Z")
END = Instant(START + 3 * DAY)
STEP = 10 * MINUTE
RIGS = {f"rig-{number:02}": 119_600_000_000_000 if number < 7 else 125_200_000_000_000 for number in range(1, 9)}
"""The rate of each, in H/s: six S19k Pro, two M50S."""
HEAD = """\
# Made by `python -m tools.recording`, not measured: what a farm's logger might have written on three days.
worker,time,hashrate
"""


def is_logged(rig: str, at: int) -> bool:
    """Whether the logger has a reading of a rig at a time."""
    hours = (at - START) / HOUR
    if 26.3 <= hours < 27.1:  # the logger itself was down
        return False
    if rig == "rig-03":  # off for a new fan
        return not 33.5 <= hours < 36.2
    if rig == "rig-05":  # two restarts
        return not (8.4 <= hours < 8.8 or 57.0 <= hours < 57.5)
    return True


def health(rig: str, at: int) -> float:
    """How much of its rate a rig can do: one loses one of its three hash boards, and gets it back."""
    hours = (at - START) / HOUR
    return 0.664 if rig == "rig-06" and 43.2 <= hours < 61.8 else 1.0


def readings() -> list[tuple[int, str, int]]:
    """All of them, by time and rig, with hashrates in H/s."""
    rows = []
    for rig, rate in RIGS.items():
        random = Random(f"recorded-farm:{rig}")
        own, drift, noise = random.gauss(1, 0.008), 0.0, 0.0
        for at in range(START, END, STEP):
            hour = at % DAY / HOUR
            heat = 0.012 * max(0.0, math.sin((hour - 9) / 12 * math.pi))
            drift = 0.995 * drift + random.gauss(0, 0.0006)
            noise = 0.35 * noise + random.gauss(0, 0.011)
            if is_logged(rig, at):
                share = own * health(rig, at) * (1 + drift - heat + noise)
                rows.append((at // SECOND, rig, int(rate * share) // 10**9 * 10**9))
    return sorted(rows)


def text() -> str:
    """The file."""
    return HEAD + "".join(f"{rig},{at},{rate}\n" for at, rig, rate in readings())


if __name__ == "__main__":
    OUT.write_text(text())
    print(OUT)
