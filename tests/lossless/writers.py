"""Writers that know what they were acknowledged, since each does the same to a world of its own that nobody kills.

A writer has a world on the server under test and its twin in this process, in memory. What the server acknowledges is
done to the twin too, so that the twin's whole content is what the server must have after any restart: with or without
the one call that was under way, and never with a part of it.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Protocol

from werkzeug.test import Client

from tests.lossless.door import Answer

ALGORITHM: Final = "randomx"
START: Final = "2026-01-05T08:00:00Z"

Op = tuple[str, ...]
"""What a writer does: its name, and the names of what it does it to."""


class Way(Protocol):
    """A way to a server."""

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Make one call."""


class Here:
    """A way to a server in this process."""

    def __init__(self, client: Client, key: str = "") -> None:
        self._client = client
        self._key = key

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        response = self._client.open(path, method=method, json=body, headers={"X-API-Key": self._key})
        headers = http.client.HTTPMessage()
        for name, value in response.headers:
            headers[name] = value
        return Answer(response.status_code, headers, response.json)


@dataclass
class Side:
    """A world as one of its two servers knows it.

    Attributes:
        ids: by kind and name.
        secrets: of the keys that were made, by name.
    """

    way: Way
    world: str
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def farm(self) -> str:
        return f"/_upsim/worlds/{self.world}"

    def get(self, path: str) -> Any:
        answer = self.way.ask("GET", path)
        assert answer.status == 200, (path, answer.json)
        return answer.json

    def learn(self) -> None:
        """Look up the ids of everything there is."""
        content = self.get(f"{self.farm}/download")
        self.ids = {
            kind: {one["name"]: one["id"] for one in content[kind] if not one.get("revoked_at")}
            for kind in ("accounts", "keys", "pools", "profiles", "workers")
        }
        self.ids["faults"] = {fault["path"]: fault["id"] for fault in content["options"].get("faults", ())}

    def content(self) -> dict[str, Any]:
        """All that is in the world, by names in place of the ids, and what belongs to it beside its content."""
        content = self.get(f"{self.farm}/download")
        names: dict[str, str] = {}
        for kind in ("accounts", "keys", "pools", "profiles", "workers"):
            for one in content[kind]:
                names[one["id"]] = f"{kind} {one['name']}"
        for pool in content["pools"]:
            pool["health"]["latency_ms"] = pool["health"]["latency_ms"] is not None
        for worker in content["workers"]:
            for follows in ("nominal", "home", "cell", "weights"):
                del worker[follows]  # from its id
        content["numbers"] = None  # some were drawn for what was not done in the end
        for fault in content["options"].get("faults", ()):
            fault["id"] = None
        saved = self.get(f"{self.farm}/snapshots")["data"]
        worlds = self.get("/_upsim/worlds")["data"]
        whole = {
            **content,
            "snapshots": sorted((one["name"], one["now"]) for one in saved),
            "worlds": sorted(one["id"] for one in worlds if one["id"].startswith(f"{self.world}-")),
        }
        named: dict[str, Any] = _renamed(whole, names)
        return named

    def journal(self) -> list[tuple[str, str, int]]:
        """What was called with the writer's key, and what was answered."""
        entries = self.get(f"{self.farm}/journal?limit=1000&account=vip")["data"]
        return [(one["method"], re.sub("[0-9a-f]{24}", "ID", one["path"]), one["status"]) for one in entries]

    def used(self) -> int:
        """How many requests the account has made in the present window."""
        (vip,) = (one for one in self.get(f"{self.farm}/accounts")["data"] if one["name"] == "vip")
        return int(vip["window"]["used"])

    def do(self, op: Op) -> int:
        """Do it, and take in what was answered; the status.

        Raises:
            OSError, http.client.HTTPException: there was no whole answer.
        """
        answer = self.way.ask(*self._call(op))
        if answer.status < 300:
            self._take_in(op, answer.json)
        return answer.status

    def _call(self, op: Op) -> tuple[str, str, Any]:
        ids, farm = self.ids, self.farm
        match op:
            case ("read", path):
                return "GET", path, None
            case ("add pool", name):
                return "POST", "/v1/pools", pool(name)
            case ("rename pool", name, new):
                return "PUT", f"/v1/pools/{ids['pools'][name]}", {"name": new}
            case ("move pool", name, user):
                return "PUT", f"/v1/pools/{ids['pools'][name]}", {"username": user, "host": "healthy.pool.test"}
            case ("test pool", name):
                return "POST", "/v1/pools/test", {"pool_id": ids["pools"][name]}
            case ("delete pool", name):
                return "DELETE", f"/v1/pools/{ids['pools'][name]}", None
            case ("add profile", name, *pools):
                return "POST", "/v1/profiles", {"name": name, "algorithm": ALGORITHM, "pools": self._pools(pools)}
            case ("change profile", name, new, *pools):
                return "PUT", f"/v1/profiles/{ids['profiles'][name]}", {"name": new, "pools": self._pools(pools)}
            case ("delete profile", name):
                return "DELETE", f"/v1/profiles/{ids['profiles'][name]}", None
            case ("default", name):
                return "POST", f"/v1/profiles/{ids['profiles'][name]}/default", None
            case ("assign", name, *workers):
                chosen = {"worker_ids": [ids["workers"][worker] for worker in workers]}
                return "POST", "/v1/workers/bulk-assign", chosen | {"profile_id": ids["profiles"][name]}
            case ("add account", name):
                return "POST", f"{farm}/accounts", {"name": name}
            case ("tier", name, tier):
                return "POST", f"{farm}/accounts/{name}", {"tier": tier}
            case ("add key", account, name):
                return "POST", f"{farm}/accounts/{account}/keys", {"name": name}
            case ("revoke key", name):
                return "DELETE", f"{farm}/keys/{ids['keys'][name]}", None
            case ("spawn", name, profile):
                row = {"name": name + "-{n}", "model": "ryzen-7950x", "count": 5}
                return "POST", f"{farm}/accounts/vip/workers", row | {"profile_id": ids["profiles"][profile]}
            case ("change workers", action, *workers):
                chosen = {"worker_ids": [ids["workers"][worker] for worker in workers]}
                return "POST", f"{farm}/accounts/vip/workers/change", chosen | {"action": action}
            case ("advance", time):
                return "POST", f"{farm}/clock", {"advance": time}
            case ("add fault", path):
                return "POST", f"{farm}/faults", {"path": path}
            case ("remove fault", path):
                return "DELETE", f"{farm}/faults/{ids['faults'][path]}", None
            case ("save", name):
                return "POST", f"{farm}/snapshots", {"name": name}
            case ("forget", name):
                return "DELETE", f"{farm}/snapshots/{name}", None
            case ("restore", name):
                return "POST", f"{farm}/snapshots/{name}/restore", None
            case ("new world", name):
                return "POST", "/_upsim/worlds", {"id": name, "fixture": "empty"}
            case ("end world", name):
                return "DELETE", f"/_upsim/worlds/{name}", None
            case ("forget calls",):
                return "DELETE", f"{farm}/journal", None
        raise AssertionError(op)

    def _pools(self, names: list[str]) -> list[dict[str, Any]]:
        return [{"pool_id": self.ids["pools"][name], "priority": number} for number, name in enumerate(names)]

    def _take_in(self, op: Op, answer: Any) -> None:
        ids = self.ids
        match op:
            case ("add pool", name):
                ids["pools"][name] = answer["_id"]
            case ("add profile", name, *_):
                ids["profiles"][name] = answer["_id"]
            case ("rename pool", name, new):
                ids["pools"][new] = ids["pools"].pop(name)
            case ("change profile", name, new, *_):
                ids["profiles"][new] = ids["profiles"].pop(name)
            case ("delete pool", name):
                del ids["pools"][name]
            case ("delete profile", name):
                del ids["profiles"][name]
            case ("add account", name):
                ids["accounts"][name] = answer["id"]
            case ("add key", _, name):
                ids["keys"][name], self.secrets[name] = answer["id"], answer["key"]
            case ("revoke key", name):
                del ids["keys"][name]
            case ("spawn", name, _):
                ids["workers"] |= {f"{name}-{n}": one for n, one in enumerate(answer["worker_ids"], 1)}
            case ("add fault", path):
                ids["faults"][path] = answer["id"]
            case ("remove fault", path):
                del ids["faults"][path]
            case ("restore", _):
                self.learn()


