"""Mutants of the second implementation, one rule swapped out each: the door, reading, assigning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.second.app import Second
from tests.contract.second.data import Row
from tests.contract.second.rules import Answer, Refusal, Rules


@dataclass(frozen=True, slots=True)
class Swap:
    """One rule replaced: the class that breaks it, and the clause that has to find it."""

    name: str
    clause: str
    make: Callable[[Callable[[], float]], Second]


SWAPS: list[Swap] = []


def breaks(clause: str) -> Callable[[type[Any]], type[Any]]:
    """Register a class of broken rules, or a broken door."""

    def register(broken: type[Any]) -> type[Any]:
        def make(now: Callable[[], float]) -> Second:
            if issubclass(broken, Second):
                return broken(now)
            door = type("Door", (Second,), {"rules_class": broken})
            made: Second = door(now)
            return made

        SWAPS.append(Swap(" ".join((broken.__doc__ or "").split()).rstrip("."), clause, make))
        return broken

    return register


# Doors


@breaks("rate.per-user")
class PerKey(Second):
    """Each key has a limit of its own."""

    def authenticate(self, environ: Row) -> Row:
        key = super().authenticate(environ)
        given = environ.get("HTTP_X_API_KEY", "")
        alias = f"{key['user']}/{given}"
        self.counts.setdefault(alias, (0, 0))
        self.current = alias
        return key

    def count(self, user: str) -> dict[str, str]:
        self.data.users[self.current] = self.data.users[user]
        return super().count(self.current)


@breaks("rate.basic-10")
class Eleven(Second):
    """Users without VIP have eleven requests."""

    def limit(self, user: str) -> int:
        return 60 if self.data.users[user]["vip"] else 11


@breaks("rate.vip-60")
class Fifty(Second):
    """VIP users have fifty requests."""

    def limit(self, user: str) -> int:
        return 50 if self.data.users[user]["vip"] else 10


@breaks("rate.new-window")
class NeverAgain(Second):
    """A new window gives back half."""

    def count(self, user: str) -> dict[str, str]:
        window = int(self.now() // 60)
        if self.counts.get(user, (window, 0))[0] != window:
            self.counts[user] = (window, self.limit(user) // 2)
        return super().count(user)


@breaks("auth.key-unusable")
class Forever(Second):
    """Keys do not expire."""

    def authenticate(self, environ: Row) -> Row:
        for key in self.data.keys.values():
            key["expired"] = False
        return super().authenticate(environ)


@breaks("auth.scope-suffices")
class ReadToo(Second):
    """Writing needs the scope to read too."""

    def check_scope(self, key: Row, scope: str) -> None:
        super().check_scope(key, scope)
        super().check_scope(key, scope.replace(":write", ":read"))


@breaks("auth.scope-required")
class AnyScope(Second):
    """Pools may be deleted with any key."""

    def check_scope(self, key: Row, scope: str) -> None:
        if scope != "pools:write":
            super().check_scope(key, scope)


@breaks("order.scope-before-validation")
class ScopeLast(Second):
    """Bodies are read before the scope is checked."""

    def answer(self, environ: Row) -> tuple[int, dict[str, str], Any]:
        status, headers, body = super().answer(environ)
        if status == 403 and environ["REQUEST_METHOD"] == "POST" and environ.get("CONTENT_LENGTH") == "1":
            return 400, headers, {"error": "body: not JSON"}
        return status, headers, body


@breaks("order.rate-before-scope")
class ScopeFirst(Second):
    """The scope is checked before the rate."""

    def count(self, user: str) -> dict[str, str]:
        self.refusal: Refusal | None = None
        try:
            return super().count(user)
        except Refusal as refusal:
            self.refusal = refusal
            return refusal.headers

    def check_scope(self, key: Row, scope: str) -> None:
        super().check_scope(key, scope)
        if self.refusal is not None:
            raise self.refusal


# Reading


@breaks("lists.nothing-lost")
class Overlap(Rules):
    """Pages overlap by one."""

    def page(self, rows: Any, query: Row, show: Callable[[Row], Row]) -> Answer:
        status, body = super().page(rows, query, show)
        page = body["pagination"]["page"]
        if page > 1 and body["data"]:
            _, before = super().page(self.again, {**query, "page": str(page - 1)}, show)
            body["data"] = [before["data"][-1], *body["data"][:-1]]
        return status, body

    def own(self, table: dict[str, Row], user: str, algorithm: str | None = None) -> Any:
        self.again = list(super().own(table, user, algorithm))
        return iter(self.again)


@breaks("lists.order")
class Newest(Rules):
    """Newest first."""

    def order(self, row: Row) -> Any:
        return -int(row["_id"], 16)


@breaks("workers.filter-search")
class Exactly(Rules):
    """Search minds upper and lower case."""

    def list_workers(self, user: str, _id: None, query: Row, body: None, vip: bool) -> Answer:
        if query.get("search", "") != query.get("search", "").lower():
            return self.page([], query, self.worker)
        return super().list_workers(user, _id, query, body, vip)


@breaks("lists.filters-combine")
class FirstFilter(Rules):
    """Only the first filter counts."""

    def list_workers(self, user: str, _id: None, query: Row, body: None, vip: bool) -> Answer:
        if "algorithm" in query:
            query = {name: value for name, value in query.items() if name in ("algorithm", "page", "limit")}
        return super().list_workers(user, _id, query, body, vip)


@breaks("ids.foreign")
class Readable(Rules):
    """Another user's pools can be read."""

    def get_pool(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        if _id in self.data.pools:
            user = self.data.pools[_id]["user"]
        return super().get_pool(user, _id, query, body, vip)


@breaks("ids.foreign")
class Borrowed(Rules):
    """Another user's pools can be put into profiles."""

    def check_pools(self, user: str, algorithm: str, wanted: list[str]) -> None:
        users = {self.data.pools[one]["user"] for one in wanted if one in self.data.pools}
        super().check_pools(users.pop() if len(users) == 1 else user, algorithm, wanted)


@breaks("ids.foreign-like-unknown")
class Forbidden(Rules):
    """What is another user's is answered 403."""

    def find(self, table: dict[str, Row], user: str, identity: str | None) -> Row:
        if identity in table and table[identity]["user"] != user:
            raise Refusal(403, "that is not yours")
        return super().find(table, user, identity)


@breaks("order.validation-before-existence")
class LookFirst(Rules):
    """Pools are looked up before the body is checked."""

    def update_pool(self, user: str, _id: str, query: Row, body: Row, vip: bool) -> Answer:
        self.find(self.data.pools, user, _id)
        return super().update_pool(user, _id, query, body, vip)


@breaks("fleet-series.is-the-sum")
class OneShort(Rules):
    """The fleet's series forgets a worker."""

    def series(self, workers: list[Row], algorithm: str | None, name: str) -> Row:
        return super().series(workers[1:] if len(workers) > 1 else workers, algorithm, name)


@breaks("series.default-range")
class AnHour(Rules):
    """The series is an hour's by default."""

    def get_workers_hashrate(self, user: str, _id: None, query: Row, body: None, vip: bool) -> Answer:
        return super().get_workers_hashrate(user, _id, {"timeRange": "1h", **query}, body, vip)


# Assigning


@breaks("bulk-assign.unknown-worker")
class HalfWay(Rules):
    """Workers are assigned one by one until one fails."""

    def assign(self, user: str, wanted: list[str], profile: Row) -> None:
        for one in wanted:
            super().assign(user, [one], profile)


@breaks("bulk-assign.other-algorithm")
class AnyAlgorithm(Rules):
    """Workers of any algorithm can be assigned."""

    def assign(self, user: str, wanted: list[str], profile: Row) -> None:
        for one in wanted:
            worker = self.find(self.data.workers, user, one)
            super().assign(user, [one], {**profile, "algorithm": worker["algorithm"]})


@breaks("bulk-assign.assigns")
class Pretends(Rules):
    """Assigning answers well and does nothing."""

    def assign(self, user: str, wanted: list[str], profile: Row) -> None:
        for one in wanted:
            self.find(self.data.workers, user, one)


@breaks("bulk-assign.others-untouched")
class Everybody(Rules):
    """Assigning moves every worker of the algorithm."""

    def assign(self, user: str, wanted: list[str], profile: Row) -> None:
        super().assign(user, wanted, profile)
        for worker in self.own(self.data.workers, user, profile["algorithm"]):
            worker["profile_id"] = profile["_id"]


@breaks("bulk-assign.duplicates")
class CountsTwice(Rules):
    """A worker named twice counts twice."""

    def bulk_assign_workers(self, user: str, _id: None, query: Row, body: Row, vip: bool) -> Answer:
        status, answer = super().bulk_assign_workers(user, _id, query, body, vip)
        return status, {**answer, "assigned": len(body["worker_ids"])}


@breaks("bulk-assign.many")
class TwentyAtOnce(Rules):
    """At most twenty workers are assigned in one call."""

    def assign(self, user: str, wanted: list[str], profile: Row) -> None:
        super().assign(user, wanted[:20], profile)


@breaks("bulk-assign.limits")
class NoneIsFine(Rules):
    """An empty list of workers is fine."""

    def bulk_assign_workers(self, user: str, _id: None, query: Row, body: Row, vip: bool) -> Answer:
        if body.get("worker_ids") == []:
            return 200, {"assigned": 0, "profile_id": body["profile_id"]}
        return super().bulk_assign_workers(user, _id, query, body, vip)
