"""Nexa's Stratum (nexapow): V1's hello, a job of four fields. Shares are checked structurally."""

from __future__ import annotations

from dataclasses import dataclass

from upsim.stratum.dialects.family import FamilyMiner, FamilySession
from upsim.stratum.events import Submission
from upsim.stratum.jobs import Job, Recipe, expect
from upsim.stratum.peer import Found, Work, request
from upsim.stratum.session import Offered, hex_problem
from upsim.stratum.wire import Json, Request, notification


@dataclass(frozen=True, slots=True)
class NexaJob(Job):
    """The header's commitment, hex."""

    header: str
    nbits: str
    ntime_s: int


def make_job(recipe: Recipe) -> NexaJob:
    """A job of a random commitment."""
    header = recipe.digest("header").hex()
    return NexaJob(recipe.job_id, recipe.height, recipe.clean, header, "1b0d1234", recipe.now_s & 0xFFFFFFFF)


class NexaSession(FamilySession):
    """The pool's side."""

    def notify(self, job: Job) -> list[bytes]:
        """Job, commitment, height, bits. Nothing in it says whether earlier jobs still count."""
        work = expect(job, NexaJob)
        return [notification("mining.notify", [job.id, work.header, job.height, work.nbits])]

    def submission(self, request: Request) -> Submission:
        """Read mining.submit: worker, job, extranonce, time, nonce."""
        words = self.words(request, 5, 5)
        return Submission(
            request_id=request.id,
            worker=request.text(0),
            job_id=request.text(1),
            extranonce2=words[2],
            ntime=words[3],
            nonce=words[4],
            malformed=self.word_problem(request, 5, 5, "worker, job, extranonce, time, nonce"),
        )

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """The third field repeats the extranonce."""
        problem = (
            hex_problem("extranonce", submission.extranonce2, len(offered.extranonce1))
            or hex_problem("ntime", submission.ntime, 8)
            or hex_problem("nonce", submission.nonce, 16)
        )
        if not problem and submission.extranonce2 != offered.extranonce1:
            problem = "the extranonce is not this session's"
        return problem


class NexaMiner(FamilyMiner):
    """The miner's side."""

    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify."""
        match params:
            case [str(mark), str(), int(height), str()] if not isinstance(height, bool):
                return Work(mark, tuple(params), self.difficulty)
        return None

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """mining.submit."""
        params: Json = [self.credentials.username, work.job_id, self.extranonce1, "00000000", f"{found.nonce:016x}"]
        return request(request_id, "mining.submit", params)
