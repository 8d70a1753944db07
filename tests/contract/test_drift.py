"""Drift: what recorded exchanges say about the spec."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from contract.clauses import SPEC_FILE
from contract.drift import compare, gather, operation_of, provenance_patch
from contract.exchange import Exchange

LIMITS = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "59", "X-RateLimit-Reset": "1737374460"}
POOL: dict[str, Any] = {
    "_id": "65a1f0c2d3e4b5a697880101",
    "name": "Monero EU",
    "algorithm": "randomx",
    "host": "xmr.example.com",
    "port": 3333,
    "tls": False,
    "username": "4walletaddress.rig",
    "health": {
        "status": "healthy",
        "last_checked_at": "2025-01-20T11:55:00.000Z",
        "last_error": None,
        "consecutive_failures": 0,
        "latency_ms": 24,
    },
    "created_at": "2025-01-01T12:00:00.000Z",
    "updated_at": "2025-01-01T12:00:00.000Z",
}
PATH = f"/v1/pools/{POOL['_id']}"


def exchange(
    body: Any, *, path: str = PATH, method: str = "GET", status: int = 200, headers: dict[str, str] | None = None
) -> Exchange:
    """One call to the vendor, as a recorder sees it."""
    return Exchange(
        method,
        f"https://api.example.com{path}",
        {"X-API-Key": "up_k_secretsecret", "Cookie": "session=secret"},
        None,
        None,
        status,
        {"Content-Type": "application/json", **(LIMITS if headers is None else headers)},
        json.dumps(body),
    )


def test_what_agrees_is_called_observed() -> None:
    found = compare([exchange(POOL)])
    assert found.contradicted == []
    assert found.refuted == []
    assert found.new == {}
    assert "shape.Pool.tls" in [clause.id for clause, _ in found.observed]


def test_a_documented_field_of_another_type_is_contradicted() -> None:
    found = compare([exchange({**POOL, "_id": 7})])
    assert "shape.Pool._id" in [clause.id for clause, _ in found.contradicted]
    assert "contradicted" in found.text().lower()


def test_an_assumption_that_does_not_hold_is_refuted_and_contradicts_nothing() -> None:
    found = compare([exchange({name: value for name, value in POOL.items() if name != "tls"})])
    assert [clause.id for clause, _ in found.refuted] == ["shape.Pool.tls"]
    assert found.contradicted == []


def test_new_fields_statuses_headers_and_operations_are_listed() -> None:
    found = compare(
        [
            exchange({**POOL, "region": "eu"}),
            exchange({"error": "teapot"}, status=418),
            exchange(POOL, headers={**LIMITS, "X-Trace": "1"}),
            exchange({"data": []}, path="/v1/payouts"),
        ]
    )
    assert {"field Pool.region", "status 418 of get_pool", "header X-Trace", "operation GET /v1/payouts"} <= set(
        found.new
    )


def test_missing_limit_headers_contradict_the_reference() -> None:
    found = compare([exchange(POOL, headers={})])
    assert [clause.id for clause, _ in found.contradicted] == ["rate.headers"]


def test_a_refused_key_needs_no_limit_headers() -> None:
    found = compare([exchange({"error": "no key"}, status=401, headers={})])
    assert found.contradicted == []


def test_fixed_paths_go_before_ids() -> None:
    for method, path, name in (
        ("GET", "/v1/workers/hashrate", "get_workers_hashrate"),
        ("GET", "/v1/workers/65a1f0c2d3e4b5a697880101/hashrate", "get_worker_hashrate"),
        ("GET", "/v1/profiles/default", "get_default_profile"),
        ("POST", "/v1/pools/test", "test_pool"),
    ):
        found = operation_of(method, path)
        assert found is not None
        assert found.id == name
    assert operation_of("GET", "/v1/profiles/65a1f0c2d3e4b5a697880101") is None


def test_a_har_is_read_and_what_is_stored_is_redacted(tmp_path: Path) -> None:
    entry = {
        "request": {
            "method": "GET",
            "url": f"https://api.example.com{PATH}?key=up_k_secretsecret",
            "headers": [
                {"name": "X-API-Key", "value": "up_k_secretsecret"},
                {"name": "Cookie", "value": "session=secret"},
            ],
        },
        "response": {
            "status": 200,
            "headers": [{"name": name, "value": value} for name, value in LIMITS.items()]
            + [{"name": "Content-Type", "value": "application/json"}],
            "content": {"text": json.dumps(POOL)},
        },
    }
    file = tmp_path / "session.har"
    file.write_text(json.dumps({"log": {"entries": [entry]}}), "utf-8")
    found = compare(gather(str(file), None))
    stored = found.recording()
    for secret in ("secretsecret", "session=", "4walletaddress", "api.example.com"):
        assert secret not in stored
    file.with_name("again.json").write_text(stored, "utf-8")
    again = compare(gather(str(file.with_name("again.json")), None))
    assert [clause.id for clause, _ in again.observed] == [clause.id for clause, _ in found.observed]


def test_the_patch_changes_provenance_alone_and_names_no_id() -> None:
    patch = provenance_patch(compare([exchange(POOL)]))
    changed = [line for line in patch.splitlines() if re.match("[+-][^+-]", line)]
    assert changed
    assert all("x-provenance" in line for line in changed)
    assert POOL["_id"] not in patch
    removed = [line[1:] for line in changed if line.startswith("-")]
    spec = SPEC_FILE.read_text("utf-8")
    assert all(line in spec for line in removed)
