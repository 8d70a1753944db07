"""The public sandbox, `upsim serve --sandbox`: a private world for every visitor, and nothing else.

How it works, and what it promises:

* A visitor asks for a world (POST /_upsim/visits, the only way in) and gets one whose name cannot be guessed: 128
  random bits. The name is the token. Whoever has the link /s/<name> drives that world through /_upsim/worlds/<name>/…;
  every other call of the control plane needs the admin token, which a sandbox always has. Nobody can list worlds. Pages
  are sent with Referrer-Policy: no-referrer, so that a link does not leak to other sites.
* The default world is closed: its memorable keys would be one room for all. Keys of a visitor's world open /v1 as
  ever, and a call lands in the world that issued its key.
* Worlds end by themselves after `--sandbox-minutes`, by the wall clock, whatever their own clock shows.
* There are at most `--sandbox-worlds` at a time, and at most a quarter of them for one address. Beyond that a visitor
  is told so: 503, with Retry-After naming the time at which the next place is free. No world is ended early for
  another.
* A world is capped in everything that takes room or work (CAPS), in its calls of the control plane, and in the calls
  that are under way at once, so that none can take all threads. The waits a visitor can ask for are bounded too.
* No pool test leaves the process, not even to loopback: a sandbox can be used to look at nothing but itself.
* Caps, options and expiry are the host's: a visitor can neither change them nor load a world.

All that outlasts a request is in the store, so several processes can share it; only the calls under way are counted by
each process for itself, and two that give the last place away in the same moment give it twice.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Request, Response

from upsim.clock import MINUTE, SECOND, Instant
from upsim.errors import UpsimError
from upsim.ids import digest_of
from upsim.model import Outcome, PoolTarget, PoolTest, Stage, StageResult, WorldId
from upsim.rules.worlds import NewWorld, Wish, create_world, is_over, list_worlds
from upsim.web import errors
from upsim.world import PoolTester, Universe, World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PREFIX: Final = "s-"

CAPS: Final[Mapping[str, int]] = {
    "calls": 5_000,
    "keys": 20,
    "pools": 20,
    "profiles": 20,
    "workers": 1_000,
    "accounts": 6,
    "snapshots": 2,
    "journal": 500,
}
"""What a visitor's world is capped at. Pools and profiles by algorithm, keys and workers by account."""

CONTROL_CALLS: Final = 50_000
"""Calls of the control plane a world has: a page left open for two hours needs some ten thousand."""

AT_ONCE: Final = 6
"""Calls of a world that are answered at the same time: as many as a browser opens connections."""

MAX_LATENCY_MS: Final = 2 * SECOND
"""How long a fault may make an answer wait."""

_WORLD: Final = re.compile(r"/_upsim/worlds/(s-[0-9a-f]{32})(?:/(.*))?")
_OPEN: Final = frozenset({("POST", "/_upsim/visits"), ("GET", "/_upsim/about"), ("GET", "/_upsim/health")})
_HOSTS_OWN: Final = frozenset({("POST", "options")})
"""What is done to a visitor's world by the host only."""


