"""Running calls at once, and hearing of what went wrong in any of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from upsim.errors import UpsimError

_Result = TypeVar("_Result")


def at_once(calls: Iterable[Callable[[], _Result]]) -> list[_Result | UpsimError]:
    """Run each call in a thread of its own, all starting together; what each returned, or how it was refused."""
    waiting = list(calls)
    gate = threading.Barrier(len(waiting))

    def run(call: Callable[[], _Result]) -> _Result | UpsimError:
        gate.wait()
        try:
            return call()
        except UpsimError as refusal:
            return refusal

    with ThreadPoolExecutor(len(waiting)) as threads:
        return list(threads.map(run, waiting))


def watched(watch: Callable[[], None], calls: Iterable[Callable[[], _Result]]) -> list[_Result | UpsimError]:
    """As at_once, while one more thread asks `watch` again and again, at least once."""
    done = threading.Event()

    def look() -> None:
        while True:
            last = done.is_set()
            watch()
            if last:
                return

    with ThreadPoolExecutor(1) as watcher:
        looking = watcher.submit(look)
        try:
            return at_once(calls)
        finally:
            done.set()
            looking.result()
