"""Accounts and their keys, as the control plane gives and takes them."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence

from upsim.clock import Instant
from upsim.errors import InvalidInput, NotFound
from upsim.ids import digest_of, hint_of, new_key
from upsim.model import Account, ApiKey, ObjectId, Scope, Tier
from upsim.records import dataclass
from upsim.rules.caps import at_most_keys
from upsim.rules.pools import new_id
from upsim.rules.tiers import window_at, window_start
from upsim.rules.worlds import NAME, IssuedKey, cap_of
from upsim.world import World


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a new key shall be.

    Attributes:
        beyond_quota: the tier's number of keys does not refuse it: for those who look on, and are no user's program.
    """

    name: str
    scopes: Collection[Scope]
    addresses: Sequence[str] = ()
    expires_at: Instant | None = None
    beyond_quota: bool = False


def require_account(world: World, name: str) -> Account:
    """The world's account of that name.

    Raises:
        NotFound: there is none.
    """
    for account in world.store.list_accounts(world.id):
        if account.name == name:
            return account
    raise NotFound("Account", name)


def create_account(world: World, name: str, tier: Tier) -> Account:
    """Add an account without anything.

    Raises:
        InvalidInput: the name cannot be used, or the world's cap is reached.
        AlreadyExists: the name is taken.
    """
    if not NAME.fullmatch(name):
        raise InvalidInput("name", "must be letters, digits, dots, dashes and underscores, at most 63.")
    cap = cap_of(world.record, "accounts")
    if cap is not None and len(world.store.list_accounts(world.id)) >= cap:
        raise InvalidInput("name", f"this world may have {cap} accounts.")
    account = Account(new_id(world, "account"), name, tier, world.now())
    world.store.add_account(world.id, account)
    return account


def set_tier(world: World, name: str, tier: Tier) -> Account:
    """Change an account's tier: its quotas at once, its rate limit from the next window on.

    Raises:
        NotFound: there is no such account.
    """
    account = require_account(world, name)
    now = world.now()
    world.store.set_tier(world.id, account.id, tier, now, window_start(window_at(now)))
    return require_account(world, name)


def list_keys(world: World, name: str) -> list[ApiKey]:
    """The account's keys, those that no longer open anything included.

    Raises:
        NotFound: there is no such account.
    """
    return world.store.list_keys(world.id, require_account(world, name).id)


def create_key(world: World, name: str, wish: KeyWish) -> IssuedKey:
    """Give an account a key.

    Raises:
        NotFound: there is no such account.
        InvalidInput: an address is none.
        QuotaExceeded: the tier allows no more keys.
    """
    account = require_account(world, name)
    for number, network in enumerate(wish.addresses):
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise InvalidInput(
                f"addresses[{number}]", f"{network!r} is neither an address nor a network such as 10.0.0.0/8."
            ) from error
    secret = new_key()
    key = ApiKey(
        id=new_id(world, "key"),
        account_id=account.id,
        name=wish.name,
        digest=digest_of(secret),
        hint=hint_of(secret),
        scopes=frozenset(wish.scopes),
        networks=tuple(wish.addresses),
        created_at=world.now(),
        expires_at=wish.expires_at,
    )
    at_most = cap_of(world.record, "keys") if wish.beyond_quota else at_most_keys(world, account)
    world.store.add_key(world.id, key, at_most)
    return IssuedKey(key, secret)


def revoke_key(world: World, key_id: ObjectId) -> None:
    """Revoke a key from the next call on.

    Raises:
        NotFound: the world has no such key.
    """
    if not world.store.revoke_key(world.id, key_id, world.now()):
        raise NotFound("Key", key_id)
