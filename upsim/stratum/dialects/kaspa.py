"""Kaspa's Stratum (kheavyhash), with the one-field "big job" some miners want. Shares are checked structurally."""

from __future__ import annotations

from dataclasses import dataclass

from upsim.stratum.dialects.family import FamilyMiner, FamilySession
from upsim.stratum.events import Submission
from upsim.stratum.jobs import Job, Recipe, expect
from upsim.stratum.peer import Found, Unexpected, Work, counted, request
from upsim.stratum.session import Offered, hex_problem
from upsim.stratum.wire import Id, Json, Request, encode, is_hex, notification

_EXTRANONCE_BYTES = 2


@dataclass(frozen=True, slots=True)
class KaspaJob(Job):
    """The hash in front of the proof of work, and a time in milliseconds."""

    header: bytes
    timestamp_ms: int

    @property
    def words(self) -> list[Json]:
        """The hash as four integers, little-endian; past 2**53, so never floats."""
        return [int.from_bytes(self.header[at : at + 8], "little") for at in range(0, 32, 8)]

    @property
    def big(self) -> str:
        """Hash and time in one field."""
        return self.header.hex() + (self.timestamp_ms & (1 << 64) - 1).to_bytes(8, "little").hex()


def make_job(recipe: Recipe) -> KaspaJob:
    """A job with a decimal id."""
    number = recipe.height % 1_000_000 * 65_536 + recipe.serial % 65_536
    return KaspaJob(str(number), recipe.height, recipe.clean, recipe.digest("header"), recipe.now_s * 1000)


class KaspaSession(FamilySession):
    """The pool's side."""

    extranonce1_bytes = _EXTRANONCE_BYTES
    _protocol = "EthereumStratum/1.0.0"

    @property
    def _bitmain(self) -> bool:
        return "GodMiner" in self.agent

    @property
    def _wants_big_jobs(self) -> bool:
        return self.agent.startswith(("BzMiner", "IceRiverMiner"))

    def subscription(self) -> Json:
        """True and the protocol; Bitmain's own shape for its firmware."""
        if self._bitmain:
            return [None, self.extranonce1, 8 - self.extranonce1_bytes]
        return [True, self._protocol]

    def tell_extranonce(self) -> list[bytes]:
        """mining.set_extranonce; every Kaspa miner understands it, as it is how they get their first one."""
        params: list[Json] = [self.extranonce1]
        if self._bitmain:
            params.append(8 - self.extranonce1_bytes)
        return [notification("mining.set_extranonce", params)]

    def begin(self, job: Job | None) -> list[bytes]:
        """The extranonce comes first: the hello's reply does not carry it."""
        lines = super().begin(job)
        return [*self.tell_extranonce(), *lines] if lines else lines

    def notify(self, job: Job) -> list[bytes]:
        """mining.notify; its id is the job's number, as the bridges have it."""
        work = expect(job, KaspaJob)
        params: list[Json] = [job.id, work.big] if self._wants_big_jobs else [job.id, work.words, work.timestamp_ms]
        return [encode({"id": int(job.id), "jsonrpc": "2.0", "method": "mining.notify", "params": params})]

    def reply(self, request_id: Id, value: Json) -> list[bytes]:
        """A success, as JSON-RPC 2.0."""
        if request_id is None:
            return []
        return [encode({"id": request_id, "jsonrpc": "2.0", "result": value, "error": None})]

    def refusal(self, request_id: Id, code: int, text: str, value: Json = None) -> bytes:
        """A failure, as JSON-RPC 2.0 with V1's error."""
        return encode({"id": request_id, "jsonrpc": "2.0", "result": value, "error": [int(code), text, None]})

    def submission(self, request: Request) -> Submission:
        """Read mining.submit: worker, job, nonce whole or without the extranonce."""
        nonce = self.words(request, 3, 4)[2]
        if 0 < len(nonce) < 16:
            nonce = self.extranonce1 + nonce.rjust(16 - len(self.extranonce1), "0")
        job_id = request.params[1] if len(request.params) > 1 else ""
        return Submission(
            request_id=request.id,
            worker=request.text(0),
            job_id=job_id if isinstance(job_id, str) else str(job_id)[:20],
            nonce=nonce,
            malformed="" if 3 <= len(request.params) <= 4 else "mining.submit takes worker, job, nonce",
        )

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """Size and prefix of the nonce."""
        problem = hex_problem("nonce", submission.nonce, 16)
        if not problem and not submission.nonce.startswith(offered.extranonce1):
            problem = "nonce does not begin with the extranonce"
        return problem


class KaspaMiner(FamilyMiner):
    """The miner's side."""

    nonce_bytes = 8

    def subscribe_params(self) -> list[Json]:
        """The agent and the protocol wanted."""
        return [self.credentials.agent, "EthereumStratum/1.0.0"]

    def learn_subscription(self, value: Json) -> None:
        """Read the hello's reply in its three known shapes."""
        match value:
            case [bool(True), str(protocol), *_] if "Stratum" in protocol:
                return
            case [None | list(), str(extranonce), int(), *_] if self.keep_extranonce(extranonce):
                return
        raise Unexpected("the reply to mining.subscribe is not Kaspa's")

    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify: four integers and a time, or one long field."""
        match params:
            case [str(mark), [int(), int(), int(), int()], int()]:
                return Work(mark, tuple(params), self.difficulty)
            case [str(mark), str(big)] if is_hex(big, 80):
                return Work(mark, tuple(params), self.difficulty)
        return None

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """mining.submit with the whole nonce."""
        nonce = f"0x{self.extranonce1}{counted(found.nonce, 8 - len(self.extranonce1) // 2)}"
        return request(request_id, "mining.submit", [self.credentials.username, work.job_id, nonce])
