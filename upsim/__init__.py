"""A simulator of the Ultimate Proxy mining API, from Python.

    with upsim.Simulator() as sim, sim.world(seed=7) as world:
        client = MyClient(sim.url, world.key("vip"))

`connect` drives one that runs elsewhere. Importing this package imports nothing else: each name is fetched when used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from upsim.client import Client, ControlError, World, connect
    from upsim.simulator import Simulator

__all__ = ["Client", "ControlError", "Simulator", "World", "connect"]

_HOMES: Final = {
    "Client": "upsim.client",
    "ControlError": "upsim.client",
    "Simulator": "upsim.simulator",
    "World": "upsim.client",
    "connect": "upsim.client",
}


if not TYPE_CHECKING:  # type checkers shall know these names, and no others

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'upsim' has no attribute {name!r}")
        return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
