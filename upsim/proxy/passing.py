"""How jobs and shares pass from a pool to a miner and back, by dialect. Pure: lines and values, no sockets.

What a pool says goes on in its own words, under an id of the door's: two pools may give two jobs one id, and a share
must find the pool its job came from. Only what names the miner or the job is replaced, and the extranonce's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from upsim.algorithms import Algorithm, Dialect
from upsim.stratum.dialects import autolykos, bitcoin, ethereum, kaspa, monero, nexa, octopus, progpow, zcash
from upsim.stratum.dialects.family import FamilySession
from upsim.stratum.jobs import Job, expect
from upsim.stratum.peer import MinerSession, Work, as_text, request
from upsim.stratum.session import PoolSession
from upsim.stratum.wire import Json, Request, encode, is_hex, notification

EXTRANONCE2_BYTES: Final = 4
"""What a V1 miner is told to roll: every pool leaves that many; where one leaves more, the first are zero."""


@dataclass(frozen=True, slots=True)
class PassedJob(Job):
    """A pool's job on its way to a miner.

    Attributes:
        fields: the pool's own, of which the first is its id.
        told: what the pool said of the difficulty before, as lines.
    """

    fields: tuple[Json, ...]
    told: tuple[bytes, ...] = ()


class CannotPass(Exception):
    """A pool's work cannot be handed on; the message says why."""


class _Passing(FamilySession):
    """A session that hands on difficulties and jobs as they came."""

    clean_at: int | None = None
    """Which field of a job says whether earlier ones are worthless."""
    _told_lines: tuple[bytes, ...] = ()

    def offer(self, job: Job) -> list[bytes]:
        """Send a job, preceded by the pool's words for the difficulty where they are new."""
        passed = expect(job, PassedJob)
        lines = list(passed.told) if passed.told != self._told_lines else []
        self._told_lines = passed.told
        self.keep(job)
        return [*lines, *self.notify(job)]

    def fields_of(self, job: PassedJob) -> list[Json]:
        """The job's fields as the miner gets them."""
        fields = [job.id, *job.fields[1:]]
        if self.clean_at is not None:
            fields[self.clean_at] = job.clean
        return fields

    def notify(self, job: Job) -> list[bytes]:
        """mining.notify."""
        return [notification("mining.notify", self.fields_of(expect(job, PassedJob)))]


class BitcoinDoor(_Passing, bitcoin.BitcoinSession):
    """The pool's extranonce stands in the coinbase's first half, so a miner never needs to hear of another one."""

    clean_at = 8
    extranonce2_bytes = EXTRANONCE2_BYTES
    rolls = 0
    """Version bits the miner was granted when it asked; a pool may leave fewer."""

    @classmethod
    def extranonce_for(cls, number: int) -> str:
        """None: all that the miner rolls is its own."""
        return ""

    def tell_extranonce(self) -> list[bytes]:
        """Nothing: it does not change."""
        return []

    def _configure(self, request: Request) -> Json:
        granted = super()._configure(request)
        self.rolls = self.mask
        return granted

    def tell_mask(self, mask: int) -> list[bytes]:
        """mining.set_version_mask, to miners that roll versions, where the pool grants other bits than were told."""
        if not self.rolls or mask & self.rolls == self.mask:
            return []
        mask &= self.rolls
        self.mask = mask
        return [notification("mining.set_version_mask", [f"{mask:08x}"])]


class ZcashDoor(_Passing, zcash.ZcashSession):
    """Equihash and Verus."""

    clean_at = 7


class NicehashDoor(_Passing, ethereum.NicehashSession):
    """EthereumStratum/1.0.0."""

    clean_at = 3


class ProgpowDoor(_Passing, progpow.ProgpowSession):
    """kawpow and firopow."""

    clean_at = 4


class AutolykosDoor(_Passing, autolykos.AutolykosSession):
    """Ergo."""

    clean_at = 8


class NexaDoor(_Passing, nexa.NexaSession):
    """Nexa."""


class OctopusDoor(_Passing, octopus.OctopusSession):
    """Conflux."""

    def notify(self, job: Job) -> list[bytes]:
        """mining.notify, as JSON-RPC 2.0."""
        params = self.fields_of(expect(job, PassedJob))
        return [encode({"id": 0, "jsonrpc": "2.0", "method": "mining.notify", "params": params})]

    def tell_extranonce(self) -> list[bytes]:
        """Nothing: the whole nonce is the miner's."""
        return []


