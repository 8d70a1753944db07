"""What a simulated pool can do wrong: one table of small named things.

A behaviour says how its address can be reached, on which terms the pool serves the connection, what becomes of the
bytes on the way, and what a test of the pool should find. The test names of the simulated network (refused.pool.test
and the like) are entries of the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from upsim.algorithms import ALGORITHMS, Algorithm, Dialect
from upsim.model import Stage
from upsim.stratum import faults
from upsim.stratum.faults import Wire
from upsim.stratum.terms import HEALTHY, Terms
from upsim.stratum.wire import RejectCode, notification


class Reach(StrEnum):
    """What happens when somebody connects."""

    ANSWERS = "answers"
    REFUSED = "refused"
    FILTERED = "filtered"
    """Nothing answers, not even a refusal."""
    UNKNOWN = "unknown"
    """The name does not exist."""


class Cover(StrEnum):
    """What a port speaks beneath Stratum."""

    BOTH = "both"
    """Plain or TLS: the first byte decides, as on many pools."""
    PLAIN = "plain"
    TLS = "tls"


class Mines(StrEnum):
    """What a port mines, seen from the algorithm asked for."""

    SAME = "same"
    FOREIGN = "foreign"
    """Speaks another dialect altogether: the hello itself is not understood."""
    OTHER = "other"
    """Takes the hello, and then hands out jobs of another algorithm."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a test of a pool should say.

    Attributes:
        fails: the stage that fails; None where the test passes.
        words: what the reason, or where it passes a remark, contains.
    """

    fails: Stage | None = None
    words: str = ""


PASSES: Final = Finding()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way a pool can behave.

    Attributes:
        name: names it on the control plane, the command line, and as the host NAME.pool.test.
        summary: what happens on the wire, for people.
        finding: what a test of the pool should say.
        but: findings that differ, by dialect.
        reach: what connecting does.
        cover: what the port speaks beneath Stratum.
        terms: how the pool treats the connection.
        wire: what becomes of the bytes.
        mines: what the port mines.
        alternates: whether only every other connection gets it; the others are healthy.
    """

    name: str
    summary: str
    finding: Finding = PASSES
    but: Mapping[Dialect, Finding] = field(default_factory=dict)
    reach: Reach = Reach.ANSWERS
    cover: Cover = Cover.BOTH
    terms: Terms = HEALTHY
    wire: type[Wire] = Wire
    mines: Mines = Mines.SAME
    alternates: bool = False

    def finding_for(self, algorithm: Algorithm) -> Finding:
        """What a test of a pool of this algorithm should say."""
        return self.but.get(algorithm.dialect, self.finding)

    def algorithm(self, asked: Algorithm) -> Algorithm:
        """What the port really mines."""
        match self.mines:
            case Mines.SAME:
                return asked
            case Mines.FOREIGN:
                return ALGORITHMS["etchash" if asked.dialect is Dialect.MONERO else "randomx"]
            case Mines.OTHER:
                return ALGORITHMS[_OTHER[asked.dialect]]


_OTHER: Final[Mapping[Dialect, str]] = {
    Dialect.BITCOIN: "autolykos",
    Dialect.AUTOLYKOS: "nexapow",
    Dialect.NEXA: "sha256",
    Dialect.ZCASH: "kawpow",
    Dialect.VERUS: "kawpow",
    Dialect.PROGPOW: "equihash",
    Dialect.ETHEREUM: "sha256",
    Dialect.KASPA: "sha256",
    Dialect.OCTOPUS: "sha256",
    Dialect.MONERO: "sha256",
}
"""An algorithm whose pools take much the same hello, by dialect."""

_CONNECT, _SUBSCRIBE, _AUTHORIZE = Stage.CONNECTIVITY, Stage.SUBSCRIPTION, Stage.AUTHORIZATION
_NO_ANSWER: Final = Finding(_SUBSCRIBE, "no reply to the subscription")
_CLOSED: Final = Finding(_SUBSCRIBE, "closed before any reply")
_NOT_STRATUM: Final = Finding(_SUBSCRIBE, "not Stratum")
_ONE_STEP: Final = (Dialect.MONERO, Dialect.OCTOPUS)
"""Dialects where one request is subscription and login."""


def _one_step(finding: Finding) -> Mapping[Dialect, Finding]:
    return dict.fromkeys(_ONE_STEP, finding)


