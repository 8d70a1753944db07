"""Tries a pool as a miner would: connect, subscribe, authorize; each stage with its time and, on failure, one sentence.

Never takes longer than its deadline, keeps at most one line in memory, never submits a share, and closes politely.
Knows nothing of policy: whoever calls hands it the way to connect.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from upsim.algorithms import ALGORITHMS, Dialect
from upsim.model import Outcome, PoolTarget, PoolTest, Stage, StageResult
from upsim.stratum.dial import CannotConnect, Hangup, Link, NoTls, OutOfTime, secure
from upsim.stratum.dialects import SPEECHES, speech_of
from upsim.stratum.peer import Ask, Credentials, MinerSession, Unexpected, agent, error_text
from upsim.stratum.recognise import dialect_of_job
from upsim.stratum.wire import Json, LineTooLong, NotStratum, as_id, clip, decode, encode

JOB_WAIT_S: Final = 1.0
"""How long a test that passed waits for a first job before it remarks on its absence."""
PROBE_S: Final = 1.0
"""How long each guess at what a port speaks instead may take."""

_LOGIN_WORDS: Final = re.compile(
    r"address|auth|login|wallet|worker|user|password|permission|account|invalid payment|banned|blacklist", re.IGNORECASE
)
"""Words in a refusal that speak of who the miner is."""
_FORM_WORDS: Final = re.compile(r"method|param|argument|json|rpc", re.IGNORECASE)
"""Words in a refusal that speak of how the request was written."""

Dialer: TypeAlias = Callable[[float], socket.socket]
"""Connects to the pool under test, without TLS, not waiting past the deadline; raises CannotConnect."""


class _Failed(Exception):
    """A stage failed. `suspicious` where another dialect or TLS may be the reason."""

    def __init__(self, stage: Stage, reason: str, suspicious: bool = False, silent: bool = False) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reason = reason
        self.suspicious = suspicious
        self.silent = silent


class PoolTester:
    """One test of one pool."""

    def __init__(self, target: PoolTarget, dial: Dialer, deadline_s: float) -> None:
        self._target = target
        self._algorithm = ALGORITHMS[target.algorithm]
        self._dial = dial
        self._deadline_s = deadline_s
        self._deadline = time.monotonic() + deadline_s
        self._took_ms: dict[Stage, int] = {}
        self._remarks: list[str] = []

    def run(self) -> PoolTest:
        """Test the pool."""
        failure: _Failed | None = None
        for miner in speech_of(self._algorithm).miners:
            took, remarks = self._took_ms, self._remarks
            self._took_ms, self._remarks = {}, []
            try:
                self._attempt(miner)
            except _Failed as problem:
                if failure is None:
                    failure = problem
                else:
                    # The first dialect is the usual one: its account of the failure is the one to give.
                    self._took_ms, self._remarks = took, remarks
                if not problem.suspicious or self._left() <= 0:
                    break
            else:
                return self._passed()
        if failure is None:
            raise ValueError(f"no dialect is known for {self._algorithm.id}")
        if failure.suspicious:
            failure.reason = self._explained(failure)
        return self._report(failure)

    # One attempt

    def _attempt(self, speaks: type[MinerSession]) -> None:
        target = self._target
        miner = speaks(self._algorithm, Credentials(target.username, target.password, target.host, target.port))
        began = time.monotonic()
        link = self._connected(began)
        with_job: list[dict[str, Json]] = []
        try:
            for ask in miner.opening():
                began = time.monotonic()
                try:
                    reply = self._asked(link, ask, with_job)
                    with_job.append(reply)
                    miner.learn(ask, reply)
                except Unexpected as problem:
                    self._took(ask.stages[0], began)
                    raise _Failed(ask.stages[0], f"connected, but {problem}", suspicious=True) from None
                except _Failed as problem:
                    self._took(problem.stage, began)
                    raise
                for stage in ask.stages:
                    self._took(stage, began)
            self._check_job(link, miner, with_job)
        finally:
            link.close()

    def _connected(self, began: float) -> Link:
        stage = Stage.CONNECTIVITY
        try:
            raw = self._dial(self._deadline)
            if not self._target.tls:
                return Link(raw, self._deadline)
            return Link(secure(raw, self._target.host, self._deadline), self._deadline)
        except CannotConnect as problem:
            raise _Failed(stage, str(problem)) from None
        except Hangup:
            raise self._hung_up(Stage.SUBSCRIPTION, silent=True) from None
        except OutOfTime:
            reason = "connected, but the other side did not answer the TLS handshake: unset tls if it is a plain port"
            raise _Failed(stage, reason) from None
        except NoTls as problem:
            raise _Failed(stage, self._without_tls(problem)) from None
        finally:
            self._took(stage, began)

    def _asked(self, link: Link, ask: Ask, seen: list[dict[str, Json]]) -> dict[str, Json]:
        stage = ask.stages[0]
        first = stage is Stage.SUBSCRIPTION or not link.heard
        try:
            link.send(ask.line)
            while True:
                message = decode(link.line())
                if "method" in message:
                    self._asked_by_pool(link, message)
                    seen.append(message)
                    del seen[:-8]
                elif message.get("id") == ask.id:
                    break
        except Hangup as problem:
            raise self._hung_up(stage, problem.silent) from None
        except OutOfTime:
            reason = f"connected, but no reply to the {stage.value} within {self._deadline_s:g} s"
            raise _Failed(stage, reason) from None
        except LineTooLong as problem:
            raise _Failed(stage, f"connected, but the other side sent {problem}: this is no pool") from None
        except NotStratum as problem:
            raise _Failed(stage, self._no_stratum(problem)) from None
        refusal = error_text(message)
        if refusal is None and message.get("result") is False:
            refusal = "refused without a reason"
        if refusal is not None:
            stage = self._blamed(ask, refusal)
            suspicious = first and stage is Stage.SUBSCRIPTION
            raise _Failed(stage, f"the pool refused the {stage.value}: {refusal}", suspicious=suspicious)
        return message

    def _blamed(self, ask: Ask, refusal: str) -> Stage:
        """The stage a refusal belongs to. Where one request is both, only the pool's words can tell."""
        if len(ask.stages) == 1 or _FORM_WORDS.search(refusal) or not _LOGIN_WORDS.search(refusal):
            return ask.stages[0]
        self._took_ms.setdefault(Stage.SUBSCRIPTION, 0)
        return Stage.AUTHORIZATION

    def _hung_up(self, stage: Stage, silent: bool) -> _Failed:
        if silent:
            return _Failed(
                stage,
                "connected, but closed before any reply: banned, a TLS port, or not the right port",
                suspicious=True,
                silent=True,
            )
        return _Failed(stage, f"the pool closed the connection instead of answering the {stage.value}")

    def _no_stratum(self, problem: NotStratum) -> str:
        if problem.excerpt.startswith('"{'):
            return f"connected, but the pool hung up in the middle of a line: {problem.excerpt}"
        if problem.excerpt.startswith('"HTTP/'):
            return "connected, but an HTTP server answered: this is not a Stratum port"
        return f"connected, but the answer is not Stratum: {problem.excerpt}"

    def _asked_by_pool(self, link: Link, message: dict[str, Json]) -> None:
        mark = as_id(message.get("id"))
        match message.get("method"):
            case "client.get_version" if mark is not None:
                link.send(encode({"id": mark, "result": agent(), "error": None}))
            case "client.show_message":
                params = message.get("params")
                if isinstance(params, list) and params and isinstance(params[0], str):
                    self._remark(f"the pool says: {clip(params[0])}")
                if mark is not None:
                    link.send(encode({"id": mark, "result": True, "error": None}))
            case "client.reconnect":
                params = message.get("params")
                parts = params[:2] if isinstance(params, list) else []
                where = ":".join(str(part) for part in parts if isinstance(part, str | int))
                self._remark(f"the pool asks to reconnect to {clip(where) or 'itself'}; a test does not follow")

    def _remark(self, text: str) -> None:
        if text not in self._remarks and len(self._remarks) < 8:
            self._remarks.append(text)

    def _check_job(self, link: Link, miner: MinerSession, seen: list[dict[str, Json]]) -> None:
        """After all went well: do the jobs fit? A pool without one is remarked on, not failed."""
        until = time.monotonic() + JOB_WAIT_S
        while True:
            while seen:
                message = seen.pop(0)
                if miner.take(message) is not None:
                    self._hear_out(link)
                    return
                dialect = dialect_of_job(message)
                if dialect is not None and dialect is not self._algorithm.dialect:
                    raise _Failed(Stage.SUBSCRIPTION, self._foreign(SPEECHES[dialect].name))
            try:
                message = decode(link.line(until))
            except (Hangup, OutOfTime, LineTooLong, NotStratum):
                self._remark("no job came: normal for a pool whose node is still syncing")
                return
            self._asked_by_pool(link, message)
            seen.append(message)

    def _hear_out(self, link: Link) -> None:
        """Remark on what came along with the first job."""
        with contextlib.suppress(NotStratum, OutOfTime):
            for line in link.at_hand():
                self._asked_by_pool(link, decode(line))

    # Explanations, on new connections

    def _foreign(self, name: str) -> str:
        return f"connected, but this port speaks {name}, not {speech_of(self._algorithm).name}"

    def _explained(self, failure: _Failed) -> str:
        if failure.silent and not self._target.tls and self._speaks_tls():
            return "connected, but closed before any reply: this is a TLS port, set tls"
        for dialect in (Dialect.MONERO, Dialect.ETHEREUM, Dialect.BITCOIN):
            if dialect is self._algorithm.dialect or dialect not in SPEECHES:
                continue
            for miner in SPEECHES[dialect].miners:
                if self._left() > 0 and self._speaks(miner):
                    return self._foreign(SPEECHES[dialect].name)
        return failure.reason

    def _speaks_tls(self) -> bool:
        try:
            raw = self._dial(self._deadline)
            secure(raw, self._target.host, self._probe_end()).close()
        except (CannotConnect, Hangup, NoTls, OutOfTime):
            return False
        return True

    def _speaks(self, speaks: type[MinerSession]) -> bool:
        """Whether the other side answers the first words of a dialect as that dialect does."""
        miner = speaks(self._algorithm, Credentials(self._target.username, self._target.password))
        try:
            raw = self._dial(self._deadline)
            until = self._probe_end()
            link = Link(secure(raw, self._target.host, until) if self._target.tls else raw, until)
        except (CannotConnect, Hangup, NoTls, OutOfTime):
            return False
        try:
            ask = miner.opening()[0]
            link.send(ask.line)
            while (message := decode(link.line())).get("id") != ask.id or "method" in message:
                pass
            if error_text(message) is not None or message.get("result") is False:
                return False
            miner.learn(ask, message)
        except (Hangup, OutOfTime, LineTooLong, NotStratum, Unexpected):
            return False
        finally:
            link.close()
        return True

    def _without_tls(self, problem: NoTls) -> str:
        try:
            link = Link(self._dial(self._deadline), self._probe_end())
        except (CannotConnect, Hangup, OutOfTime):
            return f"connected, but the TLS handshake failed: {problem}"
        try:
            ask = (
                speech_of(self._algorithm)
                .miners[0](self._algorithm, Credentials(self._target.username, self._target.password))
                .opening()[0]
            )
            link.send(ask.line)
            decode(link.line())
        except (Hangup, OutOfTime, LineTooLong, NotStratum):
            return f"connected, but the TLS handshake failed: {problem}"
        finally:
            link.close()
        return "connected, but there is no TLS on this port: unset tls"

    def _probe_end(self) -> float:
        """When to give a guess up. Counted from the connection on, which may have had to wait for its turn."""
        return min(self._deadline, time.monotonic() + PROBE_S)

    # The report

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _took(self, stage: Stage, began: float) -> None:
        self._took_ms[stage] = round((time.monotonic() - began) * 1000)

    def _passed(self) -> PoolTest:
        return PoolTest(
            tuple(StageResult(stage, Outcome.PASSED, self._took_ms[stage]) for stage in Stage), tuple(self._remarks)
        )

    def _report(self, failure: _Failed) -> PoolTest:
        results: list[StageResult] = []
        for stage in Stage:
            if any(result.outcome is Outcome.FAILED for result in results):
                # Also where it was reached: a dialect may log in first, or show itself as another in its jobs.
                results.append(StageResult(stage, Outcome.SKIPPED, None))
            elif stage is failure.stage:
                results.append(StageResult(stage, Outcome.FAILED, self._took_ms.get(stage, 0), failure.reason))
            else:
                results.append(StageResult(stage, Outcome.PASSED, self._took_ms.get(stage, 0)))
        return PoolTest(tuple(results), tuple(self._remarks))
