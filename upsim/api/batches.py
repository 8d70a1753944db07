"""Calls that come at the same time pass the gate in one go: one thread does for all of them what each would do.

What a call asks of a store that is near, is over in less time than threads take to wait for each other at each
question. So of threads that come together the first goes ahead for all who are there, and then lets one of those go
ahead who came meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock
from typing import Generic, TypeVar

Outcome = TypeVar("Outcome")


class Undone(Exception):
    """The thread that went ahead was interrupted; nobody knows how far it came."""


class Batches(Generic[Outcome]):
    """Does what several threads ask for, those that come together in one go."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._lock = Lock()
        self._waiting: list[_Job[Outcome]] = []
        self._led = False

    def run(self, act: Callable[[], Outcome], together: AbstractContextManager[object]) -> Outcome:
        """Do it, within `together`, maybe with what others ask for, and then in their thread.

        Raises:
            Undone: the thread that did it was interrupted.
        """
        job = _Job(act)
        with self._lock:
            self._waiting.append(job)
            leads, self._led = not self._led, True
        if not leads:
            job.ready.acquire()
        if leads or job.leads:
            self._lead(together)
        if job.error is not None:
            raise job.error
        outcome: Outcome = job.outcome
        return outcome

    def _lead(self, together: AbstractContextManager[object]) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        done = 0
        try:
            with together:
                for job in batch:
                    job.do()
                    done += 1
        finally:  # an interrupt of this thread is none of the others'
            for job in batch[done:]:
                job.error = Undone()
            with self._lock:
                self._led = bool(self._waiting)
                following = self._waiting[:1]
            for job in following:
                job.leads = True
            for job in (*following, *batch):
                job.ready.release()


class _Job(Generic[Outcome]):
    """What a thread asks for, and what came of it."""

    __slots__ = ("act", "error", "leads", "outcome", "ready")

    outcome: Outcome

    def __init__(self, act: Callable[[], Outcome]) -> None:
        self.act = act
        self.error: BaseException | None = None
        self.leads = False
        self.ready = Lock()
        self.ready.acquire()

    def do(self) -> None:
        try:
            self.outcome = self.act()
        except Exception as error:
            self.error = error
