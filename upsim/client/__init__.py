"""The Python side of the control plane. Imports nothing of the simulator: it drives one by its HTTP calls alone."""

from upsim.client.answers import (
    Account,
    ClockReading,
    Entry,
    Fault,
    Key,
    MagicValue,
    PoolBehaviour,
    Snapshot,
    Verdict,
    WorldInfo,
)
from upsim.client.door import Client, connect
from upsim.client.transport import ControlError
from upsim.client.world import World

__all__ = [
    "Account",
    "Client",
    "ClockReading",
    "ControlError",
    "Entry",
    "Fault",
    "Key",
    "MagicValue",
    "PoolBehaviour",
    "Snapshot",
    "Verdict",
    "World",
    "WorldInfo",
    "connect",
]
