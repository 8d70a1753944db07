"""Accounts, their keys, and numbered sequences, in SQLite."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from upsim.clock import Instant
from upsim.errors import QuotaExceeded
from upsim.model import (
    Account,
    ApiKey,
    Caller,
    ObjectId,
    Tier,
    Version,
    WorldId,
)
from upsim.store.sqlite import rows
from upsim.store.sqlite.part import Part
from upsim.store.sqlite.tables import (
    insert_accounts,
    insert_keys,
)

_CALLER: Final = (
    f"SELECT w.doc, {rows.ACCOUNT},"  # noqa: S608
    " k.id, k.account_id, k.digest, k.doc, k.created_at, k.revoked_at, v.version"
    " FROM keys k JOIN accounts a ON a.world = k.world AND a.id = k.account_id"
    " JOIN worlds w ON w.id = k.world LEFT JOIN versions v ON v.world = k.world WHERE k.digest = ?"
)


class Keys(Part):
    """The part of the store that keeps them. See base.Store."""

    def find_caller(self, digest: str) -> Caller | None:
        row = self._engine.find(_CALLER, (digest,))
        return _caller(row) if row else None

    def list_accounts(self, world: WorldId) -> list[Account]:
        with self._engine.read() as db:
            found = db.execute(
                f"SELECT {rows.ACCOUNT} FROM accounts a WHERE world = ? ORDER BY created_at, id",  # noqa: S608
                (world,),
            ).fetchall()
        return [rows.read_account(row) for row in found]

    def add_account(self, world: WorldId, account: Account) -> None:
        with self._engine.write(world) as db:
            insert_accounts(db, world, (account,))

    def set_tier(self, world: WorldId, account_id: ObjectId, tier: Tier, at: Instant, window_start: Instant) -> bool:
        with self._engine.write(world) as db:
            changed = db.execute(
                "UPDATE accounts SET tier = ?, tier_changed_at = ?,"
                " previous_tier = CASE WHEN tier_changed_at >= ? THEN previous_tier ELSE tier END"
                " WHERE world = ? AND id = ?",
                (tier, at, window_start, world, account_id),
            ).rowcount
        return changed == 1

    def list_keys(self, world: WorldId, account_id: ObjectId | None = None) -> list[ApiKey]:
        with self._engine.read() as db:
            found = db.execute(
                "SELECT id, account_id, digest, doc, created_at, revoked_at FROM keys"
                " WHERE world = ? AND (? IS NULL OR account_id = ?) ORDER BY created_at, id",
                (world, account_id, account_id),
            ).fetchall()
        return [rows.read_key(row) for row in found]

    def add_key(self, world: WorldId, key: ApiKey, at_most: int | None = None) -> None:
        with self._engine.write(world) as db:
            if at_most is not None:
                (held,) = db.execute(
                    "SELECT COUNT(*) FROM keys WHERE world = ? AND account_id = ? AND revoked_at IS NULL",
                    (world, key.account_id),
                ).fetchone()
                if held >= at_most:
                    raise QuotaExceeded("API keys", at_most)
            insert_keys(db, world, (key,))

    def revoke_key(self, world: WorldId, key_id: ObjectId, at: Instant) -> bool:
        with self._engine.write(world) as db:
            changed = db.execute(
                "UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE world = ? AND id = ?", (at, world, key_id)
            ).rowcount
        return changed == 1

    def next_number(self, world: WorldId, name: str) -> int:
        row = self._engine.count(
            "INSERT INTO numbers (world, name, value) VALUES (?, ?, 0)"
            " ON CONFLICT (world, name) DO UPDATE SET value = value + 1 RETURNING value",
            (world, name),
        )
        assert row is not None  # noqa: S101 - it returns one
        return int(row[0])


@lru_cache(maxsize=1024)
def _caller(row: rows.Row) -> Caller:
    """The caller of a row, read once for as long as it stays the same: every request has one."""
    version = None if row[13] is None else Version(str(row[13]))
    return Caller(rows.read_world(row[0]), rows.read_account(row[1:7]), rows.read_key(row[7:13]), version)
