"""The two tongues of ethash and etchash: EthereumStratum/1.0.0 (NiceHash) and ETHPROXY (eth_submitLogin, eth_getWork).

A pool's port takes both; the client's first line decides. Hashes are not computed: shares are checked structurally.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from upsim.model import Stage
from upsim.stratum.dialects.family import FamilyMiner, FamilySession
from upsim.stratum.events import Event, JobAsked, Login, Say, Submission
from upsim.stratum.jobs import Job, Recipe, expect
from upsim.stratum.keccak import seed_hash
from upsim.stratum.peer import Ask, Found, MinerSession, Unexpected, Work, as_text, counted, request
from upsim.stratum.session import Offered, PoolSession, hex_problem
from upsim.stratum.targets import D1, difficulty_of, target_for
from upsim.stratum.wire import REJECT_TEXT, Id, Json, RejectCode, Request, encode, is_hex, notification

PROXY_METHODS: Final = frozenset(
    {"eth_submitLogin", "eth_login", "eth_getWork", "eth_submitWork", "eth_submitHashrate"}
)
_UNAUTHORIZED: Final = REJECT_TEXT[RejectCode.UNAUTHORIZED]
_PROTOCOL: Final = "EthereumStratum/1.0.0"


@dataclass(frozen=True, slots=True)
class EthereumJob(Job):
    """What both tongues carry, in hex without 0x."""

    header: str
    seed: str


def make_job(recipe: Recipe) -> EthereumJob:
    """A job whose seed is the real one of its height: miners derive the epoch from it."""
    # core-geth's etchash doubles the epoch's length and walks the seed two steps an epoch.
    epoch = 2 * (recipe.height // 60_000) if recipe.algorithm.id == "etchash" else recipe.height // 30_000
    return EthereumJob(
        recipe.job_id, recipe.height, recipe.clean, recipe.digest("header").hex(), seed_hash(epoch).hex()
    )


class NicehashSession(FamilySession):
    """The pool's side of EthereumStratum/1.0.0."""

    extranonce1_bytes = 3

    def subscription(self) -> Json:
        """Three items, then the extranonce: how a miner tells this from V1."""
        return [["mining.notify", f"{self.number:032x}", _PROTOCOL], self.extranonce1]

    def extranonce_params(self) -> list[Json]:
        """The extranonce alone: the rest of the nonce is the miner's."""
        return [self.extranonce1]

    def notify(self, job: Job) -> list[bytes]:
        """Seed first, header second: the opposite of ETHPROXY."""
        work = expect(job, EthereumJob)
        return [notification("mining.notify", [job.id, work.seed, work.header, job.clean])]

    def submission(self, request: Request) -> Submission:
        """Read mining.submit: worker, job, the nonce's remaining digits."""
        words = self.words(request, 3, 3)
        return Submission(
            request_id=request.id,
            worker=request.text(0),
            job_id=request.text(1),
            nonce=words[2],
            malformed=self.word_problem(request, 3, 3, "worker, job, nonce"),
        )

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """The nonce fills what the extranonce leaves of 16 digits."""
        return hex_problem("nonce", submission.nonce, 16 - len(offered.extranonce1))

    def reject(self, submission: Submission, code: RejectCode, text: str) -> list[bytes]:
        """With result false beside the error; a stale share is -1, as NiceHash's document has it, the others as V1."""
        if submission.request_id is None:
            return []
        number = -1 if code is RejectCode.STALE else int(code)
        return [self.refusal(submission.request_id, number, text, value=False)]


