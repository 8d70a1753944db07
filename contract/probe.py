"""What a check works with: calls by operation, expectations by clause, things it makes and takes away again.

Everything made carries NAME in its name and a line in the undo list, run last first, whatever happens.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from .audit import audit as audit_answer
from .clauses import algorithms, operations
from .client import UNSENT, Client
from .exchange import Reply
from .registry import Scenario
from .results import Ledger
from .settings import Key

NAME: Final = "upsim-contract"
"""What every name of a pool or profile that a run makes begins with."""
PAGES_READ: Final = 20
PASSWORD: Final = "contract-secret-"  # noqa: S105 - made up here, to be recognised where it must not appear


class Blocked(Exception):
    """What the rest of a scenario builds on is not there; the text says what."""


class Probe:
    """One run's hands on the target."""

    def __init__(self, client: Client, ledger: Ledger, *, seed: int = 0, run: str = "0", cases: int = 0) -> None:
        self.client, self.ledger = client, ledger
        self.settings = client.settings
        self.seed, self.cases = seed, cases
        self.scenario = "start"
        self.chance = random.Random(f"{seed}:contract")
        self.tag = f"{NAME}-{run}"
        self._serial = 0
        self._undo: list[tuple[str, Callable[[], bool]]] = []
        self._stuck: list[tuple[str, Callable[[], bool]]] = []
        self._surveys: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.secrets: list[str] = [key.secret for key in (*self.settings.keys.values(), *self.settings.limited)]

    # Calling

    def key(self, role: str) -> Key:
        """The key of a role.

        Raises:
            Blocked: none was given.
        """
        found = self.settings.keys.get(role)
        if found is None:
            raise Blocked(f"no key keys.{role} was given")
        return found

    def call(
        self,
        operation: str,
        identity: str | None = None,
        *,
        role: str | Key | None = "main",
        query: Mapping[str, Any] | None = None,
        body: Any = UNSENT,
        **more: Any,
    ) -> Reply:
        """Call an operation of the spec; the answer is audited."""
        known = operations()[operation]
        key = self.key(role) if isinstance(role, str) else role
        reply = self.client.send(
            known.method,
            known.url(None if identity is None else quote(identity, safe="")),
            key=key,
            operation=operation,
            query=query,
            body=body,
            **more,
        )
        self.audit(reply, key)
        if known.method != "GET":
            self._surveys.clear()
        return reply

    def request(self, method: str, path: str, *, role: str | Key | None = "main", **more: Any) -> Reply:
        """Call something the spec does not name; the answer is audited."""
        key = self.key(role) if isinstance(role, str) else role
        reply = self.client.send(method, path, key=key, **more)
        self.audit(reply, key)
        return reply

    def audit(self, reply: Reply, key: Key | None) -> None:
        """Hold an answer against what every answer is held to."""
        if key is not None and key == self.settings.keys.get("wrong_address"):
            key = None  # refused for its address, before anything is counted

        def note(clause: str, holds: bool, expected: str, got: str) -> None:
            self.ledger.note(clause, holds, expected, got, reply.exchange, "every-answer")

        audit_answer(reply, key, self.secrets, note)

    # Expecting

    def expect(self, clause: str, holds: bool, expected: str, got: object = "", reply: Reply | None = None) -> bool:
        """One look at a clause.

        Raises:
            Blocked: there was no answer to look at.
        """
        if reply is not None and not reply.status:
            raise Blocked(reply.exchange.trouble)
        shown = (
            str(got) if str(got) else (f"{reply.status} {reply.exchange.raw[:160]}" if reply is not None else "not so")
        )
        self.ledger.note(clause, holds, expected, shown, reply.exchange if reply else None, self.scenario)
        return holds

    def status(self, clause: str, reply: Reply, *wanted: int) -> bool:
        """Expect one of these statuses."""
        return self.expect(clause, reply.status in wanted, f"status {' or '.join(map(str, wanted))}", "", reply)

    def success(self, clause: str, reply: Reply) -> bool:
        """Expect any 2xx, as the vendor's client does."""
        return self.expect(clause, reply.ok, "any 2xx", "", reply)

    def refusal(self, clause: str, reply: Reply) -> bool:
        """Expect any 4xx but 429."""
        return self.expect(clause, reply.refused and reply.status != 429, "a 4xx that refuses", "", reply)

    def need(self, clause: str, holds: bool, expected: str, got: object = "", reply: Reply | None = None) -> None:
        """Expect, and go no further without.

        Raises:
            Blocked: it does not hold.
        """
        if not self.expect(clause, holds, expected, got, reply):
            raise Blocked(f"{clause} does not hold")

    # Knowing what is there

    def survey(self, operation: str, role: str = "main") -> list[dict[str, Any]]:
        """Everything a list holds (up to 2,000 items); asked once until something is written.

        Raises:
            Blocked: the list is not answered.
        """
        if (operation, role) not in self._surveys:
            found: list[dict[str, Any]] = []
            for page in range(1, PAGES_READ + 1):
                reply = self.call(operation, role=role, query={"page": page, "limit": 100})
                if not reply.ok:
                    raise Blocked(f"{operation} answers {reply.status}")
                found += reply.items
                if page >= reply.body.get("pagination", {}).get("total_pages", 0):
                    break
            self._surveys[operation, role] = found
        return list(self._surveys[operation, role])

    def again(self, operation: str, role: str = "main") -> list[dict[str, Any]]:
        """A survey anew: what is there may have changed by itself."""
        self._surveys.pop((operation, role), None)
        return self.survey(operation, role)

    def profiles(self, role: str = "main") -> list[dict[str, Any]]:
        """The user's profiles."""
        return self.survey("list_profiles", role)

    def pools(self, role: str = "main") -> list[dict[str, Any]]:
        """The user's pools."""
        return self.survey("list_pools", role)

    def workers(self, role: str = "main") -> list[dict[str, Any]]:
        """The user's workers."""
        return self.survey("list_workers", role)

    def home(self, role: str = "main", *, with_workers: int = 0) -> str:
        """An algorithm in which things can be made and removed again: there is a default profile, and a pool to use.

        Raises:
            Blocked: there is none.
        """
        held = {profile["algorithm"] for profile in self.profiles(role) if profile.get("is_default")}
        usable = [name for name in sorted(held) if self.settings.good_pool(name) is not None]
        if with_workers:
            counts = {name: sum(one["algorithm"] == name for one in self.workers(role)) for name in usable}
            usable = [name for name in usable if counts[name] >= with_workers]
        if not self.settings.good:
            raise Blocked("no pool that is well was given (pools.good)")
        if not usable:
            raise Blocked("no algorithm has a default profile, enough workers and a pool that is well (pools.good)")
        return str(usable[0])

    def scratch(self, role: str = "main") -> str:
        """An algorithm the user has nothing of. What is first made there can never be deleted.

        Raises:
            Blocked: the target is not disposable, or there is none.
        """
        if not self.settings.disposable:
            raise Blocked("the first profile of an algorithm can never be deleted; target.disposable allows it")
        held = {one["algorithm"] for one in (*self.profiles(role), *self.pools(role), *self.workers(role))}
        for name in algorithms():
            if name not in held and self.settings.good_pool(name) is not None:
                return name
        raise Blocked("every algorithm is in use")

    def unused_id(self) -> str:
        """An id that names nothing."""
        return "".join(self.chance.choice("0123456789abcdef") for _ in range(24))

    # Making and unmaking

    def name(self, what: str) -> str:
        """A new name that tells whose it is."""
        self._serial += 1
        return f"{self.tag}-{what}-{self._serial}"

    def pool_body(self, algorithm: str, /, **changes: Any) -> dict[str, Any]:
        """The body that creates a pool which is well.

        Raises:
            Blocked: no such pool was given.
        """
        good = self.settings.good_pool(algorithm)
        if good is None:
            raise Blocked(f"no pool for {algorithm} that is well was given (pools.good)")
        return {"name": self.name("pool"), **good} | changes

    def bad_pool(self, stage: str, algorithm: str) -> dict[str, Any]:
        """The description of a pool that fails at a stage.

        Raises:
            Blocked: no such pool was given.
        """
        found = self.settings.bad_pool(stage, algorithm)
        if found is None:
            raise Blocked(f"no pool that fails at {stage} was given (pools.bad)")
        return found

    def secret(self) -> str:
        """A password no answer may repeat."""
        made = PASSWORD + "".join(self.chance.choice(string.ascii_lowercase) for _ in range(8))
        self.secrets.append(made)
        return made

    def try_pool(self, body: Mapping[str, Any], role: str | Key = "main") -> Reply:
        """Create a pool; whatever is created will be deleted."""
        reply = self.call("create_pool", role=role, body=body)
        if reply.ok and isinstance(reply.body.get("_id"), str):
            self.undo_delete("pool", reply.body["_id"], role)
            profile = reply.body.get("created_profile_id")
            if isinstance(profile, str):
                self.undo_delete("profile", profile, role)
        return reply

    def make_pool(self, algorithm: str, role: str = "main", **changes: Any) -> dict[str, Any]:
        """Create a pool that is well.

        Raises:
            Blocked: it was not created.
        """
        reply = self.try_pool(self.pool_body(algorithm, **changes), role)
        if not reply.ok:
            raise Blocked(f"a pool could not be created: {reply.status} {reply.error}")
        return reply.body

    def try_profile(self, body: Mapping[str, Any], role: str | Key = "main") -> Reply:
        """Create a profile; whatever is created will be deleted."""
        reply = self.call("create_profile", role=role, body=body)
        if reply.ok and isinstance(reply.body.get("_id"), str):
            self.undo_delete("profile", reply.body["_id"], role)
        return reply

    def make_profile(self, algorithm: str, pools: Iterable[str], role: str = "main") -> dict[str, Any]:
        """Create a profile.

        Raises:
            Blocked: it was not created.
        """
        body = {"name": self.name("profile"), "algorithm": algorithm, "pools": [{"pool_id": one} for one in pools]}
        reply = self.try_profile(body, role)
        if not reply.ok:
            raise Blocked(f"a profile could not be created: {reply.status} {reply.error}")
        return reply.body

    def undo_delete(self, kind: str, identity: str, role: str | Key = "main") -> None:
        """Delete this when the scenario ends; what is gone by then is well."""
        self._undo.append((f"{kind} {identity}", lambda: self._delete(kind, identity, role)))

    def undo_assign(self, workers: Iterable[Mapping[str, Any]]) -> None:
        """Give these workers back to the profiles they have now when the scenario ends."""
        homes: dict[str, list[str]] = {}
        for worker in workers:
            homes.setdefault(worker["profile_id"], []).append(worker["_id"])
        for profile, ids in homes.items():
            self._undo.append((f"{len(ids)} workers of profile {profile}", partial(self._assign, ids, profile)))

    def undo_default(self, algorithm: str) -> None:
        """Make today's default of the algorithm the default again when the scenario ends.

        Raises:
            Blocked: there is none.
        """
        found = [one["_id"] for one in self.profiles() if one["algorithm"] == algorithm and one["is_default"]]
        if not found:
            raise Blocked(f"{algorithm} has no default profile")
        self._undo.append((f"default profile {found[0]}", lambda: self._plain("set_default_profile", found[0]).ok))

    def put_back(self) -> None:
        """Undo everything, last first. What cannot be undone now is kept for `left_behind`."""
        while self._undo:
            what, undo = self._undo[-1]
            done = undo()
            # Only now: interrupted in the middle, it is tried again.
            self._undo.pop()
            if not done:
                self._stuck.append((what, undo))
        self._surveys.clear()

    def left_behind(self) -> list[str]:
        """Try once more what could not be undone; what is left then."""
        return [what for what, undo in self._stuck if not undo()]

    @contextmanager
    def during(self, one: Scenario) -> Iterator[None]:
        """Everything seen meanwhile is seen by this scenario."""
        self.scenario = one.name
        try:
            yield
        finally:
            self.scenario = "between"

    def sweep(self, prefix: str | None = None) -> list[str]:
        """Delete every pool and profile whose name begins so, made by this run or an earlier one; what could not go."""
        begin = prefix or self.tag
        left: list[str] = []
        for role in ("main", "other_user"):
            if role in self.settings.keys:
                self._surveys.clear()
                pools = {one["_id"] for one in self.pools(role) if one["name"].startswith(begin)}
                profiles = [
                    one["_id"]
                    for one in self.profiles(role)
                    if one["name"].startswith(begin) or {entry["pool_id"] for entry in one["pools"]} <= pools
                ]
                for kind, ids in (("profile", profiles), ("pool", sorted(pools))):
                    left += [f"{kind} {one}" for one in ids if not self._delete(kind, one, role)]
        self._surveys.clear()
        return left

    def _plain(
        self, operation: str, identity: str | None = None, role: str | Key = "main", body: Any = UNSENT
    ) -> Reply:
        known = operations()[operation]
        key = self.key(role) if isinstance(role, str) else role
        return self.client.send(known.method, known.url(identity), key=key, operation=operation, body=body)

    def _delete(self, kind: str, identity: str, role: str | Key) -> bool:
        reply = self._plain(f"delete_{kind}", identity, role)
        # Where the account is disposable, a first profile and its pool are known to stay.
        return reply.ok or reply.status == 404 or (reply.status == 409 and self.settings.disposable)

    def _assign(self, workers: list[str], profile: str) -> bool:
        return self._plain("bulk_assign_workers", body={"worker_ids": workers, "profile_id": profile}).ok
