"""The MongoDB store's sums: kept as they were last added up, and good for as long as no worker was changed since.

Without transactions across documents, sums that follow each worker could part from them for ever where a process dies.
So they are a copy that says of which version of the workers it is. Who changes workers announces it before and after
(`changing_workers`); who finds no copy of the present version adds up the workers, and leaves a copy unless somebody
is changing them at that moment. A process that dies while it changes workers leaves its announcement: from then on,
until the world is reset, sums are added up each time they are asked for: slowly, and rightly.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from upsim.clock import Instant
from upsim.model import ObjectId, WorldId
from upsim.store.mongo.link import BATCH, Doc, Linked, step
from upsim.store.mongo.values import read_worker
from upsim.store.sums import Ledger, Ledgers, Sums, day_of, read_sums


class KeptSums(Linked):
    """Sums; base.Store says what each method promises."""

    @step
    def read_sums(
        self, world: WorldId, account_id: ObjectId, algorithm: str, places: Collection[int], since: Instant
    ) -> Sums:
        content = self._content_of(world)
        version, changing = self._version_of_workers(content)
        kept = self._sums.find_one({"_id": f"{content}/{account_id}/{algorithm}"})
        if kept is None or changing or kept["version"] != version:
            ledgers = Ledgers(self._summing)
            mine = {"content": content, "account_id": account_id, "algorithm": algorithm}
            found = self._workers.find(mine).batch_size(BATCH)
            for _ in ledgers.adding(map(read_worker, found)):
                pass
            ledger = ledgers.by_key.get((account_id, algorithm), Ledger())
            kept = _doc(content, account_id, algorithm, ledger, version)
            if content is not None and not changing:
                self._sums.replace_one({"_id": kept["_id"]}, kept, upsert=True)
        days = sorted((int(day), text) for day, text in kept["days"].items())
        first = day_of(since)
        return read_sums(kept["head"], (text for day, text in days if day >= first), places, since)

    @contextmanager
    def changing_workers(self, content: str | None) -> Iterator[None]:
        """Around any change of workers besides their profile: no sums that were added up before or meanwhile count."""
        mark = f"changing.{secrets.token_hex(8)}"
        self._sums.update_one(
            {"_id": f"{content}"}, {"$set": {mark: True, "content": content}, "$inc": {"version": 1}}, upsert=True
        )
        try:
            yield
        finally:
            self._sums.update_one({"_id": f"{content}"}, {"$unset": {mark: ""}, "$inc": {"version": 1}})

    def put_sums(self, content: str, ledgers: Ledgers) -> None:
        """Keep the sums of a content that nobody has changed yet."""
        docs = [_doc(content, account_id, algorithm, one, 0) for (account_id, algorithm), one in ledgers.by_key.items()]
        if docs:
            self._sums.insert_many(docs)

    def copied_sums(self, source: str, token: str, copy: Callable[[], None]) -> None:
        """Copy workers from a content to a new one by `copy`, and the sums with them if they stayed as they are."""
        before = self._version_of_workers(source)
        copy()
        kept = list(self._sums.find({"content": source, "version": before[0], "head": {"$exists": True}}))
        if kept and not before[1] and self._version_of_workers(source) == before:
            for doc in kept:
                doc.update(_id=f"{token}/{doc['_id'].removeprefix(source + '/')}", content=token, version=0)
            self._sums.insert_many(kept)

    def _version_of_workers(self, content: str | None) -> tuple[int, bool]:
        """How often workers were changed, and whether somebody is changing them."""
        found = self._sums.find_one({"_id": f"{content}"})
        return (found["version"], bool(found.get("changing"))) if found else (0, False)


def _doc(content: str | None, account_id: str, algorithm: str, ledger: Ledger, version: int) -> Doc:
    return {
        "_id": f"{content}/{account_id}/{algorithm}",
        "content": content,
        "version": version,
        "head": ledger.head(),
        "days": {str(day): ledger.day(day) for day in ledger.days},
    }
