"""The composition root: opens the store, builds the app, starts and stops what serves it.

Threads: the door (upsim.doors) keeps the thread that calls `run`, or one of its own by `start`, and answers in
`threads` others; granian in one more, what need not wait. The simulated pools, once one is tested, have one asyncio
loop in a thread of their own. What they share is the store, which guards itself. Several processes are upsim.crew's
business: each has a Server of its own.
"""

from __future__ import annotations

import gc
import ipaddress
import signal
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Request

from upsim import control, prepared
from upsim.api import app as api
from upsim.api.admission import client_address
from upsim.clock import Clock, SystemClock
from upsim.config import Config
from upsim.dashboard import app as dashboard
from upsim.doors import Door, bound, open_door, url_of
from upsim.doors.tls import tls_of
from upsim.errors import ConfigError
from upsim.fixture import Fixture
from upsim.ids import digest_of, new_token
from upsim.model import PoolTarget, PoolTest, Worker
from upsim.readiness import Readiness
from upsim.records import dataclass
from upsim.rules.magic import is_magic
from upsim.rules.worlds import DEFAULT, open_default
from upsim.store.factory import MEMORY
from upsim.store.sums import Summand
from upsim.web import access
from upsim.web.app import create_app, mount
from upsim.world import PoolTester, Universe, World

