"""Where a pool test may connect, and one connection with a deadline. Synchronous sockets, one thread each.

Names are resolved at most once, the resolved address is judged, and exactly that address is connected to. Nothing here
waits past the deadline, not even for the resolver, or keeps more than one line and one read in memory.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from typing import Final, TypeAlias

from upsim.stratum.wire import LineBuffer, NotStratum
from upsim.tls.certificates import unverified_context

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"),
    )
)
"""Where clouds hand out credentials: AWS and most others, ECS, Alibaba, Azure, Oracle, AWS over IPv6."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_THIS_NETWORK: Final = ipaddress.IPv4Network("0.0.0.0/8")
_RESOLVERS: Final = threading.BoundedSemaphore(16)
"""Look-ups under way: one that outlives its deadline cannot be stopped, only counted."""


class CannotConnect(Exception):
    """The connection did not come about; the message is a sentence for people."""


class Hangup(Exception):
    """The other side closed. `silent` where it had not said a word."""

    def __init__(self, silent: bool) -> None:
        super().__init__("closed")
        self.silent = silent


class OutOfTime(Exception):
    """The deadline passed while waiting."""


class NoTls(Exception):
    """The TLS handshake failed; the message says how."""


def loopback(host: str) -> list[str]:
    """The loopback addresses a host means, without asking a resolver; empty where it means none."""
    if host.lower().rstrip(".") == "localhost":
        return ["127.0.0.1", "::1"]
    try:
        address = unwrap(ipaddress.ip_address(host))
    except ValueError:
        return []
    return [str(address)] if address.is_loopback else []


def unwrap(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does: mapped, NAT64, 6to4."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.sixtofour is not None:
            return address.sixtofour
    return address


def why_not(text: str) -> str:
    """Why an address may never be connected to; empty where it may.

    Private networks are allowed: somebody's proxy may well stand there.
    """
    address = unwrap(ipaddress.ip_address(text))
    if address in _METADATA:
        return "a cloud metadata address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or address in _THIS_NETWORK:
        return "an unspecified address"
    if address == ipaddress.IPv4Address("255.255.255.255"):
        return "a broadcast address"
    if address.is_reserved and not address.is_loopback:
        return "a reserved address"
    return ""


def resolve(host: str, port: int, deadline: float) -> list[str]:
    """Look a name up once, not waiting past the deadline.

    Raises:
        CannotConnect: if there is no such name, or no answer in time.
    """
    if not _RESOLVERS.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise CannotConnect(f"the look-up of {host} had to wait too long: the resolver does not answer")
    found: list[str] = []
    done = threading.Event()

    def look_up() -> None:
        try:
            for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                if str(entry[4][0]) not in found:
                    found.append(str(entry[4][0]))
        except (OSError, ValueError):
            # No such name, or none that could be one: too long, with a zero byte.
            found.clear()
        finally:
            _RESOLVERS.release()
            done.set()

    threading.Thread(target=look_up, name="upsim-resolve", daemon=True).start()
    if not done.wait(max(0.0, deadline - time.monotonic())):
        raise CannotConnect(f"the look-up of {host} took too long: the resolver does not answer")
    if not found:
        raise CannotConnect(f"there is no host called {host}: check the name")
    return found


def permitted(host: str, addresses: list[str]) -> list[str]:
    """Addresses that may be connected to.

    Raises:
        CannotConnect: if any of them may not; a name that mixes them is up to no good.
    """
    for address in addresses:
        if reason := why_not(address):
            shown = host if host == address else f"{host} ({address})"
            raise CannotConnect(f"{shown} is {reason}: connecting to it is never allowed")
    return addresses


def connect(address: str, port: int, deadline: float, prepared: socket.socket | None = None) -> socket.socket:
    """Connect to one address.

    Args:
        address: an IP address; names never come this far.
        port: of it.
        deadline: of time.monotonic().
        prepared: a socket to use, where the caller needs it bound beforehand.

    Raises:
        CannotConnect: if it is refused, or nothing answers in time.
        Hangup: if it was accepted, and reset at once.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = prepared or socket.socket(family, socket.SOCK_STREAM)
    try:
        raw.settimeout(max(0.001, deadline - time.monotonic()))
        raw.connect((address, port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except TimeoutError:
        raw.close()
        raise CannotConnect("no answer in time: the host is down, or a firewall drops the connection") from None
    except ConnectionRefusedError:
        raw.close()
        raise CannotConnect("connection refused: nothing listens on this port") from None
    except ConnectionResetError:
        raw.close()
        raise Hangup(silent=True) from None
    except OSError as problem:
        raw.close()
        raise CannotConnect(f"cannot connect: {problem.strerror or problem}") from None
    return raw


def secure(raw: socket.socket, host: str, deadline: float) -> ssl.SSLSocket:
    """Shake hands for TLS; the certificate is not verified, as miners do not.

    Raises:
        NoTls: if the other side does not speak it.
        OutOfTime: if it says nothing.
    """
    raw.settimeout(max(0.001, deadline - time.monotonic()))
    try:
        raw.getpeername()  # of a connection that was reset by now, wrap_socket makes a socket that it never closes
        return unverified_context().wrap_socket(raw, server_hostname=None if _is_address(host) else host)
    except TimeoutError:
        raw.close()
        raise OutOfTime from None
    except ssl.SSLEOFError:
        raw.close()
        raise NoTls("the other side hung up") from None
    except ssl.SSLError as problem:
        raw.close()
        raise NoTls((problem.reason or "it was not understood").lower().replace("_", " ")) from None
    except OSError:
        raw.close()
        raise NoTls("the other side hung up") from None
    except ValueError:
        raw.close()
        raise NoTls("the host is no name that TLS could ask for") from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Link:
    """A connection read by lines, under one deadline."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self._deadline = deadline
        self._buffer = LineBuffer()
        self._lines: list[bytes] = []
        self.heard = False

    def send(self, data: bytes) -> None:
        """Write, not waiting past the deadline.

        Raises:
            Hangup, OutOfTime.
        """
        try:
            self._socket.settimeout(self._left(self._deadline))
            self._socket.sendall(data)
        except TimeoutError:
            raise OutOfTime from None
        except OSError:
            # What it said before it hung up may still be there to read.
            return

    def line(self, until: float | None = None) -> bytes:
        """The next line.

        Args:
            until: an earlier end to the waiting than the deadline.

        Raises:
            Hangup, OutOfTime, LineTooLong, NotStratum: the last for bytes before a hang-up that never became a line.
        """
        end = self._deadline if until is None else min(until, self._deadline)
        while not self._lines:
            try:
                self._socket.settimeout(self._left(end))
                data = self._socket.recv(65_536)
            except TimeoutError:
                if self._buffer.pending and not self._buffer.pending.lstrip().startswith(b"{"):
                    raise NotStratum(self._buffer.pending) from None
                raise OutOfTime from None
            except OSError:
                data = b""
            if not data:
                if self._buffer.pending:
                    raise NotStratum(self._buffer.pending)
                raise Hangup(silent=not self.heard)
            self.heard = True
            self._lines = self._buffer.feed(data)
        return self._lines.pop(0)

    def at_hand(self) -> list[bytes]:
        """Lines that came already; nothing is waited for."""
        lines, self._lines = self._lines, []
        return lines

    def _left(self, end: float) -> float:
        left = end - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left

    def close(self) -> None:
        """Hang up politely."""
        self._socket.close()
