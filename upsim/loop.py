"""An asyncio loop in a thread of its own, for rooms that speak to sockets while their callers block."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

_LOG: Final = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class LoopThread:
    """An asyncio loop in a daemon thread, and what was started in it.

    Attributes:
        loop: for who has to name it.
    """

    def __init__(self, name: str) -> None:
        # The selector loop on every system: plain and TLS are told apart by a look at a socket's first byte.
        self.loop = asyncio.SelectorEventLoop()
        self._started: set[Future[None]] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine within the loop until it ends or all is stopped."""
        started = asyncio.run_coroutine_threadsafe(work, self.loop)
        self._started.add(started)  # a loop alone does not keep what runs in it
        started.add_done_callback(self._ended)

    def _ended(self, started: Future[None]) -> None:
        self._started.discard(started)
        if not started.cancelled() and (problem := started.exception()) is not None:
            _LOG.error("what ran in %s failed", self._thread.name, exc_info=problem)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Run something quick within the loop, and give back what it says."""
        done: Future[Answer] = Future()

        def run() -> None:
            try:
                done.set_result(question())
            except Exception as problem:
                done.set_exception(problem)

        self.loop.call_soon_threadsafe(run)
        return done.result()

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine within the loop, and give back what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def stop(self) -> None:
        """End all that runs in it and wait for the thread."""
        self.run(self._wind_up())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    async def _wind_up(self) -> None:
        # In rounds: what accepts connections may have taken one more, whose work only begins now.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            # Who was only just made takes a first step: cancelled before it, it would never come to its `finally`.
            await asyncio.sleep(0)
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)


async def readable(waiting: socket.socket) -> None:
    """Wait until there is something to read, or the other end is gone; takes nothing."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def awake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(waiting, awake)
    try:
        await ready
    finally:
        loop.remove_reader(waiting)
