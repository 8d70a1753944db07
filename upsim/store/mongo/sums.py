"""The MongoDB store's sums: kept as they were last added up, and good for as long as no worker was changed since.

Without transactions across documents, sums that follow each worker could part from them for ever where a process dies.
So they are a copy that says of which version of the workers it is. Who changes workers announces it before and after
(`changing_workers`); who finds no copy of the present version adds up the workers, and leaves a copy unless somebody
is changing them at that moment. A process that dies while it changes workers leaves its announcement: from then on,
until the world is reset, sums are added up each time they are asked for: slowly, and rightly.

Moving workers from profile to profile changes no whole, only its parts: so moves are counted apart, and wholes are good
across them.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from upsim.clock import Instant
from upsim.model import ObjectId, WorldId
from upsim.store.mongo.holdings import read_forwards, settled
from upsim.store.mongo.link import BATCH, Doc
from upsim.store.mongo.part import Linked, step
from upsim.store.mongo.values import read_worker
from upsim.store.sums import NO_SUMS, WHOLE, Key, Ledger, Ledgers, Sums, day_of, read_sums

Change = Literal["workers", "moves"]
"""What can be changed: workers, and what they add; or only which profiles they are on."""


@dataclass(frozen=True, slots=True)
class _Version:
    """How often something was changed, and whether somebody is changing it."""

    workers: int
    moves: int
    changing_workers: bool
    changing_moves: bool

    def keeps(self, whole: Doc | None) -> bool:
        """Whether sums of a whole are still what they were when they were kept."""
        return whole is not None and not self.changing_workers and whole["version"] == self.workers

    def keeps_parts(self, whole: Doc) -> bool:
        """Whether those of its parts are, too."""
        return not self.changing_moves and whole["moves"] == self.moves


class KeptSums(Linked):
    """Sums; base.Store says what each method promises."""

    @step
    def read_sums(
        self, world: WorldId, account_id: ObjectId, algorithm: str, since: Instant, parts: Collection[str] = ()
    ) -> Mapping[str, Sums]:
        content = self._content_of(world)
        version = self._version_of_workers(content)
        whole = self._sums.find_one({"_id": _name(content, (account_id, algorithm, WHOLE))})
        kept = self._kept(content, whole, parts, version) if whole is not None and version.keeps(whole) else None
        if kept is None:
            kept = self._added_up(content, account_id, algorithm, version)
        names = {part: _name(content, (account_id, algorithm, part)) for part in (WHOLE, *parts)}
        return {part: _sums(kept.get(name), since) for part, name in names.items()}

    def _kept(
        self, content: str | None, whole: Doc, parts: Collection[str], version: _Version
    ) -> dict[str, Doc] | None:
        """A whole and those of its parts, by their names; None where one is not what the whole vouches for."""
        if not parts:
            return {whole["_id"]: whole}
        if not version.keeps_parts(whole):
            return None
        names = [f"{whole['_id']}{part}" for part in parts if part in whole["parts"]]
        same = {"version": whole["version"], "moves": whole["moves"]}
        docs = list(self._sums.find({"_id": {"$in": names}, **same}))
        return {doc["_id"]: doc for doc in (whole, *docs)} if len(docs) == len(names) else None

    def _added_up(self, content: str | None, account_id: ObjectId, algorithm: str, version: _Version) -> dict[str, Doc]:
        """The sums of the workers as they are, by their names; left for others where nobody is changing them."""
        ledgers = Ledgers(self._summing)
        mine = {"content": content, "account_id": account_id, "algorithm": algorithm}
        found = list(self._workers.find(mine).batch_size(BATCH))
        # Read after the workers: a profile deleted meanwhile has its forward there.
        forwards = read_forwards(self._holdings.find_one({"_id": f"{content}/{account_id}"}, {"forwards": 1}))
        ledgers.add(settled(read_worker(doc), forwards) for doc in found)
        whole = (account_id, algorithm, WHOLE)
        docs = _docs(content, {whole: Ledger()} | ledgers.by_key(), version)
        if content is not None and not version.changing_workers:
            # The whole last: it vouches for its parts.
            for doc in reversed(docs.values()):
                self._sums.replace_one({"_id": doc["_id"]}, doc, upsert=True)
        return docs

    @contextmanager
    def changing_workers(self, content: str | None, change: Change = "workers") -> Iterator[None]:
        """Around any change of workers: no sums that were added up before or meanwhile count."""
        mark = f"changing_{change}.{secrets.token_hex(8)}"
        self._sums.update_one(
            {"_id": f"{content}"}, {"$set": {mark: True, "content": content}, "$inc": {change: 1}}, upsert=True
        )
        try:
            yield
        finally:
            self._sums.update_one({"_id": f"{content}"}, {"$unset": {mark: ""}, "$inc": {change: 1}})

    def put_sums(self, content: str, ledgers: Ledgers) -> None:
        """Keep the sums of a content that nobody has changed yet."""
        docs = _docs(content, ledgers.by_key(), _UNCHANGED)
        if docs:
            self._sums.insert_many(docs.values())

    def copied_sums(self, source: str, token: str, copy: Callable[[], None]) -> None:
        """Copy workers from a content to a new one by `copy`, and the sums with them if they stayed as they are."""
        before = self._version_of_workers(source)
        copy()
        kept = list(self._sums.find({"content": source, "version": before.workers, "moves": before.moves}))
        if kept and self._version_of_workers(source) == before and not before.changing_workers | before.changing_moves:
            for doc in kept:
                name = f"{token}/{doc['_id'].removeprefix(source + '/')}"
                doc.update(_id=name, content=token, version=_UNCHANGED.workers, moves=_UNCHANGED.moves)
            self._sums.insert_many(kept)

    def _version_of_workers(self, content: str | None) -> _Version:
        found = self._sums.find_one({"_id": f"{content}"}) or {}
        return _Version(
            found.get("workers", 0),
            found.get("moves", 0),
            bool(found.get("changing_workers")),
            bool(found.get("changing_moves")),
        )


_NEVER = -1
"""The number of no moves."""

_UNCHANGED = _Version(0, 0, changing_workers=False, changing_moves=False)


def _name(content: str | None, key: Key) -> str:
    return f"{content}/{'/'.join(key)}"


def _docs(content: str | None, ledgers: Mapping[Key, Ledger], version: _Version) -> dict[str, Doc]:
    """Sums as documents by their names, wholes before their parts, as the ledgers are."""
    parts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for account_id, algorithm, part in ledgers:
        if part != WHOLE:
            parts[account_id, algorithm].append(part)
    # Parts that were added up while somebody moved workers are of no moment: nothing vouches for them.
    moves = _NEVER if version.changing_moves else version.moves
    return {
        name: {
            "_id": name,
            "content": content,
            "version": version.workers,
            "moves": moves,
            "head": ledger.head(),
            "days": {str(day): ledger.day(day) for day in ledger.days},
            **({"parts": parts[key[:2]]} if key[2] == WHOLE else {}),
        }
        for key, ledger in ledgers.items()
        if (name := _name(content, key))
    }


def _sums(kept: Doc | None, since: Instant) -> Sums:
    if kept is None:
        return NO_SUMS
    days = sorted((int(day), text) for day, text in kept["days"].items())
    first = day_of(since)
    return read_sums(kept["head"], (text for day, text in days if day >= first), since)