_TABLE: Final = (
    Behaviour("healthy", "a pool as it should be"),
    # Reaching it
    Behaviour("unknown-host", "the name does not exist", Finding(_CONNECT, "no host called"), reach=Reach.UNKNOWN),
    Behaviour("refused", "the connection is refused", Finding(_CONNECT, "refused"), reach=Reach.REFUSED),
    Behaviour(
        "timeout",
        "nothing answers, not even a refusal",
        Finding(_CONNECT, "no answer in time"),
        reach=Reach.FILTERED,
    ),
    Behaviour(
        "flaky",
        "every other connection is refused, the second first",
        Finding(_CONNECT, "refused"),
        reach=Reach.REFUSED,
        alternates=True,
    ),
    Behaviour(
        "tls",
        "TLS only: hangs up on anything else",
        Finding(_SUBSCRIBE, "set tls"),
        cover=Cover.TLS,
    ),
    Behaviour("plain", "no TLS: hangs up on a TLS handshake", cover=Cover.PLAIN),
    # Hanging up, and saying nothing
    Behaviour(
        "closes",
        "accepts, then hangs up before a word, as on a banned address",
        _CLOSED,
        cover=Cover.PLAIN,
        wire=faults.ClosesAtOnce,
    ),
    Behaviour("resets", "accepts, then resets", _CLOSED, cover=Cover.PLAIN, wire=faults.ResetsAtOnce),
    Behaviour("closes-on-first-line", "hangs up on the client's first line", _CLOSED, wire=faults.ClosesOnFirstLine),
    Behaviour(
        "closes-after-reply",
        "answers the first request, then hangs up",
        Finding(_AUTHORIZE, "closed"),
        _one_step(PASSES),
        wire=faults.ClosesAfterReply,
    ),
    Behaviour(
        "banned",
        "says that the address is banned, then hangs up",
        Finding(_SUBSCRIBE, "banned"),
        _one_step(Finding(_AUTHORIZE, "banned")),
        wire=faults.BannedWithMessage,
    ),
    Behaviour("silent", "accepts and says nothing, ever", _NO_ANSWER, wire=faults.Silent),
    Behaviour("login-timeout", "hangs up on who has not logged in after 10 s", wire=faults.Impatient),
    Behaviour("restarts", "resets everybody 5 s after they connect", wire=faults.Restarts),
    # Refusing
    Behaviour(
        "no-subscribe",
        "refuses the subscription",
        Finding(_SUBSCRIBE, "Not supported."),
        terms=Terms(refuse_subscription="Not supported."),
    ),
    Behaviour(
        "no-auth",
        "refuses every login",
        Finding(_AUTHORIZE, "Unauthorized worker"),
        terms=Terms(refuse_login="Unauthorized worker"),
    ),
    Behaviour(
        "no-auth-closes",
        "refuses every login with a reason, then hangs up",
        Finding(_AUTHORIZE, "Invalid payment address provided"),
        terms=Terms(refuse_login="Invalid payment address provided", hang_up_on_refusal=True),
    ),
    Behaviour(
        "wrong-dialect",
        "speaks another dialect than the algorithm's",
        Finding(_SUBSCRIBE, "speaks"),
        mines=Mines.FOREIGN,
    ),
    Behaviour(
        "wrong-algorithm",
        "a port of another algorithm, often with much the same hello",
        Finding(_SUBSCRIBE, "speaks"),
        mines=Mines.OTHER,
    ),
    # Not Stratum
    Behaviour("garbage", "an SSH server greets", _NOT_STRATUM, cover=Cover.PLAIN, wire=faults.Garbage),
    Behaviour("noise", "bytes that are no text", _NOT_STRATUM, cover=Cover.PLAIN, wire=faults.Noise),
    Behaviour("json-noise", "JSON that is no object", _NOT_STRATUM, wire=faults.JsonNoise),
    Behaviour("http", "a web server answers", Finding(_SUBSCRIBE, "an HTTP server answered"), wire=faults.Http),
    Behaviour("huge-line", "10 MB without a line end", Finding(_SUBSCRIBE, "longer than"), wire=faults.HugeLine),
    Behaviour("cut-line", "half a reply, then a hang-up", Finding(_SUBSCRIBE, "middle of a line"), wire=faults.CutLine),
    # Slow and odd, but right
    Behaviour("slow", "each reply comes a second late", wire=faults.Slow),
    Behaviour("trickle", "one byte at a time", wire=faults.Trickle),
    Behaviour("split", "lines cut and glued in odd places", wire=faults.Split),
    Behaviour(
        "out-of-order",
        "jobs and messages come before the reply they follow",
        Finding(None, "the pool says: hello"),
        wire=faults.OutOfOrder,
    ),
    Behaviour("wrong-id", "replies carry an id nobody asked with", _NO_ANSWER, wire=faults.WrongId),
    # Jobs
    Behaviour(
        "no-job",
        "lets miners in, but has no job: its node is down or syncing",
        Finding(None, "no job came"),
        {Dialect.MONERO: Finding(_SUBSCRIBE, "No block template yet")},
        terms=Terms(jobs=False),
    ),
    Behaviour("new-blocks", "a new block every two seconds", terms=Terms(block_s=2.0)),
    Behaviour("retarget", "doubles the difficulty after the first job", terms=Terms(retarget_by=2.0)),
    Behaviour("tiny-difficulty", "a millionth of the usual difficulty", terms=Terms(difficulty_factor=1e-6)),
    Behaviour("new-extranonce", "changes the extranonce after the first job", terms=Terms(moves_extranonce=True)),
    Behaviour(
        "reconnect",
        "asks to reconnect elsewhere after the first job",
        Finding(None, "asks to reconnect to other.pool.test:3334"),
        terms=Terms(after_job=(notification("client.reconnect", ["other.pool.test", 3334, 10]),)),
    ),
    Behaviour(
        "message",
        "shows a message after the first job",
        Finding(None, "the pool says: maintenance at 12:00 UTC"),
        terms=Terms(after_job=(notification("client.show_message", ["maintenance at 12:00 UTC"]),)),
    ),
    # Shares
    Behaviour(
        "unchecked-login",
        "lets anybody in, then refuses their shares as unauthorized",
        terms=Terms(reject_with=RejectCode.UNAUTHORIZED),
    ),
    Behaviour(
        "stale-burst", "the first ten shares are stale", terms=Terms(reject_with=RejectCode.STALE, reject_first=10)
    ),
    Behaviour(
        "duplicate-burst",
        "the first ten shares are duplicates",
        terms=Terms(reject_with=RejectCode.DUPLICATE, reject_first=10),
    ),
    Behaviour(
        "low-difficulty-burst",
        "the first ten shares are below the difficulty",
        terms=Terms(reject_with=RejectCode.LOW_DIFFICULTY, reject_first=10),
    ),
    Behaviour("bans-rejects", "hangs up after a refused share", terms=Terms(hang_up_on_refusal=True)),
    Behaviour("mute-shares", "shares are never answered", terms=Terms(answers_shares=False)),
)

