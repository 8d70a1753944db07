"""The composition root: opens the store, builds the app, starts and stops the server.

Threads: waitress accepts in the thread that calls `run` (or in one of its own, by `start`) and answers in `threads`
workers; the simulated pools, once one is tested, have one asyncio loop in a thread of their own. What they share is the
store, which guards itself.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Request

from upsim import fixture
from upsim.api import app as api
from upsim.api.admission import client_address
from upsim.api.counting import Outside
from upsim.clock import Clock, SystemClock
from upsim.config import Config
from upsim.control import app as control
from upsim.control.call import Controls
from upsim.dashboard import app as dashboard
from upsim.dashboard.sandbox import Sandbox, nowhere_real
from upsim.documents import write_atomically
from upsim.errors import ConfigError
from upsim.ids import digest_of, new_token
from upsim.look import look
from upsim.pools import OpenPort, Pools, behaviour_summaries
from upsim.rules.faults import MAX_LATENCY_MS
from upsim.rules.fleets import summands
from upsim.rules.magic import is_magic
from upsim.rules.worlds import DEFAULT, open_default
from upsim.store.factory import open_store
from upsim.web.app import create_app
from upsim.world import PoolTester, Universe

if TYPE_CHECKING:
    from upsim.tls.serving import ServerTls


@dataclass(frozen=True, slots=True)
class Login:
    """An account of the default world, and a key to it that is known."""

    account: str
    tier: str
    key: str
    scopes: tuple[str, ...]


class Server:
    """A running universe: the store, the pools and the app; without a socket until `listen`.

    Attributes:
        app: the WSGI application.
        logins: the fixture's keys that open the default world, without those that have a fixed outcome.
        authority: once it listens with TLS of its own, the certificate that clients have to trust.
    """

    def __init__(self, config: Config, wall: Clock | None = None, test_pool: PoolTester | None = None) -> None:
        """Open everything.

        Args:
            wall: what it takes for the wall clock, if not the machine's.
            test_pool: what tries pools, if not the simulated network.

        Raises:
            ConfigError: a setting cannot be used.
        """
        if config.sandbox:  # nobody may hold many threads for long, and there are more of them
            config = replace(config, pool_timeout=min(config.pool_timeout, 2.0), threads=max(config.threads, 32))
        self.config = config
        beginning = fixture.load(config.fixture)
        self._store = open_store(config.store, summands)
        self._outside: Outside | None = None
        try:
            wall = wall or SystemClock()
            self._pools = Pools(config, self._store, wall)
            tester = test_pool or self._pools.test
            self.universe = Universe(
                self._store, nowhere_real(tester) if config.sandbox else tester, wall, config.fixture, config.seed
            )
            open_default(self.universe, beginning, config.seed)
            trusted = is_loopback(config.host) and not config.sandbox
            self.admin_token = config.admin_token or (None if trusted else new_token())
            self.app: Flask = create_app(wall if config.access_log else None)
            visits = None
            if config.sandbox:
                visits = Sandbox(self.universe, config.sandbox_worlds, config.sandbox_minutes)
                visits.install(self.app)  # before the API: it sees each call first
            if config.limits_storage:
                self._outside = Outside(config.limits_storage)
            api.install(self.app, self.universe, config, self._outside)
            controls = Controls(
                self.admin_token,
                behaviour_summaries,
                look=partial(look, self.app),
                logins=self._known_keys,
                visits=visits,
                max_latency_ms=visits.max_latency_ms if visits else MAX_LATENCY_MS,
                address_of=partial(_address_of, config.trusted_proxy),
            )
            control.install(self.app, self.universe, controls)
            dashboard.install(self.app)
        except BaseException:
            self._release()
            raise
        self.logins = () if config.sandbox else self._logins(beginning)
        self.pool_ports: list[OpenPort] = []
        self.authority: Path | None = None
        self._tls: ServerTls | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def listen(self) -> str:
        """Take the port and say the URL; nothing is answered before `run`.

        Raises:
            ConfigError: the address or port cannot be had.
        """
        from waitress.server import create_server

        from upsim.web.door import Channel

        config = self.config
        try:
            taken = _bound(config.host, config.port)
        except OSError as error:
            raise ConfigError(
                f"port: cannot listen on {config.host}:{config.port}: {error.strerror or error}."
                " Choose another with --port, or 0 for a free one."
            ) from error
        # "Task queue depth is 3" is no news to anybody.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        try:
            self._tls = _tls_of(config, self.universe.wall)
        except ConfigError:
            taken.close()
            raise
        scheme = "http" if self._tls is None else "https"
        self._server = create_server(
            self.app,
            sockets=[taken],
            url_scheme=scheme,
            threads=config.threads,
            ident="upsim",
            clear_untrusted_proxy_headers=False,  # admission decides whom to believe
            max_request_body_size=64 << 20,
            channel_timeout=60,
            connection_limit=500,  # many tests may share a server, each with connections it keeps
            asyncore_use_poll=True,  # select() would end at descriptor 1023
            log_socket_errors=False,  # clients that went away, and faults that drop connections
        )
        self._server.channel_class = Channel
        if self._tls is not None:
            self.authority = self._tls.authority
            self._server.accept = self._tls.accepting(self._server.accept)
            self._server.adj.socket_options = []  # they are TCP's; what it is given now is another kind of socket
        self.pool_ports = self._pools.open_ports(DEFAULT, config.seed)
        host, port = taken.getsockname()[:2]
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def run(self) -> None:
        """Answer requests until interrupted; then those under way are finished."""
        self._server.run()

    def start(self) -> None:
        """Answer requests in a thread of its own, until `close`."""
        self._thread = threading.Thread(target=self.run, name="upsim-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop everything; what was acknowledged is kept."""
        if self._server is not None:
            self._server.task_dispatcher.shutdown(timeout=10)
            if self._thread is None:
                self._server.close()
            else:  # sockets are closed by the thread that waits for them, which ends when none is left
                self._server.trigger.pull_trigger(self._hang_up)
                self._thread.join()
        if self._tls is not None:
            self._tls.close()
        self._pools.close()
        self._release()

    def _release(self) -> None:
        if self._outside is not None:
            self._outside.close()
        self._store.close()

    def _hang_up(self) -> None:
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()

    def _known_keys(self) -> list[dict[str, Any]]:
        return [
            {"account": login.account, "tier": login.tier, "key": login.key, "scopes": list(login.scopes)}
            for login in self.logins
        ]

    def _logins(self, beginning: fixture.Fixture) -> tuple[Login, ...]:
        accounts = {account.id: account for account in self._store.list_accounts(DEFAULT)}
        keys = {key.digest: key for key in self._store.list_keys(DEFAULT) if key.revoked_at is None}
        return tuple(
            Login(accounts[key.account_id].name, accounts[key.account_id].tier, secret, tuple(sorted(key.scopes)))
            for secret in beginning.secrets
            if (key := keys.get(digest_of(secret))) is not None and not is_magic(key)
        )


