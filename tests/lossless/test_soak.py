"""The short one of the long runs: `python -m bench soak` does it for half an hour, and prints what a process holds."""

from __future__ import annotations

import os
import sys

import pytest

from bench.soak import soak
from tests.doors import DOORS

SECONDS = float(os.environ.get("UPSIM_TEST_SOAK_SECONDS", "6"))
"""How long it takes."""


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")
@pytest.mark.parametrize("door", DOORS)
def test_under_mixed_load_with_faults_a_server_holds_what_it_held(door: str) -> None:
    """Worlds come and go, clients break off, faults strike: no call fails, no descriptor or thread is left behind."""
    rows = soak(SECONDS, 60, ("--server", door, "--store", "sqlite:soak.db"), rows=6)
    assert sum(row.calls for row in rows) > 30
    assert sum(row.failed for row in rows) == 0
    early, late = rows[1], rows[-1]
    # In a few seconds the pool of threads and of connections to the store may still grow to its size.
    assert late.descriptors <= early.descriptors + 30
    assert late.threads <= early.threads + 16
    assert late.memory_mb <= early.memory_mb + 40
