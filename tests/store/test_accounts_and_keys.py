"""Accounts and keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.store.invariants import check_world
from tests.store.things import BASIC, T0, VIP, account, content, key, oid, record
from upsim.clock import Instant
from upsim.errors import AlreadyExists, QuotaExceeded
from upsim.model import Caller, ObjectId, Tier, WorldId
from upsim.store.base import Store


def test_a_digest_finds_world_account_and_key(store: Store, world: WorldId) -> None:
    assert store.find_caller(key(910).digest) == Caller(record(), account(2, tier=Tier.BASIC), key(910, BASIC))


@pytest.mark.parametrize("digest", ["0" * 64, "", key(900).digest[:-1], key(900).digest.upper()])
def test_an_unknown_digest_finds_nobody(store: Store, world: WorldId, digest: str) -> None:
    assert store.find_caller(digest) is None


def test_every_field_of_a_key_comes_back(store: Store, world: WorldId) -> None:
    given = key(
        950,
        networks=(),
        scopes=frozenset(),
        expires_at=Instant(T0 + 1),
        revoked_at=Instant(T0 + 2),
        exhausted=True,
        issued=True,
        name="ключ.$x",
    )
    store.add_key(world, given)
    found = store.find_caller(given.digest)
    assert found is not None
    assert found.key == given


def test_accounts_are_listed_oldest_first_ties_by_id(store: Store, world: WorldId) -> None:
    for number, at in ((9, 5), (8, 5), (7, 6)):
        store.add_account(world, replace(account(number), created_at=Instant(at)))
    assert [one.id for one in store.list_accounts(world)] == [oid(8), oid(9), oid(7), VIP, BASIC]


def test_an_account_of_a_taken_name_is_refused(store: Store, world: WorldId) -> None:
    with pytest.raises(AlreadyExists, match="Account 'account 1'"):
        store.add_account(world, account(50, "account 1"))
    assert store.list_accounts(world) == list(content().accounts)
    store.add_account(world, account(50, "Account 1"))
    assert len(store.list_accounts(world)) == 3


def test_a_tier_change_notes_the_tier_in_force_at_the_windows_start(store: Store, world: WorldId) -> None:
    def now() -> tuple[Tier, Tier | None, int | None]:
        (one,) = [one for one in store.list_accounts(world) if one.id == BASIC]
        return one.tier, one.previous_tier, one.tier_changed_at

    assert now() == (Tier.BASIC, None, None)
    assert store.set_tier(world, BASIC, Tier.VIP, Instant(70), Instant(60))
    assert now() == (Tier.VIP, Tier.BASIC, 70)
    assert store.set_tier(world, BASIC, Tier.BASIC, Instant(80), Instant(60))
    assert now() == (Tier.BASIC, Tier.BASIC, 80), "a second change in the window keeps the first one's"
    assert store.set_tier(world, BASIC, Tier.VIP, Instant(125), Instant(120))
    assert now() == (Tier.VIP, Tier.BASIC, 125)


def test_the_tier_of_an_unknown_account_cannot_change(store: Store, world: WorldId) -> None:
    assert store.set_tier(world, oid(77), Tier.VIP, Instant(1), Instant(0)) is False
    assert store.set_tier(WorldId("gone"), VIP, Tier.VIP, Instant(1), Instant(0)) is False


def test_keys_are_listed_oldest_first_of_one_account_or_of_all(store: Store, world: WorldId) -> None:
    store.add_key(world, key(951, created_at=5))
    store.add_key(world, key(950, created_at=5))
    assert [one.id for one in store.list_keys(world, VIP)] == [oid(950), oid(951), oid(900), oid(901)]
    assert [one.id for one in store.list_keys(world, BASIC)] == [oid(910), oid(911)]
    assert len(store.list_keys(world)) == 6
    assert store.list_keys(world, oid(77)) == []


def test_the_quota_counts_keys_that_are_not_revoked(store: Store, world: WorldId) -> None:
    with pytest.raises(QuotaExceeded, match="2 API keys"):
        store.add_key(world, key(950), at_most=2)
    assert store.find_caller(key(950).digest) is None
    assert store.revoke_key(world, oid(900), Instant(T0 + 9))
    store.add_key(world, key(950), at_most=2)
    store.add_key(world, key(951))
    assert len(store.list_keys(world, VIP)) == 4
    check_world(store, world)


def test_a_digest_is_of_one_key_only(store: Store, world: WorldId) -> None:
    with pytest.raises(AlreadyExists, match="API key"):
        store.add_key(world, key(960, digest=key(900).digest))
    found = store.find_caller(key(900).digest)
    assert found is not None
    assert found.key == key(900)
    assert len(store.list_keys(world)) == 4


def test_a_revoked_key_is_found_as_revoked_since_the_first_time(store: Store, world: WorldId) -> None:
    assert store.revoke_key(world, oid(900), Instant(T0 + 9))
    assert store.revoke_key(world, oid(900), Instant(T0 + 99))
    found = store.find_caller(key(900).digest)
    assert found is not None
    assert found.key.revoked_at == T0 + 9
    assert store.list_keys(world)[0] == key(900, revoked_at=Instant(T0 + 9))


@pytest.mark.parametrize("key_id", [oid(77), "no.such$key"])
def test_an_unknown_key_cannot_be_revoked(store: Store, world: WorldId, key_id: str) -> None:
    assert store.revoke_key(world, ObjectId(key_id), Instant(1)) is False
    assert store.list_keys(world) == list(content().keys)
