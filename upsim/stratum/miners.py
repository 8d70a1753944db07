"""Synthetic miners: many sessions that send shares at the pace of the hashrate they pretend to. No real mining.

They exercise somebody's pool or proxy. Where a hash is cheap (sha256, scrypt, sha512256d, equihash) a share is the best
of a few: valid where the pool asks for next to no work, refused for low difficulty elsewhere. A randomx share claims a
result that meets its target; the others are structurally right. A chosen part is sent for jobs that do not exist, or
malformed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from upsim.algorithms import ALGORITHMS, Algorithm
from upsim.stratum.dialects import speech_of
from upsim.stratum.dialects.family import FamilyMiner
from upsim.stratum.peer import Ask, Credentials, MinerSession, Unexpected, Work, error_text, request
from upsim.stratum.wire import Json, LineBuffer, LineTooLong, NotStratum, decode, encode
from upsim.tls.certificates import unverified_context

HASHES_PER_SHARE: Final = 64
"""Most hashes spent on one share: a laptop does them in a tenth of a millisecond, and no pool pays for them."""
SCRYPT_PER_SHARE: Final = 24
"""The same for scrypt, which is five hundred times slower."""
EASY_WORK: Final = 4.0
"""Expected hashes per share that a pool may ask of these miners: nearly none of their shares fall short of it."""
RECONNECT_S: Final = 1.0
_REPLY_S: Final = 30.0
_TAKES_EXTRANONCES: Final = 3


@dataclass(frozen=True, slots=True)
class MinersPlan:
    """What to pretend.

    Attributes:
        host, port, tls: where the pool is.
        algorithm: what to pretend to mine.
        count: how many sessions.
        hashrate: of each, in the algorithm's unit; the pace of shares follows from it and the difficulty assigned.
        username: `{n}` in it becomes the miner's number.
        password: as it is.
        stale: part of shares sent for a job that does not exist.
        invalid: part of shares sent malformed.
        seed: of all chance.
        shares: stop after so many shares each; None goes on.
        pace: factor on the time between shares; tests use a small one.
        connects_per_s: new sessions a second.
    """

    host: str
    port: int
    algorithm: str
    count: int = 1
    hashrate: float = 1e12
    tls: bool = False
    username: str = "wallet.rig{n}"
    password: str = "x"  # noqa: S105 - what miners send where nobody asks for one
    stale: float = 0.0
    invalid: float = 0.0
    seed: int = 1
    shares: int | None = None
    pace: float = 1.0
    connects_per_s: float = 500.0


@dataclass(slots=True)
class MinersReport:
    """What came of it; counts over all sessions.

    Attributes:
        connected: sessions open now.
        logged_in: sessions that ever logged in.
        sent, accepted, rejected: shares; a share without an answer is only sent.
        jobs: jobs received.
        work: summed difficulty of accepted shares, as assigned when they were sent.
        reasons: why shares were rejected, or sessions failed; the commonest few.
        finished: sessions that sent all they were to send, and heard the answers.
    """

    connected: int = 0
    logged_in: int = 0
    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    jobs: int = 0
    work: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    finished: int = 0

    def because(self, reason: str) -> None:
        """Count a reason, not keeping more than a hundred different ones."""
        if reason in self.reasons or len(self.reasons) < 100:
            self.reasons[reason] += 1


def share_gap_s(chance: random.Random, difficulty: float, algorithm: Algorithm, hashrate: float) -> float:
    """Seconds until the next share of a miner of this hashrate: exponential, as luck with hashes is."""
    return chance.expovariate(hashrate / (difficulty * algorithm.work_per_difficulty))


async def run_miners(plan: MinersPlan, report: MinersReport) -> None:
    """Open the sessions and let them go on until they are done, or this is cancelled."""
    context = unverified_context() if plan.tls else None
    async with asyncio.TaskGroup() as group:
        for number in range(plan.count):
            group.create_task(_Miner(plan, number, report, context).run())
            await asyncio.sleep(1 / plan.connects_per_s)


class _Miner:
    """One session, and those that follow it when it breaks."""

    def __init__(self, plan: MinersPlan, number: int, report: MinersReport, context: ssl.SSLContext | None) -> None:
        self._plan = plan
        self._number = number
        self._report = report
        self._context = context
        self._algorithm: Algorithm = ALGORITHMS[plan.algorithm]
        self._chance = random.Random(f"{plan.seed}:{number}")
        self._sent = 0

    async def run(self) -> None:
        """Mine, or what looks like it; connect again where the pool hangs up."""
        while not self._done:
            for speaks in speech_of(self._algorithm).miners:
                if await self._session(speaks):
                    break
            if not self._done:
                await asyncio.sleep(RECONNECT_S * self._plan.pace)

    @property
    def _done(self) -> bool:
        return self._plan.shares is not None and self._sent >= self._plan.shares

    async def _session(self, speaks: type[MinerSession]) -> bool:
        """One connection; says whether the pool took the login."""
        plan = self._plan
        credentials = Credentials(plan.username.replace("{n}", str(self._number)), plan.password, plan.host, plan.port)
        talk = _Talk(speaks(self._algorithm, credentials), self._report)
        try:
            reader, writer = await asyncio.open_connection(plan.host, plan.port, ssl=self._context)
        except ConnectionRefusedError:
            self._report.because("cannot connect: connection refused, nothing listens on this port")
            return False
        except (OSError, ssl.SSLError) as problem:
            self._report.because(f"cannot connect: {problem.strerror or problem}")
            return False
        self._report.connected += 1
        reading = asyncio.create_task(talk.read(reader))
        try:
            await self._open(talk, writer, reading)
            self._report.logged_in += 1
            await self._mine(talk, writer, reading)
        except _Refused as problem:
            self._report.because(str(problem))
        except (OSError, TimeoutError):
            self._report.because("the pool closed the connection, or stopped answering")
        finally:
            self._report.connected -= 1
            reading.cancel()
            writer.close()
            # A cancellation of this miner while it waits here must get through, or it would connect again for ever.
            await asyncio.gather(reading, return_exceptions=True)
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return talk.logged_in

    async def _open(self, talk: _Talk, writer: asyncio.StreamWriter, reading: asyncio.Task[None]) -> None:
        for ask in talk.miner.opening():
            answer = talk.expect(ask)
            writer.write(ask.line)
            await writer.drain()
            waited: set[asyncio.Future[str] | asyncio.Task[None]] = {answer, reading}
            await asyncio.wait(waited, timeout=_REPLY_S, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise _Refused("the pool hung up before it answered" if reading.done() else "the pool did not answer")
            if refusal := answer.result():
                raise _Refused(refusal)
        talk.logged_in = True
        if isinstance(talk.miner, FamilyMiner):
            # As GMiner, nheqminer and ccminer do, whose nonces begin with it; nobody waits for the answer.
            writer.write(request(_TAKES_EXTRANONCES, "mining.extranonce.subscribe", []))

    async def _mine(self, talk: _Talk, writer: asyncio.StreamWriter, reading: asyncio.Task[None]) -> None:
        began = asyncio.get_running_loop().time()
        due = 0.0
        while not self._done and not reading.done():
            if talk.work is None:
                await talk.either(talk.has_work, reading)
                began, due = asyncio.get_running_loop().time(), 0.0
                continue
            # Gaps add up from the first job on: a sleep that is late does not make the miner slower.
            gap_s = share_gap_s(self._chance, talk.work.difficulty, self._algorithm, self._plan.hashrate)
            due += gap_s * self._plan.pace
            elapsed = asyncio.get_running_loop().time() - began
            if due > elapsed:
                await asyncio.wait({reading}, timeout=due - elapsed)
            if reading.done():
                return
            self._share(talk, writer)
            await writer.drain()
        await talk.settle(reading, self._plan.pace)
        self._report.finished += self._done

    def _share(self, talk: _Talk, writer: asyncio.StreamWriter) -> None:
        work = talk.work
        if work is None:
            return
        number = self._sent
        self._sent += 1
        self._report.sent += 1
        luck = self._chance.random()
        if luck < self._plan.stale:
            # A job that never was: to a pool, the same as one that is over.
            work = Work("ffffff" + work.job_id[:8], work.fields, work.difficulty)
        tries = SCRYPT_PER_SHARE if self._algorithm.id == "scrypt" else HASHES_PER_SHARE
        found = talk.miner.look(work, number + self._number * 1_000_003, tries)
        line = talk.miner.submit(talk.awaits(work), work, found)
        if self._plan.stale <= luck < self._plan.stale + self._plan.invalid:
            line = talk.spoilt(line)
        writer.write(line)


class _Refused(Exception):
    """The pool did not let the session begin."""


class _Talk:
    """Reads a pool's lines, and matches replies with what was asked."""

    def __init__(self, miner: MinerSession, report: MinersReport) -> None:
        self.miner = miner
        self.work: Work | None = None
        self.has_work = asyncio.Event()
        self.logged_in = False
        self._report = report
        self._asked: dict[int, tuple[Ask, asyncio.Future[str]]] = {}
        self._shares: dict[int, float] = {}
        self._next = 10
        self._settled = asyncio.Event()

    def expect(self, ask: Ask) -> asyncio.Future[str]:
        """Wait for the reply to an opening request: empty where all is well, else why not."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[ask.id] = ask, answer
        return answer

    def awaits(self, work: Work) -> int:
        """A fresh id for a share, whose answer is waited for."""
        self._next += 1
        self._shares[self._next] = work.difficulty
        self._settled.clear()
        if len(self._shares) > 1_000:
            del self._shares[next(iter(self._shares))]
        return self._next

    def spoilt(self, line: bytes) -> bytes:
        """A share that is malformed: every nonce and hash in it is cut short."""
        message = decode(line)
        params = message["params"]
        spoilt: Json
        if isinstance(params, list):
            spoilt = [*params[:2], *(item[:-1] if isinstance(item, str) else item for item in params[2:])]
            if str(message.get("method")).startswith("eth_"):
                spoilt = [item[:-1] if isinstance(item, str) else item for item in params]
        elif isinstance(params, dict):
            spoilt = {**params, "nonce": "zz"}
        else:
            spoilt = None
        return encode({**message, "params": spoilt})

    async def settle(self, reading: asyncio.Task[None], pace: float) -> None:
        """Wait for the answers that are still to come."""
        if self._shares:
            await self.either(self._settled, reading, 5.0 * max(pace, 0.2))

    @staticmethod
    async def either(event: asyncio.Event, reading: asyncio.Task[None], timeout_s: float | None = None) -> None:
        """Wait for something to happen, or the pool to hang up."""
        waiting = asyncio.create_task(event.wait())
        waited: set[asyncio.Task[bool] | asyncio.Task[None]] = {waiting, reading}
        await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Read until the pool hangs up, or sends what is no Stratum."""
        buffer = LineBuffer()
        with contextlib.suppress(OSError, LineTooLong, NotStratum):
            while data := await reader.read(65_536):
                for line in buffer.feed(data):
                    self._take(decode(line))

    def _take(self, message: dict[str, Json]) -> None:
        mark = message.get("id")
        if "method" not in message and isinstance(mark, int):
            if mark in self._asked:
                ask, answer = self._asked.pop(mark)
                self._opened(ask, answer, message)
            elif mark in self._shares:
                self._answered(self._shares.pop(mark), message)
                if not self._shares:
                    self._settled.set()
                return
        work = self.miner.take(message)
        if work is not None:
            self.work = work
            self._report.jobs += 1
            self.has_work.set()

    def _opened(self, ask: Ask, answer: asyncio.Future[str], message: dict[str, Json]) -> None:
        refusal = error_text(message)
        if refusal is None and message.get("result") is False:
            refusal = "refused without a reason"
        if refusal is None:
            try:
                self.miner.learn(ask, message)
            except Unexpected as problem:
                refusal = str(problem)
        if not answer.done():
            answer.set_result(refusal or "")

    def _answered(self, difficulty: float, message: dict[str, Json]) -> None:
        outcome = message.get("result")
        refusal = error_text(message)
        if refusal is None and isinstance(outcome, list) and outcome[:1] == [False]:
            refusal = str(outcome[1]) if len(outcome) > 1 else "refused without a reason"
        if refusal is None and not outcome:
            refusal = "refused without a reason"
        if refusal is None:
            self._report.accepted += 1
            self._report.work += difficulty
        else:
            self._report.rejected += 1
            self._report.because(_plain(refusal))


def _plain(reason: str) -> str:
    """A reason without its numbers, so that equal reasons count together."""
    return reason.split(" of ")[0].split(" 0x")[0]
