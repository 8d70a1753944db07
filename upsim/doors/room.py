"""How many connections a process has room for."""

from __future__ import annotations

from typing import Final

_OTHERS: Final = 256
"""How many descriptors are left for files, pools and the store."""


def most_connections(wanted: int) -> int:
    """As many connections as wanted, or as the system has descriptors for; it is asked to give this process more."""
    try:
        import resource
    except ImportError:  # on Windows, where there is no such bound
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    needed = wanted + _OTHERS
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(16, min(wanted, soft - _OTHERS))
