"""Bitcoin-style Stratum V1: sha256, scrypt, sha512256d. Shares are checked completely, hash included.

With mining.configure and version rolling (BIP310). What it shares with its many relatives is in `family`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from upsim.stratum import proof
from upsim.stratum.dialects.family import FamilyMiner, FamilySession
from upsim.stratum.events import Event, Submission, Verdict, rejected
from upsim.stratum.jobs import Job, Recipe, expect
from upsim.stratum.peer import Found, Work, as_text, counted, request
from upsim.stratum.session import Offered, hex_problem
from upsim.stratum.targets import D1, SCRYPT_D1, difficulty_of, network_target
from upsim.stratum.wire import Json, RejectCode, Request, is_hex, notification

POOL_MASK: Final = 0x1FFFE000
"""Version bits a miner may roll. Source: BIP320, the mask pools grant."""
MAX_NTIME_AHEAD_S: Final = 7_200
TOLERANCE: Final = 0.99
"""Pools forgive a share this much below its difficulty, for rounding in miners."""
EXTRANONCE2_BYTES: Final = 4
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


def as_job(params: Sequence[Json]) -> BitcoinJob:
    """Read mining.notify's parameters.

    Raises:
        ValueError: if they are not nine fields of the right lengths.
    """
    match params:
        case [str(mark), str(prevhash), str(coinb1), str(coinb2), list(branch), *rest] if len(params) == 9:
            version, nbits, ntime = (as_text(item) for item in rest[:3])
            sizes = [(prevhash, 64), (version, 8), (nbits, 8), (ntime, 8), *((as_text(item), 64) for item in branch)]
            whole = all(is_hex(text) and len(text) % 2 == 0 for text in (coinb1, coinb2))
            if whole and all(is_hex(text, digits) for text, digits in sizes):
                siblings = tuple(as_text(item) for item in branch)
                return BitcoinJob(mark, 0, rest[3] is True, prevhash, coinb1, coinb2, siblings, version, nbits, ntime)
    raise ValueError("not a job of Stratum V1")


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
    script = len(height) + 4 + EXTRANONCE2_BYTES + len(_TAG)
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


class BitcoinSession(FamilySession):
    """The pool's side."""

    extranonce2_bytes = EXTRANONCE2_BYTES
    mask = 0
    """Version bits the client was granted; 0 until it asks."""

    def handle(self, request: Request) -> list[Event]:
        """Take one request."""
        if request.method == "mining.configure":
            return self.says(request, self._configure(request))
        return super().handle(request)

    def _configure(self, request: Request) -> Json:
        names = request.params[0] if request.params and isinstance(request.params[0], list) else []
        options = request.params[1] if len(request.params) > 1 and isinstance(request.params[1], dict) else {}
        granted: dict[str, Json] = {}
        for name in names[:16]:
            match name:
                case "version-rolling":
                    wanted = as_text(options.get("version-rolling.mask"))
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
        words = self.words(request, 5, 6)
        return Submission(
            request_id=request.id,
            worker=request.text(0),
            job_id=request.text(1),
            extranonce2=words[2],
            ntime=words[3],
            nonce=words[4],
            version_bits=words[5] if len(words) > 5 else "",
            malformed=self.word_problem(request, 5, 6, "worker, job, extranonce2, ntime, nonce, version bits"),
        )

    @property
    def difficulty_1_target(self) -> int:
        """scrypt's is 65536 times easier."""
        return SCRYPT_D1 if self.algorithm.id == "scrypt" else D1

    def notify(self, job: Job) -> list[bytes]:
        """mining.notify."""
        return [notification("mining.notify", expect(job, BitcoinJob).params)]

    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """Sizes, the time, and that only granted version bits are rolled."""
        problem = (
            hex_problem("extranonce2", submission.extranonce2, 2 * self.extranonce2_bytes)
            or hex_problem("ntime", submission.ntime, 8)
            or hex_problem("nonce", submission.nonce, 8)
        )
        if problem:
            return problem
        started = int(expect(offered.job, BitcoinJob).ntime, 16)
        if not started <= int(submission.ntime, 16) <= max(started, now_s) + MAX_NTIME_AHEAD_S:
            return "ntime out of range"
        if submission.version_bits:
            problem = hex_problem("version bits", submission.version_bits, 8)
            if not problem and int(submission.version_bits, 16) & ~self.mask:
                problem = "rolling-version mask violation"
        return problem

    def check_work(self, submission: Submission, offered: Offered) -> Verdict:
        """Hash the header and hold it against the difficulty the job was offered at."""
        job = expect(offered.job, BitcoinJob)
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


class BitcoinMiner(FamilyMiner):
    """The miner's side."""

    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify."""
        try:
            job = as_job(params)
        except ValueError:
            return None
        return Work(job.id, tuple(params), self.difficulty, job.clean)

    def look(self, work: Work, number: int, tries: int) -> Found:
        """The nonce with the smallest hash among the first few."""
        job = as_job(work.fields)
        front = block_header(job, self.extranonce1, self._tail(number), job.ntime, "00000000")[:76]
        digest = proof.HASHES[self.algorithm.id]
        # The hash is a little-endian number: its last byte weighs most.
        best = min((digest(front + nonce.to_bytes(4, "little"))[::-1], nonce) for nonce in range(max(1, tries)))
        return Found(best[1], number)

    def _tail(self, extranonce2: int) -> str:
        return counted(extranonce2, self.extranonce2_bytes)

    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """mining.submit with this nonce."""
        return request(
            request_id,
            "mining.submit",
            [
                self.credentials.username,
                work.job_id,
                self._tail(found.extranonce2),
                as_text(work.fields[7]),
                f"{found.nonce:08x}",
            ],
        )