class KaspaDoor(kaspa.KaspaSession):
    """Kaspa: a job is read and written anew, in the shape the miner wants."""

    def extranonce_params(self) -> list[Json]:
        """With the bytes left, for Bitmain's firmware."""
        return [self.extranonce1, *([8 - len(self.extranonce1) // 2] if self._bitmain else [])]

    def tell_extranonce(self) -> list[bytes]:
        """mining.set_extranonce: every Kaspa miner gets its first one so."""
        return [notification("mining.set_extranonce", self.extranonce_params())]


class EthProxyDoor(ethereum.EthProxySession):
    """ETHPROXY: a job is read and written anew."""


class MoneroDoor(monero.MoneroSession):
    """Monero: the pool's own blob, which belongs to its session for this miner alone."""

    def _body(self, job: Job) -> dict[str, Json]:
        body = expect(job, PassedJob).fields[0]
        return {**(body if isinstance(body, dict) else {}), "job_id": job.id}


DOORS: Final[Mapping[type[PoolSession], type[PoolSession]]] = MappingProxyType(
    {
        bitcoin.BitcoinSession: BitcoinDoor,
        zcash.ZcashSession: ZcashDoor,
        ethereum.NicehashSession: NicehashDoor,
        ethereum.EthProxySession: EthProxyDoor,
        progpow.ProgpowSession: ProgpowDoor,
        autolykos.AutolykosSession: AutolykosDoor,
        nexa.NexaSession: NexaDoor,
        octopus.OctopusSession: OctopusDoor,
        kaspa.KaspaSession: KaspaDoor,
        monero.MoneroSession: MoneroDoor,
    }
)
"""What talks to a miner at the door, by what talks to it at a pool."""


def passed(
    algorithm: Algorithm, job_id: str, work: Work, pool: MinerSession, told: tuple[bytes, ...], clean: bool
) -> Job:
    """A pool's work as a job for the miner.

    Args:
        job_id: what the door calls it.
        pool: the conversation it came from.
        told: what that pool said of the difficulty.
        clean: whether the miner's earlier jobs are worthless now.

    Raises:
        CannotPass: it cannot be handed on.
    """
    fields = work.fields
    match algorithm.dialect:
        case Dialect.BITCOIN:
            room = pool.extranonce2_bytes - EXTRANONCE2_BYTES
            if room < 0:
                left = pool.extranonce2_bytes
                raise CannotPass(f"the pool leaves a miner {left} bytes of extranonce; it takes {EXTRANONCE2_BYTES}")
            front = as_text(fields[2]) + pool.extranonce1 + "00" * room
            return PassedJob(job_id, 0, clean, (*fields[:2], front, *fields[3:]), told)
        case Dialect.KASPA:
            return _kaspa_job(job_id, fields, clean)
        case Dialect.ETHEREUM if as_text(fields[0])[:2] == "0x":
            height = as_text(fields[3])[2:] if len(fields) > 3 else ""
            header, seed = as_text(fields[0])[2:], as_text(fields[1])[2:]
            return ethereum.EthereumJob(job_id, int(height, 16) if is_hex(height) else 0, clean, header, seed)
    return PassedJob(job_id, 0, clean, fields, told)


def _kaspa_job(job_id: str, fields: tuple[Json, ...], clean: bool) -> kaspa.KaspaJob:
    match fields:
        case [_, [*words], int(timestamp)]:
            header = b"".join((word & (1 << 64) - 1).to_bytes(8, "little") for word in words if isinstance(word, int))
            return kaspa.KaspaJob(job_id, 0, clean, header, timestamp)
        case [_, str(big)]:
            raw = bytes.fromhex(big)
            return kaspa.KaspaJob(job_id, 0, clean, raw[:32], int.from_bytes(raw[32:40], "little"))
    raise CannotPass("the pool's job is none of Kaspa's")


def share_line(algorithm: Algorithm, number: int, asked: Request, work: Work, pool: MinerSession, mask: int) -> bytes:
    """A miner's share as it goes to the pool.

    Args:
        number: the id of the request to the pool.
        asked: what the miner sent.
        work: the pool's, that it is for.
        mask: version bits the pool lets the miner roll.
    """
    if isinstance(pool, monero.MoneroMiner):
        named: dict[str, Json] = {**asked.named, "id": pool.session, "job_id": work.job_id}
        return request(number, "submit", named, jsonrpc="2.0")
    if isinstance(pool, ethereum.EthProxyMiner):
        return request(number, "eth_submitWork", asked.params, jsonrpc="2.0")
    params: list[Json] = [pool.credentials.username, work.job_id, *asked.params[2:]]
    if algorithm.dialect is Dialect.BITCOIN:
        params[2] = "00" * (pool.extranonce2_bytes - EXTRANONCE2_BYTES) + as_text(params[2])
        if not mask:
            params = params[:5]  # the pool knows no version bits; a miner that was told so sends none that count
    if algorithm.dialect is Dialect.OCTOPUS:
        return request(number, "mining.submit", params, jsonrpc="2.0")
    return request(number, "mining.submit", params)
