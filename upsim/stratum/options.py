"""What people write on the command line of the Stratum commands, read: hashrates and addresses. Prints nothing."""

from __future__ import annotations

from typing import Any, Final

import click

SCALES: Final = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18}


class Hashrate(click.ParamType[float]):
    """A hashrate with or without a scale."""

    name = "hashrate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read 100, 2.5k or 110T."""
        text = str(value).strip().lower().removesuffix("h/s").removesuffix("sol/s").strip()
        scale = text[-1:] if text[-1:].isalpha() else ""
        try:
            hashrate = float(text.removesuffix(scale)) * SCALES[scale]
        except (KeyError, ValueError):
            self.fail(f"{value!r} is no hashrate: write a number and k, M, G, T, P or E, such as 110T", param, ctx)
        if not 0 < hashrate < 1e30:
            self.fail("a hashrate must be positive", param, ctx)
        return hashrate


class Address(click.ParamType[tuple[str, int, bool]]):
    """Where a pool is: host, port, and whether TLS was asked for."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int, bool]:
        """Read host:port, [address]:port or a stratum URL; the last item is whether the URL asks for TLS."""
        if isinstance(value, tuple):
            return value
        scheme, _, rest = str(value).rpartition("://")
        tls = scheme.lower() in ("stratum+ssl", "stratum+tls", "stratums", "ssl", "tls")
        host, _, port = rest.rstrip("/").rpartition(":")
        if not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
            self.fail(f"{value!r} is no address of a pool: write HOST:PORT, with a port from 1 to 65535", param, ctx)
        return host.strip("[]"), int(port), tls


def scaled(hashrate: float, unit: str) -> str:
    """A hashrate as people read it: 110.00 TH/s."""
    for scale in ("E", "P", "T", "G", "M", "k"):
        if hashrate >= SCALES[scale.lower()]:
            return f"{hashrate / SCALES[scale.lower()]:.2f} {scale}{unit}"
    return f"{hashrate:.2f} {unit}"
