"""The connection of the MongoDB store, once it is open. Knows collections, not contents.

Promises that a driver's failure to reach its server leaves as StoreUnavailable. mongomock is not safe for threads, so
there each step runs behind one lock, which makes each atomic too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from upsim.errors import StoreUnavailable
from upsim.reach import Away, Reach

if TYPE_CHECKING:
    from pymongo import MongoClient, UpdateOne, WriteConcern
    from pymongo.collection import Collection

Doc = dict[str, Any]
"""A document as the driver takes and gives it."""

INDEXES_TIMEOUT_S = 600
"""How long the first start on a database that is full already may take to make the indexes."""

BATCH = 1_000
"""How many names or documents go over the wire at once."""

DUPLICATE = 11000
"""MongoDB's code for a value that a unique index has already."""

_NO_ROOM = frozenset({10334, 17419, 14031})
"""Codes of an answer that says the document, or the disk, has no room left."""

# What lists are sorted by and looked up by; a document's own _id needs no index.
_INDEXES: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("worlds", ("parent",), False),
    ("digests", ("life",), False),
    ("accounts", ("content", "name"), True),
    ("holdings", ("content",), False),
    ("workers", ("content", "account_id", "created_at", "id"), False),
    ("workers", ("content", "account_id", "algorithm", "created_at", "id"), False),
    ("workers", ("content", "profile_id"), False),
    ("workers", ("content", "account_id", "track"), False),
    ("tracks", ("content",), False),
    ("workers", ("content", "model", "account_id", "algorithm", "updated_at"), False),
    ("measured", ("content",), False),
    ("sums", ("content",), False),
    ("journal", ("content", "seq"), False),
    ("hits", ("content",), False),
    ("numbers", ("content",), False),
    ("journal_ends", ("content",), False),
)


_Item = TypeVar("_Item")


