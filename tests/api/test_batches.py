"""Threads that come together are done for in one go, and each hears of its own alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from upsim.api.batches import Batches, Undone


class Store:
    """Something to enter: counts how often."""

    def __init__(self) -> None:
        self.entered = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        self.entered += 1
        yield


class Crowd:
    """Threads that ask while another is at work, so that they are done for together."""

    def __init__(self) -> None:
        self.store = Store()
        self._batches: Batches[int] = Batches()
        self._asking = threading.Semaphore(0)

    def run(self, *acts: Callable[[], int]) -> list[Future[int]]:
        at_work, go_on = threading.Event(), threading.Event()

        def first() -> int:
            at_work.set()
            assert go_on.wait(30)
            return -1

        with ThreadPoolExecutor(len(acts) + 1) as threads:
            leader = threads.submit(self._batches.run, first, Store().together())
            assert at_work.wait(30)
            found = [threads.submit(self._ask, act) for act in acts]
            for _ in acts:
                assert self._asking.acquire(timeout=30)
            while len(self._batches._waiting) < len(acts):  # from the asking to the queue is no way, but some time
                threading.Event().wait(0.001)
            go_on.set()
            assert leader.result() == -1
        return found

    def _ask(self, act: Callable[[], int]) -> int:
        self._asking.release()
        return self._batches.run(act, self.store.together())


def fails() -> int:
    raise ValueError("of its own")


def test_who_comes_meanwhile_is_done_for_in_one_go() -> None:
    crowd = Crowd()
    by: list[int] = []

    def number(which: int) -> int:
        by.append(threading.get_ident())
        return which

    found = crowd.run(*((lambda which=which: number(which)) for which in range(5)))
    assert [one.result() for one in found] == list(range(5))
    assert crowd.store.entered == 1
    assert len(set(by)) == 1


def test_what_fails_of_one_is_its_own() -> None:
    crowd = Crowd()
    good, bad, other = crowd.run(lambda: 1, fails, lambda: 2)
    assert (good.result(), other.result()) == (1, 2)
    assert isinstance(bad.exception(), ValueError)


def test_an_interrupt_of_the_thread_that_went_ahead_is_none_of_the_others() -> None:
    crowd = Crowd()

    def interrupted() -> int:
        raise KeyboardInterrupt

    # Whichever of the two goes ahead does what both ask for.
    told = {type(one.exception()) for one in crowd.run(interrupted, lambda: 1)}
    assert told == {KeyboardInterrupt, Undone}
    assert crowd.run(lambda: 2)[0].result() == 2
