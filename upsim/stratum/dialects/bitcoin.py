"""Bitcoin-style Stratum V1: sha256, scrypt, sha512256d. Shares are checked completely, hash included.

With mining.configure and version rolling (BIP310), extranonce.subscribe and the suggestions miners make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from upsim.model import Stage
from upsim.stratum import proof
from upsim.stratum.peer import Ask, Found, MinerSession, Unexpected, Work, as_text, is_number, params_of, request
from upsim.stratum.session import (
    DifficultyAsked,
    Event,
    Job,
    Login,
    Offered,
    PoolSession,
    Recipe,
    Say,
    Submission,
    Subscribed,
    Verdict,
    hex_problem,
    rejected,
)
from upsim.stratum.targets import D1, SCRYPT_D1, difficulty_of, network_target
from upsim.stratum.wire import Json, RejectCode, Request, is_hex, notification

POOL_MASK: Final = 0x1FFFE000
"""Version bits a miner may roll. Source: BIP320, the mask pools grant."""
MAX_NTIME_AHEAD_S: Final = 7_200
TOLERANCE: Final = 0.99
"""Pools forgive a share this much below its difficulty, for rounding in miners."""
_EXTRANONCE2_BYTES: Final = 4
_TAG: Final = b"/upsim/"


@dataclass(frozen=True, slots=True)
class BitcoinJob(Job):
    """The nine fields of mining.notify, as they travel."""

    prevhash: str
    coinb1: str
    coinb2: str
    merkle_branch: tuple[str, ...]
    version: str
    nbits: str
    ntime: str

    @property
    def params(self) -> list[Json]:
        """The job as mining.notify's parameters."""
        return [
            self.id,
            self.prevhash,
            self.coinb1,
            self.coinb2,
            list(self.merkle_branch),
            self.version,
            self.nbits,
            self.ntime,
            self.clean,
        ]


def block_header(
    job: BitcoinJob, extranonce1: str, extranonce2: str, ntime: str, nonce: str, version_bits: str = "", mask: int = 0
) -> bytes:
    """The header a share stands for; all hex as it travels."""
    coinbase = bytes.fromhex(job.coinb1 + extranonce1 + extranonce2 + job.coinb2)
    root = proof.merkle_root(coinbase, map(bytes.fromhex, job.merkle_branch))
    version = int(job.version, 16)
    if version_bits:
        version = proof.rolled(version, int(version_bits, 16), mask)
    return proof.header(version, bytes.fromhex(job.prevhash), root, int(ntime, 16), int(job.nbits, 16), int(nonce, 16))


def make_job(recipe: Recipe) -> BitcoinJob:
    """A well-formed job: a coinbase that parses, BIP34 height included, a branch, and a header that hashes."""
    height = _push_number(recipe.height)
    script = len(height) + 4 + _EXTRANONCE2_BYTES + len(_TAG)
    coinb1 = b"\x01\x00\x00\x00\x01" + bytes(32) + b"\xff\xff\xff\xff" + bytes([script]) + height
    payee = b"\x76\xa9\x14" + recipe.digest("payee")[:20] + b"\x88\xac"
    value = 312_500_000 + recipe.serial
    coinb2 = _TAG + b"\xff\xff\xff\xff\x01" + value.to_bytes(8, "little") + bytes([len(payee)]) + payee + bytes(4)
    # The last internal bytes are the first ones people read: a block hash begins with zeros.
    previous = recipe.block_digest("previous")[:24] + bytes(8)
    return BitcoinJob(
        id=recipe.job_id,
        height=recipe.height,
        clean=recipe.clean,
        prevhash=proof.swap_words(previous).hex(),
        coinb1=coinb1.hex(),
        coinb2=coinb2.hex(),
        merkle_branch=tuple(recipe.digest(f"branch {at}").hex() for at in range(3)),
        version="20000000",
        nbits="1b0404cb" if recipe.algorithm.id == "scrypt" else "17034219",
        ntime=f"{recipe.now_s & 0xFFFFFFFF:08x}",
    )


def _push_number(number: int) -> bytes:
    size = number.bit_length() // 8 + 1
    return bytes([size]) + number.to_bytes(size, "little")


