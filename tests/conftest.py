"""What tests of several rooms share: a store of each kind, and the MongoDB server behind one of them."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from upsim.store.base import Store
from upsim.store.factory import open_store

STORE_KINDS = ("memory", "sqlite", "mongomock", pytest.param("mongodb", marks=pytest.mark.mongodb))
"""Every engine there is: a test of a store passes on each."""

UrlFor = Callable[[str], str]
"""From a kind of store to the URL of a new and empty one."""


@contextmanager
def mongodb_like_server(home: Path, *, port: int = 0, data: str = "memory") -> Iterator[tuple[str, int]]:
    """Start the wire-compatible server, its files in `home`, and kill it afterwards; gives its URL and its port.

    Args:
        port: 0 is a free one.
        data: the folder of its databases, or "memory" for none.
    """
    start = "from nx_27017.nx_27017 import main; main()"
    # It says where it listens, so no port is guessed and nothing is waited for.
    files = ["--log-file", str(home / "log"), "--pid-file", str(home / "pid"), "--data-dir", data]
    options = ["--port", str(port), *files]
    process = subprocess.Popen(
        [sys.executable, "-c", start, *options], cwd=home, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"Listening on 127\.0\.0\.1:(\d+)", line):
            break
    else:
        raise RuntimeError(f"the MongoDB-like server did not start: {''.join(said)}")
    # What it says later is read and dropped: a full pipe would stop it.
    drain = threading.Thread(target=process.stderr.read)
    drain.start()
    try:
        yield f"mongodb://127.0.0.1:{found[1]}", int(found[1])
    finally:
        process.kill()
        process.wait()
        drain.join()
        process.stderr.close()
        # Killed, it leaves its process id behind, for which the next one in this folder would not start.
        (home / "pid").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def mongodb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MongoDB server's URL without a database: that of UPSIM_TEST_MONGODB_URI, or of one started for this process."""
    given = os.environ.get("UPSIM_TEST_MONGODB_URI")
    if given:
        yield given
    else:
        with mongodb_like_server(tmp_path_factory.mktemp("mongodb")) as (url, _):
            yield url


@pytest.fixture
def url_for(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UrlFor]:
    """Ask for the URL of a new store of a kind: memory, sqlite, mongomock or mongodb. What it leaves is removed."""
    databases: list[str] = []

    def new_url(kind: str) -> str:
        name = f"upsim_{secrets.token_hex(6)}"
        if kind == "sqlite":
            return f"sqlite:{tmp_path / name}.db"
        if kind != "mongodb":
            return f"{kind}:"
        server = str(request.getfixturevalue("mongodb_server"))
        address, _, options = server.partition("?")
        # A database in the given URL is the one to log in to; ours stands in its place, and says so.
        scheme, _, rest = address.partition("://")
        host, _, log_in = rest.partition("/")
        options = "&".join(filter(None, (options, f"authSource={log_in}" if log_in else "")))
        databases.append(name)
        return f"{scheme}://{host}/{name}" + (f"?{options}" if options else "")

    yield new_url
    if databases:
        from pymongo import MongoClient

        with MongoClient[dict[str, object]](str(request.getfixturevalue("mongodb_server"))) as client:
            for name in databases:
                client.drop_database(name)


@pytest.fixture(params=STORE_KINDS)
def store_url(request: pytest.FixtureRequest, url_for: UrlFor) -> str:
    """The URL of a new store, of each kind in turn."""
    return url_for(str(request.param))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A new store, of each kind in turn."""
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def stores(store: Store) -> Iterator[tuple[Store, Store]]:
    """Two ways into one store: opened twice, as by two processes, where it outlives a process; else the same one."""
    if store.url.endswith(":"):
        yield store, store
    else:
        second = open_store(store.url)
        yield store, second
        second.close()
