"""The connection of the MongoDB store: a server by URL, or mongomock in this process. Knows collections, not contents.

Promises that a driver's failure to reach its server leaves as StoreUnavailable, and a URL that cannot work as
ConfigError. mongomock is not safe for threads, so there each step runs behind one lock, which makes each atomic too.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from upsim.errors import ConfigError, StoreUnavailable
from upsim.model import WorldId
from upsim.reach import Away, Reach
from upsim.store.sums import Summing, no_sums

if TYPE_CHECKING:
    from pymongo import MongoClient, UpdateOne, WriteConcern
    from pymongo.collection import Collection

Doc = dict[str, Any]
"""A document as the driver takes and gives it."""

SELECTION_TIMEOUT_MS = 5_000
"""How long to look for a server that can take the call, and for one that lets us in."""

SOCKET_TIMEOUT_MS = 20_000
"""How long to wait for a server that took the call and says nothing. The driver then tries once on a new connection."""

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
                self._reach.lost(_first_line(error))
                raise StoreUnavailable(_first_line(error)) from error
            except self._unconfirmed as error:
                self._reach.found()
                raise StoreUnavailable(_first_line(error)) from error
            except self._refused as error:
                self._reach.found()
                if getattr(error, "code", None) not in _NO_ROOM and not _is_unconfirmed(error):
                    raise
                raise StoreUnavailable(_first_line(error)) from error
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


class Linked:
    """What the parts of the store share."""

    def __init__(self, url: str, summing: Summing = no_sums) -> None:
        """Open the database that the URL names and make its indexes; `summing` says what a worker adds to sums.

        Raises:
            ConfigError: the URL is wrong, or nobody answers there.
        """
        self.url = url
        self._summing = summing
        self._link = open_link(url)
        self._lost_marks: dict[str, list[str]] = {}
        self._worlds = self._link.collection("worlds")
        self._worlds_light = self._link.collection("worlds", light=True)
        self._digests = self._link.collection("digests")
        self._accounts = self._link.collection("accounts")
        self._holdings = self._link.collection("holdings")
        self._workers = self._link.collection("workers")
        self._tracks = self._link.collection("tracks")
        self._sums = self._link.collection("sums")
        self._measured = self._link.collection("measured")
        self._numbers = self._link.collection("numbers")
        self._hits = self._link.collection("hits", light=True)
        self._journal = self._link.collection("journal", light=True)
        self._journal_ends = self._link.collection("journal_ends", light=True)

    def close(self) -> None:
        """Close the sockets."""
        self._link.close()

    def _content_of(self, world: str) -> str | None:
        """Under which token the world's content is kept at this moment."""
        found = self._worlds.find_one({"_id": world}, {"content": 1})
        return found["content"] if found else None

    @contextmanager
    def _changing(self, world: WorldId) -> Iterator[None]:
        """Around any change of a world's content: it has no version meanwhile, and another one afterwards.

        Where the server is lost in between, the world stays without, until this process changes it again or until its
        content is replaced: everything is then asked of the store each time.
        """
        mark = secrets.token_hex(8)
        marks = [mark, *self._lost_marks.pop(world, ())]
        reached = False
        try:
            self._worlds.update_one({"_id": world}, {"$set": {f"changing.{mark}": True}})
            reached = True
            yield
        except self._link.lost:
            reached = False
            raise
        finally:
            try:
                if reached:
                    gone = {f"changing.{one}": "" for one in marks}
                    # Lost, it costs time and no more: not worth waiting for a majority.
                    self._worlds_light.update_one({"_id": world}, {"$set": {"state": mark}, "$unset": gone})
                    marks = []
            finally:
                if marks:
                    self._lost_marks.setdefault(world, []).extend(marks)


