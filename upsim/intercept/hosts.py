"""Which hosts are led to the simulator, which are let through, and what is said of all the others."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

SERVICE: Final = "api.ultimate-proxy.com"
"""The host that the vendor's own client has built in. Source: its code; contract/openapi.yaml, `servers`."""

_PATTERN: Final = re.compile(r"(\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
"""A name, `*.` and the rest of one, `*`, or an address in brackets; and a port."""


class Fate(Enum):
    """What becomes of a connection."""

    SIMULATED = "simulated"
    PASSED = "passed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Hosts:
    """Host names by what becomes of connections to them. A name that is intercepted is never let through.

    Attributes:
        intercepted: names, or `*.` and the rest of one: one label stands for the star, as in a certificate.
        passed: the same, or `*` for all; `:PORT` behind one means that port alone. A star stands for any labels.
    """

    intercepted: tuple[str, ...]
    passed: tuple[str, ...]

    @classmethod
    def of(cls, intercepted: Iterable[str] = (), passed: Iterable[str] = ()) -> Hosts:
        """The service's own host and these.

        Raises:
            ValueError: one is no host name; the text says which, and what one looks like.
        """
        names = dict.fromkeys([SERVICE, *(_checked(name, "host") for name in intercepted)])
        for name in names:
            if name == "*" or ":" in name:  # no certificate could be for all, or for a port
                raise ValueError(f"host: {name!r} is no host name: write one as api.example.com or *.example.com")
        return cls(tuple(names), tuple(dict.fromkeys(_checked(name, "pass-through") for name in passed)))

    def fate(self, host: str, port: int) -> Fate:
        """What becomes of a connection to a host."""
        name = host.lower().rstrip(".")
        if any(_covers(pattern, name) for pattern in self.intercepted):
            return Fate.SIMULATED
        if is_loopback(name):  # servers of the program's own
            return Fate.PASSED
        for pattern in self.passed:
            found = _PATTERN.fullmatch(pattern)
            if found is None or found[2] not in (None, str(port)):
                continue
            wanted = found[1].strip("[]")
            if wanted in ("*", name) or (wanted.startswith("*.") and name.endswith(wanted[1:])):
                return Fate.PASSED
        return Fate.REFUSED


def refusal(host: str, port: int) -> str:
    """What is said to who calls anybody else. One line; it is the reason phrase of an answer too."""
    name = re.sub(r"[^\x21-\x7e]", "?", host)[:100]
    name = f"[{name}]" if ":" in name else name
    return (
        f"upsim refuses {name}:{port} so that no test reaches a real service by mistake;"
        f" allow it with --pass-through {name}"
    )


def spelt(host: str, port: int) -> str:
    """Host and port as URLs have them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, whatever a resolver says."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(host.strip("[]"))
        return found.is_loopback or found.is_unspecified  # a connection to 0.0.0.0 stays here too
    except ValueError:
        return False


def _covers(pattern: str, name: str) -> bool:
    if pattern.startswith("*."):
        label, _, rest = name.partition(".")
        return bool(label) and rest == pattern[2:]
    return name == pattern


def _checked(text: str, field: str) -> str:
    name = text.strip().lower().rstrip(".")
    if not _PATTERN.fullmatch(name) or ".." in name:
        raise ValueError(
            f"{field}: {text!r} is no host name: write it as api.example.com or *.example.com"
            + (
                ", or with a port, as db.example.com:5432"
                if field == "pass-through"
                else ", without scheme, port or path"
            )
        )
    return name
