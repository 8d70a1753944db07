"""How values become MongoDB documents and documents become values again. Ids are strings throughout, never ObjectId."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import lru_cache

from upsim.clock import ClockState
from upsim.model import (
    Account,
    ApiKey,
    Course,
    Health,
    HealthStatus,
    JournalEntry,
    ObjectId,
    Pool,
    Profile,
    Scope,
    Tier,
    Version,
    Worker,
    WorldRecord,
)
from upsim.store.mongo.link import Doc

_WORKER = tuple(field.name for field in fields(Worker))
_ENTRY_ASKED = ("seq", "method", "path", "status", "account", "decided")
_ENTRY_REST = tuple(field.name for field in fields(JournalEntry) if field.name not in _ENTRY_ASKED)


def world_text(record: WorldRecord) -> str:
    """A world's record as text: what the control plane puts into its options need not be a MongoDB name."""
    return json.dumps(asdict(record))


@lru_cache(maxsize=1024)
def read_world(text: str) -> WorldRecord:
    """The text of a world's record as the record."""
    values = json.loads(text)
    values["clock"] = ClockState(**values["clock"])
    return WorldRecord(**values)


def version_of(doc: Doc) -> Version | None:
    """Of which version a world's document is: its own, and that of its content; None where somebody changes that."""
    return None if doc.get("changing") else Version(f"{doc['content']}/{doc['version']}/{doc.get('state', '')}")


def account_doc(content: str, account: Account) -> Doc:
    """An account as a document of that content."""
    return {
        "_id": f"{content}/{account.id}",
        "content": content,
        "id": account.id,
        "name": account.name,
        "tier": account.tier.value,
        "created_at": account.created_at,
        "previous_tier": account.previous_tier.value if account.previous_tier else None,
        "tier_changed_at": account.tier_changed_at,
    }


def read_account(doc: Doc) -> Account:
    """A document as an account."""
    previous = Tier(doc["previous_tier"]) if doc["previous_tier"] else None
    return Account(doc["id"], doc["name"], Tier(doc["tier"]), doc["created_at"], previous, doc["tier_changed_at"])


def key_doc(key: ApiKey) -> Doc:
    """A key without its id, which is its name in the world's document."""
    return {
        "account_id": key.account_id,
        "name": key.name,
        "digest": key.digest,
        "hint": key.hint,
        "scopes": sorted(scope.value for scope in key.scopes),
        "networks": list(key.networks),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "exhausted": key.exhausted,
        "issued": key.issued,
    }


def read_key(key_id: ObjectId, doc: Doc) -> ApiKey:
    """A part of a world's document as a key."""
    values = {
        **doc,
        "scopes": frozenset(Scope(scope) for scope in doc["scopes"]),
        "networks": tuple(doc["networks"]),
    }
    return ApiKey(id=key_id, **values)


def pool_doc(pool: Pool) -> Doc:
    """A pool without its id and its account's, which say where it is kept."""
    return {
        "name": pool.name,
        "algorithm": pool.algorithm,
        "host": pool.host,
        "port": pool.port,
        "tls": pool.tls,
        "username": pool.username,
        "password": pool.password,
        "health": health_doc(pool.health),
        "created_at": pool.created_at,
        "updated_at": pool.updated_at,
    }


def health_doc(health: Health) -> Doc:
    """A pool's health."""
    return {
        "status": health.status.value,
        "last_checked_at": health.last_checked_at,
        "last_error": health.last_error,
        "consecutive_failures": health.consecutive_failures,
        "latency_ms": health.latency_ms,
    }


def read_pool(account_id: ObjectId, pool_id: ObjectId, doc: Doc) -> Pool:
    """A part of an account's holdings as a pool."""
    health = doc["health"]
    values = {**doc, "health": Health(**{**health, "status": HealthStatus(health["status"])})}
    return Pool(id=pool_id, account_id=account_id, **values)


def profile_doc(profile: Profile) -> Doc:
    """A profile without its ids and its rank, which the holdings' pointers say."""
    return {
        "name": profile.name,
        "algorithm": profile.algorithm,
        "pool_ids": list(profile.pool_ids),
        "created_at": profile.created_at,
        "updated_at": profile.updated_at,
    }


def read_profile(account_id: ObjectId, profile_id: ObjectId, doc: Doc, defaults: Mapping[str, ObjectId]) -> Profile:
    """A part of an account's holdings as a profile; it is a default where the pointer says so."""
    values = {**doc, "pool_ids": tuple(doc["pool_ids"])}
    return Profile(
        id=profile_id, account_id=account_id, is_default=defaults.get(doc["algorithm"]) == profile_id, **values
    )


def course_doc(course: Course) -> Doc:
    """A course without its ids."""
    return {"entries": [list(entry) for entry in course.entries], "ended_at": course.ended_at}


def read_course(account_id: ObjectId, profile_id: ObjectId, doc: Doc) -> Course:
    """A part of an account's holdings as a course."""
    return Course(profile_id, account_id, tuple((at, pool_id) for at, pool_id in doc["entries"]), doc["ended_at"])


def worker_doc(content: str, worker: Worker) -> Doc:
    """A worker as a document of that content; its name in lower case beside it, to be searched."""
    doc = {name: getattr(worker, name) for name in _WORKER}
    doc["_id"] = f"{content}/{worker.id}"
    doc["content"] = content
    doc["folded"] = worker.name.casefold()
    doc["weights"] = list(worker.weights)
    doc["history"] = [list(change) for change in worker.history]
    return doc


def read_worker(doc: Doc) -> Worker:
    """A document as a worker."""
    values = {name: doc[name] for name in _WORKER}
    values["weights"] = tuple(doc["weights"])
    values["history"] = tuple(tuple(change) for change in doc["history"])
    return Worker(**values)


def entry_doc(content: str, entry: JournalEntry) -> Doc:
    """A journal's entry as a document of that content; what is not asked for is one text, whatever names are in it."""
    rest = {name: getattr(entry, name) for name in _ENTRY_REST}
    asked = {name: getattr(entry, name) for name in _ENTRY_ASKED}
    return {"_id": f"{content}/{entry.seq}", "content": content, **asked, "rest": json.dumps(rest)}


def read_entry(doc: Doc) -> JournalEntry:
    """A document as a journal's entry."""
    return JournalEntry(**{name: doc[name] for name in _ENTRY_ASKED}, **json.loads(doc["rest"]))
