"""How many connections a process has descriptors for, so that neither the API nor the pools can take all there are."""

from __future__ import annotations

from typing import Final

_MOST: Final = 1 << 16
"""How many descriptors the system is asked for, where it gives so many."""

_OTHERS: Final = 128
"""How many are left for files, the store and connections that go out."""


def connections(wanted: int, each: int = 1) -> int:
    """As many connections as wanted, or as are half of what there is.

    Args:
        each: how many descriptors a connection takes.
    """
    try:
        import resource
    except ImportError:  # on Windows, where there is no such bound
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(_MOST, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        except (OSError, ValueError):
            pass  # some systems name a bound that they do not grant
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(16, min(wanted, (soft - _OTHERS) // 2 // each))
