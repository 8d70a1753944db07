"""How granian's bodies are read: in an asyncio loop, so that one which comes slowly keeps no thread waiting.

No more is kept of one than could be accepted, and one that does not come whole is never acted upon: the app does not
see it, as it does not with waitress.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import Any

from upsim.doors import bounds
from upsim.doors.asked import Asked, fields_of, refuse
from upsim.loop import LoopThread


class Bodies:
    """The bodies that are coming, in one loop."""

    def __init__(self, loop: LoopThread, may_be_large: bounds.MayBeLarge, done: Callable[[Asked], None]) -> None:
        """Read them.

        Args:
            may_be_large: which requests may have a body that is kept to the end.
            done: takes each request when its body is there.
        """
        self._loop = loop
        self._may_be_large = may_be_large
        self._done = done

    def expect(self, asked: Asked, protocol: Any) -> None:
        """Read the body of a request. From any thread; where nobody reads any longer, it is let go of."""
        reading = self._read(asked, protocol)
        try:
            self._loop.start(reading)
        except RuntimeError:  # the loop is closed
            reading.close()

    async def _read(self, asked: Asked, protocol: Any) -> None:
        environ = asked.environ
        announced: str = environ.get("CONTENT_LENGTH", "")
        length = int(announced) if announced.isdecimal() else None  # given twice, it is "2,2"
        if length is not None and length > bounds.LARGE_BYTES:
            self._done(asked)  # it is refused for its length: neither side need wait for it
            return
        large = self._may_be_large(environ["PATH_INFO"], fields_of(environ))
        with ExitStack() as stack:
            body = _Body(protocol, bounds.LARGE_BYTES + 1 if large else bounds.KEPT_BYTES)
            stack.callback(body.kept.close)
            try:
                whole = await body.read(length)
            except asyncio.CancelledError:
                return  # it took too long, or nobody reads any longer
            except OSError as error:
                refuse(protocol, 503, f"Service Unavailable: The body cannot be kept: {error.strerror}")
                return
            if not whole:
                refuse(protocol, 400, "Bad Request: The body ends before it should, or something stands behind it")
                return
            body.kept.seek(0)
            environ["wsgi.input"] = body.kept
            stack.pop_all()  # now whoever answers closes it
        self._done(asked)


class _Body:
    """A body that is coming."""

    def __init__(self, protocol: Any, most_kept: int) -> None:
        self.kept = SpooledTemporaryFile(bounds.MEMORY_BYTES)  # noqa: SIM115 - see _read
        self._protocol = protocol
        self._most_kept = most_kept
        self._loop = asyncio.get_running_loop()
        self._reader: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]  # which there is
        self._began = self._last = self._loop.time()

    async def read(self, length: int | None) -> bool:
        """Read it, or as much as is read of any, and say whether it came whole, of the length that was announced."""
        came = ends = 0
        self._look_after()
        try:
            # Its end is a piece without content. So is what breaks it off, which its end comes behind; and so are
            # fields behind the last chunk, which cannot be told from that.
            async for piece in self._protocol:
                if not piece:
                    ends += 1
                    continue
                self._last = self._loop.time()
                if came < self._most_kept:
                    self.kept.write(piece[: self._most_kept - came])
                came += len(piece)
                if came > bounds.LARGE_BYTES:
                    return True  # enough to be refused
        finally:
            self._look.cancel()
        return ends == 1 and length in (None, came)

    def _look_after(self) -> None:
        """Refuse the request if it takes too long to come, now or whenever that will be."""
        now = self._loop.time()
        late = min(self._began + bounds.BODY_S, self._last + bounds.HEAD_S)
        if now >= late:
            refuse(self._protocol, 408, f"Request Timeout: {bounds.TOO_SLOW}")
            self._reader.cancel()  # as long as somebody reads, granian keeps the connection
        else:
            self._look = self._loop.call_at(late, self._look_after)
