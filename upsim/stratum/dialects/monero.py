"""Monero's JSON-RPC (randomx): login, job, submit, keepalived, getjob.

RandomX is not computed: the `result` a miner claims is believed, but it must be well formed, belong to a known job, be
new, and meet the target.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from upsim.model import Stage
from upsim.stratum.events import Event, JobAsked, Login, Say, Submission, Verdict, rejected
from upsim.stratum.jobs import Job, Recipe, expect
from upsim.stratum.peer import Ask, Found, MinerSession, Unexpected, Work, as_text, request
from upsim.stratum.session import Offered, PoolSession, hex_problem
from upsim.stratum.wire import REJECT_TEXT, Id, Json, RejectCode, Request, as_id, encode, is_hex

_U32: Final = (1 << 32) - 1
_U64: Final = (1 << 64) - 1
_NONCE_AT: Final = 39
_ROOT_AT: Final = 43
_SEED_BLOCKS: Final = 2_048
"""RandomX changes its key every so many blocks."""

_MESSAGES: Final[Mapping[RejectCode, str]] = {
    RejectCode.STALE: "Block expired",
    RejectCode.DUPLICATE: "Duplicate share",
    RejectCode.LOW_DIFFICULTY: "Low difficulty share",
    RejectCode.UNAUTHORIZED: "Unauthenticated",
    RejectCode.NOT_SUBSCRIBED: "Unauthenticated",
}
"""What nodejs-pool and xmrig-proxy say; the code is -1 for all of them."""


def target_hex(difficulty: float) -> str:
    """A job's target: (2**32 - 1) // difficulty as four little-endian bytes, eight where four are too coarse."""
    whole = max(1, int(difficulty))
    if whole < 1 << 24:
        return (_U32 // whole).to_bytes(4, "little").hex()
    return (_U64 // whole).to_bytes(8, "little").hex()


def expand_target(text: str) -> int:
    """The 64-bit target behind a job's target field.

    Raises:
        ValueError: if it is not 8 or 16 hex digits, or zero.
    """
    value = int.from_bytes(bytes.fromhex(text), "little")
    if len(text) not in (8, 16) or not value:
        raise ValueError(f"{text!r} is no target: 8 or 16 hex digits, not zero")
    return _U64 // (_U32 // value) if len(text) == 8 else value


def claimed_difficulty(result_hex: str) -> float:
    """The difficulty a result shows: its bytes 24 to 31 are what is held against the target."""
    return _U64 / max(1, int.from_bytes(bytes.fromhex(result_hex)[24:32], "little"))


@dataclass(frozen=True, slots=True)
class MoneroJob(Job):
    """A hashing blob and the key RandomX is set up with."""

    blob: str
    seed_hash: str


def make_job(recipe: Recipe) -> MoneroJob:
    """A 76-byte blob: version, time, previous id, an empty nonce, tree root, one transaction."""
    blob = b"\x10\x10" + _varint(recipe.now_s) + recipe.block_digest("previous")
    blob = blob[:_NONCE_AT] + bytes(4) + recipe.digest("root") + b"\x01"
    era = recipe.height // _SEED_BLOCKS
    key = hashlib.sha256(f"{recipe.seed}:randomx:{era}".encode()).hexdigest()
    return MoneroJob(recipe.job_id, recipe.height, recipe.clean, blob.hex(), key)


def _varint(number: int) -> bytes:
    """Seven bits a byte, in five bytes always, so that the nonce stands where it must."""
    return bytes((number >> shift) & 0x7F | (0x80 if shift < 28 else 0) for shift in range(0, 35, 7))


class MoneroSession(PoolSession):
    """The pool's side."""

    extranonce1_bytes = 0
    subscribe_methods = frozenset({"login"})

    def handle(self, request: Request) -> list[Event]:
        """Take one request."""
        if request.method == "login":
            return [self._login(request)]
        if not self.logins and request.method in ("submit", "keepalived", "getjob"):
            return [Say(line) for line in self.error(request.id, RejectCode.UNAUTHORIZED, "Unauthenticated")]
        match request.method:
            case "submit":
                return [self._submission(request)]
            case "keepalived":
                return [Say(line) for line in self.reply(request.id, {"status": "KEEPALIVED"})]
            case "getjob":
                return [JobAsked(request.id)]
            case _:
                return [Say(line) for line in self.error(request.id, RejectCode.OTHER, "Invalid method")]

    @property
    def mark(self) -> str:
        """The session's id, as a miner sends it back."""
        text = hashlib.sha256(f"session {self.number}".encode()).hexdigest()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"

    def _login(self, request: Request) -> Login:
        self.subscribed = True
        self.agent = request.name("agent")
        return Login(request.id, request.name("login"), request.name("pass"), self.agent, request.name("rigid"))

    def _submission(self, request: Request) -> Submission:
        nonce, outcome = request.name("nonce").lower(), request.name("result").lower()
        problem = hex_problem("nonce", nonce, 8) or hex_problem("result", outcome, 64)
        if request.name("id") != self.mark:
            problem = "Invalid session id"
        return Submission(
            request_id=request.id,
            worker=next(iter(self.logins), ""),
            job_id=request.name("job_id"),
            nonce=nonce,
            result=outcome,
            malformed=problem,
        )

    def grant(self, login: Login, job: Job | None) -> list[bytes]:
        """The reply to a login carries the first job; without one there is nothing to log in to."""
        if job is None:
            return self.error(login.request_id, RejectCode.OTHER, "No block template yet. Please wait.")
        self.remember(login)
        self.begun = True
        self.keep(job)
        value: Json = {
            "id": self.mark,
            "job": {**self._body(job), "id": self.mark},
            "extensions": ["algo", "keepalive"],
            "status": "OK",
        }
        return self.reply(login.request_id, value)

    def refuse(self, login: Login, text: str) -> list[bytes]:
        """Turn a login down."""
        return self.error(login.request_id, RejectCode.UNAUTHORIZED, text)

    def hand(self, asked: JobAsked, job: Job | None) -> list[bytes]:
        """Answer getjob."""
        if job is None:
            return self.error(asked.request_id, RejectCode.OTHER, "No block template yet. Please wait.")
        self.keep(replace(job, clean=False))
        return self.reply(asked.request_id, self._body(job))

    def tell_difficulty(self) -> list[bytes]:
        """The job carries its target."""
        return []

    def notify(self, job: Job) -> list[bytes]:
        """The job message."""
        return [encode({"jsonrpc": "2.0", "method": "job", "params": self._body(job)})]

    def _body(self, job: Job) -> dict[str, Json]:
        work = expect(job, MoneroJob)
        blob = bytearray.fromhex(work.blob)
        # Every session gets a tree root of its own: miners start at nonce 0, and would all find the same shares.
        blob[_ROOT_AT : _ROOT_AT + 32] = hashlib.sha256(blob[_ROOT_AT : _ROOT_AT + 32] + self.mark.encode()).digest()
        return {
            "blob": blob.hex(),
            "job_id": job.id,
            "target": target_hex(self.difficulty),
            "algo": "rx/0",
            "height": job.height,
            "seed_hash": work.seed_hash,
        }

    def accept(self, submission: Submission) -> list[bytes]:
        """Tell the client that its share counts."""
        return self.reply(submission.request_id, {"status": "OK"})

    def reject(self, submission: Submission, code: RejectCode, text: str) -> list[bytes]:
        """Tell the client why its share does not count, in Monero pools' words."""
        said = _MESSAGES.get(code, text) if text == REJECT_TEXT[code] or code is RejectCode.LOW_DIFFICULTY else text
        return self.error(submission.request_id, code, said)

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """Sizes are checked as the share is read."""
        return ""

    def judge(self, submission: Submission, now_s: int) -> Verdict:
        """As everywhere, but two sessions may find the same nonce: their blobs differ."""
        return super().judge(replace(submission, extranonce2=self.mark), now_s)

    def check_work(self, submission: Submission, offered: Offered) -> Verdict:
        """Hold the claimed result against the target the job was offered with."""
        achieved = claimed_difficulty(submission.result)
        if _U64 / achieved >= expand_target(target_hex(self.demanded(offered.difficulty))):
            return rejected(RejectCode.LOW_DIFFICULTY, achieved=achieved)
        return Verdict(None, difficulty=offered.difficulty, achieved=achieved)

    def reply(self, request_id: Id, value: Json) -> list[bytes]:
        """A success, as JSON-RPC 2.0."""
        return [encode({"id": request_id, "jsonrpc": "2.0", "error": None, "result": value})]

    def error(self, request_id: Id, code: RejectCode, text: str, value: Json = None) -> list[bytes]:
        """A failure, as JSON-RPC 2.0 with code -1."""
        return [self.refusal(request_id, code, text)]

    def refusal(self, request_id: Id, code: int, text: str, value: Json = None) -> bytes:
        """A failure, as JSON-RPC 2.0 with code -1."""
        return encode({"id": request_id, "jsonrpc": "2.0", "error": {"code": -1, "message": text}})


class MoneroMiner(MinerSession):
    """The miner's side."""

    session = ""

    def opening(self) -> list[Ask]:
        """One login is both: subscription, as it brings a job, and authorization."""
        who = self.credentials
        params: Json = {
            "login": who.username,
            "pass": who.password,
            "agent": who.agent,
            "algo": ["rx/0"],
        }
        return [Ask(1, request(1, "login", params, jsonrpc="2.0"), (Stage.SUBSCRIPTION, Stage.AUTHORIZATION))]

    def learn(self, ask: Ask, message: Mapping[str, Json]) -> None:
        """Keep the session's id."""
        value = message.get("result")
        if not isinstance(value, dict) or not isinstance(value.get("id"), str) or "job" not in value:
            raise Unexpected("the reply to login has no session id and job")
        self.session = as_text(value["id"])

    def take(self, message: Mapping[str, Json]) -> Work | None:
        """Find the job in a login's reply, in getjob's, or in a job message."""
        body: Json = None
        if message.get("method") == "job":
            body = message.get("params")
        elif isinstance(value := message.get("result"), dict):
            body = value.get("job", value)
        if not isinstance(body, dict) or not isinstance(body.get("blob"), str):
            return None
        target = as_text(body.get("target"))
        if not is_hex(target) or len(target) not in (8, 16) or not int(target, 16):
            return None
        try:
            difficulty = _U64 / expand_target(target)
        except (ValueError, ZeroDivisionError):
            return None
        return Work(str(as_id(body.get("job_id"))), (body["blob"], target), difficulty)

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """A claim that just meets the target: nobody hashes RandomX here."""
        tail = max(1, expand_target(as_text(work.fields[1])) - 1 - found.nonce % 1024)
        outcome = hashlib.sha256(f"{work.job_id}:{found.nonce}".encode()).digest()[:24] + tail.to_bytes(8, "little")
        params: Json = {
            "id": self.session,
            "job_id": work.job_id,
            "nonce": found.nonce.to_bytes(4, "little").hex(),
            "result": outcome.hex(),
        }
        return request(request_id, "submit", params, jsonrpc="2.0")
