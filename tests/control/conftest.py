"""A simulator for each test of the control plane: in memory, and where it matters on every store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.control.harness import Sandbox, opened


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A simulator of the demo fixture."""
    with opened() as sandbox:
        yield sandbox


@pytest.fixture
def stored(store_url: str) -> Iterator[Sandbox]:
    """A simulator of the demo fixture, on each store in turn."""
    with opened(store_url) as sandbox:
        yield sandbox