class EthProxySession(PoolSession):
    """The pool's side of ETHPROXY."""

    extranonce1_bytes = 0
    subscribe_methods = frozenset({"eth_getWork"})

    def handle(self, request: Request) -> list[Event]:
        """Take one request."""
        match request.method:
            case "eth_submitLogin" | "eth_login":
                self.subscribed = True
                return [Login(request.id, request.text(0), request.text(1), rig=request.worker)]
            case "eth_getWork":
                return [JobAsked(request.id)]
            case "eth_submitWork":
                return [self._submission(request)]
            case "eth_submitHashrate":
                return [Say(line) for line in self.reply(request.id, bool(self.logins))]
            case _:
                return self.unknown(request)

    def _submission(self, request: Request) -> Submission:
        nonce, header, mix = (request.text(at).lower().removeprefix("0x") for at in range(3))
        problem = hex_problem("nonce", nonce, 16) or hex_problem("header", header, 64)
        problem = problem or hex_problem("mix digest", mix, 64)
        known = next((mark for mark, offer in self._jobs.items() if _header(offer) == header), "")
        return Submission(
            request_id=request.id,
            worker=next(iter(self.logins), ""),
            job_id=known,
            nonce=nonce,
            header=header,
            mix=mix,
            malformed="Malformed PoW result" if problem else "",
        )

    def grant(self, login: Login, job: Job | None) -> list[bytes]:
        """Let the client mine; it asks for its first job itself."""
        self.remember(login)
        return self.reply(login.request_id, True)

    def refuse(self, login: Login, text: str) -> list[bytes]:
        """Turn a login down."""
        return [self.refusal(login.request_id, -1, "Invalid login" if text == _UNAUTHORIZED else text)]

    def hand(self, asked: JobAsked, job: Job | None) -> list[bytes]:
        """Answer eth_getWork."""
        if not self.logins:
            return self.error(asked.request_id, RejectCode.NOT_SUBSCRIBED, "Not subscribed")
        if job is None:
            return [self.refusal(asked.request_id, 0, "Work not ready")]
        self.begun = True
        self.keep(job)
        return self.reply(asked.request_id, self._work(job))

    def tell_difficulty(self) -> list[bytes]:
        """The job carries its target."""
        return []

    def notify(self, job: Job) -> list[bytes]:
        """A job pushed: id 0, no method."""
        return self.reply(0, self._work(job))

    def _work(self, job: Job) -> Json:
        work = expect(job, EthereumJob)
        target = target_for(self.difficulty, D1)
        return [f"0x{work.header}", f"0x{work.seed}", f"0x{target:064x}", f"0x{job.height:x}"]

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """Sizes are checked as the share is read."""
        return ""

    def reject(self, submission: Submission, code: RejectCode, text: str) -> list[bytes]:
        """Tell the client why its share does not count; what is malformed is -1, as in open-ethereum-pool."""
        number = -1 if code is RejectCode.OTHER else int(code)
        said = "Invalid share" if code is RejectCode.LOW_DIFFICULTY else text
        return [self.refusal(submission.request_id, number, said)]

    def reply(self, request_id: Id, value: Json) -> list[bytes]:
        """A success, as JSON-RPC 2.0."""
        return [encode({"id": request_id, "jsonrpc": "2.0", "result": value, "error": None})]

    def error(self, request_id: Id, code: RejectCode, text: str, value: Json = None) -> list[bytes]:
        """A failure."""
        return [self.refusal(request_id, code, text)]

    def refusal(self, request_id: Id, code: int, text: str, value: Json = None) -> bytes:
        """A failure, as JSON-RPC 2.0 with an error object."""
        return encode(
            {"id": request_id, "jsonrpc": "2.0", "result": value, "error": {"code": int(code), "message": text}}
        )


def _header(offered: Offered) -> str:
    return expect(offered.job, EthereumJob).header


class NicehashMiner(FamilyMiner):
    """The miner's side of EthereumStratum/1.0.0."""

    nonce_bytes = 8

    def subscribe_params(self) -> list[Json]:
        """The agent and the protocol wanted."""
        return [self.credentials.agent, _PROTOCOL]

    def learn_subscription(self, value: Json) -> None:
        """Read the hello's reply; a V1 pool's has three items and no protocol name."""
        match value:
            case [[_, _, str(protocol), *_], str(extranonce)] if protocol.startswith("EthereumStratum"):
                if self.keep_extranonce(extranonce):
                    return
        raise Unexpected("the reply to mining.subscribe is not EthereumStratum/1.0.0")

    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify."""
        match params:
            case [str(mark), str(), str(), bool(clean)]:
                return Work(mark, tuple(params), self.difficulty, clean)
        return None

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """mining.submit with the digits the extranonce leaves."""
        nonce = counted(found.nonce, self.extranonce2_bytes)
        return request(request_id, "mining.submit", [self.credentials.username, work.job_id, nonce])


class EthProxyMiner(MinerSession):
    """The miner's side of ETHPROXY: the login comes first, and asking for work is the subscription."""

    LOGIN, WORK = 1, 2

    def opening(self) -> list[Ask]:
        """Log in, then ask for work."""
        who = self.credentials
        login = request(self.LOGIN, "eth_submitLogin", [who.username, who.password], jsonrpc="2.0")
        work = request(self.WORK, "eth_getWork", [], jsonrpc="2.0")
        return [Ask(self.LOGIN, login, (Stage.AUTHORIZATION,)), Ask(self.WORK, work, (Stage.SUBSCRIPTION,))]

    def learn(self, ask: Ask, message: Mapping[str, Json]) -> None:
        """A login answers true; work is three or four 0x… texts."""
        value = message.get("result")
        if ask.id == self.LOGIN and value is not True:
            raise Unexpected("the reply to eth_submitLogin is not true")
        if ask.id == self.WORK and _as_work(value) is None:
            raise Unexpected("the reply to eth_getWork is no work")

    def take(self, message: Mapping[str, Json]) -> Work | None:
        """Find a job in a reply to eth_getWork, or in one that was pushed."""
        fields = _as_work(message.get("result"))
        if fields is None:
            return None
        target = as_text(fields[2])[2:]
        if not is_hex(target) or not int(target, 16):
            return None
        return Work(as_text(fields[0]), tuple(fields), difficulty_of(int(target, 16), D1))

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """eth_submitWork with an empty mix digest."""
        params: Json = [f"0x{found.nonce:016x}", work.job_id, "0x" + "00" * 32]
        return request(request_id, "eth_submitWork", params, jsonrpc="2.0")


def _as_work(value: Json) -> list[Json] | None:
    if isinstance(value, list) and 3 <= len(value) <= 4 and all(as_text(item)[:2] == "0x" for item in value):
        return value
    return None
