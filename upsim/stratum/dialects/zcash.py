"""Zcash's Stratum (ZIP-301): equihash in its four shapes, and verushash, which adds a solution template.

Everything in a job is as it stands in the header. The work of an Equihash share is checked (double SHA-256 of header
and solution against the target); that the solution solves anything is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from upsim.stratum.dialects.family import FamilyMiner, FamilySession
from upsim.stratum.events import Submission, Verdict, rejected
from upsim.stratum.jobs import Job, Recipe, expect
from upsim.stratum.peer import Found, Unexpected, Work, as_text, counted, request
from upsim.stratum.proof import sha256d
from upsim.stratum.session import Offered, hex_problem
from upsim.stratum.targets import EQUIHASH_D1, VERUS_D1, difficulty_of, target_for
from upsim.stratum.wire import Json, RejectCode, Request, is_hex, notification


@dataclass(frozen=True, slots=True)
class Shape:
    """One parameter set of Equihash.

    Attributes:
        prefix: the compact size in front of a solution, hex.
        solution_bytes: without the prefix.
        name: field 9 of a job; empty where jobs have none.
        personalization: field 10.
    """

    prefix: str
    solution_bytes: int
    name: str = ""
    personalization: str = ""

    @property
    def digits(self) -> int:
        """Hex digits of prefix and solution."""
        return len(self.prefix) + 2 * self.solution_bytes


SHAPES: Final = {
    "equihash": Shape("fd4005", 1344),
    "equihash125": Shape("34", 52, "125_4", "ZelProof"),
    "equihash144": Shape("64", 100, "144_5", "BgoldPoW"),
    "equihash192": Shape("fd9001", 400, "192_7", "ZERO_PoW"),
    "verushash": Shape("fd4005", 1344),
}


@dataclass(frozen=True, slots=True)
class ZcashJob(Job):
    """Header fields in hex, as they stand in the header."""

    version: str
    prevhash: str
    merkle_root: str
    reserved: str
    ntime: str
    nbits: str
    template: str = ""
    """Verus: the solution's beginning, its version first."""


def make_job(recipe: Recipe) -> ZcashJob:
    """A job of random hashes around a true time."""
    return ZcashJob(
        id=recipe.job_id,
        height=recipe.height,
        clean=recipe.clean,
        version="04000000",
        prevhash=(recipe.block_digest("previous")[:28] + bytes(4)).hex(),
        merkle_root=recipe.digest("root").hex(),
        reserved=recipe.block_digest("reserved").hex(),
        ntime=(recipe.now_s & 0xFFFFFFFF).to_bytes(4, "little").hex(),
        nbits="81a10e1d",
        template="0700000000000000" + recipe.digest("template").hex() if recipe.algorithm.id == "verushash" else "",
    )


def header(job: ZcashJob, ntime: str, nonce: str) -> bytes:
    """The 140 bytes in front of the solution; nonce is both halves together."""
    return bytes.fromhex(job.version + job.prevhash + job.merkle_root + job.reserved + ntime + job.nbits + nonce)


