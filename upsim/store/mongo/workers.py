"""The MongoDB store's workers: one document each, read through the forwards of their account's holdings."""

from __future__ import annotations

import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

from upsim.clock import Instant
from upsim.errors import AlreadyExists, NotFound
from upsim.model import ObjectId, Page, Worker, WorldId
from upsim.store.base import Span, WorkerFilter, check_assignable
from upsim.store.mongo.holdings import Forward, Holdings, on_profile, read_forwards, settled
from upsim.store.mongo.link import Doc, batches, change, step
from upsim.store.mongo.sums import KeptSums
from upsim.store.mongo.values import read_worker, worker_doc

_STAYING = frozenset({"_id", "id", "account_id", "profile_id"})
"""What a change of a worker leaves as it is."""

_MARKS_KEPT = 8
"""More changes of one worker than can come between a change and its look at what became of it."""


class Workers(KeptSums):
    """Workers; base.Store says what each method promises."""

    @step
    def list_workers(self, world: WorldId, account_id: ObjectId, which: WorkerFilter, span: Span) -> Page[Worker]:
        content = self._content_of(world)
        conditions: list[Doc] = [{"content": content, "account_id": account_id}]
        if which.algorithm is not None:
            conditions.append({"algorithm": which.algorithm})
        if which.profile_id is not None:
            conditions.append(on_profile(which.profile_id, self._forwards(content, account_id)))
        if which.search is not None:
            conditions.append({"folded": {"$regex": re.escape(which.search.casefold())}})
        if which.down is not None:
            offline: list[Doc] = [
                {"created_at": {"$gt": which.down.at}},
                {"retired_at": {"$lte": which.down.at}},
                {"cell": {"$in": sorted(which.down.cells)}},
            ]
            conditions.append({"$or" if which.down.offline else "$nor": offline})
        wanted = {"$and": conditions} if len(conditions) > 1 else conditions[0]
        total = self._workers.count_documents(wanted)
        if span.offset >= total:
            return Page([], total)
        docs = list(self._workers.find(wanted).sort([("created_at", 1), ("id", 1)]).skip(span.offset).limit(span.limit))
        # Read after the workers: a profile deleted meanwhile has its forward there.
        forwards = self._forwards(content, account_id)
        return Page([settled(read_worker(doc), forwards) for doc in docs], total)

    @step
    def list_algorithms(self, world: WorldId, account_id: ObjectId) -> list[str]:
        mine = {"content": self._content_of(world), "account_id": account_id}
        return sorted(self._workers.distinct("algorithm", mine))

    @step
    def get_worker(self, world: WorldId, account_id: ObjectId, worker_id: ObjectId) -> Worker | None:
        content = self._content_of(world)
        doc = self._workers.find_one({"_id": f"{content}/{worker_id}", "account_id": account_id})
        return settled(read_worker(doc), self._forwards(content, account_id)) if doc else None

    @change
    def add_workers(self, world: WorldId, workers: Iterable[Worker]) -> None:
        content = self._content_of(world)
        known: dict[ObjectId, Holdings] = {}
        # All or nothing: what this call added, and nothing else, is taken back where it fails.
        mark = secrets.token_hex(8)

        def checked() -> Iterator[Doc]:
            for worker in workers:
                if worker.account_id not in known:
                    known[worker.account_id] = self._read_holdings(content, worker.account_id)
                known[worker.account_id].profile(worker.profile_id)
                yield {**worker_doc(str(content), worker), "added": mark}

        with self.changing_workers(content):
            try:
                for batch in batches(checked()):
                    with self._link.unique(lambda: AlreadyExists("Worker", "of one of these ids")):
                        self._workers.insert_many(batch)
            except BaseException:
                self._workers.delete_many({"content": content, "added": mark})
                raise
        for account_id in known:
            self._holdings.update_one({"_id": f"{content}/{account_id}"}, {"$inc": {"version": 1}})

    @change
    def assign_workers(
        self,
        world: WorldId,
        account_id: ObjectId,
        worker_ids: Collection[ObjectId],
        profile_id: ObjectId,
        at: Instant,
    ) -> None:
        content = self._content_of(world)
        profile = self._read_holdings(content, account_id).profile(profile_id)
        mine = {"content": content, "account_id": account_id}
        names = [f"{content}/{worker_id}" for worker_id in worker_ids]
        docs = self._link.find_named(self._workers, names, mine)
        algorithms = {doc["id"]: doc["algorithm"] for doc in docs}
        check_assignable(worker_ids, algorithms, profile)
        moving = [doc for doc in docs if doc["profile_id"] != profile_id]
        moved = [doc["_id"] for doc in moving]
        elsewhere = {**mine, "profile_id": {"$ne": profile_id}}
        self._link.set_named(self._workers, moved, elsewhere, {"profile_id": profile_id, "updated_at": at})
        # It counts if the profile is still what was checked; a change of it under way then has to look again.
        kept = self._holdings.update_one(
            {"_id": f"{content}/{account_id}", f"profiles.{profile_id}.algorithm": profile.algorithm},
            {"$inc": {"version": 1}},
        )
        if kept.matched_count:
            return
        holdings = self._read_holdings(content, account_id)
        if holdings.algorithm_of(profile_id) is not None:
            # It changed its algorithm: then this came second, and is refused.
            self._put_back({**mine, "profile_id": profile_id}, moving)
            check_assignable(worker_ids, algorithms, holdings.profile(profile_id))
            return
        # It was deleted: then this came first, and the workers went on to where the others did.
        target = next(
            (
                forward.target
                for forward in holdings.forwards
                if (forward.algorithm, forward.source) == (profile.algorithm, profile_id)
            ),
            holdings.defaults[profile.algorithm],
        )
        self._link.set_named(self._workers, moved, {**mine, "profile_id": profile_id}, {"profile_id": target})

    @change
    def change_workers(
        self,
        world: WorldId,
        account_id: ObjectId,
        worker_ids: Collection[ObjectId],
        change: Callable[[Worker], Worker],
    ) -> int:
        content = self._content_of(world)
        mine = {"content": content, "account_id": account_id}
        names = {f"{content}/{worker_id}": worker_id for worker_id in worker_ids}
        mark = secrets.token_hex(4)
        docs = self._link.find_named(self._workers, names, mine)
        found = {doc["_id"] for doc in docs}
        missing = [worker_id for name, worker_id in names.items() if name not in found]
        if missing:
            raise NotFound("Worker", *missing)
        forwards = self._forwards(content, account_id)
        with self.changing_workers(content):
            while docs:
                # All before the first is written: a change that fails leaves every worker as it was.
                swaps = {doc["_id"]: _swap(doc, change, forwards, mark) for doc in docs}
                self._link.set_each(self._workers, mine, swaps)
                # Where another request came between reading and writing, its change is there: begin again on that.
                docs = [
                    doc for doc in self._link.find_named(self._workers, swaps, mine) if mark not in doc.get("marks", ())
                ]
        return len(found)

    def _put_back(self, within: Doc, docs: Iterable[Doc]) -> None:
        """Undo an assignment: each worker within the condition is again where its document, read before it, says."""
        homes: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for doc in docs:
            homes[doc["profile_id"], doc["updated_at"]].append(doc["_id"])
        for (home, updated_at), names in homes.items():
            self._link.set_named(self._workers, names, within, {"profile_id": home, "updated_at": updated_at})

    def _forwards(self, content: str | None, account_id: ObjectId) -> list[Forward]:
        return read_forwards(self._holdings.find_one({"_id": f"{content}/{account_id}"}, {"forwards": 1}))

    def _read_holdings(self, content: str | None, account_id: ObjectId) -> Holdings:
        return Holdings(account_id, self._holdings.find_one({"_id": f"{content}/{account_id}"}))


def _swap(doc: Doc, change: Callable[[Worker], Worker], forwards: Collection[Forward], mark: str) -> tuple[Doc, Doc]:
    """What must still hold of a document, so that nobody changed it since, and what `change` makes of its worker.

    The last few marks of the changes that were made stay in the document, so that each can tell whether it was.
    """
    worker = settled(read_worker(doc), forwards)
    before, after = worker_doc(doc["content"], worker), worker_doc(doc["content"], change(worker))
    fields = {name: value for name, value in after.items() if value != before[name] and name not in _STAYING}
    fields["marks"] = [*doc.get("marks", ()), mark][-_MARKS_KEPT:]
    fields["changes"] = doc.get("changes", 0) + 1
    return {"changes": doc.get("changes")}, fields
