"""Opens the database of the MongoDB store: a server by its URL, or mongomock in this process."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from upsim.errors import ConfigError, StoreUnavailable
from upsim.store.mongo.link import Doc, Link, first_line

SELECTION_TIMEOUT_MS = 5_000
"""How long to look for a server that can take the call, and for one that lets us in."""

SOCKET_TIMEOUT_MS = 20_000
"""How long to wait for a server that took the call and says nothing. The driver then tries once on a new connection."""


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
        # Without the driver's advice to programmers.
        why = re.split(r" Hint: |, use urllib| Did you mean", first_line(error))[0].rstrip(".")
        raise ConfigError(
            f"store: the MongoDB URL cannot be used: {why}. Write mongodb://[NAME:PASSWORD@]HOST[:PORT]/DATABASE, where"
            " %40 is an @ in a password."
        ) from error
    try:
        client.admin.command("ping")
        # A name and password are checked with the first call that needs them.
        client[parts["database"]].list_collection_names()
    except errors.PyMongoError as error:
        client.close()
        why = re.sub(r"\[Errno \S+\] ", "", first_line(error)).rstrip(".")
        todo = "Start it first" if isinstance(error, errors.ConnectionFailure) else "See to it there"
        raise ConfigError(f"store: the MongoDB server cannot be used: {why}. {todo}, or name another.") from error
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
