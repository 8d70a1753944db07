"""A handle on one world: its keys, and all that can be done to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from upsim.client.answers import Account, Key, Snapshot, Tier, WorldInfo
from upsim.client.effects import Clock, Faults, Pools, Time, Workers, wire_time
from upsim.client.journal import Journal
from upsim.client.transport import ControlError, Wire

if TYPE_CHECKING:
    from upsim.intercept.session import Interception


class World:
    """One isolated world. As a context manager it is deleted at the end.

    Attributes:
        id: its name.
        clock: moves, stops and reads its time.
        faults: makes its calls fail.
        journal: what was called, and what decided it.
        pools: how its pools behave.
        workers: takes workers offline, adds and retires them.
    """

    def __init__(self, wire: Wire, world: str, keys: Sequence[Key] = (), account: str | None = None) -> None:
        self.id = world
        self.clock = Clock(wire, world)
        self.faults = Faults(wire, world)
        self.journal = Journal(wire, world)
        self.pools = Pools(wire, world)
        self.workers = Workers(wire, world, account or (keys[0].account if keys else "vip"))
        self._wire = wire
        self._keys = list(keys)

    def __repr__(self) -> str:
        return f"<World {self.id} on {self._wire.url or 'this process'}>"

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.delete()
        except ControlError as problem:
            if problem.status != 404:  # deleted or expired meanwhile
                raise

    @property
    def url(self) -> str:
        """The server's URL: what the client under test is pointed at."""
        return self._wire.url

    def intercept(self, *, hosts: Iterable[str] = (), pass_through: Iterable[str] = ()) -> Interception:
        """Lead calls to the real service to this server, for clients that have its address built in.

        With `with`, the environment of this process changes and is afterwards what it was: requests, httpx and urllib
        follow it, where their clients are made inside. The result's `env` is the same for programs started meanwhile.
        Calls to anybody else are refused; this machine's own servers are reached as ever.

        Args:
            hosts: more hosts that are led here: names, or *.example.com.
            pass_through: hosts that may be called for real: names, *.example.com, HOST:PORT, or * for all.

        Raises:
            ValueError: one of these cannot be used; the text says which, and why.
            RuntimeError: the simulator does not listen.
        """
        if not self.url:
            raise RuntimeError("this simulator does not listen: use it with `with`, or call start()")
        from upsim.intercept.session import Interception  # asyncio and certificates: for those who ask for them

        more = {"UPSIM_URL": self.url, "UPSIM_WORLD": self.id}
        if self._wire.token is not None:
            more["UPSIM_TOKEN"] = self._wire.token
        return Interception(self.url, hosts=hosts, pass_through=pass_through, more=more)

    # Keys and accounts

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys whose secret is known: those the world was made with, and those made with `create_key`."""
        return tuple(self._keys)

    def key(self, account: str | None = None, name: str | None = None) -> str:
        """The secret of a key of an account: the one of that name, or the one that opens most.

        Args:
            account: such as "vip" or "basic" in the demo fixture; any where it is left out.

        Raises:
            LookupError: none such is known; the text says which are.
        """
        fitting = [key for key in self._keys if account in (None, key.account) and name in (None, key.name)]
        # Of equals the first: sorting keeps their order.
        for key in sorted(fitting, key=lambda key: (bool(key.addresses), key.expires_at is not None, -len(key.scopes))):
            if key.secret is not None:
                return key.secret
        wanted = " ".join(repr(part) for part in (account, name) if part is not None)
        known = ", ".join(f"{key.account!r} {key.name!r}" for key in self._keys)
        raise LookupError(
            f"no key {wanted} of world {self.id} is known"
            + (f"; there are {known}." if known else ": a key is shown only when it is made. Use create_key().")
        )

    def create_key(
        self,
        account: str,
        name: str = "key",
        *,
        scopes: Sequence[str] | None = None,
        addresses: Sequence[str] = (),
        expires_at: Time | None = None,
    ) -> Key:
        """Give an account one more key.

        Args:
            scopes: all where they are left out.
            addresses: addresses and networks from which alone it may be used; anywhere where there are none.

        Raises:
            ControlError: the tier allows no more keys, or there is no such account.
        """
        asked: dict[str, Any] = {"name": name}
        if scopes is not None:
            asked["scopes"] = list(scopes)
        if addresses:
            asked["addresses"] = list(addresses)
        if expires_at is not None:
            asked["expires_at"] = wire_time(expires_at)
        made = Key.of(account, self._call("POST", "accounts", account, "keys", body=asked))
        self._keys.append(made)
        return made

    def list_keys(self, account: str) -> tuple[Key, ...]:
        """An account's keys, without their secrets; revoked and expired ones included."""
        return tuple(Key.of(account, doc) for doc in self._call("GET", "accounts", account, "keys")["data"])

    def revoke_key(self, key: Key | str) -> None:
        """Revoke a key, by its id, from the next call on."""
        self._call("DELETE", "keys", key.id if isinstance(key, Key) else key)

    def accounts(self) -> tuple[Account, ...]:
        """The world's accounts, with where each stands in its rate-limit window."""
        return tuple(Account.of(doc) for doc in self._call("GET", "accounts")["data"])

    def create_account(self, name: str, tier: Tier = "basic") -> None:
        """Add an account without anything."""
        self._call("POST", "accounts", body={"name": name, "tier": tier})

    def set_tier(self, account: str, tier: Tier) -> None:
        """Change an account's tier: quotas at once, the rate limit from the next window on."""
        self._call("POST", "accounts", account, body={"tier": tier})

    # The world as a whole

    def info(self) -> WorldInfo:
        """What the server says of it now."""
        return WorldInfo.of(self._call("GET"))

    def set_options(self, *, caller_address: bool | None = None, caps: Mapping[str, int] | None = None) -> WorldInfo:
        """Switch options.

        Args:
            caller_address: whether a call may say where it comes from, in the header X-Upsim-Caller-Address.
            caps: how many calls, keys, pools, profiles, workers, accounts, snapshots and journal entries there may be.
        """
        asked: dict[str, Any] = {}
        if caller_address is not None:
            asked["caller_address"] = caller_address
        if caps is not None:
            asked["caps"] = dict(caps)
        return WorldInfo.of(self._call("POST", "options", body=asked))

    def reset(self) -> WorldInfo:
        """Make it what it was when it was created. Its first keys stay; those added later open nothing any more."""
        return WorldInfo.of(self._call("POST", "reset"))

    def snapshot(self, name: str) -> Snapshot:
        """Save it under a name, its clock, faults and keys included, in place of what was saved under that name."""
        return Snapshot.of(self._call("POST", "snapshots", body={"name": name}))

    def restore(self, name: str) -> WorldInfo:
        """Make it what it was when it was saved.

        Raises:
            ControlError: nothing was saved under that name.
        """
        return WorldInfo.of(self._call("POST", "snapshots", name, "restore"))

    def snapshots(self) -> tuple[Snapshot, ...]:
        """What was saved, oldest first."""
        return tuple(Snapshot.of(doc) for doc in self._call("GET", "snapshots")["data"])

    def delete_snapshot(self, name: str) -> None:
        """Forget what was saved under a name."""
        self._call("DELETE", "snapshots", name)

    def download(self, path: str | Path | None = None) -> dict[str, Any]:
        """All of it as one readable document without secrets; written to a file too where one is named."""
        document: dict[str, Any] = self._call("GET", "download")
        if path is not None:
            Path(path).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return document

    def delete(self) -> None:
        """End it with all that was saved of it.

        Raises:
            ControlError: it is the default world, or gone already.
        """
        self._call("DELETE")

    def _call(self, method: str, *path: str, body: Any = None) -> Any:
        return self._wire.call(method, "worlds", self.id, *path, body=body)
