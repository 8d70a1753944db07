"""What ends TLS for a door that speaks none, as the settings want it."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from upsim.clock import Clock
from upsim.config import Config
from upsim.errors import ConfigError

if TYPE_CHECKING:
    from upsim.tls.serving import ServerTls


def tls_of(config: Config, wall: Clock) -> ServerTls | None:
    """The TLS of a server; None where it speaks none.

    Raises:
        ConfigError: the certificate cannot be used.
    """
    if not config.speaks_tls:
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
    except ValueError as error:
        raise ConfigError(f"tls-cert, tls-key: {error}.") from error


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
