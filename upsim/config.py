"""Every setting, once: flag, environment variable and the table in the README follow from these fields."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, field, fields
from pathlib import Path
from typing import Any, Final

from upsim.algorithms import ALGORITHMS
from upsim.errors import ConfigError
from upsim.records import dataclass

ENV_PREFIX: Final = "UPSIM_"
TEST_PREFIX: Final = "UPSIM_TEST_"
"""What begins so is for the test suite, and none of the server's business."""

CLIENT_VARIABLES: Final = ("UPSIM_TOKEN", "UPSIM_URL", "UPSIM_WORLD")
"""What `upsim world` and the other commands that drive a server look at: known here, so that `serve` lets them be."""


def _setting(default: Any, metavar: str, parse: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"metavar": metavar, "parse": parse, "meaning": meaning})


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _token(text: str) -> str:
    if not _text(text).isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("must be printable ASCII, with no space around it, since it is sent in a field of a header")
    return text


def _path(text: str) -> Path:
    return Path(_text(text))


def _number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,19}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", text) or not 0 < float(text) <= 3600:
        raise ValueError("must be a number of seconds above 0, at most 3600")
    return float(text)


def _patience(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", text) or float(text) > 3600:
        raise ValueError("must be a number of seconds from 0 to 3600")
    return float(text)


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError("must be on or off")
    return text.lower() == "on"


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def _networks(text: str) -> tuple[str, ...]:
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    for network in wanted:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise ValueError(f"{network!r} is neither an address nor a network such as 10.0.0.0/8") from error
    return wanted


def _pool_ports(text: str) -> tuple[tuple[str, int], ...]:
    opened = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        algorithm, equals, port = part.partition("=")
        if algorithm not in ALGORITHMS:
            raise ValueError(f"{algorithm!r} is no algorithm; there are {', '.join(ALGORITHMS)}")
        if not equals:
            raise ValueError(f"{part!r} names no port: write {part}=PORT, where 0 takes a free one")
        opened.append((algorithm, _number(0, 65535)(port)))
    return tuple(opened)


@dataclass(frozen=True, slots=True)
class Config:
    """What `upsim serve` was told."""

    host: str = _setting("127.0.0.1", "ADDRESS", _text, "Address to listen on.")
    port: int = _setting(8080, "PORT", _number(0, 65535), "Port to listen on; 0 takes a free one.")
    store: str = _setting(
        "memory:", "URL", _text, "Where everything is kept: memory:, sqlite:PATH, mongomock:, mongodb://HOST/DATABASE."
    )
    fixture: str = _setting(
        "demo", "NAME|PATH", _text, "What a new world holds: demo, empty, bad-day and others, or your own file."
    )
    seed: int = _setting(1, "N", _number(0, 2**63 - 1), "What chance follows from: the same seed, the same hashrates.")
    server: str = _setting(
        "waitress",
        "waitress|granian",
        _choice("waitress", "granian"),
        "What speaks HTTP: waitress; granian is faster, and comes with pip install 'upsim[fast]'.",
    )
    processes: int = _setting(
        1, "N", _number(1, 64), "Processes that answer, on one port; more than one share a store: sqlite: or mongodb:."
    )
    ready_file: Path | None = _setting(
        None, "PATH", _path, "Write URL, process id and keys there, as JSON, once it answers."
    )
    rate_limit: bool = _setting(True, "on|off", _switch, "off: requests are counted and reported, but never refused.")
    limits_storage: str | None = _setting(
        None,
        "URL",
        _text,
        "Where requests are counted, if not in the store: a storage of the limits library such as redis://HOST:6379.",
    )
    pool_network: str = _setting(
        "simulated",
        "simulated|real",
        _choice("simulated", "real"),
        "simulated: no pool test leaves this machine; real: pools are connected wherever they are.",
    )
    pool_timeout: float = _setting(5.0, "SECONDS", _seconds, "How long a pool test may take.")
    pool_ports: tuple[tuple[str, int], ...] = _setting(
        (), "ALGORITHM=PORT,…", _pool_ports, "Open these ports for simulated pools that miners can connect to."
    )
    stratum: tuple[tuple[str, int], ...] = _setting(
        (),
        "ALGORITHM=PORT,…",
        _pool_ports,
        "Open the proxy's own door on these ports: a miner that logs in as ACCOUNT.WORKER is a worker of the API.",
    )
    trusted_proxy: tuple[str, ...] = _setting(
        (),
        "NETWORK,…",
        _networks,
        "Reverse proxies whose X-Forwarded-For is believed: addresses or networks.",
    )
    admin_token: str | None = _setting(
        None, "TOKEN", _token, "What the control plane asks for; beyond loopback one is made where none is given."
    )
    tls: bool = _setting(
        False,
        "on|off",
        _switch,
        "on: speak HTTPS alone, with a throw-away authority that banner and ready file name.",
    )
    tls_cert: Path | None = _setting(
        None, "PATH", _path, "Speak HTTPS alone, with this certificate, and those behind it in its file. PEM."
    )
    tls_key: Path | None = _setting(None, "PATH", _path, "The private key of tls-cert. PEM, without a pass phrase.")
    sandbox: bool = _setting(
        False,
        "on|off",
        _switch,
        "on: a public demonstration. Every visitor gets a private world for a while, and no other world is open.",
    )
    sandbox_worlds: int = _setting(200, "N", _number(1, 100_000), "Visitors' worlds a public sandbox has at one time.")
    sandbox_minutes: int = _setting(120, "N", _number(1, 44_640), "How long a visitor's world lives, in minutes.")
    threads: int = _setting(8, "N", _number(1, 256), "Requests answered at the same time.")
    drain: float = _setting(
        0.0,
        "SECONDS",
        _patience,
        "How long to go on answering once told to stop, while /_upsim/ready says no, so that load balancers notice.",
    )
    metrics: bool = _setting(
        False, "on|off", _switch, "on: metrics for Prometheus at /_upsim/metrics; needs pip install 'upsim[metrics]'."
    )
    access_log: bool = _setting(False, "on|off", _switch, "on: one line a call on standard error.")

    @property
    def speaks_tls(self) -> bool:
        """Whether it speaks HTTPS, and no HTTP."""
        return bool(self.tls or self.tls_cert or self.tls_key)


def settings() -> tuple[Field[Any], ...]:
    """The settings, in the order in which help shows them."""
    return fields(Config)


def flag(setting: Field[Any]) -> str:
    """The setting's command line flag."""
    return "--" + setting.name.replace("_", "-")


def variable(setting: Field[Any]) -> str:
    """The setting's environment variable."""
    return ENV_PREFIX + setting.name.upper()


def configure(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Config:
    """Settings from flags (by field name), else the environment, else their defaults.

    Raises:
        ConfigError: a value cannot be used, or a variable UPSIM_… is none of ours.
    """
    known = {variable(setting) for setting in settings()}
    for name in sorted(environ):
        ours = name.startswith(ENV_PREFIX) and not name.startswith(TEST_PREFIX)
        if ours and name not in known and name not in CLIENT_VARIABLES:
            raise ConfigError(f"{name}: no such setting; there are {', '.join(sorted(known))}.")
    values: dict[str, Any] = {}
    for setting in settings():
        for source, text in (
            (flag(setting), flags.get(setting.name)),
            (variable(setting), environ.get(variable(setting))),
        ):
            if text is not None:
                try:
                    values[setting.name] = setting.metadata["parse"](text)
                except ValueError as error:
                    raise ConfigError(f"{source}={text}: {error}.") from error
                break
    if values.get("sandbox") and values.get("pool_network") == "real":
        raise ConfigError("pool-network=real: a public sandbox connects nowhere: nobody reaches out through it.")
    return Config(**values)


def spoken(setting: Field[Any]) -> str:
    """The setting's default, as a person would give it."""
    default = setting.default
    if isinstance(default, bool):
        return "on" if default else "off"
    if default is None or default == ():
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)
