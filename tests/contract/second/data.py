"""What the second implementation starts with: three users, their keys, pools, profiles and workers, as plain dicts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]

SCOPES = (
    "dashboard:read",
    "workers:read",
    "workers:write",
    "pools:read",
    "pools:write",
    "profiles:read",
    "profiles:write",
)
ALGORITHMS = [
    "sha256",
    "scrypt",
    "sha512256d",
    "kheavyhash",
    "verushash",
    "equihash",
    "equihash125",
    "equihash144",
    "equihash192",
    "ethash",
    "etchash",
    "kawpow",
    "firopow",
    "autolykos",
    "octopus",
    "nexapow",
    "randomx",
]

VIP, VIP_TOO, BASIC, NOBODY = "up_k_secondvip", "up_k_secondvip2", "up_k_secondbasic", "up_k_secondnobody"
EXPIRED, ELSEWHERE = "up_k_secondexpired", "up_k_secondelsewhere"
START = 1_737_374_400.0
"""2025-01-20T12:00:00Z, when this world begins."""


def iso(moment: float) -> str:
    """Unix time as the API writes it."""
    return datetime.fromtimestamp(round(moment, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unit(*parts: object) -> float:
    """A number in [0, 1) that follows from the parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def key_row(
    user: str, scopes: Iterable[str] = SCOPES, *, expired: bool = False, addresses: tuple[str, ...] = ()
) -> Row:
    """A key as it is kept."""
    return {"user": user, "scopes": set(scopes), "expired": expired, "addresses": addresses}


class Data:
    """The tables."""

    def __init__(self) -> None:
        self.serial = 0
        self.users: dict[str, Row] = {"ada": {"vip": True}, "ben": {"vip": False}, "eve": {"vip": False}}
        self.keys: dict[str, Row] = {
            VIP: key_row("ada"),
            VIP_TOO: key_row("ada"),
            BASIC: key_row("ben"),
            NOBODY: key_row("eve"),
            EXPIRED: key_row("ada", expired=True),
            ELSEWHERE: key_row("ada", addresses=("198.51.100.7",)),
        }
        for scope in SCOPES:
            self.keys[limited(scope)] = key_row("ada", [scope])
        self.pools: dict[str, Row] = {}
        self.profiles: dict[str, Row] = {}
        self.workers: dict[str, Row] = {}
        self.defaults: dict[tuple[str, str], str] = {}
        self._fill()

    def new_id(self, moment: float) -> str:
        """Time, then a serial number: ids in the order of creation."""
        self.serial += 1
        return f"{int(moment):08x}{self.serial:016x}"

    def _fill(self) -> None:
        born = START - 30 * 86400
        main = self._pool("ada", "Monero EU", "randomx", born)
        backup = self._pool("ada", "Monero US", "randomx", born + 1)
        self._pool("ada", "Monero idle", "randomx", born + 2, tested=False)
        bitcoin = self._pool("ada", "Bitcoin", "sha256", born + 3, healthy=False)
        first = self._profile("ada", "Monero first", "randomx", [main, backup], born + 4)
        other = self._profile("ada", "Monero spare", "randomx", [backup], born + 5)
        asics = self._profile("ada", "ASICs", "sha256", [bitcoin], born + 6)
        for number in range(31):
            self._worker("ada", f"rig-{number:03}", "randomx", other if number % 9 == 4 else first, born + 10 + number)
        for number in range(6):
            self._worker("ada", f"asic.{number}", "sha256", asics, born + 10 + number)
        small = self._pool("ben", "Ben's pool", "randomx", born)
        home = self._profile("ben", "Home", "randomx", [small], born + 1)
        for number in range(3):
            self._worker("ben", f"pc-{number}", "randomx", home, born + 2 + number)

    def _pool(
        self, user: str, name: str, algorithm: str, born: float, *, healthy: bool = True, tested: bool = True
    ) -> str:
        identity = self.new_id(born)
        health = {
            "status": "unknown" if not tested else "healthy" if healthy else "unhealthy",
            "last_checked_at": iso(START - 60) if tested else None,
            "last_error": None if healthy else "connectivity: connection refused",
            "consecutive_failures": 0 if healthy else 3,
            "latency_ms": 20 if tested and healthy else None,
        }
        self.pools[identity] = {
            "_id": identity,
            "user": user,
            "name": name,
            "algorithm": algorithm,
            "host": "pool.example.com",
            "port": 3333,
            "tls": False,
            "username": "wallet.proxy",
            "password": "x",
            "health": health,
            "created_at": iso(born),
            "updated_at": iso(born),
        }
        return identity

    def _profile(self, user: str, name: str, algorithm: str, pools: list[str], born: float) -> str:
        identity = self.new_id(born)
        self.profiles[identity] = {
            "_id": identity,
            "user": user,
            "name": name,
            "algorithm": algorithm,
            "pool_ids": pools,
            "created_at": iso(born),
            "updated_at": iso(born),
        }
        self.defaults.setdefault((user, algorithm), identity)
        return identity

    def _worker(self, user: str, name: str, algorithm: str, profile: str, born: float) -> None:
        identity = self.new_id(born)
        self.workers[identity] = {
            "_id": identity,
            "user": user,
            "name": name,
            "algorithm": algorithm,
            "profile_id": profile,
            "online": unit(name, "online") > 0.2,
            "power": 1e14 if algorithm == "sha256" else 11_000,
            "born": born,
            "created_at": iso(born),
            "updated_at": iso(born),
        }


def limited(scope: str) -> str:
    """The key of ada that has this scope alone."""
    return "up_k_second" + scope.replace(":", "")