BEHAVIOURS: Final[Mapping[str, Behaviour]] = MappingProxyType({entry.name: entry for entry in _TABLE})
"""Every behaviour by name."""

TEST_SUFFIX: Final = ".pool.test"
HOSTS: Final[Mapping[str, Behaviour]] = MappingProxyType({entry.name + TEST_SUFFIX: entry for entry in _TABLE})
"""Names of the simulated network that stand for a behaviour; every other name is a healthy pool."""


class UnknownBehaviour(ValueError):
    """No behaviour has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no behaviour is called {name!r}; there are: {', '.join(BEHAVIOURS)}")
        self.name = name


def behaviour_named(name: str) -> Behaviour:
    """A behaviour by name.

    Raises:
        UnknownBehaviour: if there is none.
    """
    try:
        return BEHAVIOURS[name]
    except KeyError:
        raise UnknownBehaviour(name) from None


def behaviour_for(host: str, chosen: str | None, number: int) -> Behaviour:
    """What a connection meets: the behaviour chosen for the address, else the one its name stands for, else health.

    Args:
        host: the name or address asked for.
        chosen: set for this host and port, where something is.
        number: of the connection attempt, from 0; where a behaviour alternates, even attempts are healthy.

    Raises:
        UnknownBehaviour: if `chosen` names none.
    """
    healthy = BEHAVIOURS["healthy"]
    entry = behaviour_named(chosen) if chosen is not None else HOSTS.get(host.lower().rstrip("."), healthy)
    return healthy if entry.alternates and number % 2 == 0 else entry
