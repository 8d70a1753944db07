"""From values to the JSON of the control plane."""

from __future__ import annotations

from upsim.clock import ClockState, Instant, iso
from upsim.model import Account, ApiKey, JournalEntry, WorldRecord
from upsim.rules import behaviours, faults
from upsim.rules.faults import Fault
from upsim.rules.snapshots import snapshot_name
from upsim.rules.worlds import IssuedKey, NewWorld
from upsim.store.asking import Span, WorkerFilter
from upsim.web.reply import Json
from upsim.world import Universe, World


def world(record: WorldRecord, wall: Instant) -> Json:
    """A world in a list."""
    return {
        "id": record.id,
        "fixture": record.fixture,
        "seed": record.seed,
        "clock": clock(record.clock, wall),
        "created_at": iso(record.created_at),
        "expires_at": None if record.expires_at is None else iso(record.expires_at),
        "caps": record.options.get("caps") or {},
        "options": {"caller_address": bool(record.options.get("caller_address"))},
    }


def new_world(universe: Universe, made: NewWorld) -> Json:
    """A world that was just made, with its keys, this once."""
    return {
        **world(made.record, universe.wall.now()),
        "accounts": [
            {**account(one), "keys": [issued(key) for key in made.keys if key.key.account_id == one.id]}
            for one in made.accounts
        ],
        "remarks": list(made.remarks),
    }


def whole_world(one: World) -> Json:
    """A world with all that was done to it, and how much is in it."""
    record, store = one.record, one.store
    return {
        **world(record, one.wall.now()),
        "faults": [fault(found) for found in faults.list_faults(record)],
        "pools": [
            {"host": found.host, "port": found.port, "behaviour": found.behaviour, "times": found.times}
            for found in behaviours.list_behaviours(record)
        ],
        "accounts": [
            {
                **account(found),
                "workers": store.list_workers(one.id, found.id, WorkerFilter(), Span(0, 1)).total,
                "pools": store.list_pools(one.id, found.id, Span(0, 1)).total,
                "profiles": store.list_profiles(one.id, found.id, Span(0, 1)).total,
            }
            for found in store.list_accounts(one.id)
        ],
        "journal_mark": store.last_entry(one.id),
    }


def clock(state: ClockState, wall: Instant) -> Json:
    """A clock: what it shows, and how fast it runs."""
    now = state.at(wall)
    return {"now": iso(now), "timestamp": now // 1000, "speed": state.speed, "frozen": state.speed == 0}


def snapshot(record: WorldRecord) -> Json:
    """A saved world."""
    return {"name": snapshot_name(record), "saved_at": iso(record.created_at), "now": iso(record.clock.shown)}


def account(one: Account) -> Json:
    """An account."""
    return {"id": one.id, "name": one.name, "tier": one.tier, "created_at": iso(one.created_at)}


def key(one: ApiKey) -> Json:
    """A key without its secret."""
    return {
        "id": one.id,
        "name": one.name,
        "hint": one.hint,
        "scopes": sorted(one.scopes),
        "addresses": list(one.networks),
        "created_at": iso(one.created_at),
        "expires_at": None if one.expires_at is None else iso(one.expires_at),
        "revoked_at": None if one.revoked_at is None else iso(one.revoked_at),
    }


def issued(one: IssuedKey) -> Json:
    """A key with its secret, this once."""
    return {**key(one.key), "key": one.secret}


def fault(one: Fault) -> Json:
    """A fault; its latency in seconds, as it was asked for."""
    doc = faults.doc_of(one)
    least, most = doc.pop("latency_ms")
    return {**doc, "latency": least / 1000 if least == most else [least / 1000, most / 1000]}


def entry(one: JournalEntry) -> Json:
    """A call in the journal."""
    return {
        "seq": one.seq,
        "at": iso(one.at),
        "duration_ms": one.duration_us / 1000,
        "method": one.method,
        "path": one.path,
        "query": one.query,
        "account": one.account,
        "key": one.key,
        "status": one.status,
        "decided": one.decided,
        "clause": one.clause,
        "fault": one.fault,
        "body": one.body,
        "error": one.error,
    }
