"""A process that writes to a store and says so: `python -m tests.store.writer URL NUMBER WRITES`.

Before each write it prints what it is about to do, after it a line that acknowledges it. It changes what is its own
(ids that begin at its number) and what it shares with others (counters, the world's revision, the default profile).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random
from typing import Any

from tests.store.things import T0, VIP, WORLD, oid, pool, profile, worker
from upsim.clock import Instant
from upsim.errors import Conflict, NotFound
from upsim.model import ObjectId
from upsim.store.asking import PoolChanges
from upsim.store.base import Store
from upsim.store.factory import open_store

SPACE = 100_000
"""How many ids each writer has for itself."""

Write = tuple[str, str, object]
"""What is written, of which id, and what it is then."""


@dataclass
class Known:
    """What the acknowledged writes of some processes add up to.

    Attributes:
        own: what each thing is, by kind and id; None where it was deleted.
        open: the write that was begun and not acknowledged, where there is one.
        numbers: every number that was drawn.
        hits, revisions: how many were counted.
    """

    own: dict[tuple[str, str], object] = field(default_factory=dict)
    open: Write | None = None
    numbers: list[int] = field(default_factory=list)
    hits: int = 0
    revisions: int = 0

    def hear(self, line: str) -> bool:
        """Take in a line of a writer's; True where it acknowledges a write."""
        what, kind, name, value = json.loads(line)
        if what == "begin":
            self.open = (kind, name, value)
            return False
        self.open = None
        if kind == "number":
            self.numbers.append(value)
        elif kind == "hit":
            self.hits += 1
        elif kind == "revision":
            self.revisions += 1
        elif kind != "default" and value != "refused":
            self.own[kind, name] = value
        return True

    def check(self, store: Store) -> None:
        """Assert that the store holds all that was acknowledged, and the open write either whole or not at all."""
        assert len(set(self.numbers)) == len(self.numbers)
        for (kind, name), value in self.own.items():
            allowed = [value]
            if self.open is not None and self.open[:2] == (kind, name):
                allowed.append(self.open[2])
            assert _stored(store, kind, ObjectId(name)) in allowed, f"{kind} {name}"


def _stored(store: Store, kind: str, name: ObjectId) -> object:
    if kind == "pool":
        found = store.get_pool(WORLD, VIP, name)
        return found.name if found else None
    if kind == "profile":
        profiles = store.get_profiles(WORLD, VIP, [name])
        return profiles[name].name if profiles else None
    held = store.get_worker(WORLD, VIP, name)
    return held.cell if held else None


class Writer:
    """The writes of one process, one after the other, by a chance that its number decides."""

    def __init__(self, store: Store, number: int) -> None:
        self._store = store
        self._chance = Random(f"writer:{number}")
        self._next = (number + 1) * SPACE
        self._pools: list[int] = []
        self._profiles: list[int] = []
        self._workers: list[int] = []

    def writes(self) -> Any:
        """Each write as (kind, id, what it will be) and the call that does it, without end."""
        while True:
            yield self._chance.choice(
                [
                    self._add_pool,
                    self._rename_pool,
                    self._delete_pool,
                    self._add_profile,
                    self._delete_profile,
                    self._set_default,
                    self._add_worker,
                    self._change_worker,
                    self._assign,
                    lambda: (("number", "", 0), lambda: self._store.next_number(WORLD, "shared")),
                    lambda: (("hit", "", 0), lambda: self._store.count_hit(WORLD, VIP, 1)),
                    self._revise,
                ]
            )()

    def _fresh(self) -> int:
        self._next += 1
        return self._next

    def _add_pool(self) -> tuple[Write, Callable[[], object]]:
        number = self._fresh()
        self._pools.append(number)
        added = pool(number)
        return ("pool", added.id, added.name), lambda: self._store.add_pool(WORLD, added, None, profile(1, number))

    def _rename_pool(self) -> tuple[Write, Callable[[], object]]:
        if not self._pools:
            return self._add_pool()
        name, pool_id = f"renamed {self._fresh()}", oid(self._chance.choice(self._pools))
        changes = PoolChanges(Instant(T0), name=name)
        return ("pool", pool_id, name), lambda: self._store.update_pool(WORLD, VIP, pool_id, changes, None)

    def _delete_pool(self) -> tuple[Write, Callable[[], object]]:
        if len(self._pools) < 3:
            return self._add_pool()
        pool_id = oid(self._pools.pop(self._chance.randrange(2, len(self._pools))))
        return ("pool", pool_id, None), lambda: self._store.delete_pool(WORLD, VIP, pool_id)

    def _add_profile(self) -> tuple[Write, Callable[[], object]]:
        if not self._pools:
            return self._add_pool()
        number = self._fresh()
        self._profiles.append(number)
        added = profile(number, self._pools[0])
        return ("profile", added.id, added.name), lambda: self._store.add_profile(WORLD, added, None)

    def _delete_profile(self) -> tuple[Write, Callable[[], object]]:
        if len(self._profiles) < 3:
            return self._add_profile()
        profile_id = oid(self._profiles.pop(self._chance.randrange(2, len(self._profiles))))
        call = lambda: self._store.delete_profile(WORLD, VIP, profile_id, Instant(T0))  # noqa: E731 - one of a row
        return ("profile", profile_id, None), call

    def _set_default(self) -> tuple[Write, Callable[[], object]]:
        if not self._profiles:
            return self._add_profile()
        profile_id = oid(self._chance.choice(self._profiles))
        return ("default", profile_id, None), lambda: self._store.set_default_profile(WORLD, VIP, profile_id)

    def _add_worker(self) -> tuple[Write, Callable[[], object]]:
        number = self._fresh()
        self._workers.append(number)
        added = worker(number, 202, "randomx")
        return ("worker", added.id, added.cell), lambda: self._store.add_workers(WORLD, [added])

    def _change_worker(self) -> tuple[Write, Callable[[], object]]:
        if not self._workers:
            return self._add_worker()
        worker_id, cell = oid(self._chance.choice(self._workers)), self._fresh()
        return ("worker", worker_id, cell), lambda: self._store.change_workers(
            WORLD, VIP, [worker_id], lambda old: replace(old, cell=cell)
        )

    def _assign(self) -> tuple[Write, Callable[[], object]]:
        if not self._profiles:
            return self._add_profile()
        profile_id = oid(self._chance.choice(self._profiles))
        ids = [oid(number) for number in range(300, 308)]
        return ("default", "", None), lambda: self._store.assign_workers(WORLD, VIP, ids, profile_id, Instant(T0))

    def _revise(self) -> tuple[Write, Callable[[], object]]:
        return ("revision", "", 0), lambda: self._store.change_world(
            WORLD, lambda old: replace(old, revision=old.revision + 1)
        )


def main(url: str, number: str, writes: str) -> None:
    """Open the store and write so many times."""
    store = open_store(url)
    for (kind, name, value), call in islice(Writer(store, int(number)).writes(), int(writes)):
        print(json.dumps(("begin", kind, name, value)), flush=True)
        try:
            result = call()
        except (Conflict, NotFound):
            value = "refused"
        if kind == "number":
            value = result
        print(json.dumps(("done", kind, name, value)), flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
