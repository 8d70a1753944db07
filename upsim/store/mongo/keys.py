"""The MongoDB store's accounts and keys. A world's keys stand in the world's document, whose version guards them."""

from __future__ import annotations

from upsim.clock import Instant
from upsim.errors import AlreadyExists, NotFound, QuotaExceeded
from upsim.model import Account, ApiKey, Caller, ObjectId, Tier, WorldId
from upsim.store.deciding import DIGEST_LENGTH
from upsim.store.mongo.holdings import in_order
from upsim.store.mongo.link import Doc
from upsim.store.mongo.part import Linked, change, step
from upsim.store.mongo.values import account_doc, key_doc, read_account, read_key, read_world, version_of


class Keys(Linked):
    """Accounts and keys; base.Store says what each method promises."""

    # Accounts

    @step
    def list_accounts(self, world: WorldId) -> list[Account]:
        token = self._content_of(world)
        found = self._accounts.find({"content": token}).sort([("created_at", 1), ("id", 1)])
        return [read_account(doc) for doc in found]

    @change
    def add_account(self, world: WorldId, account: Account) -> None:
        token = self._content_of(world)
        if token is None:
            raise NotFound("World", world)
        self._put_account(token, account)

    @change
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
        return Caller(
            read_world(world["record"]), read_account(account), read_key(claim["key_id"], key), version_of(world)
        )

    @step
    def list_keys(self, world: WorldId, account_id: ObjectId | None = None) -> list[ApiKey]:
        found = self._worlds.find_one({"_id": world}, {"keys": 1})
        keys = [read_key(key_id, doc) for key_id, doc in found["keys"].items()] if found else []
        return sorted((key for key in keys if account_id in (None, key.account_id)), key=in_order)

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

    def _kept_keys(self, world: str, life: str, keys: Doc) -> Doc:
        """The keys as this world keeps them, claimed for it; a hidden one's digests carry a mark that opens nothing."""
        mark = f"#{world}" if "#" in world else ""
        kept = {key_id: {**doc, "digest": doc["digest"][:DIGEST_LENGTH] + mark} for key_id, doc in keys.items()}
        if not mark:
            for key_id, doc in kept.items():
                self._claim(doc["digest"], world, key_id, life, doc["hint"], again=True)
        return kept

    def _swap_world(self, found: Doc, fields: Doc) -> bool:
        """Set the fields where the world's document is still the one that was found."""
        same = {"_id": found["_id"], "life": found["life"], "version": found["version"]}
        return self._worlds.update_one(same, {"$set": fields, "$inc": {"version": 1}}).matched_count == 1
