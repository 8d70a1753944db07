"""The MongoDB store's worlds: their records, and their content as a whole.

A content stands under a token that nothing else ever had. What makes it a world's is one word in the world's document,
so that it is there, or replaced, or gone, in one step.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence

from upsim.errors import AlreadyExists, NotFound
from upsim.model import ApiKey, Course, ObjectId, Pool, Profile, WorldId, WorldRecord
from upsim.store.content import Content, courses_of
from upsim.store.mongo.holdings import Holdings, in_order, settled
from upsim.store.mongo.keys import Keys
from upsim.store.mongo.link import BATCH, Doc, batches
from upsim.store.mongo.measured import measured_docs, read_measured
from upsim.store.mongo.part import step
from upsim.store.mongo.sums import KeptSums
from upsim.store.mongo.tallies import JOURNAL
from upsim.store.mongo.values import (
    key_doc,
    read_account,
    read_key,
    read_worker,
    read_world,
    worker_doc,
    world_text,
)
from upsim.store.sums import Ledgers


class Worlds(Keys, KeptSums):
    """Worlds and their content; base.Store says what each method promises."""

    @step
    def create_world(self, record: WorldRecord, content: Content) -> None:
        if self._worlds.find_one({"_id": record.id}, {"_id": 1}) is not None:
            raise AlreadyExists("World", record.id)
        token, life = _token(record.id), secrets.token_hex(8)
        try:
            keys = self._kept_keys(record.id, life, {key.id: key_doc(key) for key in content.keys})
            if len({doc["digest"] for doc in keys.values()}) < len(content.keys):
                raise AlreadyExists("API key", "given twice")
            self._put_content(token, content)
            if not self._open_world(record, life, token, keys):
                raise AlreadyExists("World", record.id)
        except BaseException:
            self._drop_content(token)
            self._digests.delete_many({"life": life})
            raise

    def _open_world(self, record: WorldRecord, life: str, token: str, keys: Doc) -> bool:
        """Write a new world's document, before which nothing of it is seen; False where there is one of its id."""
        doc = {
            "_id": record.id,
            "life": life,
            "parent": record.id.partition("#")[0] if "#" in record.id else None,
            "created_at": record.created_at,
            "record": world_text(record),
            "content": token,
            "previous": None,
            "keys": keys,
            "version": 1,
        }
        try:
            self._worlds.insert_one(doc)
        except self._link.duplicate:
            return False
        return True

    @step
    def get_world(self, world: WorldId) -> WorldRecord | None:
        found = self._worlds.find_one({"_id": world}, {"record": 1})
        return read_world(found["record"]) if found else None

    @step
    def list_worlds(self) -> list[WorldRecord]:
        return self._records({"parent": None})

    @step
    def list_copies(self, world: WorldId) -> list[WorldRecord]:
        return self._records({"parent": world})

    def _records(self, wanted: Doc) -> list[WorldRecord]:
        found = self._worlds.find(wanted, {"record": 1}).sort([("created_at", 1), ("_id", 1)])
        return [read_world(doc["record"]) for doc in found]

    @step
    def change_world(self, world: WorldId, change: Callable[[WorldRecord], WorldRecord]) -> WorldRecord:
        while True:
            found = self._worlds.find_one({"_id": world}, {"record": 1, "life": 1, "version": 1})
            if found is None:
                raise NotFound("World", world)
            changed = change(read_world(found["record"]))
            if self._swap_world(found, {"record": world_text(changed)}):
                return changed

    @step
    def delete_world(self, world: WorldId) -> bool:
        found = list(self._worlds.find({"$or": [{"_id": world}, {"parent": world}]}, {"record": 0, "keys": 0}))
        # The world first: from then on its keys open nothing.
        for doc in sorted(found, key=lambda doc: doc["_id"] != world):
            self._worlds.delete_one({"_id": doc["_id"], "life": doc["life"]})
            self._digests.delete_many({"life": doc["life"]})
            self._drop_content(doc["content"], doc["previous"])
        return bool(found)

    @step
    def copy_content(
        self,
        source: WorldId,
        target: WorldId,
        *,
        with_keys: bool,
        record: WorldRecord | None = None,
        new_keys: Sequence[ApiKey] = (),
        only_new: bool = False,
    ) -> None:
        origin = self._worlds.find_one({"_id": source}, {"content": 1, "keys": 1})
        if origin is None:
            raise NotFound("World", source)
        token = _token(target)
        try:
            self.copied_sums(origin["content"], token, lambda: self._copy_docs(origin["content"], token))
            kept = origin["keys"] if with_keys else None
            dropped = self._point_to(target, token, kept, new_keys, record, only_new=only_new)
        except BaseException:
            self._drop_content(token)
            raise
        # Not what was replaced just now: somebody may be reading it. That is the next copy's to drop.
        self._drop_content(dropped)

    def _copy_docs(self, source: str, token: str) -> None:
        # Workers before holdings: a profile deleted in between has its forward in what is read later.
        for collection in (self._workers, self._tracks, self._measured, self._accounts, self._numbers, self._holdings):
            for batch in batches(collection.find({"content": source}).batch_size(BATCH)):
                for doc in batch:
                    doc.update(_id=f"{token}/{doc['_id'].removeprefix(source + '/')}", content=token)
                collection.insert_many(batch, ordered=False)

    def _point_to(
        self,
        world: WorldId,
        token: str,
        keys: Doc | None,
        new_keys: Sequence[ApiKey],
        record: WorldRecord | None,
        *,
        only_new: bool,
    ) -> str | None:
        """Make the content of that token the world's; returns the token that nobody reads any more.

        Args:
            keys: the world's keys from then on; with None it keeps those it was issued with.
            new_keys: further keys.
            record: its record from then on; with None it stays as it is.
            only_new: the world must not be there yet.
        """
        further: Doc = {key.id: key_doc(key) for key in new_keys}
        while True:
            found = self._worlds.find_one({"_id": world})
            if found is None:
                if record is None:
                    raise NotFound("World", world)
                life = secrets.token_hex(8)
                if self._open_world(record, life, token, self._kept_keys(world, life, {**(keys or {}), **further})):
                    return None
                self._digests.delete_many({"life": life})
                continue  # it was created meanwhile
            if only_new:
                raise AlreadyExists("World", world)
            if keys is None:
                issued = {key_id: doc for key_id, doc in found["keys"].items() if doc["issued"]}
                kept = {key_id: {**doc, "revoked_at": None} for key_id, doc in issued.items()}
            else:
                kept = self._kept_keys(world, found["life"], keys)
            kept |= self._kept_keys(world, found["life"], further)
            # No mark counts any more that a process left behind which died while it changed what was there before.
            fields: Doc = {"content": token, "previous": found["content"], "keys": kept, "changing": {}}
            if record is not None:
                fields["record"] = world_text(record)
            if self._swap_world(found, fields):
                return str(found["previous"]) if found["previous"] else None

    @step
    def read_content(self, world: WorldId) -> Content:
        found = self._worlds.find_one({"_id": world}, {"content": 1, "keys": 1})
        if found is None:
            return Content()
        # Workers before holdings, as in a copy.
        docs = [read_worker(doc) for doc in self._workers.find({"content": found["content"]}).batch_size(BATCH)]
        held = {
            doc["account_id"]: Holdings(doc["account_id"], doc)
            for doc in self._holdings.find({"content": found["content"]})
        }
        workers = [settled(worker, held[worker.account_id].forwards) for worker in docs]
        accounts = [read_account(doc) for doc in self._accounts.find({"content": found["content"]})]
        counted = self._numbers.find({"content": found["content"]}).sort("_id", 1)
        numbers = {doc["_id"].partition("/")[2]: int(doc["value"]) for doc in counted}
        numbers.pop(JOURNAL, None)
        measured, work = read_measured(self._measured.find({"content": found["content"]}), found["content"])
        return Content(
            measured=measured,
            work=work,
            accounts=sorted(accounts, key=in_order),
            keys=sorted((read_key(key_id, doc) for key_id, doc in found["keys"].items()), key=in_order),
            pools=sorted((pool for one in held.values() for pool in one.pools.values()), key=in_order),
            courses=sorted(
                (course for one in held.values() for course in one.courses.values()),
                key=lambda course: (course.account_id, course.profile_id),
            ),
            profiles=sorted((profile for one in held.values() for profile in one.profiles()), key=in_order),
            workers=sorted(workers, key=in_order),
            numbers=numbers,
            tracks={
                doc["_id"].partition("/")[2]: doc["text"]
                for doc in self._tracks.find({"content": found["content"]}).sort("_id", 1)
            },
        )

    def _put_content(self, token: str, content: Content) -> None:
        for account in content.accounts:
            self._put_account(token, account)
        pools: defaultdict[ObjectId, list[Pool]] = defaultdict(list)
        profiles: defaultdict[ObjectId, list[Profile]] = defaultdict(list)
        for pool in content.pools:
            pools[pool.account_id].append(pool)
        for profile in content.profiles:
            profiles[profile.account_id].append(profile)
        courses: defaultdict[ObjectId, list[Course]] = defaultdict(list)
        for course in courses_of(content):
            courses[course.account_id].append(course)
        for account_id in pools.keys() | profiles.keys():
            holdings = Holdings.of(account_id, pools[account_id], profiles[account_id], courses[account_id])
            self._holdings.insert_one(holdings.whole(token))
        numbers: list[Doc] = [
            {"_id": f"{token}/{name}", "content": token, "value": value} for name, value in content.numbers.items()
        ]
        if numbers:
            self._numbers.insert_many(numbers)
        tracks: list[Doc] = [
            {"_id": f"{token}/{digest}", "content": token, "text": text} for digest, text in content.tracks.items()
        ]
        for batch in batches(tracks):
            self._tracks.insert_many(batch)
        for batch in batches(measured_docs(token, content)):
            self._measured.insert_many(batch)
        ledgers = Ledgers(self._summing)
        for batch in batches(worker_doc(token, worker) for worker in ledgers.adding(content.workers)):
            with self._link.unique(lambda: AlreadyExists("Worker", "of one of these ids")):
                self._workers.insert_many(batch)
        self.put_sums(token, ledgers)

    def _drop_content(self, *tokens: str | None) -> None:
        named = [token for token in tokens if token]
        if named:
            passing = (self._hits, self._journal, self._journal_ends)
            kept = (
                self._accounts, self._holdings, self._workers, self._tracks, self._measured, self._sums, self._numbers,
            )  # fmt: skip
            for collection in (*kept, *passing):
                collection.delete_many({"content": {"$in": named}})


def _token(world: str) -> str:
    """A name for one content of the world, that no other content ever had: so it comes from chance, not from a seed."""
    return f"{world}~{secrets.token_hex(8)}"
