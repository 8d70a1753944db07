"""ProgPoW's Stratum: kawpow and firopow. Shares are checked structurally: sizes, prefix, echoed header."""

from __future__ import annotations

from dataclasses import dataclass

from upsim.stratum.dialects.family import FamilyMiner, FamilySession
from upsim.stratum.events import Submission
from upsim.stratum.jobs import Job, Recipe, expect
from upsim.stratum.keccak import seed_hash
from upsim.stratum.peer import Found, Unexpected, Work, as_text, counted, request
from upsim.stratum.session import Offered, hex_problem
from upsim.stratum.targets import FIRO_D1, RAVEN_D1, target_for
from upsim.stratum.wire import Json, Request, notification


@dataclass(frozen=True, slots=True)
class ProgpowJob(Job):
    """Header and seed in hex; seed and height name the same epoch."""

    header: str
    seed: str
    nbits: str


def make_job(recipe: Recipe) -> ProgpowJob:
    """A job whose seed is the real one of its height."""
    epoch = recipe.height // (1_300 if recipe.algorithm.id == "firopow" else 7_500)
    return ProgpowJob(
        recipe.job_id,
        recipe.height,
        recipe.clean,
        recipe.digest("header").hex(),
        seed_hash(epoch).hex(),
        "1b06d58a",
    )


def _difficulty_1_target(algorithm_id: str) -> int:
    return FIRO_D1 if algorithm_id == "firopow" else RAVEN_D1


class ProgpowSession(FamilySession):
    """The pool's side."""

    extranonce1_bytes = 2

    @property
    def difficulty_1_target(self) -> int:
        """RVN's and FIRO's differ by 256/255."""
        return _difficulty_1_target(self.algorithm.id)

    def subscription(self) -> Json:
        """No session to resume, and the nonce's prefix."""
        return [None, self.extranonce1]

    def extranonce_params(self) -> list[Json]:
        """The prefix alone: the rest of the nonce is the miner's."""
        return [self.extranonce1]

    @property
    def _target(self) -> str:
        return f"{target_for(self.difficulty, self.difficulty_1_target):064x}"

    def tell_difficulty(self) -> list[bytes]:
        """mining.set_target; the job repeats it, as xmrig reads it only there."""
        return [notification("mining.set_target", [self._target])]

    def notify(self, job: Job) -> list[bytes]:
        """Job, header, seed, target, clean, height, bits."""
        work = expect(job, ProgpowJob)
        params: list[Json] = [job.id, work.header, work.seed, self._target, job.clean, job.height, work.nbits]
        return [notification("mining.notify", params)]

    def submission(self, request: Request) -> Submission:
        """Read mining.submit: worker, job, nonce, header, mix."""
        words = self.words(request, 5, 5)
        return Submission(
            request_id=request.id,
            worker=request.text(0),
            job_id=request.text(1),
            nonce=words[2],
            header=words[3],
            mix=words[4],
            malformed=self.word_problem(request, 5, 5, "worker, job, nonce, header hash, mix hash"),
        )

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """Sizes, the nonce's prefix, and the header the job had."""
        problem = (
            hex_problem("nonce", submission.nonce, 16)
            or hex_problem("header-hash", submission.header, 64)
            or hex_problem("mix-hash", submission.mix, 64)
        )
        if not problem and not submission.nonce.startswith(offered.extranonce1):
            problem = "nonce out of worker range"
        if not problem and submission.header != expect(offered.job, ProgpowJob).header:
            problem = "bad header-hash"
        return problem


class ProgpowMiner(FamilyMiner):
    """The miner's side."""

    nonce_bytes = 8

    @property
    def difficulty_1_target(self) -> int:
        """The target that difficulty 1 stands for."""
        return _difficulty_1_target(self.algorithm.id)

    def learn_subscription(self, value: Json) -> None:
        """Read the hello's reply: session, subscriptions or null, and the nonce's prefix."""
        match value:
            case [None | str() | list(), str(prefix)] if len(prefix) <= 8 and self.keep_extranonce(prefix):
                return
        raise Unexpected("the reply to mining.subscribe has no nonce prefix")

    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify; the bits at its end may be missing."""
        match params:
            case [str(mark), str(), str(), str(), bool(clean), int(), *_]:
                return Work(mark, tuple(params), self.difficulty, clean)
        return None

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """mining.submit with an empty mix hash."""
        nonce = f"0x{self.extranonce1}{counted(found.nonce, 8 - len(self.extranonce1) // 2)}"
        params: Json = [
            self.credentials.username,
            work.job_id,
            nonce,
            "0x" + as_text(work.fields[1]),
            "0x" + "00" * 32,
        ]
        return request(request_id, "mining.submit", params)
