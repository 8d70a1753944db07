"""What `memory:` begins with, kept as a database: to make it anew takes as long as all else that is ours of a start.

It follows from a fixture's text and from the code that reads that and writes down what is read. So it is kept beside
the byte code, as Python keeps its own, under a name that follows from both, letter by letter: whoever changes either
meets another name, and what is made anew. Where it cannot be written, as in an installation that is read-only or one
file, only time is lost.

It is the code on disk that the name follows from, so only a process that was just started asks for it: one that runs
for longer may have loaded other code than is there by now. For the same reason nothing is kept while anything changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from upsim import fixture
from upsim.clock import SECOND, Instant, SystemClock
from upsim.documents import write_atomically
from upsim.fixture import Fixture
from upsim.records import dataclass
from upsim.store.base import Store
from upsim.store.factory import MEMORY, open_memory, open_store
from upsim.store.sums import Summing

if TYPE_CHECKING:
    from upsim.store.sqlite import SQLiteStore

_FOLDERS: Final = ("fleet", "store", "store/sqlite")
_FILES: Final = (
    "__init__", "algorithms", "clock", "documents", "errors", "fixture", "fixture_reader", "ids", "model", "prepared",
    "records", "rules/__init__", "rules/devices",
)  # fmt: skip

_MOST_BYTES: Final = 4 << 20
"""How large a database is kept at most: the demo's has an eighth of that."""

_QUIET_S: Final = 10
"""For how long no file may have changed: longer than a process takes from its first import until it keeps something."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a server starts with.

    Attributes:
        prepared: the store holds the default world as it begins, but for its record.
        keep: to be called once it does, and nothing else yet.
    """

    beginning: Fixture
    store: Store
    prepared: bool
    keep: Callable[[], None]


def start(url: str, name: str, summing: Summing, *, fresh: bool) -> Start:
    """Read a fixture and open a store; see open_store.

    Args:
        fresh: this process was just started, for this.

    Raises:
        ConfigError: either cannot be had.
    """
    place = _place_of(name) if fresh and url == MEMORY else None
    known = None if place is None else _find(place, name, summing)
    if known is not None:
        return known
    beginning = fixture.load(name)
    if place is None:
        return Start(beginning, open_store(url, summing), False, lambda: None)
    store = open_memory(summing)
    return Start(beginning, store, False, partial(_keep, place, beginning, store))


def sources() -> Iterator[str]:
    """The files of code that a world's beginning follows from.

    Raises:
        OSError: they are not there as files.
    """
    root = str(files("upsim"))
    for folder in _FOLDERS:
        yield from (
            f"{root}/{folder}/{name}" for name in sorted(os.listdir(f"{root}/{folder}")) if name.endswith(".py")
        )
    for name in _FILES:
        yield f"{root}/{name}.py"


def _place_of(name: str) -> Path | None:
    """Where the database of a fixture's world is kept; None where it is not: of fixtures that are not upsim's own."""
    folder = files("upsim_fixtures")
    # Some builds of SQLite cannot hand out a database.
    if not fixture.is_own(name) or not isinstance(folder, Path) or not hasattr(sqlite3.Connection, "serialize"):
        return None
    digest = hashlib.blake2b(digest_size=12)
    try:
        for part in (*fixture.texts(name), *map(_read, sources())):
            digest.update(b"%d:" % len(part))
            digest.update(part)
    except OSError:
        return None
    return folder / "__pycache__" / f"{name}.{digest.hexdigest()}.db"


def _read(file: str) -> bytes:
    with open(file, "rb", buffering=0) as opened:
        return opened.read()


def _is_quiet() -> bool:
    """Whether no code has changed lately, by the times that files have whatever is told of them."""
    changed = (os.stat(source) for source in sources())
    return max(max(one.st_mtime, one.st_ctime) for one in changed) < SystemClock().now() / SECOND - _QUIET_S


def _find(place: Path, name: str, summing: Summing) -> Start | None:
    try:
        head, _, image = place.read_bytes().partition(b"\n")
        told = json.loads(head)
        if len(image) != told["bytes"]:
            return None
        store = open_memory(summing, image)
    except (OSError, ValueError):
        return None
    beginning = Fixture(
        name,
        told["description"],
        told["digest"],
        tuple(told["secrets"]),
        None if told["clock"] is None else Instant(told["clock"]),
        tuple(told["remarks"]),
        lambda: fixture.load(name).content,
    )
    return Start(beginning, store, True, lambda: None)


def _keep(place: Path, beginning: Fixture, store: SQLiteStore) -> None:
    """Keep what is in the store, in place of what other code or another text left there."""
    if beginning.content.tracks or _place_of(beginning.name) != place or not _is_quiet():
        return  # it follows from more texts than its own; or not for sure from the code that is there
    image = store.image(_MOST_BYTES)
    if image is None:
        return
    head = {
        "bytes": len(image),
        "description": beginning.description,
        "digest": beginning.digest,
        "secrets": beginning.secrets,
        "clock": beginning.clock,
        "remarks": beginning.remarks,
    }
    with suppress(OSError):
        place.parent.mkdir(exist_ok=True)
        write_atomically(place, json.dumps(head).encode() + b"\n" + image)
        for other in place.parent.glob(f"{beginning.name}.*.db"):
            if other != place:
                other.unlink()