class BitcoinSession(PoolSession):
    """The pool's side."""

    extranonce2_bytes = _EXTRANONCE2_BYTES
    """Bytes of the nonce space a miner has to itself."""
    mask = 0
    """Version bits the client was granted; 0 until it asks."""
    extranonce_subscribed = False
    """Whether the client can take a new extranonce."""

    def handle(self, request: Request) -> list[Event]:
        """Take one request."""
        match request.method:
            case "mining.subscribe":
                return self.subscribe(request)
            case "mining.authorize":
                return [Login(request.id, request.text(0), request.text(1))]
            case "mining.submit":
                return [self.submission(request)]
            case "mining.configure":
                return self._says(request, self._configure(request))
            case "mining.extranonce.subscribe":
                self.extranonce_subscribed = True
                return self._says(request, True)
            case "mining.suggest_difficulty":
                wish = request.params[0] if request.params else None
                asked: list[Event] = []
                if isinstance(wish, int | float) and not isinstance(wish, bool) and 0 < wish < 1e18:
                    asked = [DifficultyAsked(float(wish))]
                return [*self._says(request, True), *asked]
            case "mining.suggest_target":
                target = request.text(0)
                wished: list[Event] = []
                if is_hex(target, 64) and int(target, 16):
                    wished = [DifficultyAsked(difficulty_of(int(target, 16), self.difficulty_1_target))]
                return [*self._says(request, True), *wished]
            case "mining.get_transactions":
                return self._says(request, [])
            case "mining.ping":
                return self._says(request, "pong")
            case "mining.capabilities" | "mining.multi_version":
                return self._says(request, True)
            case _:
                return self.unknown(request)

    def _says(self, request: Request, value: Json) -> list[Event]:
        return [Say(line) for line in self.reply(request.id, value)]

    def subscribe(self, request: Request) -> list[Event]:
        """Answer the hello. It must be the very first line the pool sends: cpuminer takes any first line for it."""
        self.subscribed = True
        self.agent = request.text(0)
        return [*self._says(request, self.subscription()), Subscribed(self.agent)]

    def subscription(self) -> Json:
        """The result of mining.subscribe."""
        mark = f"{self.number:016x}"
        return [
            [["mining.set_difficulty", mark], ["mining.notify", mark]],
            self.extranonce1,
            self.extranonce2_bytes,
        ]

    def _configure(self, request: Request) -> Json:
        names = request.params[0] if request.params and isinstance(request.params[0], list) else []
        options = request.params[1] if len(request.params) > 1 and isinstance(request.params[1], dict) else {}
        granted: dict[str, Json] = {}
        for name in names[:16]:
            match name:
                case "version-rolling":
                    wanted = as_text(options.get("version-rolling.mask")) or "ffffffff"
                    self.mask = POOL_MASK & int(wanted, 16) if is_hex(wanted, 8) else POOL_MASK
                    granted["version-rolling"] = True
                    granted["version-rolling.mask"] = f"{self.mask:08x}"
                case "subscribe-extranonce":
                    self.extranonce_subscribed = True
                    granted[name] = True
                case "minimum-difficulty" | "info":
                    granted[name] = True
                case str():
                    granted[name[:40]] = False
        return granted

    def submission(self, request: Request) -> Submission:
        """Read mining.submit: worker, job, extranonce2, ntime, nonce and, with version rolling, version bits."""
        words = [value.lower() if isinstance(value, str) else "" for value in request.params]
        wrong = ""
        if not 5 <= len(words) <= 6 or not all(isinstance(value, str) for value in request.params):
            wrong = "mining.submit takes 5 or 6 strings: worker, job, extranonce2, ntime, nonce, version bits"
        words += [""] * 6
        return Submission(
            request_id=request.id,
            worker=request.text(0),
            job_id=request.text(1),
            extranonce2=words[2],
            ntime=words[3],
            nonce=words[4],
            version_bits=words[5],
            malformed=wrong,
        )

    @property
    def difficulty_1_target(self) -> int:
        """scrypt's is 65536 times easier."""
        return SCRYPT_D1 if self.algorithm.id == "scrypt" else D1

    def tell_difficulty(self) -> list[bytes]:
        """mining.set_difficulty."""
        value = self.difficulty
        return [notification("mining.set_difficulty", [int(value) if value.is_integer() else value])]

    def notify(self, job: Job) -> list[bytes]:
        """mining.notify."""
        assert isinstance(job, BitcoinJob)
        return [notification("mining.notify", job.params)]

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """Sizes, the time, and that only granted version bits are rolled."""
        job = offered.job
        assert isinstance(job, BitcoinJob)
        problem = (
            hex_problem("extranonce2", submission.extranonce2, 2 * self.extranonce2_bytes)
            or hex_problem("ntime", submission.ntime, 8)
            or hex_problem("nonce", submission.nonce, 8)
        )
        if problem:
            return problem
        started = int(job.ntime, 16)
        if not started <= int(submission.ntime, 16) <= max(started, now_s) + MAX_NTIME_AHEAD_S:
            return "ntime out of range"
        if submission.version_bits:
            problem = hex_problem("version bits", submission.version_bits, 8)
            if not problem and int(submission.version_bits, 16) & ~self.mask:
                problem = "rolling-version mask violation"
        return problem

    def check_work(self, submission: Submission, offered: Offered) -> Verdict:
        """Hash the header and hold it against the difficulty the job was offered at."""
        job = offered.job
        assert isinstance(job, BitcoinJob)
        header = block_header(
            job,
            offered.extranonce1,
            submission.extranonce2,
            submission.ntime,
            submission.nonce,
            submission.version_bits,
            self.mask,
        )
        value = int.from_bytes(proof.HASHES[self.algorithm.id](header), "little")
        achieved = difficulty_of(value, self.difficulty_1_target)
        if achieved < self.demanded(offered.difficulty) * TOLERANCE:
            return rejected(RejectCode.LOW_DIFFICULTY, f"Low difficulty share of {achieved:.6g}", achieved)
        is_block = value <= network_target(int(job.nbits, 16))
        return Verdict(None, difficulty=offered.difficulty, achieved=achieved, is_block=is_block)


