"""Mutants of the second implementation, one rule swapped out each: pools, quotas, profiles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from tests.contract.mutants.rules import breaks
from tests.contract.second.app import Second
from tests.contract.second.data import Row, iso
from tests.contract.second.rules import Answer, Refusal, Rules

# Pools


@breaks("pools.create.tests-before-saving")
class SavesFirst(Rules):
    """A pool is saved, then tested."""

    def demand(self, target: Row) -> Row:
        try:
            return super().demand(target)
        except Refusal:
            if "_id" not in target:
                moment = iso(self.now())
                new = self.data.new_id(self.now())
                health = self.well(self.try_pool({"host": "well"}))
                row = {
                    **target,
                    "_id": new,
                    "user": "ada",
                    "health": health,
                    "created_at": moment,
                    "updated_at": moment,
                }
                self.data.pools[new] = row
            raise


@breaks("pools.create.tests-before-saving")
class NeverTests(Rules):
    """Pools are saved untested."""

    def demand(self, target: Row) -> Row:
        return self.well(self.try_pool({"host": "well"}))


@breaks("pools.create.default-profile")
class NoProfile(Rules):
    """A first pool brings no profile."""

    def first_profile(self, user: str, pool: Row) -> str | None:
        return None


@breaks("pools.create.no-second-profile")
class AlwaysProfile(Rules):
    """Every pool brings a profile."""

    def first_profile(self, user: str, pool: Row) -> str | None:
        return str(self.add_profile(user, f"For {pool['name']}", pool["algorithm"], [pool["_id"]])["_id"])


@breaks("fields.no-coercion")
class Coerces(Rules):
    """Numbers may be written as text."""

    def number(self, field: str, value: Any, least: int, most: int) -> int:
        return super().number(field, int(value) if isinstance(value, str) and value.isdigit() else value, least, most)


@breaks("pools.create.validation")
class BlankNames(Rules):
    """Names may be blank."""

    def name(self, field: str, value: Any) -> str:
        return self.text(field, value, 1, 100)


@breaks("pools.update.retests")
class HostOnly(Rules):
    """Pools are tested again for another host alone."""

    def needs_test(self, before: Row, after: Row) -> bool:
        return bool(before["host"] != after["host"])


@breaks("pools.update.retests-tls")
class NotForTls(Rules):
    """Pools are not tested again for another tls."""

    def needs_test(self, before: Row, after: Row) -> bool:
        return any(before[name] != after[name] for name in ("host", "port", "username", "password"))


@breaks("pools.update.no-needless-test")
class Always(Rules):
    """Pools are tested again at every change."""

    def needs_test(self, before: Row, after: Row) -> bool:
        return True


@breaks("pools.update.failed-test")
class HalfSaved(Rules):
    """The name is saved even where the new test fails."""

    def update_pool(self, user: str, _id: str, query: Row, body: Row, vip: bool) -> Answer:
        try:
            return super().update_pool(user, _id, query, body, vip)
        except Refusal as refusal:
            if "test failed" in refusal.message and "name" in body:
                self.data.pools[_id]["name"] = body["name"]
            raise


@breaks("pools.update.partial")
class Resets(Rules):
    """What is not given falls back to its default."""

    def update_pool(self, user: str, _id: str, query: Row, body: Row, vip: bool) -> Answer:
        return super().update_pool(user, _id, query, {"username": "anonymous", **body}, vip)


@breaks("pools.delete.in-use")
class DeletesAny(Rules):
    """Pools in use are deleted, and their profiles lose them."""

    def delete_pool(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        for row in self.data.profiles.values():
            row["pool_ids"] = [one for one in row["pool_ids"] if one != _id] or row["pool_ids"][:0]
        return super().delete_pool(user, _id, query, body, vip)


@breaks("pools.test.resets-health")
class Sick(Rules):
    """A test that succeeds does not reset the health."""

    def note(self, row: Row, test: Row) -> None:
        if not test["success"]:
            super().note(row, test)


@breaks("pools.test.failure-recorded")
class Forgiving(Rules):
    """A test that fails is not noted."""

    def note(self, row: Row, test: Row) -> None:
        if test["success"]:
            super().note(row, test)


@breaks("pools.test.saves-nothing")
class Collector(Rules):
    """Testing a description saves it."""

    def test_pool(self, user: str, _id: None, query: Row, body: Row, vip: bool) -> Answer:  # noqa: PT019 - no test
        if "pool_id" not in body and self.try_pool(body)["success"]:
            self.create_pool(user, _id, query, {"name": "tested", **body}, vip)
        return super().test_pool(user, _id, query, body, vip)


# Quotas


@breaks("quota.pools-basic")
class NoPoolQuota(Rules):
    """Anybody has any number of pools."""

    def check_quota(self, table: dict[str, Row], user: str, algorithm: str, vip: bool) -> None:
        if table is not self.data.pools:
            super().check_quota(table, user, algorithm, vip)


@breaks("quota.profiles-basic")
class NoProfileQuota(Rules):
    """Anybody has any number of profiles."""

    def check_quota(self, table: dict[str, Row], user: str, algorithm: str, vip: bool) -> None:
        if table is not self.data.profiles:
            super().check_quota(table, user, algorithm, vip)


@breaks("quota.pools-vip")
class NoVip(Rules):
    """VIP users have five pools too."""

    def check_quota(self, table: dict[str, Row], user: str, algorithm: str, vip: bool) -> None:
        super().check_quota(table, user, algorithm, vip=False)


@breaks("quota.status")
class Conflicting(Rules):
    """One too many is answered 409."""

    def check_quota(self, table: dict[str, Row], user: str, algorithm: str, vip: bool) -> None:
        try:
            super().check_quota(table, user, algorithm, vip)
        except Refusal as refusal:
            raise Refusal(409, refusal.message) from refusal


# Profiles


@breaks("profiles.create.later-is-not")
class LastIsDefault(Rules):
    """The last profile is the default."""

    def add_profile(self, user: str, name: str, algorithm: str, pools: list[str]) -> Row:
        row = super().add_profile(user, name, algorithm, pools)
        self.data.defaults[user, algorithm] = row["_id"]
        return row


@breaks("profiles.create.order")
class Sorted(Rules):
    """The pools of a profile are sorted."""

    def add_profile(self, user: str, name: str, algorithm: str, pools: list[str]) -> Row:
        return super().add_profile(user, name, algorithm, sorted(pools))


@breaks("profiles.create.duplicate-pool")
class Twice(Rules):
    """A pool may be in a profile twice."""

    def check_pools(self, user: str, algorithm: str, wanted: list[str]) -> None:
        super().check_pools(user, algorithm, list(dict.fromkeys(wanted)))


@breaks("profiles.create.other-algorithm")
class Mixed(Rules):
    """A profile may hold pools of any algorithm."""

    def check_pools(self, user: str, algorithm: str, wanted: list[str]) -> None:
        for one in wanted:
            super().check_pools(user, self.find(self.data.pools, user, one)["algorithm"], [one])


@breaks("profiles.update.replaces-pools")
class Merges(Rules):
    """Changing the pools of a profile adds to them."""

    def update_profile(self, user: str, _id: str, query: Row, body: Row, vip: bool) -> Answer:
        before = self.data.profiles.get(_id, {}).get("pool_ids", [])
        if isinstance(body.get("pools"), list) and before:
            named = [one.get("pool_id") for one in body["pools"] if isinstance(one, dict)]
            body = {**body, "pools": [*body["pools"], *({"pool_id": one} for one in before if one not in named)]}
        return super().update_profile(user, _id, query, body, vip)


@breaks("profiles.update.algorithm-of-default")
class DefaultMoves(Rules):
    """A default profile may change its algorithm."""

    def check_free(self, row: Row) -> None:
        del row


@breaks("profiles.update.algorithm-becomes-default")
class Undefaulted(Rules):
    """A profile moved to a new algorithm is no default."""

    def update_profile(self, user: str, _id: str, query: Row, body: Row, vip: bool) -> Answer:
        known = dict(self.data.defaults)
        status, answer = super().update_profile(user, _id, query, body, vip)
        self.data.defaults = known
        return status, {**answer, "is_default": known.get((user, answer["algorithm"])) == _id}


@breaks("profiles.delete.migrates-workers")
class Astray(Rules):
    """Workers of a deleted profile go to any other."""

    def migrate(self, row: Row, target: str) -> int:
        rows = self.own(self.data.profiles, row["user"], row["algorithm"])
        others = [one["_id"] for one in rows if one["_id"] not in (row["_id"], target)]
        return super().migrate(row, others[0] if others else target)


@breaks("profiles.delete.pools-stay")
class TakesPools(Rules):
    """Deleting a profile deletes its pools."""

    def delete_profile(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        held = list(self.data.profiles.get(_id, {}).get("pool_ids", []))
        answer = super().delete_profile(user, _id, query, body, vip)
        for one in held:
            if not self.users_of(self.data.pools[one]):
                del self.data.pools[one]
        return answer


@breaks("profiles.set-default.one-only")
class TwoDefaults(Rules):
    """The old default stays one."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.former: set[str] = set()

    def set_default_profile(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        row = self.find(self.data.profiles, user, _id)
        self.former.add(self.data.defaults[user, row["algorithm"]])
        return super().set_default_profile(user, _id, query, body, vip)

    def profile(self, row: Row) -> Row:
        shown = super().profile(row)
        return {**shown, "is_default": shown["is_default"] or row["_id"] in self.former}


@breaks("profiles.set-default.others-untouched")
class OnlyOne(Rules):
    """There is one default for all algorithms."""

    def set_default_profile(self, user: str, _id: str, query: Row, body: None, vip: bool) -> Answer:
        row = self.find(self.data.profiles, user, _id)
        for owner, algorithm in list(self.data.defaults):
            if owner == user and algorithm != row["algorithm"]:
                rows = list(self.own(self.data.profiles, user, algorithm))
                self.data.defaults[user, algorithm] = rows[-1]["_id"]
                if len(rows) == 1:
                    del self.data.defaults[user, algorithm]
        return super().set_default_profile(user, _id, query, body, vip)


@breaks("profiles.set-default.never-two")
class TwoSteps(Second):
    """The default changes in two steps, with none between."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now)
        self.open = threading.Lock()

    def __call__(self, environ: Row, start_response: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith("/default"):
            row = self.data.profiles.get(environ["PATH_INFO"].split("/")[3])
            if row is not None:
                with self.lock:
                    was = self.data.defaults.pop((row["user"], row["algorithm"]), None)
                time.sleep(0.02)  # the gap through which readers look
                with self.lock:
                    self.data.defaults[row["user"], row["algorithm"]] = str(was)
        return super().__call__(environ, start_response)
