"""Servers that several processes share: a Redis, and the cables to it and to MongoDB that a test can cut."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import UrlFor
from tests.scale.cable import Cable, Upstream
from tests.scale.redis_server import redis_server
from tests.scale.replica_set import replica_set

LOSS_S = float(os.environ.get("UPSIM_TEST_LOSS_SECONDS", "0.5"))
"""How long what a server depends on is lost under load. From 5 s on, the timeouts are those of every installation."""

CableTo = Callable[[Upstream], Cable]


@pytest.fixture(scope="session")
def redis_door() -> Iterator[Path]:
    """The Unix socket of a Redis server."""
    with redis_server() as door:
        yield door


@pytest.fixture
def cable_to() -> Iterator[CableTo]:
    """Lay a cable to a server."""
    laid = []

    def lay(upstream: Upstream) -> Cable:
        laid.append(Cable(upstream))
        return laid[-1]

    yield lay
    for cable in laid:
        cable.close()


Arguments = tuple[str, ...]


@pytest.fixture(params=["sqlite", pytest.param("mongodb and redis", marks=pytest.mark.mongodb)])
def shared(request: pytest.FixtureRequest, url_for: UrlFor) -> Arguments:
    """What makes processes one: one file, or a MongoDB for the store and a Redis for the limits."""
    if request.param == "sqlite":
        return "--store", url_for("sqlite")
    door: Path = request.getfixturevalue("redis_door")
    return "--store", url_for("mongodb"), "--limits-storage", f"redis+unix://{door}"


@pytest.fixture(scope="session")
def replica_set_port() -> Iterator[int]:
    """The port of a replica set of one."""
    with replica_set() as port:
        yield port


@pytest.fixture
def mongodb_by_cable(url_for: UrlFor, cable_to: CableTo) -> tuple[str, Cable]:
    """The URL of a new database that is reached by a cable, and the cable."""
    parts = urlsplit(url_for("mongodb"))
    cable = cable_to((parts.hostname or "", parts.port or 27017))
    # A replica set would say where it is, and the driver would go round the cable.
    options = [part for part in parts.query.split("&") if part and not part.lower().startswith("replicaset=")]
    query = "&".join([*options, "directConnection=true", *_IMPATIENT])
    log_in = parts.netloc.rpartition("@")[0]
    netloc = f"{log_in}@127.0.0.1:{cable.port}" if log_in else f"127.0.0.1:{cable.port}"
    return parts._replace(netloc=netloc, query=query).geturl(), cable


_IMPATIENT: Sequence[str] = (
    () if LOSS_S >= 5 else ("serverSelectionTimeoutMS=1000", "socketTimeoutMS=2000", "connectTimeoutMS=1000")
)
"""As a URL may say it: tests do not wait as long as users may have to."""


@pytest.fixture
def mongodb_limits_by_cable(replica_set_port: int, cable_to: CableTo) -> tuple[str, Cable]:
    """The URL of a MongoDB that counts requests, and the cable by which it is reached."""
    cable = cable_to(("127.0.0.1", replica_set_port))
    options = "&".join(["directConnection=true", *_IMPATIENT])
    return f"mongodb://127.0.0.1:{cable.port}/limits_{secrets.token_hex(6)}?{options}", cable


@pytest.fixture
def redis_by_cable(redis_door: Path, cable_to: CableTo) -> tuple[str, Cable]:
    """The URL of a Redis that is reached by a cable, and the cable."""
    cable = cable_to(redis_door)
    impatient = "" if LOSS_S >= 5 else "?socket_timeout=1&socket_connect_timeout=1"
    return f"redis://127.0.0.1:{cable.port}{impatient}", cable
