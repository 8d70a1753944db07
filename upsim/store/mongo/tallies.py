"""The MongoDB store's counters and its journal: what happened, rather than what is there. Forgotten at a reset.

Each counter is a document that one operation changes, so no number is given twice. All but the numbered sequences are
written without waiting for a majority: they are exact, and not worth more.
"""

from __future__ import annotations

from dataclasses import replace

from upsim.errors import NotFound
from upsim.globs import expression
from upsim.model import JournalEntry, ObjectId, WorldId
from upsim.store.asking import EntryFilter
from upsim.store.mongo.link import Doc
from upsim.store.mongo.part import Linked, step
from upsim.store.mongo.values import entry_doc, read_entry

_TRIM_EVERY = 128
"""How many entries a journal may run over before what is too old is deleted: one deletion for many."""

JOURNAL = "journal"
"""The numbered sequence that remembers the last entry of a journal that was cleared."""


class Tallies(Linked):
    """Counters and the journal; base.Store says what each method promises."""

    # Counting

    @step
    def count_hit(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        token = self._content_of(world)
        if token is None:
            return 1  # deleted a moment ago: nothing to keep it in
        name = f"{token}/{account_id}"
        while True:
            counted = self._hits.find_one_and_update(
                {"_id": name, "window": window}, {"$inc": {"count": 1}}, return_document=True
            )
            if counted is not None:
                return int(counted["count"])
            opened = self._hits.update_one(
                {"_id": name, "window": {"$ne": window}}, {"$set": {"window": window, "count": 1}}
            )
            if opened.matched_count:
                return 1
            try:
                self._hits.insert_one({"_id": name, "content": token, "window": window, "count": 1})
            except self._link.duplicate:
                continue  # another request opened it first: count there
            return 1

    @step
    def get_hits(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        found = self._hits.find_one({"_id": f"{self._content_of(world)}/{account_id}", "window": window})
        return int(found["count"]) if found else 0

    @step
    def next_number(self, world: WorldId, name: str) -> int:
        token = self._content_of(world)
        if token is None:
            raise NotFound("World", world)
        full_name = f"{token}/{name}"
        while True:
            found = self._numbers.find_one_and_update({"_id": full_name}, {"$inc": {"value": 1}}, return_document=True)
            if found is not None:
                return int(found["value"])
            try:
                self._numbers.insert_one({"_id": full_name, "content": token, "value": 0})
            except self._link.duplicate:
                continue  # another request was first: take the next
            return 0

    # The journal

    @step
    def add_entry(self, world: WorldId, entry: JournalEntry, keep: int) -> None:
        token = self._content_of(world)
        if token is None:
            return  # deleted a moment ago: nothing to keep it in
        seq = self._next_seq(token)
        self._journal.insert_one(entry_doc(token, replace(entry, seq=seq)))
        if seq % _TRIM_EVERY == 0:
            self._journal.delete_many({"content": token, "seq": {"$lte": seq - keep}})

    @step
    def list_entries(
        self, world: WorldId, which: EntryFilter, limit: int, *, newest_first: bool = False
    ) -> list[JournalEntry]:
        found = self._journal.find(self._entries(world, which)).sort([("seq", -1 if newest_first else 1)])
        # A limit of 0 means none to MongoDB.
        return [read_entry(doc) for doc in found.limit(limit)] if limit else []

    @step
    def count_entries(self, world: WorldId, which: EntryFilter) -> int:
        return self._journal.count_documents(self._entries(world, which))

    @step
    def last_entry(self, world: WorldId) -> int:
        return self._last_seq(str(self._content_of(world)))

    @step
    def clear_journal(self, world: WorldId) -> None:
        token = self._content_of(world)
        if token is None:
            return
        last = self._last_seq(token)
        if last:
            # Kept with the content too: a copy's journal goes on behind it.
            numbered = {"_id": f"{token}/{JOURNAL}", "content": token}
            self._numbers.update_one(numbered, {"$set": {"value": last}}, upsert=True)
        self._journal.delete_many({"content": token, "seq": {"$lte": last}})

    def _next_seq(self, token: str) -> int:
        while True:
            found = self._journal_ends.find_one_and_update({"_id": token}, {"$inc": {"last": 1}}, return_document=True)
            if found is not None:
                return int(found["last"])
            first = self._last_seq(token) + 1
            try:
                self._journal_ends.insert_one({"_id": token, "content": token, "last": first})
            except self._link.duplicate:
                continue  # another request was first: take the next
            return first

    def _last_seq(self, token: str) -> int:
        end = self._journal_ends.find_one({"_id": token})
        if end is not None:
            return int(end["last"])
        cleared = self._numbers.find_one({"_id": f"{token}/{JOURNAL}"})
        return int(cleared["value"]) if cleared else 0

    def _entries(self, world: WorldId, which: EntryFilter) -> Doc:
        wanted: Doc = {"content": self._content_of(world), "seq": {"$gt": which.since}}
        for name in ("method", "status", "account", "decided"):
            if (value := getattr(which, name)) is not None:
                wanted[name] = value
        if which.path is not None:
            wanted["path"] = {"$regex": f"^{expression(which.path)}$"}
        return wanted
