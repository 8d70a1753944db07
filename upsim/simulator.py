"""A simulator inside the process of whoever wants one: a test suite, a notebook, a demonstration.

With a real server on a free port, and the app itself for test clients that need no socket.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from upsim import fixture as fixtures
from upsim.client import Client, Key
from upsim.client.answers import moment
from upsim.client.transport import Wire, WsgiTransport
from upsim.clock import iso
from upsim.config import configure
from upsim.ids import digest_of
from upsim.rules.worlds import DEFAULT
from upsim.serve import Server

if TYPE_CHECKING:
    from flask import Flask


class Simulator(Client):
    """A simulator and its control plane, in this process.

    It can be used with `with`, or by `start` and `close`. One object is one simulator: closed, it stays so. Any thread
    may use it.
    """

    def __init__(
        self,
        *,
        fixture: str | Path = "demo",
        seed: int = 1,
        store: str = "memory:",
        host: str = "127.0.0.1",
        port: int = 0,
        rate_limit: bool = True,
        limits_storage: str | None = None,
        pool_network: Literal["simulated", "real"] = "simulated",
        pool_timeout: float = 5.0,
        stratum: Mapping[str, int] | Sequence[tuple[str, int]] = (),
        trusted_proxy: Sequence[str] = (),
        admin_token: str | None = None,
        threads: int = 8,
        server: Literal["waitress", "granian"] = "waitress",
        metrics: bool = False,
        access_log: bool = False,
        listen: bool = True,
    ) -> None:
        """Open the store and build the app; nothing is listened on yet.

        The settings are those of `upsim serve`; environment variables are not looked at.

        Args:
            port: 0 takes a free one.
            stratum: ports of the proxy's own door for miners, by algorithm; 0 takes a free one, which `miners` tells.
            listen: false opens no socket at all: then there is no `url`, and `app` is the only door.

        Raises:
            ConfigError: a setting cannot be used; the text says which, and why.
        """
        given = {
            "fixture": fixture,
            "seed": seed,
            "store": store,
            "host": host,
            "port": port,
            "rate_limit": rate_limit,
            "limits_storage": limits_storage,
            "pool_network": pool_network,
            "pool_timeout": pool_timeout,
            "stratum": ",".join(f"{algorithm}={number}" for algorithm, number in dict(stratum).items()) or None,
            "trusted_proxy": ",".join(trusted_proxy) or None,
            "admin_token": admin_token,
            "threads": threads,
            "server": server,
            "metrics": metrics,
            "access_log": access_log,
        }
        self._server = Server(configure({name: _spoken(value) for name, value in given.items()}, {}))
        self._listens = listen
        self._open = True
        super().__init__(self._wire_to(""), self._keys())

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> Simulator:
        """Listen and answer, in threads of its own.

        Raises:
            ConfigError: the port is taken.
        """
        if self._listens and not self._wire.url:
            url = self._server.listen()
            self._server.start()
            self._wire = self._wire_to(url)
        return self

    def close(self) -> None:
        """Finish the requests under way and let go of everything. What was kept in memory is gone."""
        if self._open:
            self._open = False
            self._server.close()

    @property
    def url(self) -> str:
        """The server's URL.

        Raises:
            RuntimeError: it does not listen.
        """
        if not self._wire.url:
            raise RuntimeError(
                "this simulator does not listen: use it with `with`, or call start(); or go through .app"
            )
        return self._wire.url

    @property
    def miners(self) -> Mapping[str, str]:
        """Where miners connect, by algorithm, once it listens: they log in as WORLD/ACCOUNT.WORKER."""
        door = self._server.stratum
        return {one.algorithm: one.url for one in door.openings} if door is not None else {}

    @property
    def app(self) -> Flask:
        """The WSGI application: for app.test_client(), httpx.WSGITransport(app=…) and the like, without a socket."""
        return self._server.app

    @property
    def admin_token(self) -> str | None:
        """What the control plane asks for; None on loopback, unless one was given."""
        return self._server.admin_token

    def _wire_to(self, url: str) -> Wire:
        # The app itself, even where there is a server: no socket is faster, and no port can be taken.
        return Wire(WsgiTransport(self._server.app), url, self._server.admin_token)

    def _keys(self) -> list[Key]:
        """The default world's keys, which its fixture says: those with a fixed outcome too."""
        universe = self._server.universe
        secrets = {digest_of(secret): secret for secret in fixtures.load(universe.fixture).secrets}
        names = {account.id: account.name for account in universe.store.list_accounts(DEFAULT)}
        known = [
            Key(
                id=key.id,
                account=names[key.account_id],
                name=key.name,
                hint=key.hint,
                scopes=tuple(sorted(str(scope) for scope in key.scopes)),
                addresses=tuple(key.networks),
                expires_at=None if key.expires_at is None else moment(iso(key.expires_at)),
                revoked_at=None if key.revoked_at is None else moment(iso(key.revoked_at)),
                secret=secrets[key.digest],
            )
            for key in universe.store.list_keys(DEFAULT)
            if key.digest in secrets
        ]
        order = list(secrets.values())
        return sorted(known, key=lambda key: order.index(key.secret or ""))


def _spoken(value: Any) -> str | None:
    if isinstance(value, bool):
        return "on" if value else "off"
    return None if value is None else os.fspath(value) if isinstance(value, Path) else str(value)
