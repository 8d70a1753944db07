"""Prints the table of mutants, those of upsim and those of the second implementation; exits 1 where one survives."""

from __future__ import annotations

import sys

from tests.contract.mutants.answers import WRAPPERS
from tests.contract.mutants.run import Fate, everything, fate_of, fate_on_upsim
from upsim.simulator import Simulator


def main() -> int:
    """Run all; how many survive decides the exit code."""
    with Simulator(listen=False) as upsim:
        tables = {
            "upsim, wrapped": [fate_on_upsim(mutant, upsim.app) for mutant in WRAPPERS],
            "second implementation, wrapped or with a rule swapped out": [fate_of(mutant) for mutant in everything()],
        }
    for title, fates in tables.items():
        print(f"{title}:")
        show(fates)
    whole = [fate for fates in tables.values() for fate in fates]
    killed = sum(fate.killed for fate in whole)
    print(f"{killed} of {len(whole)} mutants killed by the check meant for them.")
    return 0 if killed == len(whole) else 1


def show(fates: list[Fate]) -> None:
    """One line a mutant."""
    width = max(len(fate.name) for fate in fates)
    for fate in fates:
        state = "killed  " if fate.killed else "SURVIVES"
        also = f", and {fate.also} more" if fate.also else ""
        print(f"  {fate.name:<{width}}  {state}  by {fate.clause}{also}")
    print(f"  {sum(fate.killed for fate in fates)} of {len(fates)}\n")


if __name__ == "__main__":
    sys.exit(main())
