"""A call under /v1 on its way through the gate, and what is known of it so far."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from upsim.api.limits import Standing
from upsim.clock import Instant
from upsim.model import Caller
from upsim.rules.faults import Fault
from upsim.web.params import Input
from upsim.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

KEY: Final = "upsim.passage"
"""Where the passage stands in the call's environment, for the app behind the gate."""


@dataclass(slots=True, eq=False, repr=False)  # what nobody asks for need not be compiled at each start
class Passage:
    """One call.

    Attributes:
        began: by a clock that only measures, seconds.
        path: as it was meant, percent signs and all decoded.
        world, known, now: where it landed, whose key it is, and the instant that counts for key, window and journal.
        counted: it counts for the rate limit, which `standing` tells about.
        fault: the one that struck it.
        error: what it was refused for.
        entered: it came as far as the app behind the gate.
        operation: the operationId it was for; None where there is none.
        input: what it asks, once that was understood.
        sent: its body, as far as it can be read.
        left: it has left the gate, journaled.
        until: the instant from which on the answer may be another though nothing was changed.
    """

    environ: WSGIEnvironment
    method: str
    path: str
    query: str
    began: float = field(default_factory=time.perf_counter)
    world: World | None = None
    known: Caller | None = None
    now: Instant = Instant(0)
    standing: Standing | None = None
    fault: Fault | None = None
    error: Exception | None = None
    entered: bool = False
    operation: str | None = None
    input: Input | None = None
    sent: Mapping[str, object] | None = None
    left: bool = False
    until: Instant = Instant(0)

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> Passage:
        """The passage of a call that just came; it stands in the environment from then on."""
        path = environ["PATH_INFO"]
        if not path.isascii():
            path = path.encode("latin-1").decode("utf-8", "replace")
        passage = cls(environ, environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""))
        environ[KEY] = passage
        return passage

    @property
    def caller(self) -> Caller:
        """Whose key it is, of a call that came so far."""
        assert self.known is not None  # noqa: S101 - asked after the key was found only
        return self.known

    @property
    def landed(self) -> World:
        """Where it landed, of a call that came so far."""
        assert self.world is not None  # noqa: S101 - asked after the key was found only
        return self.world

    @property
    def has_body(self) -> bool:
        """Whether anything was sent with it."""
        return self.environ.get("CONTENT_LENGTH", "") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in self.environ