class BitcoinMiner(MinerSession):
    """The miner's side."""

    speaks = "Bitcoin-style Stratum V1"
    _SUBSCRIBE, _AUTHORIZE = 1, 2

    def opening(self) -> list[Ask]:
        """Subscribe, then authorize."""
        who = self.credentials
        return [
            Ask(
                self._SUBSCRIBE,
                request(self._SUBSCRIBE, "mining.subscribe", self.subscribe_params()),
                (Stage.SUBSCRIPTION,),
            ),
            Ask(
                self._AUTHORIZE,
                request(self._AUTHORIZE, "mining.authorize", [who.username, who.password]),
                (Stage.AUTHORIZATION,),
            ),
        ]

    def subscribe_params(self) -> list[Json]:
        """What mining.subscribe carries."""
        return [self.credentials.agent]

    def learn(self, ask: Ask, message: Mapping[str, Json]) -> None:
        """Keep the extranonce; a login needs nothing but the absence of a refusal."""
        if ask.id == self._SUBSCRIBE:
            self.learn_subscription(message.get("result"))

    def learn_subscription(self, value: Json) -> None:
        """Read mining.subscribe's result."""
        if not (
            isinstance(value, list)
            and len(value) >= 3
            and isinstance(value[1], str)
            and isinstance(value[2], int)
            and not isinstance(value[2], bool)
            and (is_hex(value[1]) or not value[1])
            and 1 <= value[2] <= 16
        ):
            raise Unexpected("the reply to mining.subscribe has no extranonce and extranonce size")
        self.extranonce1, self.extranonce2_bytes = value[1], value[2]

    def take(self, message: Mapping[str, Json]) -> Work | None:
        """Follow difficulty and extranonce; give the job."""
        params = params_of(message)
        match message.get("method"):
            case "mining.set_difficulty" if params and is_number(params[0]):
                self.difficulty = float(params[0])  # type: ignore[arg-type]
            case "mining.set_extranonce" if len(params) >= 2 and isinstance(params[0], str):
                self.extranonce1 = params[0]
                self.extranonce2_bytes = params[1] if isinstance(params[1], int) else self.extranonce2_bytes
            case "mining.notify":
                return self.take_job(params)
        return None

    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify."""
        if len(params) == 9 and isinstance(params[4], list) and isinstance(params[0], str):
            return Work(params[0], tuple(params), self.difficulty, params[8] is True)
        return None

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """mining.submit with this nonce."""
        return request(
            request_id,
            "mining.submit",
            [
                self.credentials.username,
                work.job_id,
                f"{found.extranonce2:0{2 * self.extranonce2_bytes}x}",
                found.ntime or as_text(work.fields[7]),
                f"{found.nonce:08x}",
            ],
        )
