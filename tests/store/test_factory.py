"""From a URL to a store: each kind opens, mistakes are told in one line, and drivers are imported when asked for."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import mongodb_like_server
from tests.store.things import VIP, WORLD, content, key, oid, record
from upsim.errors import ConfigError, StoreUnavailable
from upsim.model import WorldRecord
from upsim.store.base import Store
from upsim.store.factory import open_store


def test_a_store_knows_its_url(store: Store, store_url: str) -> None:
    assert store.url == store_url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is not a store: use one of memory:, sqlite:PATH"),
        ("postgres://localhost/x", "is not a store"),
        ("memory:x", "takes nothing after the colon"),
        ("mongomock://x", "is not a store|takes nothing after the colon"),
        ("sqlite:", "needs the path of a file"),
        ("mongodb://", "MongoDB URL cannot be used"),
        ("mongodb://localhost", "needs the name of a database, as in mongodb://localhost:27017/upsim"),
        ("mongodb://localhost:27017/?w=1", "needs the name of a database"),
        ("mongodb://localhost:port/x", "MongoDB URL cannot be used"),
        ("mongodb://localhost/x?serverSelectionTimeoutMS=soon", "MongoDB URL cannot be used"),
        ("mongodb://a:b:c@localhost/x", "MongoDB URL cannot be used"),
    ],
)
def test_a_url_that_is_wrong_says_what_is_wrong(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        open_store(url)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("This is no database. " * 100)
    for path in (tmp_path, tmp_path / "no such folder" / "x.db", tmp_path / "text.db"):
        with pytest.raises(ConfigError, match="SQLite file"):
            open_store(f"sqlite:{path}")


def test_a_server_that_does_not_answer_says_so_without_the_password(tmp_path: Path) -> None:
    with mongodb_like_server(tmp_path) as (_, port):
        pass
    with pytest.raises(ConfigError, match="MongoDB server cannot be used") as refused:
        open_store(f"mongodb://me:hush@127.0.0.1:{port}/x?serverSelectionTimeoutMS=50&authMechanism=PLAIN")
    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)


def found_again(store: Store) -> WorldRecord | None:
    """The world, as soon as the store looks for its server again."""
    for _ in range(1000):
        try:
            return store.get_world(WORLD)
        except StoreUnavailable:
            time.sleep(0.02)
    raise AssertionError("the store did not find its server again")


@pytest.mark.mongodb
def test_a_server_that_is_lost_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with mongodb_like_server(tmp_path, data=str(data)) as (url, port):
        store = open_store(f"{url}/x?serverSelectionTimeoutMS=100")
        store.create_world(record(), content())
    for call in (
        lambda: store.get_world(WORLD),
        lambda: store.find_caller(key().digest),
        lambda: store.count_hit(WORLD, VIP, 1),
        lambda: store.set_default_profile(WORLD, VIP, oid(201)),
    ):
        with pytest.raises(StoreUnavailable, match="does not answer"):
            call()
    with mongodb_like_server(tmp_path, data=str(data), port=port):
        assert found_again(store) == record()
        assert store.set_default_profile(WORLD, VIP, oid(201)).is_default
    store.close()


@pytest.mark.parametrize(
    ("url", "unwanted"), [("memory:", "pymongo mongomock"), ("mongomock:", "pymongo.mongo_client")]
)
def test_a_driver_is_imported_only_where_it_is_asked_for(url: str, unwanted: str) -> None:
    program = (
        "import sys\n"
        "from upsim.store.factory import open_store\n"
        f"open_store({url!r}).close()\n"
        f"print([name for name in {unwanted!r}.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
