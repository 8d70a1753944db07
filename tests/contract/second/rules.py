"""What the second implementation decides of pools and profiles, one method a rule."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.second.data import ALGORITHMS, Data, Row, iso
from tests.contract.second.reading import Answer, Reading, Refusal

__all__ = ["Answer", "Refusal", "Rules"]

STAGES = ("connectivity", "subscription", "authorization")
BAD_HOSTS = {"refused": 0, "no-subscribe": 1, "no-auth": 2}


class Rules(Reading):
    """All eighteen operations."""

    def __init__(self, data: Data, now: Callable[[], float]) -> None:
        super().__init__(data, now)
        self.tries = 0

    # Pools

    def pool(self, row: Row) -> Row:
        """A pool as the API shows it."""
        return {name: value for name, value in row.items() if name not in ("user", "password")}

    def try_pool(self, target: Row) -> Row:
        """The test of a pool: its host's first name says how it ends."""
        failing = BAD_HOSTS.get(target["host"].split(".")[0])
        if target["host"].startswith("flaky."):
            self.tries += 1
            failing = 1 if self.tries % 2 == 0 else None
        stages = [
            {
                "stage": stage,
                "status": "passed"
                if failing is None or place < failing
                else "failed"
                if place == failing
                else "skipped",
                "duration_ms": 12 if failing is None or place <= failing else None,
                "reason": f"{target['host']} failed at {stage}" if place == failing else None,
            }
            for place, stage in enumerate(STAGES)
        ]
        return {
            "success": failing is None,
            "pool_id": None,
            "stages": stages,
            "latency_ms": None if failing == 0 else 12,
            "remarks": [],
        }

    def demand(self, target: Row) -> Row:
        """A test that has to succeed; the health that follows from it."""
        test = self.try_pool(target)
        for stage in test["stages"]:
            if stage["status"] == "failed":
                raise Refusal(400, f"the test failed at {stage['stage']}: {stage['reason']}")
        return self.well(test)

    def well(self, test: Row) -> Row:
        """The health of a pool whose test succeeded."""
        moment = iso(self.now())
        return {
            "status": "healthy",
            "last_checked_at": moment,
            "last_error": None,
            "consecutive_failures": 0,
            "latency_ms": test["latency_ms"],
        }

    def check_quota(self, table: dict[str, Row], user: str, algorithm: str, vip: bool) -> None:
        """Refuse one too many."""
        if not vip and len(list(self.own(table, user, algorithm))) >= 5:
            raise Refusal(403, f"5 for {algorithm} are all your tier allows")

    def list_pools(self, user: str, _id: None, query: Row, body: None, vip: bool) -> Answer:
        rows = self.own(self.data.pools, user, self.algorithm(query))
        if "status" in query:
            wanted = self.choice("status", query["status"], ("healthy", "unhealthy", "unknown"))
            rows = (row for row in rows if row["health"]["status"] == wanted)
        return self.page(rows, query, self.pool)

    def get_pool(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        return 200, self.pool(self.find(self.data.pools, user, _id))

    def create_pool(self, user: str, _id: None, query: Row, body: Row, vip: bool) -> Answer:
        given = {
            "tls": False,
            "password": "x",
            **self.settings(body, ("name", "algorithm", "host", "port", "username")),
        }
        self.check_quota(self.data.pools, user, given["algorithm"], vip)
        health = self.demand(given)
        moment = self.now()
        identity = self.data.new_id(moment)
        row = {
            "_id": identity,
            "user": user,
            **given,
            "health": health,
            "created_at": iso(moment),
            "updated_at": iso(moment),
        }
        self.data.pools[identity] = row
        return 201, {**self.pool(row), "created_profile_id": self.first_profile(user, row)}

    def first_profile(self, user: str, pool: Row) -> str | None:
        """Create a default profile where the algorithm has none."""
        if (user, pool["algorithm"]) in self.data.defaults:
            return None
        return str(self.add_profile(user, f"Default {pool['algorithm']}", pool["algorithm"], [pool["_id"]])["_id"])

    def users_of(self, pool: Row) -> list[str]:
        """The names of the profiles with this pool."""
        return [row["name"] for row in self.data.profiles.values() if pool["_id"] in row["pool_ids"]]

    def update_pool(self, user: str, _id: str, query: Row, body: Row, vip: bool) -> Answer:
        given = self.settings(body, ())
        row = self.find(self.data.pools, user, _id)
        if given.get("algorithm", row["algorithm"]) != row["algorithm"]:
            if self.users_of(row):
                raise Refusal(409, f"algorithm: the pool is in use by {', '.join(self.users_of(row))}")
            self.check_quota(self.data.pools, user, given["algorithm"], vip)
        changed = {**row, **given}
        if self.needs_test(row, changed):
            changed["health"] = self.demand(changed)
        if changed != row:
            changed["updated_at"] = iso(self.now())
        row.update(changed)
        return 200, self.pool(row)

    def needs_test(self, before: Row, after: Row) -> bool:
        """Whether the connection changed."""
        return any(before[name] != after[name] for name in ("host", "port", "tls", "username", "password"))

    def delete_pool(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        row = self.find(self.data.pools, user, _id)
        if self.users_of(row):
            raise Refusal(409, f"the pool is in use by {', '.join(self.users_of(row))}")
        del self.data.pools[_id]
        return 200, {"deleted": True, "_id": _id}

    def test_pool(self, user: str, _id: None, query: Row, body: Row, vip: bool) -> Answer:  # noqa: PT019 - no test
        if "pool_id" not in body:
            return 200, self.try_pool(self.settings(body, ("algorithm", "host", "port", "username")))
        self.settings(body, ())
        row = self.find(self.data.pools, user, self.identity("pool_id", body["pool_id"]))
        test = self.try_pool(row)
        self.note(row, test)
        return 200, {**test, "pool_id": row["_id"]}

    def note(self, row: Row, test: Row) -> None:
        """Keep in a pool's health what its test said."""
        if test["success"]:
            row["health"] = self.well(test)
            return
        reason = next(stage["reason"] for stage in test["stages"] if stage["status"] == "failed")
        failures = row["health"]["consecutive_failures"] + 1
        row["health"] = {
            "status": "unhealthy",
            "last_checked_at": iso(self.now()),
            "last_error": reason,
            "consecutive_failures": failures,
            "latency_ms": test["latency_ms"],
        }

    # Profiles

    def profile(self, row: Row) -> Row:
        """A profile as the API shows it."""
        pools = [self.data.pools[one] for one in row["pool_ids"]]
        shown = [
            {
                "pool_id": pool["_id"],
                "name": pool["name"],
                "host": pool["host"],
                "port": pool["port"],
                "status": pool["health"]["status"],
            }
            for pool in pools
        ]
        default = self.data.defaults.get((row["user"], row["algorithm"])) == row["_id"]
        plain = {name: row[name] for name in ("_id", "name", "algorithm", "created_at", "updated_at")}
        return {**plain, "is_default": default, "pools": shown}

    def choices(self, body: Row) -> list[str]:
        """The pools a body names."""
        given = body["pools"]
        if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
            raise Refusal(400, "pools: a list of at least one object with pool_id is needed")
        return [self.identity("pools.pool_id", one.get("pool_id")) for one in given]

    def check_pools(self, user: str, algorithm: str, wanted: list[str]) -> None:
        """Refuse pools a profile cannot have."""
        if len(set(wanted)) < len(wanted):
            raise Refusal(400, "pools: one is named twice")
        for one in wanted:
            if self.find(self.data.pools, user, one)["algorithm"] != algorithm:
                raise Refusal(400, f"pools: {one} is not of {algorithm}")

    def add_profile(self, user: str, name: str, algorithm: str, pools: list[str]) -> Row:
        """Save a profile; the first becomes the default."""
        moment = self.now()
        identity = self.data.new_id(moment)
        row = {"_id": identity, "user": user, "name": name, "algorithm": algorithm, "pool_ids": pools}
        row |= {"created_at": iso(moment), "updated_at": iso(moment)}
        self.data.profiles[identity] = row
        self.data.defaults.setdefault((user, algorithm), identity)
        return row

    def list_profiles(self, user: str, _id: None, query: Row, body: None, vip: bool) -> Answer:
        return self.page(self.own(self.data.profiles, user, self.algorithm(query)), query, self.profile)

    def create_profile(self, user: str, _id: None, query: Row, body: Row, vip: bool) -> Answer:
        for field in ("name", "algorithm", "pools"):
            if field not in body:
                raise Refusal(400, f"{field}: missing")
        name, algorithm = self.name("name", body["name"]), self.choice("algorithm", body["algorithm"], ALGORITHMS)
        wanted = self.choices(body)
        self.check_pools(user, algorithm, wanted)
        self.check_quota(self.data.profiles, user, algorithm, vip)
        return 201, self.profile(self.add_profile(user, name, algorithm, wanted))

    def update_profile(self, user: str, _id: str, query: Row, body: Row, vip: bool) -> Answer:
        name = self.name("name", body["name"]) if "name" in body else None
        algorithm = self.choice("algorithm", body["algorithm"], ALGORITHMS) if "algorithm" in body else None
        wanted = self.choices(body) if "pools" in body else None
        row = self.find(self.data.profiles, user, _id)
        if wanted is not None:
            for one in wanted:
                self.find(self.data.pools, user, one)
        before = {**row}
        if algorithm not in (None, row["algorithm"]):
            self.check_free(row)
        self.check_pools(user, algorithm or row["algorithm"], wanted or row["pool_ids"])
        if algorithm not in (None, row["algorithm"]):
            self.check_quota(self.data.profiles, user, str(algorithm), vip)
        row.update(
            name=name or row["name"], algorithm=algorithm or row["algorithm"], pool_ids=wanted or row["pool_ids"]
        )
        self.data.defaults.setdefault((user, row["algorithm"]), _id)
        if row != before:
            row["updated_at"] = iso(self.now())
        return 200, self.profile(row)

    def check_free(self, row: Row) -> None:
        """Refuse another algorithm where the old one is held."""
        if self.data.defaults[row["user"], row["algorithm"]] == row["_id"]:
            raise Refusal(409, "algorithm: the profile is the default of its algorithm")
        if any(worker["profile_id"] == row["_id"] for worker in self.data.workers.values()):
            raise Refusal(409, "algorithm: the profile has workers")

    def delete_profile(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        row = self.find(self.data.profiles, user, _id)
        target = self.data.defaults[user, row["algorithm"]]
        if target == _id:
            raise Refusal(409, "the default profile cannot be deleted")
        moved = self.migrate(row, target)
        del self.data.profiles[_id]
        return 200, {"deleted": True, "_id": _id, "migrated_workers": moved, "migrated_to": target}

    def migrate(self, row: Row, target: str) -> int:
        """Move the workers of a profile to another; how many they were."""
        workers = [worker for worker in self.data.workers.values() if worker["profile_id"] == row["_id"]]
        for worker in workers:
            worker["profile_id"] = target
        return len(workers)

    def set_default_profile(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        row = self.find(self.data.profiles, user, _id)
        self.data.defaults[user, row["algorithm"]] = _id
        return 200, self.profile(row)

    def get_default_profile(self, user: str, _id: None, query: Row, body: None, vip: bool) -> Answer:
        if "algorithm" not in query:
            raise Refusal(400, "algorithm: needed")
        name = self.algorithm(query)
        found = self.data.defaults.get((user, str(name)))
        if found is None:
            raise Refusal(404, f"there is no profile for {name}")
        return 200, self.profile(self.data.profiles[found])
