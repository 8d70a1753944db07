"""What a run is told about its target: address, keys, pools it may use. Reads TOML, or the file of upsim --ready-file.

Refuses what it does not understand, naming the entry; never guesses a key.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from .clauses import operations

ROLES: Final = ("main", "same_user", "other_user", "new_user", "unusable", "wrong_address")
USERS: Final = {"other_user": "other", "new_user": "new"}
"""Roles that are not the main user."""
VENDOR: Final = "ultimate-proxy.com"
STAGES: Final = ("connectivity", "subscription", "authorization")
ANY: Final = "*"
"""The algorithm of a pool that speaks them all, as a simulated one does."""


class SettingsError(Exception):
    """An entry that cannot be used; the text names it."""


@dataclass(frozen=True, slots=True)
class Key:
    """An API key.

    Attributes:
        user: whose it is; keys of one user share their limit.
        tier: vip, basic, or empty where it is not known.
        scopes: what it may do.
    """

    secret: str = field(repr=False)
    user: str = "main"
    tier: str = ""
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Settings:
    """All a run needs to know.

    Attributes:
        keys: by role, one of ROLES.
        limited: keys of the main user with fewer scopes than all.
        good: pools that are well, by algorithm (or ANY).
        bad: pools that fail, by the stage at which they do.
        flaky: a pool that fails now and then.
        disposable: what cannot be deleted again may stay: the first profile of an algorithm.
        move_workers: workers may be assigned to other profiles for a moment.
    """

    url: str
    keys: Mapping[str, Key]
    limited: tuple[Key, ...] = ()
    good: tuple[Mapping[str, Any], ...] = ()
    bad: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    flaky: Mapping[str, Any] | None = None
    disposable: bool = False
    move_workers: bool = False

    @property
    def is_vendor(self) -> bool:
        """Whether the target is the vendor's own service."""
        host = (urlsplit(self.url).hostname or "").lower()
        return host == VENDOR or host.endswith("." + VENDOR)

    def good_pool(self, algorithm: str) -> dict[str, Any] | None:
        """A pool of this algorithm that is well."""
        for pool in self.good:
            if pool["algorithm"] in (algorithm, ANY):
                return {**pool, "algorithm": algorithm}
        return None

    def bad_pool(self, stage: str, algorithm: str) -> dict[str, Any] | None:
        """A pool that fails at this stage."""
        pool = self.bad.get(stage)
        return None if pool is None else {**pool, "algorithm": algorithm}


def all_scopes() -> frozenset[str]:
    """Every scope of the spec."""
    return frozenset(operation.scope for operation in operations().values())


