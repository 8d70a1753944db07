"""Who may call: key, then address, then rate limit, in this order, before anything else of a request is looked at."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from upsim.clock import Instant
from upsim.errors import AddressRefused, InvalidKey, MissingKey
from upsim.ids import digest_of
from upsim.model import Caller
from upsim.store.base import Store

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def key_of(environ: Mapping[str, Any]) -> str:
    """The key a request carries, by its WSGI environment. X-API-Key wins over a Bearer token (assumed).

    Raises:
        MissingKey: it carries none.
    """
    key: str | None = environ.get("HTTP_X_API_KEY")
    if key is None:
        scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        key = credentials if scheme.lower() == "bearer" else ""
    key = key.strip()
    if not key:
        raise MissingKey
    return key


def find_caller(store: Store, key: str) -> Caller:
    """Whose key it is, or was.

    Raises:
        InvalidKey: nobody's.
    """
    caller = store.find_caller(digest_of(key))
    if caller is None:
        raise InvalidKey
    return caller


def check_open(caller: Caller, now: Instant) -> None:
    """Check that the key still opens something.

    Raises:
        InvalidKey: it was revoked, or has expired.
    """
    if caller.key.revoked_at is not None:
        raise InvalidKey("revoked")
    if caller.key.expires_at is not None and caller.key.expires_at <= now:
        raise InvalidKey("expired")


def check_address(caller: Caller, address: str) -> None:
    """Check that the key may be used from this address.

    Raises:
        AddressRefused: it may not.
    """
    networks = caller.key.networks
    if networks and not within(address, networks):
        raise AddressRefused(address)


def client_address(remote: str, forwarded: str, trusted: Sequence[str]) -> str:
    """The address a request comes from.

    Args:
        remote: who opened the connection.
        forwarded: X-Forwarded-For, all such fields in order and with commas between.
        trusted: the reverse proxies that were named in the configuration. Only what they say is believed: the list is
            read from its end, and the first address that is no such proxy is the client.
    """
    address = remote
    hops = [hop.strip() for hop in forwarded.split(",")] if trusted else []
    while hops and within(address, trusted):
        hop = hops.pop()
        if _address(hop) is None:
            break
        address = hop
    return address


def within(address: str, networks: Sequence[str]) -> bool:
    """Whether the address is in one of the networks; an IPv4 address written as IPv6 counts as IPv4."""
    parsed = _address(address)
    return parsed is not None and any(parsed in _network(network) for network in networks)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=1024)
def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)
