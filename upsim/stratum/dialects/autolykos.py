"""Ergo's Stratum (autolykos): V1's hello, a job of nine other fields. Shares are checked structurally.

Disputed: what `b` in a job means. Here, as in miningcore and as NiceHash and NBMiner require, b is the share's target
and set_difficulty says 1; a miner multiplies the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from upsim.stratum.dialects.family import FamilyMiner, FamilySession
from upsim.stratum.events import Submission
from upsim.stratum.jobs import Job, Recipe, expect
from upsim.stratum.peer import Found, Work, as_text, counted, request
from upsim.stratum.session import Offered, hex_problem
from upsim.stratum.targets import MAX_TARGET, hashes_for, target_for
from upsim.stratum.wire import Json, Request, notification


@dataclass(frozen=True, slots=True)
class AutolykosJob(Job):
    """The header's hash, hex."""

    header: str


def make_job(recipe: Recipe) -> AutolykosJob:
    """A job of a random header."""
    return AutolykosJob(recipe.job_id, recipe.height, recipe.clean, recipe.digest("header").hex())


class AutolykosSession(FamilySession):
    """The pool's side. Its difficulty is in hashes."""

    extranonce2_bytes = 4

    @property
    def difficulty_1_target(self) -> int:
        """One hash a share: difficulty counts hashes here."""
        return MAX_TARGET

    def tell_difficulty(self) -> list[bytes]:
        """Always 1: the job carries the target."""
        return [notification("mining.set_difficulty", [1])]

    def notify(self, job: Job) -> list[bytes]:
        """Job, height, header, two empty, version, b in decimal, empty, clean."""
        work = expect(job, AutolykosJob)
        target = str(target_for(self.difficulty, self.difficulty_1_target))
        return [notification("mining.notify", [job.id, job.height, work.header, "", "", 2, target, "", job.clean])]

    def submission(self, request: Request) -> Submission:
        """Read mining.submit: worker, job, extranonce2, time, the whole nonce."""
        words = self.words(request, 5, 5)
        return Submission(
            request_id=request.id,
            worker=request.text(0),
            job_id=request.text(1),
            extranonce2=words[2],
            nonce=words[4],
            malformed=self.word_problem(request, 5, 5, "worker, job, extranonce2, time, nonce"),
        )

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """The nonce is extranonce and extranonce2, one after the other."""
        problem = hex_problem("extranonce2", submission.extranonce2, 2 * self.extranonce2_bytes)
        problem = problem or hex_problem("nonce", submission.nonce, 16)
        if not problem and submission.nonce != offered.extranonce1 + submission.extranonce2:
            problem = "nonce is not extranonce1 and extranonce2"
        return problem


class AutolykosMiner(FamilyMiner):
    """The miner's side."""

    def subscribe_params(self) -> list[Json]:
        """The agent, and no session to resume."""
        return [self.credentials.agent, None]

    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify; the target is b times the difficulty told."""
        match params:
            case [str(mark), int(height), str(), *_, bool(clean)] if len(params) == 9 and not isinstance(height, bool):
                digits = as_text(params[6])
                if not digits.isdecimal() or not digits.isascii() or len(digits) > 80 or not int(digits):
                    return None
                target = min(MAX_TARGET, int(int(digits) * self.difficulty))
                return Work(mark, tuple(params), hashes_for(target), clean)
        return None

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """mining.submit."""
        tail = counted(found.nonce, self.extranonce2_bytes)
        params: Json = [self.credentials.username, work.job_id, tail, "00000000", self.extranonce1 + tail]
        return request(request_id, "mining.submit", params)
