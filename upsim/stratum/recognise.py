"""Tells dialects apart by what a pool says, so that a miner can be told which one a port speaks.

Reads shapes only; promises a name or nothing, never an error. Source: docs/stratum.md, "Which dialect is this job?".
"""

from __future__ import annotations

from collections.abc import Mapping

from upsim.algorithms import Dialect
from upsim.stratum.wire import Json


def dialect_of_job(message: Mapping[str, Json]) -> Dialect | None:
    """The dialect a job message belongs to; None where it is no job, or of no known shape."""
    if message.get("method") == "job":
        return Dialect.MONERO
    found = message.get("result")
    if "method" not in message and isinstance(found, list) and 3 <= len(found) <= 4:
        return Dialect.ETHEREUM if all(isinstance(item, str) and item[:2] == "0x" for item in found) else None
    params = message.get("params")
    if message.get("method") != "mining.notify" or not isinstance(params, list):
        return None
    return _dialect_of_params(params)


def _dialect_of_params(params: list[Json]) -> Dialect | None:
    match len(params):
        case 10:
            return Dialect.ZCASH
        case 9 if isinstance(params[4], list):
            return Dialect.BITCOIN
        case 9 if isinstance(params[1], int):
            return Dialect.AUTOLYKOS
        case 9:
            return Dialect.VERUS
        case 8 if isinstance(params[7], bool):
            return Dialect.ZCASH
        case 7 if isinstance(params[4], bool):
            return Dialect.PROGPOW
        case 4 if isinstance(params[3], bool):
            return Dialect.ETHEREUM
        case 4 if isinstance(params[2], int):
            return Dialect.NEXA
        case 4 if isinstance(params[2], str):
            return Dialect.OCTOPUS
        case 2 | 3 if isinstance(params[1], list) or len(params) == 2:
            return Dialect.KASPA
    return None
