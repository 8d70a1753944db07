"""Measured workers in the MongoDB store: a document for each, and one for each account and algorithm, with their work.

What is added is added by the server, so two processes never lose each other's. A worker's own document is written by
the process its miner is connected to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields

from upsim.clock import Instant
from upsim.model import MEASURED, Measured, Mined, ObjectId, Worker, WorldId
from upsim.store.content import Content, Work
from upsim.store.deciding import came_at
from upsim.store.mongo.holdings import read_forwards, settled
from upsim.store.mongo.link import Doc
from upsim.store.mongo.part import Linked, change, step
from upsim.store.mongo.values import read_worker

_LEVEL = re.compile(r"work(\d+)")
_MEASURED = tuple(field.name for field in fields(Measured))


class MeasuredWorkers(Linked):
    """Measured workers; base.Store says what each method promises."""

    @change
    def add_mined(self, world: WorldId, mined: Iterable[Mined], kept: Sequence[tuple[int, int]] | None = None) -> None:
        content = self._content_of(world)
        mined = list(mined)
        names = [f"{content}/{one.worker_id}" for one in mined]
        rows = {doc["id"]: doc for doc in self._link.find_named(self._workers, names, {"content": content})}
        there = [one for one in mined if one.worker_id in rows]
        owners = {f"{content}/{_sum_name(one.account_id, one.algorithm)}" for one in there}
        known = {
            doc["_id"]: doc
            for doc in self._link.find_named(
                self._measured,
                [*names, *owners],
                {"content": content},
                None if kept is not None else {"since": 1, "last_at": 1},
            )
        }
        updates: dict[str, Doc] = {}
        for one in there:
            name = f"{content}/{one.worker_id}"
            updates[name] = _update(one, came_at(rows[one.worker_id]["history"]), known.get(name))
            name = f"{content}/{_sum_name(one.account_id, one.algorithm)}"
            total = updates.setdefault(name, {"$inc": {}, "$set": {}})
            _add_blocks(total["$inc"], one)
        for name, update in updates.items():
            gone = _outside(known.get(name), kept)
            if gone:
                update["$unset"] = dict.fromkeys(gone, "")
                update["$inc"] = {path: value for path, value in update["$inc"].items() if path not in gone}
        new = [name for name in updates if name not in known]
        blank: Doc = {name: getattr(Measured(), name) for name in _MEASURED}
        self._link.insert_missing(
            self._measured,
            [{"_id": name, "content": content, **({} if name in owners else blank)} for name in new],
        )
        filled = {name: {kind: what for kind, what in update.items() if what} for name, update in updates.items()}
        self._link.update_each(self._measured, {name: update for name, update in filled.items() if update})

    @change
    def forget_work(self, world: WorldId, kept: Sequence[tuple[int, int]]) -> None:
        updates = {
            doc["_id"]: {"$unset": dict.fromkeys(gone, "")}
            for doc in self._measured.find({"content": self._content_of(world)})
            if (gone := _outside(doc, kept))
        }
        self._link.update_each(self._measured, updates)

    @step
    def get_measured(
        self, world: WorldId, ids: Collection[ObjectId], first: int
    ) -> Mapping[ObjectId, tuple[Measured, int]]:
        content = self._content_of(world)
        names = {f"{content}/{worker_id}": worker_id for worker_id in ids}
        wanted = {**dict.fromkeys(_MEASURED, 1), _level(0): 1}
        docs = self._link.find_named(self._measured, names, {"content": content}, wanted)
        return {
            names[doc["_id"]]: (
                Measured(**{name: doc[name] for name in _MEASURED}),
                sum(work for block, work in doc.get(_level(0), {}).items() if int(block) >= first),
            )
            for doc in docs
        }

    @step
    def read_work(
        self, world: WorldId, owner: ObjectId | tuple[ObjectId, str], level: int, first: int
    ) -> Mapping[int, int]:
        name = owner if isinstance(owner, str) else _sum_name(*owner)
        doc = self._measured.find_one({"_id": f"{self._content_of(world)}/{name}"}, {_level(level): 1})
        blocks = doc.get(_level(level), {}) if doc else {}
        return {int(block): work for block, work in blocks.items() if int(block) >= first}

    @step
    def list_measured(
        self,
        world: WorldId,
        account_id: ObjectId | None = None,
        *,
        algorithm: str | None = None,
        since: Instant | None = None,
        present: bool = False,
    ) -> list[Worker]:
        content = self._content_of(world)
        wanted: Doc = {"content": content, "model": MEASURED}
        if account_id is not None:
            wanted["account_id"] = account_id
        if algorithm is not None:
            wanted["algorithm"] = algorithm
        if since is not None:
            wanted["updated_at"] = {"$gt": since}
        if present:
            wanted["$expr"] = {"$ne": ["$cell", "$home"]}
        docs = list(self._workers.find(wanted))
        forwards = {
            account: read_forwards(self._holdings.find_one({"_id": f"{content}/{account}"}, {"forwards": 1}))
            for account in {doc["account_id"] for doc in docs}
        }
        return [settled(read_worker(doc), forwards[doc["account_id"]]) for doc in docs]


def _level(level: int) -> str:
    """The field that holds a level's work by block."""
    return f"work{level}"


