"""What readers see while something changes. A race that is not met proves nothing; one that is met proves a fault."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..client import TargetLost
from ..probe import Blocked, Probe
from ..registry import scenario

ROUNDS = 6


def meanwhile(change: Callable[[], None], look: Callable[[], None]) -> None:
    """Look again and again, from a second thread, until the change is done."""
    done = threading.Event()

    def looking() -> None:
        while not done.is_set():
            try:
                look()
            except (TargetLost, Blocked):
                return  # the thread that changes things meets it too, and says so

    reader = threading.Thread(target=looking, daemon=True)
    reader.start()
    try:
        change()
    finally:
        done.set()
        reader.join(timeout=30)


@scenario("profiles.set-default.never-two", needs=("good",), writes=True, cost=2 * ROUNDS + 8)
def defaults_while_they_change(probe: Probe) -> None:
    """Lists the profiles again and again while the default goes to and fro."""
    name = probe.home()
    old = next(one["_id"] for one in probe.profiles() if one["is_default"] and one["algorithm"] == name)
    new = probe.make_profile(name, [probe.make_pool(name)["_id"]])["_id"]
    probe.undo_default(name)
    if len([one for one in probe.profiles() if one["algorithm"] == name]) > 100:
        raise Blocked("the profiles do not fit one page")

    def change() -> None:
        for turn in range(ROUNDS):
            probe.call("set_default_profile", new if turn % 2 == 0 else old)

    def look() -> None:
        reply = probe.call("list_profiles", query={"algorithm": name, "limit": 100})
        if reply.ok:
            defaults = [one["_id"] for one in reply.items if one.get("is_default")]
            probe.expect("profiles.set-default.never-two", len(defaults) == 1, "one default", defaults, reply)

    meanwhile(change, look)


@scenario("profiles.delete.never-without", needs=("good", "move_workers"), writes=True, cost=ROUNDS * 5 + 8)
def workers_while_their_profile_goes(probe: Probe) -> None:
    """Reads a worker again and again while its profile is deleted."""
    name = probe.home(with_workers=1)
    worker = next(one for one in probe.workers() if one["algorithm"] == name)
    probe.undo_assign([worker])
    pool = probe.make_pool(name)["_id"]
    default = next(one["_id"] for one in probe.profiles() if one["is_default"] and one["algorithm"] == name)
    made: list[str] = []

    def change() -> None:
        for _ in range(ROUNDS // 2):
            profile = probe.make_profile(name, [pool])["_id"]
            made.append(profile)
            body = {"worker_ids": [worker["_id"]], "profile_id": profile}
            probe.call("bulk_assign_workers", body=body)
            probe.call("delete_profile", profile)

    def look() -> None:
        reply = probe.call("get_worker", worker["_id"])
        home = reply.body.get("profile_id")
        right = reply.ok and home in {default, worker["profile_id"], *made} and bool(reply.body.get("profile_name"))
        probe.expect("profiles.delete.never-without", right, "the worker with a profile", "", reply)

    meanwhile(change, look)
    last = probe.call("get_worker", worker["_id"]).body.get("profile_id")
    probe.expect("profiles.delete.never-without", last == default, "at last the default profile", last)