if TYPE_CHECKING:
    from upsim.api.counting import Outside
    from upsim.dashboard.sandbox import Sandbox
    from upsim.pools import OpenPort, Pools
    from upsim.proxy.door import StratumDoor
    from upsim.tls.serving import ServerTls
    from upsim.web.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Login:
    """An account of the default world, and a key to it that is known."""

    account: str
    tier: str
    key: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a user needs to know of a server that answers.

    Attributes:
        logins: known keys of its default world.
        mined: an algorithm of the workers that the first of them shows; None where it shows none.
        authority: the file of the certificate that clients have to trust; None where there is none of ours.
        admin_token: what its control plane asks for; None where it asks for nothing.
        remarks: what the fixture says that whoever uses it should know.
    """

    url: str
    authority: str | None
    admin_token: str | None
    logins: tuple[Login, ...]
    pool_ports: tuple[OpenPort, ...]
    remarks: tuple[str, ...] = ()
    stratum: tuple[OpenPort, ...] = ()
    mined: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Opened:
        """What another process said."""
        logins = tuple(Login(**{**login, "scopes": tuple(login["scopes"])}) for login in content["logins"])
        from upsim.pools import OpenPort

        ports, doors = (tuple(OpenPort(**port) for port in content[name]) for name in ("pool_ports", "stratum"))
        remarks, mined = tuple(content["remarks"]), content["mined"]
        return cls(content["url"], content["authority"], content["admin_token"], logins, ports, remarks, doors, mined)


class Server:
    """A running universe: the store, the pools and the app; without a socket until `listen`.

    Attributes:
        app: the WSGI application.
        logins: the fixture's keys that open the default world, without those that have a fixed outcome.
        authority: once it listens with TLS of its own, the certificate that clients have to trust.
    """

    def __init__(
        self,
        config: Config,
        wall: Clock | None = None,
        test_pool: PoolTester | None = None,
        *,
        fresh: bool = False,
    ) -> None:
        """Open everything.

        Args:
            wall: what it takes for the wall clock, if not the machine's.
            test_pool: what tries pools, if not the simulated network.
            fresh: this process was just started, for this server: see prepared.py.

        Raises:
            ConfigError: a setting cannot be used.
        """
        if config.sandbox:  # nobody may hold many threads for long, and there are more of them
            config = replace(config, pool_timeout=min(config.pool_timeout, 2.0), threads=max(config.threads, 32))
        self.config = config
        start = prepared.start(config.store, config.fixture, _summands, fresh=fresh)
        beginning, self._store = start.beginning, start.store
        self._outside: Outside | None = None
        self._pools: Pools | None = None
        self._lock = threading.Lock()
        try:
            self._wall = wall or SystemClock()
            tester = test_pool or self._test_pool
            self.universe = Universe(self._store, tester, self._wall, config.fixture, config.seed)
            self._visits: Sandbox | None = None
            if config.sandbox:
                # Here and not above: this and all that is imported within functions, most processes never need.
                from upsim.dashboard.sandbox import Sandbox, nowhere_real

                self.universe = replace(self.universe, test_pool=nowhere_real(tester))
                self._visits = Sandbox(self.universe, config.sandbox_worlds, config.sandbox_minutes)
            open_default(self.universe, beginning, config.seed, prepared=start.prepared)
            start.keep()
            self.admin_token = config.admin_token or (new_token() if needs_token(config) else None)
            if config.limits_storage:
                from upsim.api.counting import Outside

                self._outside = Outside(config.limits_storage)
            self.readiness = Readiness(self._store, self._outside)
            self._metrics = _metrics() if config.metrics else None
            self.app: Flask = self._new_app()
            observers = [] if self._metrics is None else [self._metrics.note]
            gate = api.install(self.app, self.universe, config, self._outside, observers)
            # Who is to see each call before the gate does, does not see those that are answered at once.
            self._at_once = None if config.sandbox or config.access_log else gate.at_once
            dashboard.install(self.app)
            mount(self.app, control.PREFIX, self._control_plane)
            # What comes last sees each call first, and all that leaves.
            if self._visits is not None:
                self._visits.install(self.app)
            if config.access_log:
                access.install(self.app, self._wall)
        except BaseException:
            self._release()
            raise
        self.logins = () if config.sandbox else self._logins(beginning)
        self._remarks = beginning.remarks
        self.pool_ports: list[OpenPort] = []
        self.stratum: StratumDoor | None = None
        self.authority: Path | None = None
        self._tls: ServerTls | None = None
        self._door: Door | None = None
        self._thread: threading.Thread | None = None
        self._leaving: threading.Thread | None = None
        self._closed = threading.Event()

    def _new_app(self) -> Flask:
        app = create_app()
        if self._metrics is not None:
            self._metrics.install(app)
        return app

    def _control_plane(self) -> Flask:
        from upsim.control.app import install
        from upsim.control.call import Controls
        from upsim.look import look
        from upsim.pools import behaviour_summaries
        from upsim.rules.faults import MAX_LATENCY_MS

        app = self._new_app()
        controls = Controls(
            self.admin_token,
            behaviour_summaries,
            look=partial(look, self.app),
            logins=self._known_keys,
            visits=self._visits,
            max_latency_ms=self._visits.max_latency_ms if self._visits else MAX_LATENCY_MS,
            stratum=lambda: self.stratum,
            address_of=partial(_address_of, self.config.trusted_proxy),
            lacking=self.readiness.lacking,
            metrics=self._metrics,
        )
        install(app, self.universe, controls)
        if self._visits is not None:
            self._visits.explain(app)
        return app

    def _test_pool(self, world: World, target: PoolTarget) -> PoolTest:
        return self._open_pools().test(world, target)

    def _open_pools(self) -> Pools:
        from upsim.pools import Pools

        with self._lock:
            if self._pools is None:
                self._pools = Pools(self.config, self._store, self._wall)
            return self._pools

    def listen(self, taken: socket.socket | None = None) -> str:
        """Take the port and say the URL; nothing is answered before `run`.

        Args:
            taken: a bound socket to use instead, shared with other processes.

        Raises:
            ConfigError: the address or port cannot be had, or the door that was chosen.
        """
        alone = taken is None
        taken = taken or bound(self.config.host, self.config.port)
        try:
            self._tls = tls_of(self.config, self.universe.wall)
            self._door = open_door(self.config, self.app, taken, self._may_be_large, self._tls, self._at_once)
        except BaseException:
            taken.close()
            raise
        self.authority = None if self._tls is None else self._tls.authority
        if alone and not self.config.stratum:
            self._let_go_of_miners()
        self.open_ports()
        return url_of(taken, "http" if self._tls is None else "https")

    def _may_be_large(self, path: str, fields: Mapping[str, str]) -> bool:
        """Whether a request's body may be large: a world that is loaded, by whoever may load one."""
        if path != control.WORLDS:
            return False
        if self.admin_token is None:
            return True
        from upsim.control.guard import is_token

        return is_token(fields.get("AUTHORIZATION", ""), fields.get("X_UPSIM_TOKEN"), self.admin_token)

    def open_ports(self) -> None:
        """Open the ports that were asked for besides that of the API.

        Raises:
            ConfigError: one cannot be had.
        """
        if self.config.pool_ports:
            self.pool_ports = self._open_pools().open_ports(DEFAULT, self.config.seed)
        if self._metrics is not None and self.pool_ports:
            # Told by the process that holds the ports, which may not be the one that is asked.
            counting = threading.Thread(target=self._count_sessions, name="upsim-sessions", daemon=True)
            counting.start()
        if self.config.stratum:
            from upsim.proxy.opening import open_stratum  # a good part of a start, where it is not needed

            self._let_go_of_miners()
            self.stratum = open_stratum(self.config, self.universe)

    def _let_go_of_miners(self) -> None:
        """Note that nobody is connected who was when an earlier process ended."""
        if self.config.store != MEMORY:  # there was none
            from upsim.rules.presence import put_all_offline

            put_all_offline(self.universe)

    def opened(self, url: str) -> Opened:
        """What a user needs to know of it, once it answers there."""
        authority = None if self.authority is None else str(self.authority)
        stratum: tuple[OpenPort, ...] = ()
        if self.stratum is not None:
            from upsim.pools import OpenPort

            stratum = tuple(OpenPort(door.algorithm, door.address, door.port) for door in self.stratum.openings)
        ports, mined = tuple(self.pool_ports), self._mined()
        return Opened(url, authority, self.admin_token, self.logins, ports, self._remarks, stratum, mined)

    def run(self) -> None:
        """Answer requests until interrupted; then those under way are finished."""
        assert self._door is not None, "listen first"  # noqa: S101 - a promise of this class to itself
        self._door.run()

    def heed_sigterm(self) -> None:
        """Leave when told so by SIGTERM; at once, when told a second time. From the main thread only."""

        def leave(*_: object) -> None:
            if self._leaving is not None:
                raise KeyboardInterrupt
            self.leave()

        signal.signal(signal.SIGTERM, leave)

    def leave(self) -> None:
        """Begin to stop: say so to who asks for readiness, go on as long as was set, finish, and let `run` return."""
        self.readiness.draining.set()
        assert self._door is not None, "listen first"  # noqa: S101 - a promise of this class to itself
        self._door.wind_down()
        self._leaving = threading.Thread(target=self._leave, name="upsim-leaving", daemon=True)
        self._leaving.start()

    def _leave(self) -> None:
        self._closed.wait(self.config.drain)
        if self._door is not None:
            self._door.close()

    def start(self) -> None:
        """Answer requests in a thread of its own, until `close`."""
        self._thread = threading.Thread(target=self.run, name="upsim-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop everything; what was acknowledged is kept."""
        self._closed.set()
        if self._door is not None:
            self._door.close()
        for thread in (self._thread, self._leaving):
            if thread is not None:
                thread.join()
        if self._tls is not None:
            self._tls.close()
        if self.stratum is not None:
            self.stratum.close()  # while the store is there: it has things to write down
        if self._pools is not None:
            self._pools.close()
        self._release()

    def _count_sessions(self) -> None:
        while not self._closed.wait(1.0):
            assert self._metrics is not None  # noqa: S101 - it is what this thread is for
            self._metrics.note_sessions(self._open_pools().sessions())

    def _release(self) -> None:
        if self._outside is not None:
            self._outside.close()
        self._store.close()

    def _known_keys(self) -> list[dict[str, Any]]:
        return [
            {"account": login.account, "tier": login.tier, "key": login.key, "scopes": list(login.scopes)}
            for login in self.logins
        ]

    def _logins(self, beginning: Fixture) -> tuple[Login, ...]:
        accounts = {account.id: account for account in self._store.list_accounts(DEFAULT)}
        keys = {key.digest: key for key in self._store.list_keys(DEFAULT) if key.revoked_at is None}
        return tuple(
            Login(
                accounts[key.account_id].name,
                accounts[key.account_id].tier,
                secret,
                tuple(sorted(key.scopes)),
            )
            for secret in beginning.secrets
            if (key := keys.get(digest_of(secret))) is not None and not is_magic(key)
        )

    def _mined(self) -> str | None:
        first = self.logins[0].account if self.logins else None
        account = next((one for one in self._store.list_accounts(DEFAULT) if one.name == first), None)
        return None if account is None else next(iter(self._store.list_algorithms(DEFAULT, account.id)), None)


def collect_from_now_on() -> None:
    """Let garbage be looked for, but never again among what there is by now: it stays until the end."""
    gc.freeze()
    gc.enable()


def _metrics() -> Metrics:
    """What counts calls.

    Raises:
        ConfigError: what counts is not installed.
    """
    from upsim.web.metrics import Metrics

    try:
        return Metrics()
    except ImportError as error:
        raise ConfigError(
            f"metrics: their library is not installed ({error}). Try: pip install 'upsim[metrics]'."
        ) from error


def _address_of(trusted: Sequence[str], request: Request) -> str:
    return client_address(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), trusted)


def _summands(worker: Worker) -> Iterable[Summand]:
    from upsim.rules.devices import summands  # with the maths it needs, which most starts do not

    return summands(worker)


def needs_token(config: Config) -> bool:
    """Whether not everybody who reaches the server may drive it."""
    return config.sandbox or not is_loopback(config.host)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
