"""The gate before /v1: what every call passes on its way in and out, whatever it asks and whatever becomes of it.

In: key, address, rate limit, faults. Out: the fields that tell the rate limit, the fault's mark, the journal's line. In
between, an answer that is kept is given again; where none is, its operation answers, which checks scope and parameters.
It is a WSGI app around Flask's, since most of what a small call costs is Flask's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from upsim.api import admission, injected, record
from upsim.api.batches import Batches, Undone
from upsim.api.kept import Asked, Kept, KeptAnswers
from upsim.api.limits import Limits
from upsim.api.passage import KEY, Passage
from upsim.config import Config
from upsim.errors import AddressRefused, CapReached, InvalidKey, UpsimError
from upsim.model import Scope
from upsim.rules.faults import has_faults
from upsim.rules.worlds import cap_of, is_over
from upsim.spec import API
from upsim.web import errors
from upsim.web.access import ACCOUNT
from upsim.web.answer import Answer
from upsim.world import Universe

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX: Final = "/v1"

CALLER_ADDRESS: Final = "HTTP_X_UPSIM_CALLER_ADDRESS"
"""Where a call says it comes from, believed only in a world that was told to."""

Observer = Callable[[str | None, int, Exception | None, float], None]
"""Is told a call's operationId, the status of its answer, what it was refused for, and when it began."""


