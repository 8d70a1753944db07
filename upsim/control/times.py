"""Times and durations as people write them, read for the control plane."""

from __future__ import annotations

import re
from typing import Final

from upsim.clock import Instant, parse_iso
from upsim.errors import InvalidInput

_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|[smhdw])")


def duration_ms(field: str, value: float | str) -> int:
    """A duration in milliseconds: a number of seconds, or a text such as "90s", "-15m", "1d12h".

    Raises:
        InvalidInput: it is none.
    """
    if isinstance(value, str):
        text = value.strip().lower().replace(" ", "")
        sign = -1 if text.startswith("-") else 1
        text = text.removeprefix("-")
        if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text):
            return sign * int(float(text) * 1000)
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise InvalidInput(
                field, f'{value!r} is no duration: write seconds, or a text such as "90s", "15m", "1d12h".'
            )
        return sign * sum(int(float(number) * _UNITS[unit]) for number, unit in parts)
    return int(value * 1000)


def instant(field: str, value: float | str) -> Instant:
    """An instant: ISO 8601 text, or Unix seconds.

    Raises:
        InvalidInput: it is none.
    """
    if isinstance(value, str):
        try:
            return parse_iso(value)
        except ValueError as error:
            raise InvalidInput(
                field, f'{value!r} is no time: write ISO 8601 such as "2026-01-31T12:00:00Z", or Unix seconds.'
            ) from error
    return Instant(int(value * 1000))
