"""The MongoDB store's workers: one document each, read through the forwards of their account's holdings."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from upsim.clock import Instant
from upsim.errors import AlreadyExists, NotFound
from upsim.model import ObjectId, Page, Worker, WorldId
from upsim.store.asking import Span, WorkerFilter
from upsim.store.deciding import check_assignable
from upsim.store.mongo.holdings import Forward, Holdings, on_profile, read_forwards, settled
from upsim.store.mongo.link import Doc, batches
from upsim.store.mongo.moves import Moves
from upsim.store.mongo.part import change, step
from upsim.store.mongo.values import read_worker, worker_doc


class Workers(Moves):
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
        if which.recorded:
            conditions.append({"track": {"$gt": ""}})
        if which.down is not None:
            offline: list[Doc] = [
                {"created_at": {"$gt": which.down.at}},
                {"retired_at": {"$lte": which.down.at}},
                {"cell": {"$in": sorted(which.down.cells)}},
                *([{"id": {"$in": sorted(which.down.others)}}] if which.down.others else ()),
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

    @step
    def get_tracks(self, world: WorldId, digests: Collection[str]) -> Mapping[str, str]:
        content = self._content_of(world)
        names = [f"{content}/{digest}" for digest in digests]
        docs = self._link.find_named(self._tracks, names, {"content": content})
        return {doc["_id"].partition("/")[2]: doc["text"] for doc in docs}

    @step
    def get_places(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, tuple[ObjectId, int]]:
        content = self._content_of(world)
        names = [f"{content}/{worker_id}" for worker_id in ids]
        docs = self._link.find_named(self._workers, names, {"content": content, "account_id": account_id})
        forwards = self._forwards(content, account_id)
        found: dict[ObjectId, tuple[ObjectId, int]] = {}
        for doc in docs:
            sent = (
                one.target for one in forwards if (one.algorithm, one.source) == (doc["algorithm"], doc["profile_id"])
            )
            found[doc["id"]] = next(sent, doc["profile_id"]), doc["cell"]
        return found

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
        holdings = self._read_holdings(content, account_id)
        profile = holdings.profile(profile_id)
        mine = {"content": content, "account_id": account_id}
        docs = self._link.find_named(self._workers, [f"{content}/{worker_id}" for worker_id in worker_ids], mine)
        algorithms = {doc["id"]: doc["algorithm"] for doc in docs}
        check_assignable(worker_ids, algorithms, profile)
        with self.changing_workers(content, "moves"):
            before = self.move(mine, docs, profile_id, at, holdings.forwards)
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
                self.put_back(mine, before, profile_id)
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
            stranded = self._link.find_named(self._workers, before, {**mine, "profile_id": profile_id})
            self.move(mine, stranded, target, at, ())

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
        docs = self._link.find_named(self._workers, names, mine)
        found = {doc["_id"] for doc in docs}
        missing = [worker_id for name, worker_id in names.items() if name not in found]
        if missing:
            raise NotFound("Worker", *missing)
        forwards = self._forwards(content, account_id)

        def changed(worker: Worker) -> Worker:
            here = settled(worker, forwards)
            return replace(change(here), id=here.id, account_id=here.account_id, profile_id=here.profile_id)

        with self.changing_workers(content):
            self.change_docs(mine, docs, changed)
        return len(found)

    def _forwards(self, content: str | None, account_id: ObjectId) -> list[Forward]:
        return read_forwards(self._holdings.find_one({"_id": f"{content}/{account_id}"}, {"forwards": 1}))

    def _read_holdings(self, content: str | None, account_id: ObjectId) -> Holdings:
        return Holdings(account_id, self._holdings.find_one({"_id": f"{content}/{account_id}"}))
