"""Where requests are counted: in the store, or in a storage of the limits library that several machines share.

A storage outside is held to what the store promises: it answers within a bound or the call is refused with the reason,
and it is asked again by itself once it is back. Nothing is remembered here.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from upsim.errors import ConfigError, CountingUnavailable
from upsim.reach import Away, Reach

TIMEOUT_S: Final = 2.0
"""How long to wait for a connection to the storage, and for each of its answers."""


class Outside:
    """A storage of the limits library by its URL: counts, or says clearly that it cannot."""

    def __init__(self, url: str) -> None:
        """Open it and see that it answers.

        Raises:
            ConfigError: the URL is wrong, its driver is missing, or nobody answers there.
        """
        from limits.storage import storage_from_string

        shown = _shown(url)
        try:
            self._storage: Any = storage_from_string(url, **_options(url))
            self._lost: Any = self._storage.base_exceptions
        except ImportError as error:
            raise ConfigError(
                f"limits-storage: the library for {shown} is not installed ({error}). Try: pip install 'upsim[redis]'."
            ) from error
        except Exception as error:
            raise ConfigError(f"limits-storage: {_wrong(url, error)}.") from error
        self._reach = Reach()
        try:
            self.get("upsim")
        except CountingUnavailable as error:
            self.close()
            why = re.sub(r"^Error \S+ connecting to \S+ |\[Errno \S+\] ", "", error.detail)
            raise ConfigError(
                f"limits-storage: nobody counts at {shown}: {why}. Start it first, or leave limits-storage out: then"
                " the store counts."
            ) from error

    def incr(self, key: str, expiry: int, amount: int) -> int:
        """Count and answer the count.

        Raises:
            CountingUnavailable: the storage does not answer.
        """
        return int(self._ask("incr", key, expiry, amount))

    def get(self, key: str) -> int:
        """The count.

        Raises:
            CountingUnavailable: the storage does not answer.
        """
        return int(self._ask("get", key))

    def close(self) -> None:
        """Close the sockets."""
        client: Any = getattr(self._storage, "storage", None)  # that of memory is none
        if hasattr(client, "close"):
            client.close()

    def _ask(self, what: str, *given: Any) -> Any:
        try:
            self._reach.check()
        except Away as away:
            raise CountingUnavailable(str(away)) from away
        try:
            answer = getattr(self._storage, what)(*given)
        except (self._lost, OSError) as error:
            how = str(error).partition(", Timeout:")[0].partition(" (configured")[0].rstrip(".")
            self._reach.lost(how)
            raise CountingUnavailable(how) from error
        except BaseException:
            self._reach.found()
            raise
        self._reach.found()
        return answer


def _options(url: str) -> dict[str, Any]:
    """What bounds the waiting, by the kind of storage; what the URL says itself goes before it."""
    parts = urlsplit(url)
    kind = parts.scheme
    if kind.startswith(("redis", "valkey")):
        options: dict[str, Any] = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
        if kind in ("redis", "rediss", "redis+unix"):
            options["retry"] = _once_more()
        return options
    if kind.startswith("mongodb"):
        milliseconds = int(TIMEOUT_S * 1000)
        chosen = dict.fromkeys(("serverSelectionTimeoutMS", "connectTimeoutMS", "socketTimeoutMS"), milliseconds)
        named = parts.query.lower()
        options = {name: value for name, value in chosen.items() if name.lower() not in named}
        database = parts.path.strip("/")
        return options | ({"database_name": database} if database else {})
    return {}


def _once_more() -> Any:
    """Try again once, at once: a connection kept from before the server's restart is found broken when it is used."""
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as Broken
    from redis.retry import Retry

    return Retry(NoBackoff(), 1, supported_errors=(Broken,))


def _wrong(url: str, error: Exception) -> str:
    """Why a URL cannot be used, and what can. What a driver says of it may repeat the password in it."""
    shown, reason = _shown(url), str(error).rstrip(".")
    write = "write redis://[NAME:PASSWORD@]HOST[:PORT], rediss:// for the same by TLS, or another of the limits library"
    if "unknown storage scheme" in reason:
        return f"{shown} is not a storage: {write}"
    if missing := re.match(r"'(\w+)' prerequisite not available", reason):
        return f"the library for {shown} is not installed ({missing[1]})"
    return f"cannot use {shown}: {reason.replace(url, shown)}; {write}"


def _shown(url: str) -> str:
    """The URL without its password."""
    scheme, _, rest = url.partition("://")
    if not rest:
        return url
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    return f"{scheme}://{where}{parts.path}"