class Gate:
    """A WSGI app that lets calls under /v1 through to another, and all other calls as they are."""

    def __init__(
        self,
        app: WSGIApplication,
        universe: Universe,
        config: Config,
        limits: Limits,
        operation_of: Callable[[str, str], str | None],
        observers: Iterable[Observer] = (),
    ) -> None:
        """Stand before the app.

        Args:
            operation_of: from a method and a path to the operationId.
            observers: told of each call when it leaves.
        """
        self._app = app
        self._universe = universe
        self._config = config
        self._limits = limits
        self._operation_of = operation_of
        self._observers = tuple(observers)
        self._kept = KeptAnswers()
        self._batches: Batches[Answer | None] = Batches()
        self._reading = Lock()
        self._untold = record.Untold()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one call; one that `at_once` began with, to its end."""
        answer = None
        call: Passage | None = environ.get(KEY)
        if call is None:
            if not _is_ours(environ["PATH_INFO"]):
                return self._app(environ, start_response)
            call, answer = self._come(environ)
        if answer is None:
            answer = _settled(call, self._further)
        return self._send(call, answer, start_response)

    def at_once(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes] | None:
        """Answer one call if that can be done without waiting; None where not: it is to be made, in another thread.

        Others' calls need not wait for threads to come and go, when this is asked by the one that takes them all.
        """
        if self._limits.together is None or not _is_ours(environ["PATH_INFO"]):
            return None
        call, answer = self._come(environ)
        return None if answer is None else self._send(call, answer, start_response)

    def _send(self, call: Passage, answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
        if not call.left:
            answer = self._leave(call, answer)
        if self._observers and call.operation is None and not call.entered:
            call.operation = self._operation_of(call.method, call.path)
        for observe in self._observers:
            observe(call.operation, answer.code, call.error, call.began)
        return answer.send(start_response, head=call.method == "HEAD")

    def _come(self, environ: WSGIEnvironment) -> tuple[Passage, Answer | None]:
        """A call, and the answer to one that comes no further than the gate."""
        call, together = Passage.of(environ), self._limits.together
        if together is None:
            return call, self._first(call)
        try:
            return call, self._batches.run(partial(self._first, call), together)
        except Undone:
            call = Passage.of(environ)  # as if it came only now
            return call, self._first(call)

    def _first(self, call: Passage) -> Answer | None:
        """The answer to a call that comes no further; it has left then, unless its body is still to be read."""
        answer = _settled(call, self._in)
        return answer if answer is None or call.has_body else self._leave(call, answer)

    def _in(self, call: Passage) -> Answer | None:
        """As far as a call comes without waiting for anything but the store."""
        self._admit(call)
        return None if has_faults(call.landed) else self._again(call)

    def _further(self, call: Passage) -> Answer:
        return injected.before(call) or self._again(call) or self._anew(call)

    def _admit(self, call: Passage) -> None:
        """Check key, address and rate limit, in this order.

        Raises:
            MissingKey, InvalidKey, AddressRefused, RateLimited: it may not pass.
            CapReached: its world has used up its calls.
        """
        universe, environ = self._universe, call.environ
        caller = admission.find_caller(universe.store, admission.key_of(environ))
        if is_over(caller.world, universe.wall.now()):
            raise InvalidKey
        call.world, call.known = universe.world(caller.world), caller  # from here on its journal tells of the call
        now = call.now = call.world.now()  # one instant for key, window, fields and journal
        admission.check_open(caller, now)
        refusal = self._refused_address(call)
        environ[ACCOUNT] = caller.account.name
        call.standing = self._limits.count(caller, now)
        if caller.key.exhausted:
            call.standing.check(now)
        # Only now, so that the call is counted and told about as any other; it is never refused for its number.
        if refusal is not None:
            raise refusal
        if self._config.rate_limit:
            call.standing.check(now)
        cap = cap_of(caller.world, "calls")
        if cap is not None and universe.store.next_number(caller.world.id, "calls") >= cap:
            raise CapReached("calls", cap)

    def _refused_address(self, call: Passage) -> AddressRefused | None:
        caller, environ = call.caller, call.environ
        if not caller.key.networks:
            return None
        if caller.world.options.get("caller_address") and CALLER_ADDRESS in environ:
            address = environ[CALLER_ADDRESS]
        else:
            address = admission.client_address(
                environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""), self._config.trusted_proxy
            )
        try:
            admission.check_address(caller, address)
        except AddressRefused as refusal:
            return refusal
        return None

    def _again(self, call: Passage) -> Answer | None:
        """The answer of an earlier call, where it holds for this one."""
        asked = _asked(call)
        kept = self._kept.find(asked, call.now) if asked else None
        if kept is None or kept.scope not in call.caller.key.scopes:
            return None
        call.operation = kept.operation
        return Answer("200 OK", [("Content-Type", "application/json")], kept.body, len(kept.body))

    def _anew(self, call: Passage) -> Answer:
        # Threads that compute at the same time take the interpreter from each other at each row, and twice as long all
        # together. So reads, which wait for nothing, come one at a time; where the store is a server, they do wait.
        with self._reading if call.method == "GET" and self._limits.together is not None else nullcontext():
            answer = Answer.from_app(self._app, call.environ)
        asked = _asked(call)
        if asked and call.operation and answer.status == "200 OK":
            since = call.landed.now()  # later than all the rule has looked at
            if since < call.until:
                kept = Kept(call.operation, _SCOPES[call.operation], answer.body, since, call.until)
                self._kept.keep(asked, kept)
        return answer

    def _leave(self, call: Passage, answer: Answer) -> Answer:
        """What the fault leaves of the answer, with the rate limit's fields, journaled."""
        try:
            answer = injected.after(call, answer)
            if call.standing is not None:
                answer.fields += call.standing.fields
            if not call.entered:
                call.sent = record.read_body(call)
            record.write(self._universe, call, answer.code, self._untold)
        except Exception as error:
            return _crashed(call, error)
        finally:
            call.left = True
        return answer


def _is_ours(path: str) -> bool:
    return path.startswith(PREFIX) and path[len(PREFIX) : len(PREFIX) + 1] in ("", "/")


_SCOPES: Final = {operation.id: Scope(operation.scope) for operation in API.operations}


def _asked(call: Passage) -> Asked | None:
    """What an answer to the call is kept under; None where it is not to be kept, nor one to be given."""
    version = call.caller.version
    if version is None or call.method != "GET" or call.has_body or call.fault is not None:
        return None  # a fault may have made it wait: by now the world may be of another version
    return version, call.caller.account.id, call.environ["PATH_INFO"], call.query


_Outcome = TypeVar("_Outcome")


def _settled(call: Passage, ask: Callable[[Passage], _Outcome]) -> _Outcome | Answer:
    """What comes of asking; what it is refused for, or fails of, is an answer too."""
    try:
        return ask(call)
    except UpsimError as refusal:
        return _refused(call, refusal)
    except Exception as error:
        return _crashed(call, error)


def _refused(call: Passage, refusal: UpsimError) -> Answer:
    call.error = refusal
    return Answer.of(errors.response_to(refusal))


def _crashed(call: Passage, error: Exception) -> Answer:
    call.error = error
    return Answer.of(errors.crash(call.method, call.path, error))
