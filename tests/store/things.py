"""Small worlds to store: builders in which only what a test is about has to be said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from upsim.clock import ClockState, Instant
from upsim.ids import digest_of
from upsim.model import (
    Account,
    ApiKey,
    Health,
    ObjectId,
    Pool,
    Profile,
    Scope,
    Tier,
    Worker,
    WorldId,
    WorldRecord,
)
from upsim.store.asking import Span
from upsim.store.content import Content

WORLD = WorldId("w")
T0 = Instant(1_767_600_000_000)
ALL = Span(0, 1_000_000)


def oid(number: int) -> ObjectId:
    """An id that sorts as its number does."""
    return ObjectId(f"{number:024x}")


VIP = oid(1)
BASIC = oid(2)


def record(world: str = WORLD, *, created_at: int = T0, **changes: Any) -> WorldRecord:
    plain = WorldRecord(WorldId(world), "demo", 7, ClockState.real(), Instant(created_at))
    return replace(plain, **changes)


def account(number: int = 1, name: str | None = None, tier: Tier = Tier.VIP) -> Account:
    return Account(oid(number), name or f"account {number}", tier, Instant(T0 + number))


def key(number: int = 900, account_id: ObjectId = VIP, *, created_at: int | None = None, **changes: Any) -> ApiKey:
    secret = f"up_k_{number}"
    scopes = frozenset({Scope.POOLS_READ, Scope.WORKERS_WRITE})
    networks = ("10.0.0.0/8", "2001:db8::1")
    at = Instant(T0 + number if created_at is None else created_at)
    plain = ApiKey(oid(number), account_id, f"key {number}", digest_of(secret), secret[:9], scopes, networks, at)
    return replace(plain, **changes)


def pool(number: int, algorithm: str = "sha256", account_id: ObjectId = VIP, *, created_at: int | None = None) -> Pool:
    at = Instant(T0 + number if created_at is None else created_at)
    return Pool(
        oid(number), account_id, f"pool {number}", algorithm, "eu.example", 3333, False, "me", "x", Health(), at, at
    )


def profile(
    number: int,
    *pool_numbers: int,
    algorithm: str = "sha256",
    account_id: ObjectId = VIP,
    default: bool = False,
    created_at: int | None = None,
) -> Profile:
    at = Instant(T0 + number if created_at is None else created_at)
    pool_ids = tuple(oid(held) for held in pool_numbers)
    return Profile(oid(number), account_id, f"profile {number}", algorithm, pool_ids, default, at, at)


def worker(
    number: int,
    profile_number: int,
    algorithm: str = "sha256",
    account_id: ObjectId = VIP,
    *,
    name: str | None = None,
    cell: int = 3,
    created_at: int | None = None,
    retired_at: int | None = None,
) -> Worker:
    at = Instant(T0 + number if created_at is None else created_at)
    return Worker(
        id=oid(number),
        account_id=account_id,
        name=name or f"rig-{number}",
        algorithm=algorithm,
        profile_id=oid(profile_number),
        model="s19",
        nominal=95_000_000_000_000,
        home=3,
        cell=cell,
        weights=(1, -2, 3),
        created_at=at,
        updated_at=at,
        retired_at=None if retired_at is None else Instant(retired_at),
        history=((at, "cell", cell, ""),),
    )


def content() -> Content:
    """Two accounts of two keys; the VIP's has pools 100 to 103 and profiles 200 to 203, and workers 300 to 309.

    sha256: pools 100, 101, profiles 200 (default), 201, workers 300 to 307, the last two on 201.
    randomx: pools 102, 103, profiles 202 (default), 203, workers 308 and 309 on 202.
    The other account holds pool 110 and its default profile 210, with worker 320.
    """
    return Content(
        accounts=[account(1), account(2, tier=Tier.BASIC)],
        keys=[key(900), key(901), key(910, BASIC), key(911, BASIC)],
        pools=[
            pool(100),
            pool(101),
            pool(102, "randomx"),
            pool(103, "randomx"),
            pool(110, account_id=BASIC),
        ],
        profiles=[
            profile(200, 100, 101, default=True),
            profile(201, 101),
            profile(202, 102, algorithm="randomx", default=True),
            profile(203, 103, 102, algorithm="randomx"),
            profile(210, 110, account_id=BASIC, default=True),
        ],
        workers=[
            *(worker(number, 200) for number in range(300, 306)),
            *(worker(number, 201) for number in range(306, 308)),
            *(worker(number, 202, "randomx") for number in range(308, 310)),
            worker(320, 210, account_id=BASIC),
        ],
    )