_Self = TypeVar("_Self", bound=Linked)
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def step(method: Callable[Concatenate[_Self, _Given], _Result]) -> Callable[Concatenate[_Self, _Given], _Result]:
    """Make a method one step of the link: locked where the driver needs it, its driver's errors translated."""

    # functools.wraps would hide that this is a method still.
    def run(self: _Self, /, *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        with self._link.step():
            return method(self, *args, **kwargs)

    run.__name__, run.__doc__ = method.__name__, method.__doc__
    return run


def change(
    method: Callable[Concatenate[_Self, WorldId, _Given], _Result],
) -> Callable[Concatenate[_Self, WorldId, _Given], _Result]:
    """Make a method one step that changes a world's content, and give the world a new version."""

    def run(self: _Self, world: WorldId, /, *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        with self._link.step(), self._changing(world):
            return method(self, world, *args, **kwargs)

    run.__name__, run.__doc__ = method.__name__, method.__doc__
    return run


def open_link(url: str) -> Link:
    """Open `mongomock:` or a `mongodb://` URL, and make the indexes.

    Raises:
        ConfigError: the URL is wrong, or nobody answers there.
    """
    link = _mock_link() if url.partition(":")[0] == "mongomock" else _server_link(url)
    try:
        with link.step(), link.patience():
            link.create_indexes()
    except StoreUnavailable as error:
        link.close()
        raise ConfigError(f"store: the MongoDB server does not answer: {error}") from error
    return link


def _mock_link() -> Link:
    import mongomock

    return Link(
        mongomock.MongoClient(),
        "upsim",
        lock=threading.RLock(),
        duplicate=mongomock.DuplicateKeyError,
        bulk=mongomock.OperationFailure,
        lost=(),
        unconfirmed=(),
        refused=(),
        light=None,
        # mongomock 4.3 does not know the arguments that pymongo's own bulk operations hand it.
        update_one=None,
    )


def _server_link(url: str) -> Link:
    from pymongo import MongoClient, UpdateOne, WriteConcern, errors
    from pymongo.uri_parser import parse_uri

    try:
        parts = parse_uri(url)
        if not parts["database"]:
            raise ConfigError("store: mongodb: needs the name of a database, as in mongodb://localhost:27017/upsim.")
        _check_concerns(parts["options"])
        # What the URL says itself goes before what we would choose.
        chosen: Doc = {
            "serverSelectionTimeoutMS": SELECTION_TIMEOUT_MS,
            "connectTimeoutMS": SELECTION_TIMEOUT_MS,
            "socketTimeoutMS": SOCKET_TIMEOUT_MS,
            "retryWrites": True,
            "retryReads": True,
            "readPreference": "primary",
            "readConcernLevel": "local",
            "appname": "upsim",
        }
        named = {name.lower() for name in parts["options"]}
        options = {name: value for name, value in chosen.items() if name.lower() not in named}
        concern: Doc = {} if named & {"w", "journal"} else {"w": "majority", "journal": True}
        client: MongoClient[Doc] = MongoClient(url, **options, **concern)
    except (errors.ConfigurationError, errors.InvalidURI, ValueError, TypeError) as error:
        raise ConfigError(f"store: the MongoDB URL cannot be used: {_first_line(error)}") from error
    try:
        client.admin.command("ping")
        # A name and password are checked with the first call that needs them.
        client[parts["database"]].list_collection_names()
    except errors.PyMongoError as error:
        client.close()
        raise ConfigError(f"store: the MongoDB server cannot be used: {_first_line(error)}") from error
    return Link(
        client,
        parts["database"],
        lock=nullcontext(),
        duplicate=errors.DuplicateKeyError,
        bulk=errors.BulkWriteError,
        lost=(errors.ConnectionFailure, errors.ProtocolError),
        unconfirmed=(errors.WriteConcernError, errors.ExecutionTimeout, errors.DocumentTooLarge),
        refused=(errors.OperationFailure,),
        light=WriteConcern(w=1) if concern else None,
        update_one=UpdateOne,
    )


def _check_concerns(options: Mapping[str, Any]) -> None:
    """Refuse what would break a promise: what was acknowledged is kept, and read by the next call.

    Raises:
        ConfigError: the URL asks for it.
    """
    given = {name.lower(): value for name, value in options.items()}
    if given.get("w") == 0:
        raise ConfigError(
            "store: the MongoDB URL says w=0: then no write is confirmed. Use w=1 or more, or leave it out."
        )
    if str(given.get("readpreference", "primary")).lower() != "primary":
        raise ConfigError(
            "store: the MongoDB URL says readPreference: a call has to see what the one before it wrote, which only the"
            " primary promises. Leave it out."
        )


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


def _first_line(error: Exception) -> str:
    """What went wrong, without the driver's description of every server it knows and of its settings."""
    return (
        str(error).split(", Timeout:", 1)[0].split(", full error:", 1)[0].replace("\n", " ").split(" (configured", 1)[0]
    )
