"""Exchanges as they are stored: read from HAR or our own JSON, or taken live by reading alone; redacted when stored."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from .clauses import algorithms, operations
from .client import Client, TargetLost
from .exchange import Exchange, masked
from .settings import Key, Settings, SettingsError, override

FORMAT: Final = "upsim exchanges 1"
KEPT_HEADERS: Final = re.compile(r"content-type|retry-after|allow|date|x-.*|ratelimit.*", re.I)
HIDDEN_FIELDS: Final = re.compile(r'("(?:password|username|email|token|secret|wallet)"\s*:\s*)"(?:[^"\\]|\\.)*"', re.I)


class DriftError(Exception):
    """What was given cannot be read; the text says why."""


def gather(source: str, key: str | None) -> list[Exchange]:
    """The exchanges of a file, or of a live target that is only read.

    Raises:
        DriftError: it is neither, or cannot be read.
    """
    if source.startswith(("http://", "https://")):
        return taken(source, key)
    try:
        content = json.loads(Path(source).read_text("utf-8"))
    except OSError as error:
        raise DriftError(f"{source}: {error.strerror or error}") from error
    except ValueError as error:
        raise DriftError(f"{source}: not JSON ({error})") from error
    try:
        if isinstance(content, dict) and content.get("format") == FORMAT:
            return [Exchange(**one) for one in content["exchanges"]]
        return [_from_har(entry) for entry in content["log"]["entries"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DriftError(f"{source}: neither HAR nor exchanges that upsim drift saved ({error!r})") from error


def taken(url: str, secret: str | None, transport: httpx.BaseTransport | None = None) -> list[Exchange]:
    """Every read operation of a live target, called once, and a few of its refusals.

    Raises:
        DriftError: there is no key, or no answer.
    """
    if not secret:
        raise DriftError("a live target needs --key")
    try:
        settings = override(None, url, secret)
    except SettingsError as error:
        raise DriftError(str(error)) from error
    client = Client(settings, transport=transport)
    try:
        return list(_reading(client, settings))
    except TargetLost as error:
        raise DriftError(f"{url} does not answer: {error}") from error
    finally:
        client.close()


def _reading(client: Client, settings: Settings) -> Iterator[Exchange]:
    key: Key = settings.keys["main"]

    def get(operation: str, identity: str | None = None, **query: Any) -> Any:
        known = operations()[operation]
        return client.send(known.method, known.url(identity), key=key, query=query)

    first: dict[str, str] = {}
    mined = algorithms()[0]
    for name in ("list_workers", "list_pools", "list_profiles", "get_overview"):
        reply = get(name) if name == "get_overview" else get(name, page=1, limit=100)
        yield reply.exchange
        if not reply.status:
            raise DriftError(f"{settings.url} does not answer: {reply.exchange.trouble}")
        if reply.items:
            first[name] = str(reply.items[0].get("_id"))
            mined = str(reply.items[0].get("algorithm", mined))
    for name, source in (
        ("get_worker", "list_workers"),
        ("get_worker_hashrate", "list_workers"),
        ("get_pool", "list_pools"),
    ):
        if source in first:
            yield get(name, first[source]).exchange
    for span in ("1h", "24h"):
        yield get("get_workers_hashrate", algorithm=mined, timeRange=span).exchange
    yield get("get_default_profile", algorithm=mined).exchange
    yield get("get_worker", "0" * 24).exchange
    yield get("list_workers", page="0").exchange
    yield client.send("GET", "/v1/overview", key=None).exchange


def _from_har(entry: Mapping[str, Any]) -> Exchange:
    request, response = entry["request"], entry["response"]
    content = response.get("content", {})
    text = content.get("text", "")
    if content.get("encoding") == "base64":
        try:
            text = base64.b64decode(text).decode("utf-8", "replace")
        except binascii.Error:
            text = ""
    return Exchange(
        request["method"],
        request["url"],
        {one["name"]: one["value"] for one in request.get("headers", [])},
        (request.get("postData") or {}).get("text"),
        None,
        int(response["status"]),
        {one["name"]: one["value"] for one in response.get("headers", [])},
        text,
    )


def redacted(one: Exchange) -> dict[str, Any]:
    """An exchange as it may be stored: no key, no password, no name of a user, no cookie, no host."""

    def hidden(text: str) -> str:
        return HIDDEN_FIELDS.sub(r'\1"***"', masked(text))

    def headers(given: Mapping[str, str]) -> dict[str, str]:
        return {
            name: "***" if name.lower() == "x-api-key" else hidden(value)
            for name, value in given.items()
            if KEPT_HEADERS.fullmatch(name)
        }

    parts = urlsplit(one.url)
    query = f"?{parts.query}" if parts.query else ""
    return {
        "method": one.method,
        "url": hidden(parts.path + query),
        "request_headers": headers(one.request_headers),
        "request_body": None if one.request_body is None else hidden(one.request_body),
        "status": one.status,
        "headers": headers(one.headers),
        "raw": hidden(one.raw),
    }
