"""What a test does to a world: its clock, the faults on its calls, the behaviour of its pools, its workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from upsim.client.answers import ClockReading, Fault, PoolBehaviour
from upsim.client.transport import Wire

Duration = float | str | timedelta
"""Seconds, or a text such as "90s", "15m", "1d12h", or a timedelta."""

Time = datetime | str | float
"""A datetime (UTC where it has no zone), ISO 8601 text, or Unix seconds."""


class Clock:
    """The one clock that drives everything in a world. Each change answers what it then shows."""

    def __init__(self, wire: Wire, world: str) -> None:
        self._wire = wire
        self._place = ("worlds", world, "clock")

    def read(self) -> ClockReading:
        """What it shows, and how fast it runs."""
        return ClockReading.of(self._wire.call("GET", *self._place))

    def now(self) -> datetime:
        """The world's time, UTC."""
        return self.read().now

    def freeze(self, at: Time | None = None) -> ClockReading:
        """Stop it where it stands, or at a time."""
        return self._change(set=None if at is None else wire_time(at), freeze=True)

    def run(self) -> ClockReading:
        """Let it run again as real time does."""
        return self._change(freeze=False)

    def speed(self, seconds_a_second: float) -> ClockReading:
        """Let it run so many times as fast as real time; 0 stops it."""
        return self._change(speed=seconds_a_second)

    def set(self, to: Time) -> ClockReading:
        """Let it show another time, stopped or running as before."""
        return self._change(set=wire_time(to))

    def advance(self, by: Duration) -> ClockReading:
        """Move it, back where negative."""
        return self._change(advance=wire_duration(by))

    def _change(self, **change: Any) -> ClockReading:
        asked = {name: value for name, value in change.items() if value is not None}
        return ClockReading.of(self._wire.call("POST", *self._place, body=asked))


class Faults:
    """Failures injected into a world's calls under /v1, tried in the order in which they were added."""

    def __init__(self, wire: Wire, world: str) -> None:
        self._wire = wire
        self._place = ("worlds", world, "faults")

    def add(
        self,
        effect: str = "status",
        *,
        method: str | None = None,
        path: str | None = None,
        account: str | None = None,
        status: int | None = None,
        body: Any = None,
        latency: Duration | tuple[Duration, Duration] | None = None,
        times: int | None = None,
        share: float | None = None,
        after: bool = False,
    ) -> Fault:
        """Add a fault.

        Args:
            effect: "status", "drop" (the connection), "cut" (the answer), "malformed" (JSON), "content-type" or
                "latency".
            method, path, account: which calls; in the path a * stands for any text. All where none is given.
            status, body: for "status": what is answered; 503 and an error where they are left out.
            latency: how long the answer waits besides, or a least and a most between which it is drawn.
            times: the next so many calls; without end where it is left out.
            share: of the calls, 0 to 1; which ones follows from the world's seed.
            after: the call does its work, and only the answer is lost.

        Raises:
            ControlError: it makes no sense; the text says why.
        """
        asked: dict[str, Any] = {
            "effect": effect,
            "method": method,
            "path": path,
            "account": account,
            "status": status,
            "body": body,
            "times": times,
            "share": share,
            "after": after,
        }
        if latency is not None:
            asked["latency"] = [*map(wire_duration, latency)] if isinstance(latency, tuple) else wire_duration(latency)
        given = {name: value for name, value in asked.items() if value is not None}
        return Fault.of(self._wire.call("POST", *self._place, body=given))

    def list(self) -> tuple[Fault, ...]:
        """The faults there are, spent ones included."""
        return tuple(Fault.of(doc) for doc in self._wire.call("GET", *self._place)["data"])

    def remove(self, fault: Fault | str) -> None:
        """Remove one.

        Raises:
            ControlError: there is none of that id.
        """
        self._wire.call("DELETE", *self._place, fault.id if isinstance(fault, Fault) else fault)

    def clear(self) -> None:
        """Remove all."""
        self._wire.call("DELETE", *self._place)


class Pools:
    """How the pools of a world's simulated network behave, by address."""

    def __init__(self, wire: Wire, world: str) -> None:
        self._wire = wire
        self._place = ("worlds", world, "pools")

    def put(self, host: str, port: int, behaviour: str, times: int | None = None) -> None:
        """Put a behaviour on an address, for the next so many connections or for good.

        Raises:
            ControlError: there is no such behaviour; the text lists them.
        """
        asked: dict[str, Any] = {"host": host, "port": port, "behaviour": behaviour}
        self._wire.call("POST", *self._place, body=asked if times is None else {**asked, "times": times})

    def remove(self, host: str, port: int) -> None:
        """Give an address its own behaviour back."""
        self._wire.call("POST", *self._place, body={"host": host, "port": port, "behaviour": None})

    def list(self) -> tuple[PoolBehaviour, ...]:
        """What was put on addresses."""
        return tuple(PoolBehaviour.of(doc) for doc in self._wire.call("GET", *self._place)["data"])

    def behaviours(self) -> dict[str, str]:
        """Every behaviour there is, with what it does."""
        return dict(self._wire.call("GET", *self._place)["behaviours"])


class Workers:
    """What the API cannot do to workers. An account that is not named is the world's first."""

    def __init__(self, wire: Wire, world: str, account: str) -> None:
        self._wire = wire
        self._world = world
        self._account = account

    def spawn(
        self, name: str, model: str, profile_id: str, count: int = 1, *, first: int = 1, account: str | None = None
    ) -> list[str]:
        """Add workers that mine from now on; answers their ids.

        Args:
            name: {n} or {n:03} in it stands for the number, from `first` on.
            model: a hardware model of the fleet.

        Raises:
            ControlError: there is no such model or profile, or a cap is reached.
        """
        asked = {"name": name, "model": model, "profile_id": profile_id, "count": count, "first": first}
        return list(self._wire.call("POST", *self._place(account), body=asked)["worker_ids"])

    def offline(self, ids: Sequence[str], *, account: str | None = None) -> int:
        """Take workers offline; answers how many."""
        return self._change("offline", ids, account)

    def online(self, ids: Sequence[str], *, account: str | None = None) -> int:
        """Keep workers online whatever chance says; answers how many."""
        return self._change("online", ids, account)

    def flapping(self, ids: Sequence[str], *, account: str | None = None) -> int:
        """Let workers come and go; answers how many."""
        return self._change("flapping", ids, account)

    def auto(self, ids: Sequence[str], *, account: str | None = None) -> int:
        """Give workers back to chance; answers how many."""
        return self._change("auto", ids, account)

    def scale(self, ids: Sequence[str], factor: float, *, account: str | None = None) -> int:
        """Let workers mine at this part of their nominal rate, 0 to 10; answers how many."""
        return self._change("scale", ids, account, factor)

    def retire(self, ids: Sequence[str], *, account: str | None = None) -> int:
        """Switch workers off for good; answers how many."""
        return self._change("retire", ids, account)

    def _change(self, action: str, ids: Sequence[str], account: str | None, factor: float | None = None) -> int:
        asked: dict[str, Any] = {"worker_ids": list(ids), "action": action}
        if factor is not None:
            asked["factor"] = factor
        return int(self._wire.call("POST", *self._place(account), "change", body=asked)["changed"])

    def _place(self, account: str | None) -> tuple[str, ...]:
        return ("worlds", self._world, "accounts", account or self._account, "workers")


def wire_duration(value: Duration) -> float | str:
    """A duration as the server reads it."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def wire_time(value: Time) -> float | str:
    """A time as the server reads it."""
    return value.isoformat() if isinstance(value, datetime) else value
