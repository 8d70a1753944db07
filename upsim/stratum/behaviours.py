"""What a simulated pool can do wrong: a table of small named things, data and a few lines of script each.

A behaviour says how the address can be reached, on which terms the pool serves the connection, and what becomes of its
bytes on the way. It knows neither sockets nor time: its script is a list of steps for the server to take. The test
names of the simulated network (refused.pool.test and the like) are entries of the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from upsim.model import Stage
from upsim.stratum.pool import HEALTHY, Terms


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


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds of wire time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection: politely, or with a reset."""

    reset: bool = False


Step: TypeAlias = Send | Pause | Close


class Wire:
    """What becomes of one connection's bytes. This one is healthy: everything is said at once."""

    def connected(self) -> list[Step]:
        """Steps to take before the client said anything."""
        return []

    def hears(self, line: bytes) -> bool:
        """Whether the pool gets this line of the client."""
        return True

    def says(self, lines: list[bytes]) -> list[Step]:
        """Steps to take for the lines the pool answers with."""
        return [Send(b"".join(lines))] if lines else []


class ClosesAtOnce(Wire):
    """Accepts, then hangs up, as for a banned address."""

    def connected(self) -> list[Step]:
        return [Close()]


class ClosesOnFirstLine(Wire):
    """Hangs up on the client's first words."""

    def hears(self, line: bytes) -> bool:
        return False

    def says(self, lines: list[bytes]) -> list[Step]:
        return [Close()]


class Garbage(Wire):
    """Another service answers."""

    def connected(self) -> list[Step]:
        return [Send(b"SSH-2.0-OpenSSH_9.2\r\n")]

    def hears(self, line: bytes) -> bool:
        return False


class Slow(Wire):
    """Each reply comes late."""

    def says(self, lines: list[bytes]) -> list[Step]:
        return [Pause(1.0), Send(b"".join(lines))] if lines else []


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way a pool can behave.

    Attributes:
        name: names it on the control plane, the command line and, where `is_host`, as NAME.pool.test.
        summary: what happens on the wire, for people.
        fails: the stage of a pool test it fails; None where the test passes.
        verdict: words the test's reason contains.
        reach: what connecting to it does.
        cover: what the port speaks beneath Stratum.
        terms: how the pool treats the connection.
        wire: what becomes of the bytes.
        foreign: whether the port speaks another dialect than the algorithm's.
        alternates: whether only every other connection gets it; the others are healthy.
        is_host: whether NAME.pool.test has it.
    """

    name: str
    summary: str
    fails: Stage | None
    verdict: str = ""
    reach: Reach = Reach.ANSWERS
    cover: Cover = Cover.BOTH
    terms: Terms = HEALTHY
    wire: type[Wire] = Wire
    foreign: bool = False
    alternates: bool = False
    is_host: bool = False


_CONNECT, _SUBSCRIBE, _AUTHORIZE = Stage.CONNECTIVITY, Stage.SUBSCRIPTION, Stage.AUTHORIZATION

_TABLE: Final = (
    Behaviour("healthy", "a pool as it should be", None),
    Behaviour("refused", "the connection is refused", _CONNECT, "refused", reach=Reach.REFUSED, is_host=True),
    Behaviour("timeout", "nothing answers, not even a refusal", _CONNECT, "no answer", reach=Reach.FILTERED, is_host=True),
    Behaviour(
        "closes",
        "accepts, then hangs up before a word",
        _SUBSCRIBE,
        "closed",
        cover=Cover.PLAIN,
        wire=ClosesAtOnce,
        is_host=True,
    ),
    Behaviour("garbage", "an SSH server answers", _SUBSCRIBE, "not Stratum", cover=Cover.PLAIN, wire=Garbage, is_host=True),
    Behaviour("slow", "each reply comes a second late", None, wire=Slow, is_host=True),
    Behaviour(
        "no-subscribe",
        "refuses the subscription",
        _SUBSCRIBE,
        "Not supported.",
        terms=Terms(refuse_subscription="Not supported."),
        is_host=True,
    ),
    Behaviour(
        "no-auth",
        "refuses every login",
        _AUTHORIZE,
        "Unauthorized worker",
        terms=Terms(refuse_login="Unauthorized worker"),
        is_host=True,
    ),
    Behaviour("wrong-dialect", "speaks another dialect than the algorithm's", _SUBSCRIBE, "speaks", foreign=True, is_host=True),
    Behaviour("tls", "TLS only: hangs up on anything else", None, cover=Cover.TLS, is_host=True),
    Behaviour(
        "flaky",
        "every other connection is refused",
        _CONNECT,
        "refused",
        reach=Reach.REFUSED,
        alternates=True,
        is_host=True,
    ),
)  # fmt: skip

BEHAVIOURS: Final[Mapping[str, Behaviour]] = MappingProxyType({entry.name: entry for entry in _TABLE})
"""Every behaviour by name."""

TEST_SUFFIX: Final = ".pool.test"
HOSTS: Final[Mapping[str, Behaviour]] = MappingProxyType(
    {entry.name + TEST_SUFFIX: entry for entry in _TABLE if entry.is_host}
)
"""Names of the simulated network that are not healthy."""


class UnknownBehaviour(ValueError):
    """No behaviour has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no behaviour is called {name!r}; there are: {', '.join(BEHAVIOURS)}")
        self.name = name


def behaviour_for(host: str, chosen: str | None, number: int) -> Behaviour:
    """What a connection meets: the behaviour chosen for the address, else the one its name stands for, else health.

    Args:
        host: the name or address asked for.
        chosen: set for this host and port, where something is.
        number: of the connection attempt, from 0; where a behaviour alternates, even attempts are healthy.

    Raises:
        UnknownBehaviour: if `chosen` names none.
    """
    if chosen is not None:
        if chosen not in BEHAVIOURS:
            raise UnknownBehaviour(chosen)
        entry = BEHAVIOURS[chosen]
    else:
        entry = HOSTS.get(host.lower().rstrip("."), BEHAVIOURS["healthy"])
    return BEHAVIOURS["healthy"] if entry.alternates and number % 2 == 0 else entry
