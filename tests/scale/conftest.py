"""Servers that several processes share: a Redis, and the cables to it and to MongoDB that a test can cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import UrlFor
from tests.scale.cable import Cable, Upstream
from tests.scale.redis_server import redis_server

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


@pytest.fixture
def mongodb_by_cable(url_for: UrlFor, cable_to: CableTo) -> tuple[str, Cable]:
    """The URL of a new database that is reached by a cable, and the cable."""
    parts = urlsplit(url_for("mongodb"))
    cable = cable_to((parts.hostname or "", parts.port or 27017))
    query = "&".join(
        filter(None, (parts.query, "serverSelectionTimeoutMS=300&socketTimeoutMS=500&connectTimeoutMS=300"))
    )
    log_in = parts.netloc.rpartition("@")[0]
    netloc = f"{log_in}@127.0.0.1:{cable.port}" if log_in else f"127.0.0.1:{cable.port}"
    return parts._replace(netloc=netloc, query=query).geturl(), cable


@pytest.fixture
def redis_by_cable(redis_door: Path, cable_to: CableTo) -> tuple[str, Cable]:
    """The URL of a Redis that is reached by a cable, and the cable."""
    cable = cable_to(redis_door)
    return f"redis://127.0.0.1:{cable.port}?socket_timeout=0.3&socket_connect_timeout=0.3", cable
