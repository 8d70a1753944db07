"""The second implementation's door: WSGI, who is calling, how often, and which rule answers."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from tests.contract.second.data import ALGORITHMS, Data, Row
from tests.contract.second.rules import Refusal, Rules

ID = r"(?P<id>[^/]+)"
ROUTES: list[tuple[str, str, str, str]] = [
    ("GET", "/v1/overview", "dashboard:read", "get_overview"),
    ("GET", "/v1/workers", "workers:read", "list_workers"),
    ("GET", "/v1/workers/hashrate", "workers:read", "get_workers_hashrate"),
    ("POST", "/v1/workers/bulk-assign", "workers:write", "bulk_assign_workers"),
    ("GET", f"/v1/workers/{ID}", "workers:read", "get_worker"),
    ("GET", f"/v1/workers/{ID}/hashrate", "workers:read", "get_worker_hashrate"),
    ("GET", "/v1/pools", "pools:read", "list_pools"),
    ("POST", "/v1/pools", "pools:write", "create_pool"),
    ("POST", "/v1/pools/test", "pools:write", "test_pool"),
    ("GET", f"/v1/pools/{ID}", "pools:read", "get_pool"),
    ("PUT", f"/v1/pools/{ID}", "pools:write", "update_pool"),
    ("DELETE", f"/v1/pools/{ID}", "pools:write", "delete_pool"),
    ("GET", "/v1/profiles", "profiles:read", "list_profiles"),
    ("POST", "/v1/profiles", "profiles:write", "create_profile"),
    ("GET", "/v1/profiles/default", "profiles:read", "get_default_profile"),
    ("PUT", f"/v1/profiles/{ID}", "profiles:write", "update_profile"),
    ("DELETE", f"/v1/profiles/{ID}", "profiles:write", "delete_profile"),
    ("POST", f"/v1/profiles/{ID}/default", "profiles:write", "set_default_profile"),
]
WITH_BODY = {"bulk_assign_workers", "create_pool", "test_pool", "update_pool", "create_profile", "update_profile"}
LARGEST_BODY = 1 << 20


class Second:
    """The whole service as one WSGI application."""

    rules_class: type[Rules] = Rules

    def __init__(self, now: Callable[[], float] = time.time) -> None:  # noqa: TID251 - a server of its own, on the wall clock
        self.now = now
        self.data = Data()
        self.rules = self.rules_class(self.data, now)
        self.counts: dict[str, tuple[int, int]] = {}
        self.lock = threading.Lock()

    def __call__(self, environ: Row, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self.lock:
            try:
                status, headers, body = self.answer(environ)
            except Exception:  # the edge: a mutant may break anything
                status, headers, body = 500, {}, {"error": "internal server error"}
        payload = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(payload)), **headers}
        start_response(f"{status} {'OK' if status < 400 else 'Refused'}", list(headers.items()))
        return [payload]

    def answer(self, environ: Row) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body for a request."""
        headers: dict[str, str] = {}
        try:
            key = self.authenticate(environ)
            user = key["user"]
            if key["addresses"] and environ.get("REMOTE_ADDR", "127.0.0.1") not in key["addresses"]:
                raise Refusal(403, "this key may not be used from your address")
            headers.update(self.count(user))
            scope, name, identity = self.route(environ)
            self.check_scope(key, scope)
            body = self.body(environ) if name in WITH_BODY else None
            query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
            if identity is not None:
                identity = self.rules.identity("id", identity)
            answer = getattr(self.rules, name)
            status, result = answer(user, identity, query, body, self.data.users[user]["vip"])
        except Refusal as refusal:
            return refusal.status, {**headers, **refusal.headers}, {"error": refusal.message}
        return status, headers, result

    def authenticate(self, environ: Row) -> Row:
        """The key's row."""
        given = environ.get("HTTP_X_API_KEY")
        if given is None:
            scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
            given = token.strip() if scheme.lower() == "bearer" else None
        key = self.data.keys.get(given or "")
        if key is None or key["expired"]:
            raise Refusal(401, "no valid API key: send X-API-Key or Authorization: Bearer")
        return key

    def limit(self, user: str) -> int:
        """Requests a minute."""
        return 60 if self.data.users[user]["vip"] else 10

    def count(self, user: str) -> dict[str, str]:
        """Count one call; the headers that say so."""
        now = self.now()
        window = int(now // 60)
        known, used = self.counts.get(user, (window, 0))
        used = used + 1 if known == window else 1
        self.counts[user] = (window, used)
        limit = self.limit(user)
        reset = (window + 1) * 60
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - used)),
            "X-RateLimit-Reset": str(reset),
        }
        if used > limit:
            wait = max(1, math.ceil(reset - now))
            raise Refusal(429, "too many requests, wait for the next minute", {**headers, "Retry-After": str(wait)})
        return headers

    def route(self, environ: Row) -> tuple[str, str, str | None]:
        """Scope, name and id of the operation."""
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        allowed: list[str] = []
        for verb, pattern, scope, name in ROUTES:
            found = re.fullmatch(pattern, path)
            # A fixed path is never taken for an id.
            if found and not ("id" in found.groupdict() and path in {"/v1/workers/hashrate", "/v1/profiles/default"}):
                if verb == method:
                    return scope, name, found.groupdict().get("id")
                allowed.append(verb)
        if allowed:
            raise Refusal(405, f"{path} has no {method}", {"Allow": ", ".join(dict.fromkeys(allowed))})
        raise Refusal(404, f"there is no {path}")

    def check_scope(self, key: Row, scope: str) -> None:
        """Refuse a key that lacks the scope."""
        if scope not in key["scopes"]:
            raise Refusal(403, f"this key lacks the scope {scope}")

    def body(self, environ: Row) -> Row:
        """The JSON object that was sent."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > LARGEST_BODY:
            raise Refusal(413, f"the body has more than {LARGEST_BODY} bytes")
        raw = environ["wsgi.input"].read(length)
        if not raw:
            raise Refusal(400, "body: missing; send a JSON object")
        if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "send JSON with Content-Type: application/json")
        try:
            given = json.loads(raw)
        except ValueError as error:
            raise Refusal(400, "body: not JSON") from error
        if not isinstance(given, dict):
            raise Refusal(400, "body: a JSON object is needed")
        return given


__all__ = ["ALGORITHMS", "Second"]
