"""What the door has under way in its loop, and what it has done beside it because it may block."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from typing import Any, Final

_LOG: Final = logging.getLogger(__name__)


class Tasks:
    """All that is under way; what fails is logged."""

    def __init__(self, executor: Executor) -> None:
        """`executor` has the threads for what may block."""
        self._executor = executor
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Any) -> asyncio.Task[None]:
        """Run a coroutine without waiting for it."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("the door stumbled", exc_info=task.exception())

    async def beside(self, work: Any, *given: Any) -> Any:
        """Call what may block in another thread, and wait for what it gives."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *given)

    def cancel(self) -> None:
        """End all that is under way."""
        for task in list(self._tasks):
            task.cancel()
