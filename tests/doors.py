"""The doors that tests of sockets go through: waitress, and granian where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

DOORS = (
    "waitress",
    pytest.param("granian", marks=pytest.mark.skipif(find_spec("granian") is None, reason="granian is an extra")),
)