def pool(name: str) -> dict[str, Any]:
    return {"name": name, "algorithm": ALGORITHM, "host": "healthy.pool.test", "port": 3333, "username": "u"}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The value with names for ids, and lists of things in an order that does not follow from ids."""
    if isinstance(value, dict):
        return {name: _renamed(one, names) for name, one in value.items()}
    if isinstance(value, list):
        renamed = [_renamed(one, names) for one in value]
        # Things stand in the order of their ids, or of what follows from them.
        return sorted(renamed, key=json.dumps) if renamed and isinstance(renamed[0], dict) else renamed
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{24}", value):
        return names.get(value, "gone")  # a worker's history knows profiles that are deleted
    return value


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[object]:
    """What is there and should not be, and the other way round, part by part."""
    listed: list[object] = []
    for part in found:
        there, due = ([whole] if not isinstance(whole, list) else whole for whole in (found[part], wanted[part]))
        listed += [(part, "has", one) for one in there if one not in due]
        listed += [(part, "lacks", one) for one in due if one not in there]
    return listed[:10]


class Writer:
    """One thread's world, with its twin; writes until the server is gone, then checks what the next one has.

    Attributes:
        acknowledged: how many calls were, in all.
    """

    def __init__(self, number: int, server: Callable[[str], Way], twin: Callable[[str], Way]) -> None:
        self.world = f"w{number}"
        self.acknowledged = 0
        self._chance = Random(f"writer:{number}")
        self._fresh = 0
        self._open: Op | None = None
        self._saved: list[str] = []
        self._worlds: list[str] = []
        wish = {"id": self.world, "fixture": "empty", "clock": {"set": START, "freeze": True}}
        self._sides = []
        for way in (server, twin):
            made = way("").ask("POST", "/_upsim/worlds", wish)
            assert made.status == 201, made.json
            (key,) = (
                one["key"] for account in made.json["accounts"] if account["name"] == "vip" for one in account["keys"]
            )
            self._sides.append(Side(way(key), self.world, secrets={"everything": key}))
        self._server, self._twin = self._sides
        for side in self._sides:
            side.learn()
            for op in (("add pool", "p-0"), ("add pool", "p-1")):
                assert side.do(op) == 201
            side.learn()  # the first pool brought a profile
            assert side.do(("spawn", "first", "Default randomx")) == 201
            assert side.do(("add profile", "f-0", "p-0", "p-1")) == 201

    def write(self) -> None:
        """Write until there is no answer."""
        for op in self._ops():
            self._open = op
            with suppress(OSError, http.client.HTTPException):
                status = self._server.do(op)
                assert status == self._twin.do(op), op
                self._open = None
                self._note(op)
                self.acknowledged += 1
            if self._open is not None:
                return

    def check(self, server: Callable[[str], Way]) -> int:
        """Assert that a server that was started anew has what was acknowledged; how many open calls had been made.

        An open call that it does not have is made again, as a client would.
        """
        self._server.way = server(self._server.secrets["everything"])
        self._server.learn()
        content, journal, used = self._server.content(), self._server.journal(), self._server.used()
        others = sorted(self._server.secrets.keys() - {"everything"})
        for name in self._chance.sample(others, min(3, len(others))):
            opens = name in self._server.ids["keys"]
            asked = server(self._server.secrets[name]).ask("GET", "/v1/overview")
            assert asked.status == (200 if opens else 401), name
        before = self._twin.content(), self._twin.journal(), self._twin.used()
        made = 0
        if self._open is None:
            assert content == before[0], _differences(content, before[0])
            assert (journal, used) == before[1:]
        else:
            status = self._twin.do(self._open)
            after = self._twin.content(), self._twin.journal(), self._twin.used()
            assert content in (before[0], after[0]), (
                self._open,
                min((_differences(content, one[0]) for one in (before, after)), key=len),
            )
            assert journal in (before[1], after[1]), self._open
            assert used in (before[2], after[2]), self._open
            made = int(content == after[0] != before[0])
            # Saved again under the same name at the same time, it looks as it did before.
            if content != after[0] or self._open[0] == "save":
                assert self._server.do(self._open) == status, self._open
                assert self._server.content() == after[0]
            self._note(self._open)
            self._open = None
        for side in self._sides:
            # What may have been counted once more or less is of the past.
            assert side.do(("forget calls",)) == side.do(("advance", "1m")) == 200
        return made

    def _note(self, op: Op) -> None:
        match op:
            case ("save", name) if name not in self._saved:
                self._saved.append(name)
            case ("forget", name):
                self._saved.remove(name)
            case ("new world", name):
                self._worlds.append(name)
            case ("end world", name):
                self._worlds.remove(name)

    def _ops(self) -> Iterator[Op]:
        """What to do next, without end."""
        while True:
            op = self._next()
            if op is not None:
                yield op

    def _next(self) -> Op | None:
        chance, ids = self._chance, self._twin.ids
        self._fresh += 1
        new = f"n-{self._fresh}"

        def one(kind: str) -> str:
            return chance.choice(sorted(ids[kind]))

        def some(kind: str, most: int) -> list[str]:
            return chance.sample(sorted(ids[kind]), min(len(ids[kind]), chance.randint(1, most)))

        made: list[Callable[[], Op | None]] = [
            lambda: ("add pool", new),
            lambda: ("rename pool", one("pools"), new),
            lambda: ("move pool", one("pools"), new),
            lambda: ("test pool", one("pools")),
            lambda: ("delete pool", one("pools")) if len(ids["pools"]) > 3 else None,
            lambda: ("add profile", new, *some("pools", 3)),
            lambda: ("change profile", one("profiles"), new, *some("pools", 3)),
            lambda: ("delete profile", one("profiles")),
            lambda: ("default", one("profiles")),
            lambda: ("assign", one("profiles"), *some("workers", 50)),
            lambda: ("assign", one("profiles"), *some("workers", 50)),
            lambda: ("add account", new),
            lambda: ("tier", one("accounts"), chance.choice(("vip", "basic"))),
            lambda: ("add key", "basic", new),
            lambda: (
                ("revoke key", chance.choice(others))
                if (others := sorted(ids["keys"].keys() - {"everything"}))
                else None
            ),
            lambda: ("spawn", new, one("profiles")) if len(ids["workers"]) < 100 else None,
            lambda: ("change workers", chance.choice(("offline", "online", "auto")), *some("workers", 5)),
            lambda: ("advance", f"{chance.randint(1, 50)}s"),
            lambda: ("add fault", f"/v1/nowhere/{new}") if len(ids["faults"]) < 9 else None,
            lambda: ("remove fault", one("faults")) if ids["faults"] else None,
            lambda: ("save", chance.choice(("s-0", "s-1", "s-2"))),
            lambda: ("forget", chance.choice(self._saved)) if len(self._saved) > 2 else None,
            lambda: ("restore", chance.choice(self._saved)) if self._saved and chance.random() < 0.3 else None,
            lambda: ("new world", f"{self.world}-{new}") if len(self._worlds) < 4 else None,
            lambda: ("end world", chance.choice(self._worlds)) if self._worlds else None,
            lambda: ("read", chance.choice(("/v1/overview", "/v1/pools", "/v1/workers?limit=5", "/v1/nothing"))),
        ]
        return chance.choice(made)()
