"""How the fleet's properties are tried: the same examples on every run, and no clock to race against."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("upsim", deadline=None, derandomize=True, database=None)
settings.load_profile("upsim")
