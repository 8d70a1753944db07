"""The control plane of one simulator: makes worlds, finds them, loads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upsim.client.answers import Key, MagicValue, Tier, WorldInfo
from upsim.client.effects import Duration, wire_duration
from upsim.client.transport import ControlError, HttpTransport, Wire
from upsim.client.world import World

if TYPE_CHECKING:
    from upsim.intercept.session import Interception


class Client:
    """Drives a simulator, in this process or elsewhere."""

    def __init__(self, wire: Wire, default_keys: Sequence[Key] = ()) -> None:
        self._wire = wire
        self._default_keys = tuple(default_keys)

    @property
    def url(self) -> str:
        """The simulator's URL."""
        return self._wire.url

    @property
    def default(self) -> World:
        """The world a newcomer meets, which is always there."""
        return World(self._wire, "default", self._default_keys)

    def world(
        self,
        *,
        id: str | None = None,
        fixture: str | None = None,
        seed: int | None = None,
        tier: Tier | None = None,
        clock: Mapping[str, Any] | None = None,
        expires_in: Duration | None = None,
        caps: Mapping[str, int] | None = None,
    ) -> World:
        """Make a world of one's own; use it with `with`, and it is deleted at the end.

        Args:
            id: its name; a fresh one where it is left out.
            fixture: what it holds; what the server was started with where it is left out.
            seed: what chance follows from.
            tier: of all its accounts, in place of the fixture's.
            clock: what is done to its clock, such as {"set": "2026-01-05T08:00:00Z", "freeze": True}.
            expires_in: after so long, by real time, it vanishes by itself.
            caps: see World.set_options.

        Raises:
            ControlError: it cannot be made; the text says why.
        """
        return self._create(
            _wish(id=id, fixture=fixture, seed=seed, tier=tier, clock=clock, expires_in=expires_in, caps=caps)
        )

    def load(
        self,
        source: Mapping[str, Any] | str | Path,
        *,
        id: str | None = None,
        expires_in: Duration | None = None,
        caps: Mapping[str, int] | None = None,
    ) -> World:
        """Make a world that begins as a downloaded one: a document, or the file it was written to.

        Raises:
            ControlError: it is not one that can be loaded; the text says why.
            OSError, ValueError: the file cannot be read, or is no JSON.
        """
        document = source if isinstance(source, Mapping) else json.loads(Path(source).read_text(encoding="utf-8"))
        return self._create({**_wish(id=id, expires_in=expires_in, caps=caps), "snapshot": document})

    def open_world(self, world: str) -> World:
        """A world that is there already. Its keys are not known: they were shown when it was made.

        Raises:
            ControlError: there is none of that name.
        """
        keys = self._default_keys if world == "default" else ()
        found = self._wire.call("GET", "worlds", world)
        accounts = [account["name"] for account in found["accounts"]]
        return World(self._wire, world, keys, account=accounts[0] if accounts else None)

    def worlds(self) -> tuple[WorldInfo, ...]:
        """Every world there is."""
        return tuple(WorldInfo.of(doc) for doc in self._wire.call("GET", "worlds")["data"])

    def intercept(self, *, hosts: Iterable[str] = (), pass_through: Iterable[str] = ()) -> Interception:
        """Lead calls to the real service here; see World.intercept. Which world one reaches, its key says.

        Raises:
            ValueError: a host cannot be used; the text says which, and why.
            RuntimeError: it does not listen.
        """
        return self.default.intercept(hosts=hosts, pass_through=pass_through)

    def magic_values(self) -> tuple[MagicValue, ...]:
        """Names, keys and workers of the server's fixture that have a fixed outcome."""
        return tuple(MagicValue.of(doc) for doc in self._wire.call("GET", "magic")["data"])

    def is_well(self) -> bool:
        """Whether the server and its store answer."""
        try:
            return bool(self._wire.call("GET", "health")["status"] == "ok")
        except ControlError as error:
            if error.status in (None, 503):
                return False
            raise

    def _create(self, body: Mapping[str, Any]) -> World:
        made = self._wire.call("POST", "worlds", body=body)
        keys = [Key.of(account["name"], key) for account in made["accounts"] for key in account["keys"]]
        first = made["accounts"][0]["name"] if made["accounts"] else None
        return World(self._wire, made["id"], keys, account=first)


def connect(url: str, token: str | None = None) -> Client:
    """Drive a simulator that runs elsewhere. Nothing is sent before it is asked for something.

    Args:
        url: such as http://127.0.0.1:8080.
        token: its admin token; beyond loopback it demands one.

    Raises:
        ValueError: the URL is none.
    """
    transport = HttpTransport(url)
    return Client(Wire(transport, transport.url, token))


def _wish(expires_in: Duration | None = None, **fields: Any) -> dict[str, Any]:
    wish = {name: value for name, value in fields.items() if value is not None}
    if expires_in is not None:
        wish["expires_in"] = wire_duration(expires_in)
    return wish
