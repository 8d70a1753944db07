"""Paths in which * stands for any text, as faults and journals know them."""

from __future__ import annotations

import re


def expression(path: str) -> str:
    """A regular expression that matches, as a whole, the texts that the path stands for.

    However many stars there are, no part is looked for twice: what was found stands (an atomic group). Else a path of a
    few dozen signs would keep a process busy for years, and whoever may add a fault might do so to all.
    """
    first, *others = path.split("*")
    if not others:
        return re.escape(first)
    *between, last = others
    found = "".join(f"(?>.*?{re.escape(part)})" for part in between)
    return f"(?s:{re.escape(first)}{found}.*{re.escape(last)})"
