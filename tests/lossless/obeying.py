"""Become another program, one that obeys the permissions of files even where root starts it: `obeying.py COMMAND …`."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2


def main(command: Sequence[str]) -> None:
    """Give up root's right to pass over permissions, and become the command."""
    process = ctypes.CDLL(None)
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        process.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused to whoever has not got it anyway
    os.execv(command[0], list(command))  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
