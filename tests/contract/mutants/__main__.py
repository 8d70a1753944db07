"""Prints the table of mutants; exits 1 where one survives."""

from __future__ import annotations

import sys

from tests.contract.mutants.run import everything, fate_of


def main() -> int:
    """Run all; how many survive decides the exit code."""
    fates = [fate_of(mutant) for mutant in everything()]
    width = max(len(fate.name) for fate in fates)
    for fate in fates:
        state = "killed  " if fate.killed else "SURVIVES"
        print(f"{fate.name:<{width}}  {state}  by {fate.clause}{f', and {fate.also} more' if fate.also else ''}")
    killed = sum(fate.killed for fate in fates)
    print(f"\n{killed} of {len(fates)} mutants killed by the check meant for them.")
    return 0 if killed == len(fates) else 1


if __name__ == "__main__":
    sys.exit(main())
