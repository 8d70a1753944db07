"""What the second implementation reads and answers of workers; checks values by hand, not by the spec's schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.contract.second.data import ALGORITHMS, Data, Row, iso, unit

RANGES = {"1h": (1, 300), "6h": (6, 300), "24h": (24, 900), "7d": (168, 3600), "30d": (720, 14400)}
Answer = tuple[int, Any]


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


class Reading:
    """Values, lists, workers. Each operation takes user, id, query, body and whether the user is VIP."""

    def __init__(self, data: Data, now: Callable[[], float]) -> None:
        self.data, self.now = data, now

    # Reading what was sent

    def identity(self, field: str, value: Any) -> str:
        """An id, in lower case."""
        if not isinstance(value, str) or not re.fullmatch("[0-9a-fA-F]{24}", value):
            raise Refusal(400, f"{field}: 24 hexadecimal characters are needed")
        return value.lower()

    def text(self, field: str, value: Any, least: int, most: int) -> str:
        """A text of a certain length."""
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise Refusal(400, f"{field}: a text of {least} to {most} characters is needed")
        return value

    def name(self, field: str, value: Any) -> str:
        """A name: not only blanks."""
        if not self.text(field, value, 1, 100).strip():
            raise Refusal(400, f"{field}: only blanks")
        return str(value)

    def choice(self, field: str, value: Any, choices: Iterable[str]) -> str:
        """One of several words."""
        if value not in list(choices):
            raise Refusal(400, f"{field}: one of {', '.join(choices)} is needed")
        return str(value)

    def number(self, field: str, value: Any, least: int, most: int) -> int:
        """A whole number in a range."""
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Refusal(400, f"{field}: a whole number from {least} to {most} is needed")
        return value

    def setting(self, field: str, value: Any) -> Any:
        """One setting of a pool."""
        if field == "name":
            return self.name(field, value)
        if field == "algorithm":
            return self.choice(field, value, ALGORITHMS)
        if field == "host":
            host = self.text(field, value, 1, 253)
            if not re.fullmatch(
                r"[A-Za-z0-9_]([\w-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([\w-]*[A-Za-z0-9_])?)*\.?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*",
                host,
            ):
                raise Refusal(400, "host: a host name or an address is needed")
            return host
        if field == "port":
            return self.number(field, value, 1, 65535)
        if field == "tls":
            if not isinstance(value, bool):
                raise Refusal(400, "tls: true or false is needed")
            return value
        return self.text(field, value, 0 if field == "password" else 1, 255)

    def settings(self, body: Row, required: Iterable[str]) -> Row:
        """The settings of a pool in a body."""
        for field in required:
            if field not in body:
                raise Refusal(400, f"{field}: missing")
        names = ("name", "algorithm", "host", "port", "tls", "username", "password")
        return {field: self.setting(field, body[field]) for field in names if field in body}

    # Lists

    def page(self, rows: Iterable[Row], query: Row, show: Callable[[Row], Row]) -> Answer:
        """One page of the rows, oldest first."""
        page, limit = (
            self.digits(query, name, most, usual) for name, most, usual in (("page", 2**53 - 1, 1), ("limit", 100, 20))
        )
        found = sorted(rows, key=self.order)
        begin = (page - 1) * limit
        pages = -(-len(found) // limit)
        return 200, {
            "data": [show(row) for row in found[begin : begin + limit]],
            "pagination": {"page": page, "limit": limit, "total": len(found), "total_pages": pages},
        }

    def order(self, row: Row) -> Any:
        """How lists are ordered."""
        return (row["created_at"], row["_id"])

    def digits(self, query: Row, name: str, most: int, usual: int) -> int:
        """A number of the query."""
        text = query.get(name, str(usual))
        if not re.fullmatch("[0-9]{1,16}", text) or not 1 <= int(text) <= most:
            raise Refusal(400, f"{name}: a whole number from 1 to {most} is needed")
        return int(text)

    def algorithm(self, query: Row) -> str | None:
        """The filter by algorithm."""
        return self.choice("algorithm", query["algorithm"], ALGORITHMS) if "algorithm" in query else None

    def own(self, table: dict[str, Row], user: str, algorithm: str | None = None) -> Iterator[Row]:
        """The user's rows."""
        return (row for row in table.values() if row["user"] == user and algorithm in (None, row["algorithm"]))

    def find(self, table: dict[str, Row], user: str, identity: str | None) -> Row:
        """The user's row of this id."""
        row = table.get(identity or "")
        if row is None or row["user"] != user:
            raise Refusal(404, f"there is no {identity}")
        return row

    # Overview and workers

    def get_overview(self, user: str, _id: None, query: Row, body: None, vip: bool) -> Answer:
        blocks: list[Row] = []
        for name in ALGORITHMS:
            workers = list(self.own(self.data.workers, user, name))
            pools = list(self.own(self.data.pools, user, name))
            if workers or pools:
                online = sum(worker["online"] for worker in workers)
                states = [pool["health"]["status"] for pool in pools]
                blocks.append(
                    {
                        "algorithm": name,
                        "workers": {"total": len(workers), "online": online, "offline": len(workers) - online},
                        "pools": {
                            "total": len(pools),
                            "healthy": states.count("healthy"),
                            "unhealthy": states.count("unhealthy"),
                        },
                        "hashrate": sum(self.rate(worker) for worker in workers),
                    }
                )
        totals: Row = {
            "workers": {"total": 0, "online": 0, "offline": 0},
            "pools": {"total": 0, "healthy": 0, "unhealthy": 0},
        }
        for block in blocks:
            for kind, counts in totals.items():
                for count in counts:
                    counts[count] += block[kind][count]
        return 200, {**totals, "algorithms": blocks}

    def rate(self, worker: Row) -> int:
        """The hashrate of a worker now."""
        return int(self.mean(worker, int(self.now() // 60), 60)) if worker["online"] else 0

    def mean(self, worker: Row, step: int, granularity: int) -> float:
        """The mean hashrate of a worker in a step of time."""
        return (
            round(float(worker["power"]) * (0.9 + 0.2 * unit(worker["_id"], step, granularity)), 3)
            if worker["online"]
            else 0.0
        )

    def worker(self, row: Row) -> Row:
        """A worker as the API shows it."""
        profile = self.data.profiles[row["profile_id"]]
        pool = self.data.pools[profile["pool_ids"][0]] if row["online"] else None
        accepted = int((self.now() - row["born"]) / 30)
        return {
            "_id": row["_id"],
            "name": row["name"],
            "algorithm": row["algorithm"],
            "profile_id": profile["_id"],
            "profile_name": profile["name"],
            "status": "online" if row["online"] else "offline",
            "hashrate": self.rate(row),
            "shares": {"accepted": accepted, "stale": accepted // 200, "rejected": accepted // 900},
            "pool_id": pool and pool["_id"],
            "pool_name": pool and pool["name"],
            "uptime_seconds": int(self.now() - row["born"]) if row["online"] else 0,
            "last_seen_at": iso(self.now()) if row["online"] else iso(row["born"]),
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
        }

    def list_workers(self, user: str, _id: None, query: Row, body: None, vip: bool) -> Answer:
        rows = list(self.own(self.data.workers, user, self.algorithm(query)))
        if "status" in query:
            wanted = self.choice("status", query["status"], ("online", "offline")) == "online"
            rows = [row for row in rows if row["online"] is wanted]
        if "profile_id" in query:
            profile = self.identity("profile_id", query["profile_id"])
            rows = [row for row in rows if row["profile_id"] == profile]
        if "search" in query:
            part = self.text("search", query["search"], 1, 100).lower()
            rows = [row for row in rows if part in row["name"].lower()]
        return self.page(rows, query, self.worker)

    def get_worker(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        return 200, self.worker(self.find(self.data.workers, user, _id))

    def get_worker_hashrate(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        name = self.choice("timeRange", query.get("timeRange", "24h"), RANGES)
        worker = self.find(self.data.workers, user, _id)
        return 200, self.series([worker], worker["algorithm"], name)

    def get_workers_hashrate(self, user: str, _id: None, query: Row, body: None, vip: bool) -> Answer:
        name = self.choice("timeRange", query.get("timeRange", "24h"), RANGES)
        algorithm = self.algorithm(query)
        if algorithm is None:
            kinds = {worker["algorithm"] for worker in self.own(self.data.workers, user)}
            if len(kinds) > 1:
                raise Refusal(400, "algorithm: needed, as there are workers of several")
            algorithm = kinds.pop() if kinds else None
        return 200, self.series(list(self.own(self.data.workers, user, algorithm)), algorithm, name)

    def series(self, workers: list[Row], algorithm: str | None, name: str) -> Row:
        """The series of these workers together."""
        hours, step = RANGES[name]
        answer: Row = {"algorithm": algorithm, "timeRange": name, "hours": hours, "granularity": step, "data": []}
        if workers:
            end = int(self.now() // step)
            for slot in range(end - hours * 3600 // step, end):
                total = sum(self.mean(worker, slot, step) for worker in workers)
                answer["data"].append({"timestamp": slot * step, "hashrate": total})
            answer["stats"] = self.stats([point["hashrate"] for point in answer["data"]])
        return answer

    def stats(self, rates: list[float]) -> Row:
        """Mean and maximum."""
        return {"avg_hashrate": sum(rates) / len(rates), "peak_hashrate": max(rates)}

    def bulk_assign_workers(self, user: str, _id: None, query: Row, body: Row, vip: bool) -> Answer:
        given = body.get("worker_ids")
        if not isinstance(given, list) or not 1 <= len(given) <= 10_000:
            raise Refusal(400, "worker_ids: a list of 1 to 10000 ids is needed")
        wanted = list(dict.fromkeys(self.identity("worker_ids", one) for one in given))
        profile = self.find(self.data.profiles, user, self.identity("profile_id", body.get("profile_id")))
        self.assign(user, wanted, profile)
        return 200, {"assigned": len(wanted), "profile_id": profile["_id"]}

    def assign(self, user: str, wanted: list[str], profile: Row) -> None:
        """Move all the workers, or none."""
        workers = [self.find(self.data.workers, user, one) for one in wanted]
        if any(worker["algorithm"] != profile["algorithm"] for worker in workers):
            raise Refusal(400, "worker_ids: one is of another algorithm than the profile")
        for worker in workers:
            worker["profile_id"] = profile["_id"]