class ZcashSession(FamilySession):
    """The pool's side."""

    @property
    def shape(self) -> Shape:
        """The algorithm's parameter set."""
        return SHAPES[self.algorithm.id]

    @property
    def difficulty_1_target(self) -> int:
        """The target that difficulty 1 stands for; disputed for Equihash, see targets."""
        return VERUS_D1 if self.algorithm.id == "verushash" else EQUIHASH_D1

    def subscription(self) -> Json:
        """No session to resume, and the first half of the nonce."""
        return [None, self.extranonce1]

    def extranonce_params(self) -> list[Json]:
        """The extranonce alone: the rest of the nonce is the miner's."""
        return [self.extranonce1]

    def tell_difficulty(self) -> list[bytes]:
        """mining.set_target, big-endian."""
        return [notification("mining.set_target", [f"{target_for(self.difficulty, self.difficulty_1_target):064x}"])]

    def notify(self, job: Job) -> list[bytes]:
        """mining.notify, with two more fields for the newer shapes, and one for Verus."""
        work, shape = expect(job, ZcashJob), self.shape
        params: list[Json] = [
            job.id,
            work.version,
            work.prevhash,
            work.merkle_root,
            work.reserved,
            work.ntime,
            work.nbits,
            job.clean,
        ]
        if work.template:
            params.append(work.template)
        elif shape.name:
            params += [shape.name, shape.personalization]
        return [notification("mining.notify", params)]

    def submission(self, request: Request) -> Submission:
        """Read mining.submit: worker, job, time, the nonce's second half, solution with its size in front."""
        words = self.words(request, 5, 5)
        return Submission(
            request_id=request.id,
            worker=request.text(0),
            job_id=request.text(1),
            ntime=words[2],
            nonce=words[3],
            solution=words[4],
            malformed=self.word_problem(request, 5, 5, "worker, job, time, nonce 2, solution"),
        )

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """Sizes, the time (which must be the job's), the solution's length and, for Verus, its version."""
        job, shape = expect(offered.job, ZcashJob), self.shape
        problem = hex_problem("ntime", submission.ntime, 8)
        if not problem and submission.ntime != job.ntime:
            problem = "ntime out of range"
        problem = problem or hex_problem("extraNonce2", submission.nonce, 64 - len(offered.extranonce1))
        problem = problem or hex_problem("solution", submission.solution, shape.digits)
        if not problem and not submission.solution.startswith(shape.prefix):
            problem = "invalid solution: its size in front is wrong"
        if not problem and job.template and submission.solution[len(shape.prefix) :][:2] != job.template[:2]:
            problem = "invalid solution: its version is not the job's"
        return problem

    def check_work(self, submission: Submission, offered: Offered) -> Verdict:
        """Equihash: the target. Verus: nothing, its hash is not computed."""
        if self.algorithm.id == "verushash":
            return super().check_work(submission, offered)
        front = header(expect(offered.job, ZcashJob), submission.ntime, offered.extranonce1 + submission.nonce)
        value = int.from_bytes(sha256d(front + bytes.fromhex(submission.solution)), "little")
        achieved = difficulty_of(value, self.difficulty_1_target)
        if value > target_for(self.demanded(offered.difficulty), self.difficulty_1_target):
            return rejected(RejectCode.LOW_DIFFICULTY, f"Low difficulty share of {achieved:.6g}", achieved)
        return Verdict(None, difficulty=offered.difficulty, achieved=achieved)


class ZcashMiner(FamilyMiner):
    """The miner's side."""

    nonce_bytes = 32

    @property
    def difficulty_1_target(self) -> int:
        """The target that difficulty 1 stands for."""
        return VERUS_D1 if self.algorithm.id == "verushash" else EQUIHASH_D1

    def subscribe_params(self) -> list[Json]:
        """Agent, no session to resume, host, and the port as text, as nheqminer writes it."""
        who = self.credentials
        return [who.agent, None, who.host, str(who.port)]

    def learn_subscription(self, value: Json) -> None:
        """Read the hello's reply: session or null, and the first half of the nonce."""
        match value:
            case [_, str(extranonce)] if extranonce and self.keep_extranonce(extranonce):
                return
        raise Unexpected("the reply to mining.subscribe is no session and nonce")

    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify."""
        wanted = 9 if self.algorithm.id == "verushash" else 10 if SHAPES[self.algorithm.id].name else 8
        # Pools leave the two fields of the newer shapes away, and BTG's have them: both are known.
        if len(params) not in ({9} if wanted == 9 else {8, 10}) or not isinstance(params[7], bool):
            return None
        sizes = (8, 64, 64, 64, 8, 8)
        if not all(is_hex(as_text(item), size) for item, size in zip(params[1:7], sizes, strict=True)):
            return None
        return Work(as_text(params[0]), tuple(params), self.difficulty, params[7])

    def look(self, work: Work, number: int, tries: int) -> Found:
        """The made-up solution whose header hashes lowest among the first few; Verus' hash is not computed."""
        if self.algorithm.id == "verushash":
            return Found(nonce=number)
        texts = [as_text(item) for item in work.fields]
        front = bytes.fromhex("".join(texts[1:7]) + self.extranonce1 + self._tail(number))
        best = min((sha256d(front + bytes.fromhex(self._solution(work, at)))[::-1], at) for at in range(max(1, tries)))
        return Found(number, best[1])

    def _tail(self, number: int) -> str:
        return counted(number, self.extranonce2_bytes)

    def _solution(self, work: Work, number: int) -> str:
        """A solution of the right size that solves nothing; Verus' begins with its template's version."""
        shape = SHAPES[self.algorithm.id]
        begin = as_text(work.fields[8])[:2] if self.algorithm.id == "verushash" else "00"
        return shape.prefix + begin + counted(number, shape.solution_bytes - 1)

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """mining.submit with a made-up solution of the right size."""
        solution = self._solution(work, found.extranonce2)
        params: Json = [
            self.credentials.username,
            work.job_id,
            as_text(work.fields[5]),
            self._tail(found.nonce),
            solution,
        ]
        return request(request_id, "mining.submit", params)