def serve(config: Config, announce: Callable[[Server, str], None]) -> None:
    """Run the server until it is told to stop; calls `announce` with its URL once it can answer.

    Raises:
        ConfigError: a setting cannot be used.
    """
    _set_up_logs()
    server = Server(config)
    try:
        url = server.listen()
        if config.ready_file is not None:
            _write_ready_file(server, url)
        announce(server, url)
        server.run()
    finally:
        server.close()


def _address_of(trusted: Sequence[str], request: Request) -> str:
    return client_address(request.remote_addr or "", request.headers.getlist("X-Forwarded-For"), trusted)


def _write_ready_file(server: Server, url: str) -> None:
    path = server.config.ready_file
    assert path is not None  # noqa: S101 - asked for by the caller
    content = {
        "url": url,
        "ca": None if server.authority is None else str(server.authority),
        "pid": os.getpid(),
        "admin_token": server.admin_token,
        "accounts": [
            {"name": login.account, "tier": login.tier, "key": login.key, "scopes": login.scopes}
            for login in server.logins
        ],
        "pools": [{"algorithm": port.algorithm, "url": port.url} for port in server.pool_ports],
    }
    try:
        write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"ready-file: cannot write {path}: {error.strerror or error}.") from error


def _tls_of(config: Config, wall: Clock) -> ServerTls | None:
    if not (config.tls or config.tls_cert or config.tls_key):
        return None
    # Here and not above: a server without TLS needs none of it.
    from upsim.intercept.hosts import SERVICE
    from upsim.tls.serving import ServerTls

    if config.tls_cert is None and config.tls_key is None:
        own = [config.host] if config.host and not _is_any(config.host) else []
        machine = socket.gethostname()
        names = dict.fromkeys(
            [*own, "localhost", "127.0.0.1", "::1", *([machine] if machine.isascii() else []), SERVICE]
        )
        return ServerTls.with_throw_away_authority([*names], wall.now())
    if config.tls_cert is None or config.tls_key is None:
        raise ConfigError("tls-cert, tls-key: give both: neither a certificate nor a key is of use alone.")
    try:
        return ServerTls.with_certificate(config.tls_cert, config.tls_key)
    except OSError as error:
        problem = error.strerror if error.filename is None and error.strerror else str(error)
        raise ConfigError(
            f"tls-cert, tls-key: {config.tls_cert} and {config.tls_key} cannot be used: {problem}."
        ) from error


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    taken = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except OSError:
        taken.close()
        raise
    return taken


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _set_up_logs() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="upsim: %(message)s")
