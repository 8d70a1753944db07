"""The MongoDB store's changes of workers: each from what its document says to what it shall say, over nobody else's.

A change is written only where the document is still as it was read; the last few marks of the changes that were made
stay in it, so that each can tell whether it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from upsim.clock import Instant
from upsim.model import MOVE, ObjectId, Worker
from upsim.store.courses import moved
from upsim.store.mongo.holdings import Forward, settled
from upsim.store.mongo.link import Doc
from upsim.store.mongo.sums import KeptSums
from upsim.store.mongo.values import read_worker, worker_doc

_MARKS_KEPT = 8
"""More changes of one worker than can come between a change and its look at what became of it."""


class Moves(KeptSums):
    """What changes workers' documents."""

    def change_docs(self, within: Doc, docs: Iterable[Doc], change: Callable[[Worker], Worker]) -> dict[str, Doc]:
        """Replace each document's worker by change(worker), which may be called again; one that it leaves stays.

        Args:
            within: a condition on all of them, which holds before and after.
            docs: as they were just read.

        Returns:
            By name, the documents that were changed, as they were before.
        """
        mark = secrets.token_hex(4)
        before: dict[str, Doc] = {}
        pending = list(docs)
        while pending:
            # All before the first is written: a change that fails leaves every worker as it was.
            swaps = {doc["_id"]: swap for doc in pending if (swap := _swap(doc, change, mark)) is not None}
            before |= {doc["_id"]: doc for doc in pending if doc["_id"] in swaps}
            if self._link.set_each(self._workers, within, swaps):
                break
            # Where another request came between reading and writing, its change is there: begin again on that.
            found = self._link.find_named(self._workers, swaps, within)
            pending = [doc for doc in found if mark not in doc.get("marks", ())]
        return before

    def move(
        self, within: Doc, docs: Iterable[Doc], profile_id: ObjectId, at: Instant, forwards: Collection[Forward]
    ) -> dict[str, Doc]:
        """Move the workers that are not on a profile to it. See change_docs."""

        def change(worker: Worker) -> Worker:
            here = settled(worker, forwards)
            return worker if here.profile_id == profile_id else moved(here, profile_id, at)

        return self.change_docs(within, docs, change)

    def follow(self, followers: Doc, forward: Forward) -> int:
        """Bring workers' own documents to where a forward has them already; returns how many there were."""
        docs = list(self._workers.find(followers))
        # Once there they are not among the followers any more.
        within = {name: value for name, value in followers.items() if name in ("content", "account_id")}
        self.change_docs(within, docs, lambda worker: settled(worker, [forward]))
        return len(docs)

    def put_back(self, within: Doc, before: dict[str, Doc], profile_id: ObjectId) -> None:
        """Undo a move: each worker still on the profile is again where its document, read before it, says."""

        def change(worker: Worker) -> Worker:
            old = read_worker(before[f"{within['content']}/{worker.id}"])
            if worker.profile_id != profile_id:
                return worker
            since = (event for event in worker.history if event[1] != MOVE and event not in old.history)
            history = (*old.history, *since)
            return replace(worker, profile_id=old.profile_id, updated_at=old.updated_at, history=history)

        docs = self._link.find_named(self._workers, before, {**within, "profile_id": profile_id})
        self.change_docs(within, docs, change)


def _swap(doc: Doc, change: Callable[[Worker], Worker], mark: str) -> tuple[Doc, Doc] | None:
    """What must still hold of a document, so that nobody changed it since, and what `change` makes of its worker.

    None where it leaves it as it is.
    """
    worker = read_worker(doc)
    changed = change(worker)
    if changed == worker:
        return None
    before, after = worker_doc(doc["content"], worker), worker_doc(doc["content"], changed)
    fields = {name: value for name, value in after.items() if value != before[name]}
    fields["marks"] = [*doc.get("marks", ()), mark][-_MARKS_KEPT:]
    fields["changes"] = doc.get("changes", 0) + 1
    return {"changes": doc.get("changes")}, fields
