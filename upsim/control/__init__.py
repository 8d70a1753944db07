"""The control plane: what only a simulator can do. An app of its own, made when it is first called."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "/_upsim"
"""What its paths begin with."""

WORLDS: Final = f"{PREFIX}/worlds"
"""Where worlds are made; and a downloaded one is loaded, in the only large body there is."""
