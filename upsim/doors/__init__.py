"""The doors: servers that take requests from a listening socket to a WSGI app. One behaves like another.

Each is a module of its own, imported when it is the one that was chosen. They know HTTP and threads; no world, no rule.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from upsim.config import Config
from upsim.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from upsim.doors.bounds import MayBeLarge
    from upsim.tls.serving import ServerTls


AtOnce = Callable[["WSGIEnvironment", "StartResponse"], Iterable[bytes] | None]


class Door(Protocol):
    """A server on a socket."""

    def run(self) -> None:
        """Answer until `close`, or until this thread is interrupted: then the requests under way are finished."""

    def wind_down(self) -> None:
        """From now on each answer ends its connection: clients that keep theirs go elsewhere. From any thread."""

    def close(self) -> None:
        """Take no more connections, finish the requests under way, ten seconds at most, and let go of all.

        From any thread. A second time does nothing.
        """


def bound(host: str, port: int) -> socket.socket:
    """A socket on the address and port, which does not listen yet.

    Raises:
        ConfigError: it cannot be had.
    """
    taken = None
    try:
        # What is ASCII already need not go through the tables of international names, whose import takes 1 ms.
        name = host.encode() if host.isascii() else host
        family, kind, protocol, _, address = socket.getaddrinfo(
            name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.socket(family, kind, protocol)
        if os.name == "posix":  # elsewhere it would let two servers share a port
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except (OSError, UnicodeError) as error:
        if taken is not None:
            taken.close()
        why = getattr(error, "strerror", None) or error
        if isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(
                f"host: cannot listen on {host}: {why}. It has to be an address of this machine: 127.0.0.1 is for"
                " itself alone, 0.0.0.0 for everybody."
            ) from error
        raise ConfigError(
            f"port: cannot listen on {host}:{port}: {why}. Choose another with --port; 0 takes a free one."
        ) from error
    return taken


def bound_often(host: str, port: int, count: int) -> list[socket.socket]:
    """So many sockets on one address and port, for processes of one server: each connection goes to one, by chance.

    Of processes that wait at one and the same socket, whichever is first takes all that come at once, and keeps them.
    Where the system does not deal connections out so, they are nevertheless the same one.

    Raises:
        ConfigError: it cannot be had.
    """
    first = bound(host, port)  # before it is shared: one that others have is not to be had
    if not sys.platform.startswith("linux"):
        return [first] * count
    several = [first]
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    for _ in range(count - 1):
        taken = socket.socket(first.family, first.type, first.proto)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            taken.setsockopt(socket.SOL_SOCKET, option, 1)
        taken.bind(first.getsockname())
        several.append(taken)
    return several


def url_of(taken: socket.socket, scheme: str = "http") -> str:
    """How clients call what listens there."""
    host, port = taken.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def open_door(
    config: Config,
    app: WSGIApplication,
    taken: socket.socket,
    may_be_large: MayBeLarge,
    tls: ServerTls | None = None,
    at_once: AtOnce | None = None,
) -> Door:
    """The door that was chosen, on a bound socket, of which it disposes; nothing is answered before `run`.

    Args:
        may_be_large: which requests may have a body that is kept on disk while it comes.
        tls: what ends TLS before it; the caller's to close.
        at_once: answers requests without a body that can be answered without waiting, or says None; the app then goes
            on with the same environment. Not every door asks it.

    Raises:
        ConfigError: it is not installed.
    """
    # Each is imported only where it is the one: waitress takes 5 ms to import, granian 20.
    if config.server == "waitress":
        from upsim.doors.waitress import WaitressDoor

        return WaitressDoor(app, taken, config.threads, may_be_large, tls)
    try:
        from upsim.doors.granian import GranianDoor
    except ImportError as error:
        raise ConfigError(f"server=granian: it is not installed ({error}). Try: pip install 'upsim[fast]'.") from error
    return GranianDoor(app, taken, config.threads, may_be_large, tls, at_once)