class Link:
    """An open database: its collections, and the errors its driver raises."""

    def __init__(
        self,
        client: MongoClient[Doc],
        database: str,
        *,
        lock: AbstractContextManager[object],
        duplicate: type[Exception],
        bulk: type[Exception],
        lost: tuple[type[Exception], ...],
        unconfirmed: tuple[type[Exception], ...],
        refused: tuple[type[Exception], ...],
        light: WriteConcern | None,
        update_one: type[UpdateOne] | None,
    ) -> None:
        """Keep a client whose settings are final.

        Args:
            lock: held during each step; it must bear being entered again by its holder.
            duplicate, bulk: raised where a unique value is there already, for one document and for many.
            lost: raised where the server was not reached, or ceased to answer.
            unconfirmed: raised where it answers, but not that all is done.
            refused: raised where the server refused; some of these mean that it has no room.
            light: how counters are written.
            update_one: one update among many that go over the wire together; None where the lock makes a step atomic.
        """
        self._client = client
        self._lock = lock
        self.lost = lost
        self._unconfirmed = unconfirmed
        self._reach = Reach()
        self._refused = refused
        self._bulk = bulk
        self._light = light
        self.duplicate = duplicate
        self._update_one = update_one
        self._database = client[database]

    def collection(self, name: str, *, light: bool = False) -> Collection[Doc]:
        """The collection of that name; a light one's writes are not worth waiting for a majority."""
        return self._database.get_collection(name, write_concern=self._light if light else None)

    def find_named(
        self, collection: Collection[Doc], names: Iterable[str], within: Doc, fields: Doc | None = None
    ) -> list[Doc]:
        """Those documents of these names that are within a condition; whole, or some fields of each."""
        if self._update_one is None:
            wanted = frozenset(names)
            return [doc for doc in collection.find(within) if doc["_id"] in wanted]
        return [doc for batch in batches(names) for doc in collection.find({"_id": {"$in": batch}, **within}, fields)]

    def set_each(self, collection: Collection[Doc], within: Doc, swaps: Mapping[str, tuple[Doc, Doc]]) -> bool:
        """Set fields in each of these documents, within a condition: by name, what must still hold, and the fields.

        Says whether it held of all of them; if not, those of which it did not are as they were.
        """
        if self._update_one is None:
            _rewrite(collection, within, {name: fields for name, (_, fields) in swaps.items()})
            return True
        held = 0
        for batch in batches(swaps.items()):
            updates = [self._update_one({"_id": name, **still}, {"$set": fields}) for name, (still, fields) in batch]
            held += collection.bulk_write(updates, ordered=False).matched_count
        return held == len(swaps)

    def insert_missing(self, collection: Collection[Doc], docs: Iterable[Doc]) -> None:
        """Insert documents, but for those that are there already."""
        for batch in batches(docs):
            with suppress(self.duplicate, self._bulk):
                collection.insert_many(batch, ordered=False)

    def update_each(self, collection: Collection[Doc], updates: Mapping[str, Doc]) -> None:
        """Make each of these updates, by name, of a document that is there."""
        if self._update_one is None:
            for name, update in updates.items():
                collection.update_one({"_id": name}, update)
            return
        for batch in batches(updates.items()):
            collection.bulk_write([self._update_one({"_id": name}, update) for name, update in batch], ordered=False)

    def create_indexes(self) -> None:
        """Make the indexes that are missing."""
        for name, fields, unique in _INDEXES:
            self.collection(name).create_index([(field, 1) for field in fields], unique=unique)

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()

    def patience(self) -> AbstractContextManager[object]:
        """Around what may take as long as it takes, since nobody waits for an answer."""
        if self._update_one is None:
            return nullcontext()
        from pymongo import timeout

        return timeout(INDEXES_TIMEOUT_S)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around one method of the store.

        Raises:
            StoreUnavailable: the server was not reached, did not confirm, or has no room.
        """
        with self._lock:
            try:
                self._reach.check()
            except Away as away:
                raise StoreUnavailable(str(away)) from away
            try:
                yield
            except self.lost as error:
                self._reach.lost(first_line(error))
                raise StoreUnavailable(first_line(error)) from error
            except self._unconfirmed as error:
                self._reach.found()
                raise StoreUnavailable(first_line(error)) from error
            except self._refused as error:
                self._reach.found()
                if getattr(error, "code", None) not in _NO_ROOM and not _is_unconfirmed(error):
                    raise
                raise StoreUnavailable(first_line(error)) from error
            except BaseException:
                self._reach.found()
                raise
            self._reach.found()

    @contextmanager
    def unique(self, taken: Callable[[], Exception]) -> Iterator[None]:
        """Around an insert: what to raise where a unique value, in one document or in one of many, is there already."""
        try:
            yield
        except self.duplicate as error:
            raise taken() from error
        except self._bulk as error:
            details = getattr(error, "details", None) or {}
            if any(failure.get("code") == DUPLICATE for failure in details.get("writeErrors", ())):
                raise taken() from error
            raise


def _is_unconfirmed(error: Exception) -> bool:
    """Whether many writes were made, but not confirmed by as many servers as was asked."""
    details = getattr(error, "details", None) or {}
    return bool(details.get("writeConcernErrors")) and not details.get("writeErrors")


def _rewrite(collection: Collection[Doc], within: Doc, fields_of: Mapping[str, Doc]) -> None:
    """Set fields by name, reading all once: mongomock looks at every document for each name that it is asked for.

    Under the lock nobody sees the documents gone, and what held when they were read holds still.
    """
    docs = list(collection.find(within))
    collection.delete_many(within)
    if docs:
        collection.insert_many([doc | fields_of.get(doc["_id"], {}) for doc in docs])


def batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """The items in lists of as many as go over the wire at once."""
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def first_line(error: Exception) -> str:
    """What went wrong, without the driver's description of every server it knows and of its settings."""
    return (
        str(error).split(", Timeout:", 1)[0].split(", full error:", 1)[0].replace("\n", " ").split(" (configured", 1)[0]
    )