def load(path: Path) -> Settings:
    """Settings from a file.

    Raises:
        SettingsError: it cannot be read, or an entry cannot be used.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
    try:
        if path.suffix == ".json":
            return _from_ready(json.loads(text))
        return _from_toml(tomllib.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def override(settings: Settings | None, url: str | None, secret: str | None) -> Settings:
    """The settings with an address and a main key from the command line put over them. A key may be missing yet.

    Raises:
        SettingsError: there is no address.
    """
    settings = settings or Settings("", {})
    if url:
        settings = replace(settings, url=_url(url))
    if secret:
        settings = replace(settings, keys={**settings.keys, "main": Key(secret, scopes=all_scopes())})
    if not settings.url:
        raise SettingsError("an address is needed: upsim contract URL --key up_k_…, or target.url in --config FILE")
    return settings


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{text!r} is no address such as http://127.0.0.1:8080")
    return text.rstrip("/").removesuffix("/v1")


def _from_toml(content: dict[str, Any]) -> Settings:
    unknown = set(content) - {"target", "keys", "pools"}
    if unknown:
        raise SettingsError(f"{sorted(unknown)[0]}: no such section; there are target, keys and pools")
    target = content.get("target", {})
    keys: dict[str, Key] = {}
    limited: list[Key] = []
    for role, given in content.get("keys", {}).items():
        if role == "limited":
            limited = [_key("main", entry, "keys.limited") for entry in given]
        elif role in ROLES:
            keys[role] = _key(USERS.get(role, "main"), given, f"keys.{role}")
        else:
            raise SettingsError(f"keys.{role}: no such key; there are {', '.join(ROLES)} and limited")
    pools = content.get("pools", {})
    flaky = pools.get("flaky")
    for entry in [*pools.get("good", []), *pools.get("bad", []), *([flaky] if flaky else [])]:
        for name in ("host", "port", "username"):
            if name not in entry:
                raise SettingsError(f"pools: {name} is missing in {entry}")
    for entry in pools.get("bad", []):
        if entry.get("stage") not in STAGES:
            raise SettingsError(f"pools.bad: stage has to be one of {', '.join(STAGES)}")
    return Settings(
        _url(target["url"]) if "url" in target else "",
        keys,
        tuple(limited),
        tuple({"algorithm": ANY, **entry} for entry in pools.get("good", [])),
        {
            entry["stage"]: {name: value for name, value in entry.items() if name != "stage"}
            for entry in pools.get("bad", [])
        },
        flaky,
        bool(target.get("disposable", False)),
        bool(target.get("move_workers", False)),
    )


def _key(user: str, given: Any, where: str) -> Key:
    if isinstance(given, str):
        return Key(given, user, scopes=all_scopes())
    if not isinstance(given, dict) or not isinstance(given.get("key"), str):
        raise SettingsError(f'{where}: a key in quotes, or {{key = "up_k_…", tier = "vip"}} is needed')
    if given.get("tier", "") not in ("", "vip", "basic"):
        raise SettingsError(f"{where}.tier: vip or basic is needed")
    return Key(given["key"], user, given.get("tier", ""), frozenset(given.get("scopes", all_scopes())))


SIMULATED_POOLS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    ("connectivity", {"host": "refused.pool.test", "port": 3333, "username": "wallet.contract"}),
    ("subscription", {"host": "no-subscribe.pool.test", "port": 3333, "username": "wallet.contract"}),
    ("authorization", {"host": "no-auth.pool.test", "port": 3333, "username": "wallet.contract"}),
)


def simulated(settings: Settings) -> Settings:
    """The settings with the pools every upsim has: any name is well but those under pool.test, which fail as named."""
    good = {"algorithm": ANY, "host": "pool.example.com", "port": 3333, "username": "wallet.contract"}
    flaky = {"host": "flaky.pool.test", "port": 3333, "username": "wallet.contract"}
    return replace(
        settings,
        good=settings.good or (good,),
        bad=settings.bad or dict(SIMULATED_POOLS),
        flaky=settings.flaky or flaky,
    )


def _from_ready(content: dict[str, Any]) -> Settings:
    """A run on an upsim that somebody started with --ready-file: a world for trying things, so nothing is spared."""
    accounts: dict[str, list[dict[str, Any]]] = {}
    for entry in content["accounts"]:
        accounts.setdefault(entry["name"], []).append(entry)
    keys: dict[str, Key] = {}
    limited: tuple[Key, ...] = ()
    for name, entries in sorted(accounts.items(), key=lambda pair: pair[1][0].get("tier") != "vip"):
        user = "main" if "main" not in keys else "other"
        if user == "other" and "other_user" in keys:
            break
        full = [entry for entry in entries if set(entry.get("scopes", all_scopes())) >= all_scopes()]
        if not full:
            continue
        made = [
            Key(entry["key"], user, entry.get("tier", ""), frozenset(entry.get("scopes", all_scopes())))
            for entry in entries
        ]
        whole = [key for key in made if key.scopes >= all_scopes()]
        keys["main" if user == "main" else "other_user"] = whole[0]
        if user == "main":
            if len(whole) > 1:
                keys["same_user"] = whole[1]
            limited = tuple(key for key in made if not key.scopes >= all_scopes())
        del name
    return simulated(Settings(_url(content["url"]), keys, limited, disposable=True, move_workers=True))
