"""The MongoDB store's worlds, accounts, keys and counters. See mongo.py for what is kept where."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import islice

from upsim.clock import Instant
from upsim.errors import AlreadyExists, NotFound, QuotaExceeded
from upsim.model import Account, ApiKey, Caller, ObjectId, Pool, Profile, Tier, WorldId, WorldRecord
from upsim.store.base import DIGEST_LENGTH, Content
from upsim.store.mongo_holdings import Holdings
from upsim.store.mongo_link import Doc, Linked, step
from upsim.store.mongo_values import (
    account_doc,
    key_doc,
    read_account,
    read_key,
    read_world,
    worker_doc,
    world_text,
)

_BATCH = 1000
"""How many documents go over the wire at once."""


class Worlds(Linked):
    """Worlds, accounts, keys and counters; base.Store says what each method promises."""

    # Worlds

    @step
    def create_world(self, record: WorldRecord, content: Content, *, hidden: bool = False) -> None:
        if self._worlds.find_one({"_id": record.id}, {"_id": 1}) is not None:
            raise AlreadyExists("World", record.id)
        token, life = _token(record.id), secrets.token_hex(8)
        try:
            claimed: set[str] = set()
            for key in content.keys:
                if key.digest in claimed:
                    raise AlreadyExists("API key", key.hint)
                self._claim(key.digest, record.id, key.id, life, key.hint)
                claimed.add(key.digest)
            self._put_content(token, content)
            # Nothing of it is seen before this one document is there.
            with self._link.unique(lambda: AlreadyExists("World", record.id)):
                self._worlds.insert_one(
                    {
                        "_id": record.id,
                        "life": life,
                        "hidden": hidden,
                        "parent": record.id.partition("#")[0] if hidden else None,
                        "created_at": record.created_at,
                        "record": world_text(record),
                        "content": token,
                        "previous": None,
                        "keys": {key.id: key_doc(key) for key in content.keys},
                        "version": 1,
                    }
                )
        except BaseException:
            self._drop_content(token)
            self._digests.delete_many({"life": life})
            raise

    @step
    def get_world(self, world: WorldId) -> WorldRecord | None:
        found = self._worlds.find_one({"_id": world}, {"record": 1})
        return read_world(found["record"]) if found else None

    @step
    def list_worlds(self) -> list[WorldRecord]:
        found = self._worlds.find({"hidden": False}, {"record": 1}).sort([("created_at", 1), ("_id", 1)])
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
    def copy_content(self, source: WorldId, target: WorldId, *, with_keys: bool) -> None:
        token = _token(target)
        origin = self._worlds.find_one({"_id": source}, {"content": 1, "keys": 1})
        if origin is None:
            raise NotFound("World", source)
        try:
            # Workers before holdings: a profile deleted in between has its forward in what is read later.
            for collection in (self._workers, self._accounts, self._holdings):
                docs = collection.find({"content": origin["content"]}).batch_size(_BATCH)
                for batch in _batches(docs):
                    for doc in batch:
                        name = doc.get("id") or doc["account_id"]
                        doc.update(_id=f"{token}/{name}", content=token)
                    collection.insert_many(batch, ordered=False)
            replaced = self._point_to(target, token, origin["keys"] if with_keys else None)
        except BaseException:
            self._drop_content(token)
            raise
        # Not what was replaced just now: somebody may be reading it. That is the next copy's to drop.
        self._drop_content(replaced)

    def _point_to(self, world: WorldId, token: str, keys: Doc | None) -> str | None:
        """Make the content of that token the world's, with these keys; returns the token that nobody reads any more."""
        while True:
            found = self._worlds.find_one({"_id": world}, {"content": 1, "previous": 1, "life": 1, "version": 1})
            if found is None:
                raise NotFound("World", world)
            fields: Doc = {"content": token, "previous": found["content"]}
            if keys is not None:
                fields["keys"] = self._copied_keys(world, found["life"], keys)
            if self._swap_world(found, fields):
                return str(found["previous"]) if found["previous"] else None

    def _copied_keys(self, world: WorldId, life: str, keys: Doc) -> Doc:
        """The keys as the world keeps them. A hidden copy's digests carry a mark that no real digest has."""
        if "#" in world:
            return {key_id: {**doc, "digest": f"{doc['digest']}#{world}"} for key_id, doc in keys.items()}
        copied = {key_id: {**doc, "digest": doc["digest"][:DIGEST_LENGTH]} for key_id, doc in keys.items()}
        for key_id, doc in copied.items():
            self._claim(doc["digest"], world, key_id, life, doc["hint"], again=True)
        return copied

    def _swap_world(self, found: Doc, fields: Doc) -> bool:
        """Set the fields where the world's document is still the one that was found."""
        same = {"_id": found["_id"], "life": found["life"], "version": found["version"]}
        return self._worlds.update_one(same, {"$set": fields, "$inc": {"version": 1}}).matched_count == 1

    def _put_content(self, token: str, content: Content) -> None:
        for account in content.accounts:
            self._put_account(token, account)
        pools: defaultdict[ObjectId, list[Pool]] = defaultdict(list)
        profiles: defaultdict[ObjectId, list[Profile]] = defaultdict(list)
        for pool in content.pools:
            pools[pool.account_id].append(pool)
        for profile in content.profiles:
            profiles[profile.account_id].append(profile)
        for account_id in pools.keys() | profiles.keys():
            holdings = Holdings.of(account_id, pools[account_id], profiles[account_id])
            self._holdings.insert_one(holdings.whole(token))
        for batch in _batches(worker_doc(token, worker) for worker in content.workers):
            with self._link.unique(lambda: AlreadyExists("Worker", "of one of these ids")):
                self._workers.insert_many(batch)

    def _drop_content(self, *tokens: str | None) -> None:
        named = [token for token in tokens if token]
        if named:
            for collection in (self._accounts, self._holdings, self._workers, self._hits, self._numbers):
                collection.delete_many({"content": {"$in": named}})

    # Accounts

    @step
    def list_accounts(self, world: WorldId) -> list[Account]:
        token = self._content_of(world)
        found = self._accounts.find({"content": token}).sort([("created_at", 1), ("id", 1)])
        return [read_account(doc) for doc in found]

    @step
    def add_account(self, world: WorldId, account: Account) -> None:
        token = self._content_of(world)
        if token is None:
            raise NotFound("World", world)
        self._put_account(token, account)

    @step
    def set_tier(self, world: WorldId, account_id: ObjectId, tier: Tier, at: Instant, window_start: Instant) -> bool:
        named = {"_id": f"{self._content_of(world)}/{account_id}"}
        while True:
            found = self._accounts.find_one(named)
            if found is None:
                return False
            fields = {"tier": tier.value, "tier_changed_at": at}
            if found["tier_changed_at"] is None or found["tier_changed_at"] < window_start:
                fields["previous_tier"] = found["tier"]
            same = {name: found[name] for name in ("_id", "tier", "tier_changed_at")}
            if self._accounts.update_one(same, {"$set": fields}).matched_count:
                return True

    def _put_account(self, token: str, account: Account) -> None:
        with self._link.unique(lambda: AlreadyExists("Account", account.name)):
            self._accounts.insert_one(account_doc(token, account))

    # Keys

    @step
    def find_caller(self, digest: str) -> Caller | None:
        claim = self._digests.find_one({"_id": digest})
        world = self._worlds.find_one({"_id": claim["world"]}) if claim else None
        if claim is None or world is None:
            return None
        key = world["keys"].get(claim["key_id"])
        # The world's document decides: a claim alone, left by a process that died, opens nothing.
        if key is None or key["digest"] != digest:
            return None
        account = self._accounts.find_one({"_id": f"{world['content']}/{key['account_id']}"})
        if account is None:
            return None
        return Caller(read_world(world["record"]), read_account(account), read_key(claim["key_id"], key))

    @step
    def list_keys(self, world: WorldId, account_id: ObjectId | None = None) -> list[ApiKey]:
        found = self._worlds.find_one({"_id": world}, {"keys": 1})
        keys = [read_key(key_id, doc) for key_id, doc in found["keys"].items()] if found else []
        return sorted(
            (key for key in keys if account_id in (None, key.account_id)), key=lambda key: (key.created_at, key.id)
        )

    @step
    def add_key(self, world: WorldId, key: ApiKey, at_most: int | None = None) -> None:
        while True:
            found = self._worlds.find_one({"_id": world}, {"keys": 1, "life": 1, "version": 1})
            if found is None:
                raise NotFound("World", world)
            if at_most is not None:
                held = [doc for doc in found["keys"].values() if doc["account_id"] == key.account_id]
                if sum(doc["revoked_at"] is None for doc in held) >= at_most:
                    raise QuotaExceeded("API keys", at_most)
            if key.id in found["keys"]:
                raise AlreadyExists("API key", key.hint)
            self._claim(key.digest, world, key.id, found["life"], key.hint)
            if self._swap_world(found, {f"keys.{key.id}": key_doc(key)}):
                return

    @step
    def revoke_key(self, world: WorldId, key_id: ObjectId, at: Instant) -> bool:
        found = self._worlds.find_one({"_id": world}, {"keys": 1})
        if found is None or key_id not in found["keys"]:
            return False
        self._worlds.update_one(
            {"_id": world, f"keys.{key_id}.digest": {"$exists": True}, f"keys.{key_id}.revoked_at": None},
            {"$set": {f"keys.{key_id}.revoked_at": at}, "$inc": {"version": 1}},
        )
        return True

    def _claim(self, digest: str, world: str, key_id: str, life: str, hint: str, *, again: bool = False) -> None:
        """Note that this digest is that world's key's: where find_caller begins.

        Args:
            again: the world may have the digest already.

        Raises:
            AlreadyExists: it is a key's that is there.
        """
        wanted = {"world": world, "key_id": key_id, "life": life}
        while True:
            held = self._digests.find_one({"_id": digest})
            if held is None:
                try:
                    self._digests.insert_one({"_id": digest, **wanted})
                except self._link.duplicate:
                    continue
                return
            if held["life"] == life and held["key_id"] == key_id:
                return
            owner = self._worlds.find_one({"_id": held["world"]}, {"keys": 1, "life": 1})
            there = owner is not None and owner["keys"].get(held["key_id"], {}).get("digest") == digest
            if there and not (again and held["life"] == life):
                raise AlreadyExists("API key", hint)
            if self._digests.update_one(held, {"$set": wanted}).matched_count:
                return

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


def _token(world: str) -> str:
    """A name for one content of the world, that no other content ever had: so it comes from chance, not from a seed."""
    return f"{world}~{secrets.token_hex(8)}"


def _batches(docs: Iterable[Doc]) -> Iterable[list[Doc]]:
    remaining = iter(docs)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
