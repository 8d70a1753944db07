"""Several processes behind one port, for `--processes`: one that watches, those that answer, one that holds the pools.

The one that watches binds the port, once for each that answers, and forks them; it opens no store and starts no thread,
so that it can fork at any time: each of the others begins with nothing but its socket, the settings and a pipe.
Simulated pools that listen on ports of their own are held by one process, since such a port is bound once.

One that ends unasked is said so and replaced; one that ends before it ever answered ends them all. When the one that
watches is told to stop, so are the others, which finish the requests under way; if it is killed, they notice and stop.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

from upsim.config import Config
from upsim.doors import bound_often, url_of
from upsim.errors import ConfigError
from upsim.ids import new_token
from upsim.serve import Opened, Server, collect_from_now_on, needs_token
from upsim.web.metrics import FOLDER, forget

log = logging.getLogger(__name__)

_BACKLOG: Final = 1024

_LOOK_S: Final = 0.1
"""How often those that wait look around: a signal that came just before a wait without end would not end it."""

_POOLS: Final = -1
"""The place of the process that holds the pools."""


def serve_together(config: Config, tell: Callable[[Opened], None]) -> None:
    """Run so many processes on one port, until told to stop; calls `tell` once all of them can answer.

    Raises:
        ConfigError: a setting cannot be used.
    """
    if config.store.partition(":")[0] in ("memory", "mongomock"):
        raise ConfigError(
            f"processes={config.processes}: each would have a store {config.store} of its own."
            " Give them one they share: --store sqlite:PATH or mongodb://HOST/DATABASE."
        )
    if config.speaks_tls and config.tls_cert is None:
        raise ConfigError(
            f"processes={config.processes}: each would have a throw-away authority of its own."
            " Give them a certificate: --tls-cert and --tls-key."
        )
    if not hasattr(os, "fork"):
        raise ConfigError(f"processes={config.processes}: this system cannot share a port among processes so.")
    if config.admin_token is None and needs_token(config):
        config = replace(config, admin_token=new_token())  # one for all
    sockets = bound_often(config.host, config.port, config.processes)
    # Whoever connects is kept waiting, not refused, while a process is replaced.
    for taken in sockets:
        taken.listen(_BACKLOG)
    crew = _Crew(config, sockets)
    try:
        tell(crew.start())
        crew.watch()
    except KeyboardInterrupt:
        pass
    finally:
        crew.stop()
        for taken in sockets:
            taken.close()


class _Crew:
    """The processes that were forked."""

    def __init__(self, config: Config, sockets: Sequence[socket.socket]) -> None:
        self._config = config
        self._sockets = sockets
        self._places: dict[int, int] = {}  # whose socket is which; that of _POOLS is none
        self._lifeline = os.pipe()
        self._numbers: str | None = None  # a folder, in which processes that count add up

    def start(self) -> Opened:
        """Fork them all; what there is to know once all answer."""
        if self._config.metrics and FOLDER not in os.environ:
            os.environ[FOLDER] = self._numbers = tempfile.mkdtemp(prefix="upsim-metrics-")
        # One after the other: the first opens the store and makes the world that the others find.
        opened, *_ = [self._fork(place) for place in range(len(self._sockets))]
        if self._config.pool_ports or self._config.stratum:
            held = self._fork(_POOLS)
            opened = replace(opened, pool_ports=held.pool_ports, stratum=held.stratum)
            # Should they have to be opened again, it is on the same ports.
            same = tuple((port.algorithm, port.port) for port in opened.pool_ports)
            doors = tuple((port.algorithm, port.port) for port in opened.stratum)
            self._config = replace(self._config, pool_ports=same, stratum=doors)
        return opened

    def watch(self) -> None:
        """Replace who ends, for good."""
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                time.sleep(_LOOK_S)
                continue
            place = self._places.pop(pid, None)
            if place is None:
                continue
            if self._config.metrics:
                forget(pid)
            log.warning("process %d ended unasked (%s): another takes its place", pid, _reason(status))
            self._fork(place)

    def stop(self) -> None:
        """Tell all to stop, and wait until they have."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # told once is enough
        for pid in self._places:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for pid in self._places:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._places.clear()
        if self._numbers is not None:
            shutil.rmtree(self._numbers, ignore_errors=True)

    def _fork(self, place: int) -> Opened:
        """Fork one, and wait until it answers.

        Raises:
            ConfigError: it cannot.
        """
        listen, say = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(listen)
            os.close(self._lifeline[1])
            _live(self._config, self._sockets, place, say, self._lifeline[0])
        self._places[pid] = place
        os.close(say)
        with open(listen, "rb") as pipe:
            said = pipe.read()
        if not said:
            self._places.pop(pid)
            _, status = os.waitpid(pid, 0)
            raise ConfigError(f"processes: process {pid} ended before it could answer ({_reason(status)}).")
        content = json.loads(said)
        if "refusal" in content:
            raise ConfigError(content["refusal"])
        return Opened.from_json(content)


def _live(config: Config, sockets: Sequence[socket.socket], place: int, say: int, lifeline: int) -> NoReturn:
    """The whole life of a forked process; never returns into what it was forked from."""
    code = 1
    try:
        threading.Thread(target=_stop_with, args=(lifeline,), name="upsim-lifeline", daemon=True).start()
        url = url_of(sockets[0])
        mine = None if place == _POOLS else sockets[place]
        for taken in sockets:
            if taken is not mine:
                taken.close()
        _serve(config, mine, url, say)
        code = 0
    except KeyboardInterrupt:
        code = 0
    except Exception:
        log.exception("a process of upsim ended")
    finally:
        atexit._run_exitfuncs()  # what this process made, it removes: there is no public name for that
        sys.stderr.flush()
        os._exit(code)


def _serve(config: Config, taken: socket.socket | None, url: str, say: int) -> None:
    """Answer on a socket, or hold the pools."""
    try:
        server = Server(config if taken is None else replace(config, pool_ports=(), stratum=()))
    except ConfigError as error:
        _say(say, {"refusal": str(error)})
        return
    try:
        if taken is None:
            server.open_ports()
        else:
            url = server.listen(taken)
        collect_from_now_on()
        _say(say, server.opened(url).to_json())
        if taken is None:
            while True:
                time.sleep(_LOOK_S)
        else:
            server.heed_sigterm()
            server.run()
    except ConfigError as error:
        _say(say, {"refusal": str(error)})
    finally:
        server.close()


def _say(pipe: int, content: dict[str, Any]) -> None:
    with open(pipe, "w") as stream:
        json.dump(content, stream)


def _stop_with(lifeline: int) -> None:
    """Stop this process once the one that watches is gone: it alone holds the pipe's other end, and never writes."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _reason(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"signal {-code}"