def _levels(doc: Doc) -> list[tuple[int, Mapping[str, int]]]:
    """All of a document's work, by level."""
    return [(int(found[1]), blocks) for name, blocks in doc.items() if (found := _LEVEL.fullmatch(name))]


def measured_docs(token: str, content: Content) -> list[Doc]:
    """All that a content holds of measured workers, as documents."""
    docs: dict[str, Doc] = {}
    for worker_id, one in content.measured.items():
        docs[worker_id] = {name: getattr(one, name) for name in _MEASURED}
    for owner, level, block, units in content.work:
        docs.setdefault(owner, {}).setdefault(_level(level), {})[str(block)] = units
    return [{"_id": f"{token}/{owner}", "content": token, **doc} for owner, doc in docs.items()]


def read_measured(docs: Iterable[Doc], token: str) -> tuple[dict[ObjectId, Measured], list[Work]]:
    """What documents of a content say."""
    measured: dict[ObjectId, Measured] = {}
    work: list[Work] = []
    for doc in docs:
        owner = doc["_id"].removeprefix(f"{token}/")
        if "accepted" in doc:
            measured[ObjectId(owner)] = Measured(**{name: doc[name] for name in _MEASURED})
        for level, blocks in _levels(doc):
            work += (Work(owner, level, int(block), units) for block, units in blocks.items())
    return dict(sorted(measured.items())), sorted(work)


def _sum_name(account_id: ObjectId, algorithm: str) -> str:
    return f"{account_id}/{algorithm}"


def _update(one: Mined, since: Instant | None, known: Doc | None) -> Doc:
    added: Doc = {"accepted": one.accepted, "stale": one.stale, "rejected": one.rejected}
    _add_blocks(added, one)
    put: Doc = {"since": since}
    if known is not None and known.get("since") == since:
        added["work"] = one.work
    else:
        put["work"] = one.work
    if one.last_at is not None or known is None:
        put["last_at"] = one.last_at
    return {"$inc": added, "$set": put}


def _add_blocks(added: Doc, one: Mined) -> None:
    for level, block, work in one.blocks:
        path = f"{_level(level)}.{block}"
        added[path] = added.get(path, 0) + work


def _outside(doc: Doc | None, kept: Sequence[tuple[int, int]] | None) -> list[str]:
    """The paths of a document's blocks that are no longer kept."""
    if doc is None or kept is None:
        return []
    return [
        f"{_level(level)}.{block}"
        for level, blocks in _levels(doc)
        for block in blocks
        if not kept[level][0] <= int(block) <= kept[level][1]
    ]
