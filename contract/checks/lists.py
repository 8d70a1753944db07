"""Paging: nothing lost, nothing doubled, totals that are true, ranges that are kept."""

from __future__ import annotations

import math
from typing import Any

from ..probe import Blocked, Probe
from ..registry import scenario

PAGES = 5
COMMON = (
    "lists.shape",
    "lists.echo",
    "lists.total-pages",
    "lists.full-pages",
    "lists.nothing-lost",
    "lists.order",
    "lists.defaults",
    "lists.limit-100",
    "lists.range",
    "lists.past-end",
)


def paging(probe: Probe, operation: str, bad: tuple[tuple[str, str], ...]) -> None:
    """Go through a list in small pages and look at its edges."""
    first = probe.call(operation)
    shape = first.ok and isinstance(first.body.get("data"), list) and isinstance(first.body.get("pagination"), dict)
    probe.need("lists.shape", shape, "{data: […], pagination: {…}}", "", first)
    pagination = first.body["pagination"]
    usual = (pagination.get("page"), pagination.get("limit")) == (1, 20) and len(first.items) <= 20
    probe.expect("lists.defaults", usual, "page 1, limit 20", pagination, first)
    whole = probe.call(operation, query={"page": 1, "limit": 100})
    hundred = whole.ok and whole.body.get("pagination", {}).get("limit") == 100
    probe.expect("lists.limit-100", hundred, "limit 100 is taken", "", whole)
    for name, value in bad:
        probe.status("lists.range", probe.call(operation, query={name: value}), 400)
    total = pagination.get("total", 0)
    past = probe.call(operation, query={"page": 1000, "limit": 100})
    empty = past.ok and past.body.get("data") == [] and past.body.get("pagination", {}).get("total") == total
    probe.expect("lists.past-end", empty, f"200 with no items and total {total}", "", past)
    if total < 2:
        raise Blocked(f"{operation} holds fewer than two items")
    _small_pages(probe, operation, total)


def _small_pages(probe: Probe, operation: str, total: int) -> None:
    limit = max(1, min(100, math.ceil(total / PAGES)))
    if total > limit * PAGES:
        limit = 100
    if limit > 1 and total % limit == 0:
        limit -= 1  # so that the last page is not full
    pages = math.ceil(total / limit)
    seen: list[dict[str, Any]] = []
    for page in range(1, min(pages, 2 * PAGES) + 1):
        reply = probe.call(operation, query={"page": page, "limit": limit})
        shown = reply.body.get("pagination", {})
        echoed = (shown.get("page"), shown.get("limit")) == (page, limit)
        probe.expect("lists.echo", echoed, f"page {page} and limit {limit}", shown, reply)
        counted = (shown.get("total"), shown.get("total_pages")) == (total, pages)
        probe.expect("lists.total-pages", counted, f"total {total}, total_pages {pages}", shown, reply)
        wanted = limit if page < pages else total - limit * (pages - 1)
        probe.expect(
            "lists.full-pages", len(reply.items) == wanted, f"{wanted} items on page {page}", len(reply.items), reply
        )
        seen += reply.items
    ids = [item.get("_id") for item in seen]
    wanted = min(total, limit * 2 * PAGES)
    probe.expect(
        "lists.nothing-lost",
        len(set(ids)) == len(ids) == wanted,
        f"{wanted} different items",
        f"{len(ids)}, {len(set(ids))} different",
    )
    order = [(item.get("created_at", ""), item.get("_id", "")) for item in seen]
    probe.expect("lists.order", order == sorted(order), "by created_at, then _id", "another order")


@scenario(*COMMON, cost=18)
def paging_workers(probe: Probe) -> None:
    """Pages through the workers."""
    bad = (
        ("page", "0"),
        ("page", "-1"),
        ("page", "x"),
        ("page", "1.5"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", ""),
    )
    paging(probe, "list_workers", bad)


@scenario(*COMMON, cost=12)
def paging_pools(probe: Probe) -> None:
    """Pages through the pools."""
    paging(probe, "list_pools", (("page", "0"), ("limit", "101"), ("limit", "ten")))


@scenario(*COMMON, cost=12)
def paging_profiles(probe: Probe) -> None:
    """Pages through the profiles."""
    paging(probe, "list_profiles", (("page", "0"), ("limit", "101"), ("limit", "-5")))
