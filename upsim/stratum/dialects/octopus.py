"""Conflux's Stratum (octopus): one subscription is hello and login; refused shares are results, not errors.

Public pools differ from the node: they take V1's subscribe and authorize. The pool here takes both, and the tester
tries `[user, pass]`, then `[user]`, then V1. Shares are checked structurally.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from upsim.model import Stage
from upsim.stratum.dialects.family import FamilyMiner, FamilySession
from upsim.stratum.events import Event, Login, Submission, Subscribed
from upsim.stratum.jobs import Job, Recipe, expect
from upsim.stratum.peer import Ask, Found, Unexpected, Work, as_text, request
from upsim.stratum.session import Offered, hex_problem
from upsim.stratum.targets import MAX_TARGET, hashes_for, target_for
from upsim.stratum.wire import Id, Json, RejectCode, Request, encode, is_hex

_REFUSALS = {
    RejectCode.STALE: "Solution for a stale job!",
    RejectCode.DUPLICATE: "Problem already solved with nonce",
    RejectCode.LOW_DIFFICULTY: "Incorrect Nonce!",
}


@dataclass(frozen=True, slots=True)
class OctopusJob(Job):
    """The proof-of-work hash, hex."""

    pow_hash: str


def make_job(recipe: Recipe) -> OctopusJob:
    """A job of a random hash."""
    return OctopusJob(recipe.job_id, recipe.height, recipe.clean, recipe.digest("pow").hex())


class OctopusSession(FamilySession):
    """The pool's side. Its difficulty is in hashes."""

    extranonce1_bytes = 0

    @property
    def difficulty_1_target(self) -> int:
        """One hash a share: difficulty counts hashes here."""
        return MAX_TARGET

    def subscribe(self, request: Request) -> list[Event]:
        """The node's form, `[worker, secret]`, logs in at once; an agent alone is V1's, and a login follows."""
        self.subscribed = True
        name = request.text(0)
        # The node's form is known by its address; everything else that says hello this way is a miner's own name.
        if (len(request.params) == 2 and isinstance(request.params[1], str)) or name.startswith(("cfx:", "cfxtest:")):
            return [Login(request.id, name, request.text(1))]
        self.agent = name
        return [*self.says(request, True), Subscribed(name)]

    def tell_difficulty(self) -> list[bytes]:
        """The job carries its boundary."""
        return []

    def notify(self, job: Job) -> list[bytes]:
        """Job, height in decimal, hash, boundary without leading zeros."""
        boundary = target_for(self.difficulty, self.difficulty_1_target)
        params: list[Json] = [job.id, str(job.height), f"0x{expect(job, OctopusJob).pow_hash}", f"0x{boundary:x}"]
        return [encode({"id": 0, "jsonrpc": "2.0", "method": "mining.notify", "params": params})]

    def submission(self, request: Request) -> Submission:
        """Read mining.submit: worker, job, nonce, hash."""
        words = self.words(request, 4, 4)
        return Submission(
            request_id=request.id,
            worker=request.text(0),
            job_id=request.text(1),
            nonce=words[2],
            header=words[3],
            malformed=self.word_problem(request, 4, 4, "worker, job, nonce, hash"),
        )

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """Sizes, and the hash the job had."""
        problem = hex_problem("hash", submission.header, 64)
        if not problem and not (is_hex(submission.nonce) and len(submission.nonce) <= 16):
            problem = "nonce is not up to 16 hex digits"
        if not problem and submission.header != expect(offered.job, OctopusJob).pow_hash:
            problem = "the hash is not the job's"
        return problem

    def accept(self, submission: Submission) -> list[bytes]:
        """A list with true in it."""
        return self.reply(submission.request_id, [True])

    def reject(self, submission: Submission, code: RejectCode, text: str) -> list[bytes]:
        """A result, not an error: a list with false and the reason in it."""
        said = _REFUSALS.get(code, text)
        if code is RejectCode.DUPLICATE:
            said = f"{said} 0x{submission.nonce}"
        return self.reply(submission.request_id, [False, said])

    def reply(self, request_id: Id, value: Json) -> list[bytes]:
        """A success, as JSON-RPC 2.0."""
        if request_id is None:
            return []
        return [encode({"id": request_id, "jsonrpc": "2.0", "result": value, "error": None})]


class OctopusMiner(FamilyMiner):
    """The miner's side, as towards a node: one request is hello and login."""

    def opening(self) -> list[Ask]:
        """Subscribe with name and secret."""
        hello = request(self.SUBSCRIBE, "mining.subscribe", self.subscribe_params(), jsonrpc="2.0")
        return [Ask(self.SUBSCRIBE, hello, (Stage.SUBSCRIPTION, Stage.AUTHORIZATION))]

    def subscribe_params(self) -> list[Json]:
        """Name and secret."""
        return [self.credentials.username, self.credentials.password]

    def learn(self, ask: Ask, message: Mapping[str, Json]) -> None:
        """True, or "true" in an old document."""
        if message.get("result") not in (True, "true"):
            raise Unexpected("the reply to mining.subscribe is not true")

    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify: four texts, or the old document's three without a height."""
        if not 3 <= len(params) <= 4 or not all(isinstance(item, str) for item in params):
            return None
        boundary = as_text(params[-1]).removeprefix("0x")
        if not as_text(params[-2]).startswith("0x") or not is_hex(boundary) or len(boundary) > 64:
            return None
        target = int(boundary, 16)
        return Work(as_text(params[0]), tuple(params), hashes_for(target)) if target else None

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """mining.submit."""
        params: Json = [self.credentials.username, work.job_id, f"0x{found.nonce:016x}", work.fields[-2]]
        return request(request_id, "mining.submit", params, jsonrpc="2.0")


class OctopusNameMiner(OctopusMiner):
    """The same with the name alone, as some public pools want it."""

    def subscribe_params(self) -> list[Json]:
        """The name."""
        return [self.credentials.username]


class OctopusV1Miner(OctopusMiner):
    """As towards a pool that wants V1's hello and a login of its own."""

    def opening(self) -> list[Ask]:
        """Subscribe, then authorize."""
        return FamilyMiner.opening(self)

    def subscribe_params(self) -> list[Json]:
        """The agent."""
        return [self.credentials.agent]

    def learn(self, ask: Ask, message: Mapping[str, Json]) -> None:
        """True, or a V1 subscription."""
        value = message.get("result")
        if ask.id == self.SUBSCRIBE and value is not True:
            self.learn_subscription(value)