class SandboxFull(UpsimError):
    """No place is left."""

    def __init__(self, why: str, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        minutes = -(-retry_after_s // 60)
        super().__init__(
            f"{why} The next place is free in {minutes} minute{'s' if minutes > 1 else ''};"
            " or run upsim on your own machine, where there is no bound."
        )


class Busy(UpsimError):
    """The world has as many calls under way as one may have."""

    def __init__(self) -> None:
        super().__init__(f"This world has {AT_ONCE} calls under way, the most a public sandbox allows: try again.")


class Spent(UpsimError):
    """The world has used up its calls of the control plane."""

    def __init__(self) -> None:
        super().__init__(
            f"This world has made its {CONTROL_CALLS:,} calls of the control plane: ask for a fresh one at /."
        )


class Closed(UpsimError):
    """A key of a world that is not open here."""

    def __init__(self) -> None:
        super().__init__("This is a public sandbox, and this key's world is closed: get a world of your own at /.")


def nowhere_real(tester: PoolTester) -> PoolTester:
    """The same tester, but for loopback: what really listens on the host is none of a visitor's business."""

    def test(world: World, target: PoolTarget) -> PoolTest:
        if not _is_loopback(target.host):
            return tester(world, target)
        reason = "a public sandbox connects nowhere, not even to its own machine: use a name such as pool.example"
        return PoolTest(
            (
                StageResult(Stage.CONNECTIVITY, Outcome.FAILED, 0, reason),
                StageResult(Stage.SUBSCRIPTION, Outcome.SKIPPED, None),
                StageResult(Stage.AUTHORIZATION, Outcome.SKIPPED, None),
            )
        )

    return test


@dataclass
class Sandbox:
    """The visitors of one server."""

    universe: Universe
    worlds: int
    minutes: int
    max_latency_ms: int = MAX_LATENCY_MS
    _lock: Lock = field(default_factory=Lock)
    _under_way: Counter[str] = field(default_factory=Counter)

    @property
    def terms(self) -> dict[str, Any]:
        """What a visitor gets, and for how long."""
        return {
            "minutes": self.minutes,
            "worlds": self.worlds,
            "caps": dict(CAPS),
            "control_calls": CONTROL_CALLS,
        }

    def may_drive(self, asked: Request) -> bool:
        """Whether the call needs no admin token: it touches a visitor's own world only, by its secret name."""
        if (asked.method, asked.path) in _OPEN or asked.path.startswith("/_upsim/openapi."):
            return True
        found = _WORLD.fullmatch(asked.path)
        return found is not None and (asked.method, found[2]) not in _HOSTS_OWN

    def open_world(self, address: str) -> NewWorld:
        """A private world for the visitor from this address.

        Raises:
            SandboxFull: every place is taken, or this address has as many as one may have.
        """
        # The address itself is nobody's business.
        visitor = hashlib.sha256(f"visitor:{address}".encode()).hexdigest()[:16]
        with self._lock:  # so that the last place is not given twice
            living = [record for record in list_worlds(self.universe) if record.id.startswith(PREFIX)]
            ends = sorted(record.expires_at or Instant(0) for record in living)
            if len(living) >= self.worlds:
                raise SandboxFull(f"All {self.worlds} places of this sandbox are taken.", self._until(ends[0]))
            mine = [record for record in living if record.options.get("visitor") == visitor]
            if len(mine) >= max(1, self.worlds // 4):
                first = min(record.expires_at or Instant(0) for record in mine)
                raise SandboxFull(f"Your address has {len(mine)} worlds here, the most for one.", self._until(first))
            wish = Wish(
                id=PREFIX + secrets.token_hex(16),
                lifetime_ms=self.minutes * MINUTE,
                caps=CAPS,
                visitor=visitor,
            )
            return create_world(self.universe, wish)

    def install(self, app: Flask) -> None:
        """Look at each call of the app before anything else does; so it comes last."""
        inner = app.wsgi_app

        def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            try:
                world = self._begin(Request(environ))
            except UpsimError as error:
                return _refused(error)(environ, start_response)
            try:
                return inner(environ, start_response)
            finally:
                self._end(world)

        app.wsgi_app = guarded  # type: ignore[method-assign]  # as Flask says to do

    def explain(self, app: Flask) -> None:
        """Answer visitors of the app for whom there is no place."""
        app.register_error_handler(SandboxFull, _refused)

    def _begin(self, asked: Request) -> str | None:
        world = self._world_of(asked)
        if world is not None:
            with self._lock:
                if self._under_way[world] >= AT_ONCE:
                    raise Busy
                self._under_way[world] += 1
        return world

    def _end(self, world: str | None) -> None:
        if world is not None:
            with self._lock:
                self._under_way[world] -= 1
                if not self._under_way[world]:
                    del self._under_way[world]

    def _world_of(self, asked: Request) -> str | None:
        """The visitor's world that the call is about; None where it is about none.

        Raises:
            Closed: it is about another world.
            Spent: the world has no more calls of the control plane.
        """
        store = self.universe.store
        if asked.path.startswith("/v1/"):
            scheme, _, bearer = asked.headers.get("Authorization", "").partition(" ")
            key = asked.headers.get("X-API-Key") or (bearer if scheme.lower() == "bearer" else "")
            caller = store.find_caller(digest_of(key.strip())) if key.strip() else None
            if caller is None:
                return None  # the API says what it thinks of it
            if not caller.world.id.startswith(PREFIX):
                raise Closed
            return caller.world.id
        found = _WORLD.fullmatch(asked.path)
        if found is None:
            return None
        record = store.get_world(WorldId(found[1]))
        if record is None or is_over(record, self.universe.wall.now()):
            return None
        if store.next_number(record.id, "control") >= CONTROL_CALLS:
            raise Spent
        return record.id

    def _until(self, end: Instant) -> int:
        return max(1, -(-(end - self.universe.wall.now()) // SECOND))


def _is_loopback(host: str) -> bool:
    import ipaddress

    name = host.lower().rstrip(".").strip("[]").partition("%")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    # What is spelt as an IPv6 address may stand for an IPv4 one in several ways: none of them is a pool's.
    return address.is_loopback or address.is_unspecified or address.version == 6


def _refused(error: UpsimError) -> Response:
    if not isinstance(error, SandboxFull | Busy | Spent | Closed):
        return errors.response_to(error)
    unavailable = isinstance(error, SandboxFull | Busy)
    status = HTTPStatus.SERVICE_UNAVAILABLE if unavailable else HTTPStatus.FORBIDDEN
    response = errors.error_response(status, str(error))
    if unavailable:
        response.headers["Retry-After"] = str(error.retry_after_s if isinstance(error, SandboxFull) else 1)
    return response
