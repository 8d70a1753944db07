"""What all relatives of Stratum V1 have in common: mining.subscribe, mining.authorize, mining.submit, their envelope.

Each dialect adds its own reply to the hello, its own job and its own share. This module knows none of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from upsim.model import Stage
from upsim.stratum.events import DifficultyAsked, Event, Login, Say, Submission, Subscribed
from upsim.stratum.peer import Ask, MinerSession, Unexpected, Work, params_of, request
from upsim.stratum.session import PoolSession
from upsim.stratum.targets import D1, difficulty_of
from upsim.stratum.wire import Json, Request, as_number, is_hex, notification


class FamilySession(PoolSession):
    """The pool's side."""

    extranonce2_bytes = 4
    """Bytes of the nonce space a miner has to itself."""
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
            case "mining.extranonce.subscribe":
                self.extranonce_subscribed = True
                return self.says(request, True)
            case "mining.suggest_difficulty":
                return [*self.says(request, True), *self._wishes(as_number(request.params[0] if request.params else 0))]
            case "mining.suggest_target":
                target = int(request.text(0), 16) if is_hex(request.text(0), 64) else 0
                wished = difficulty_of(target, self.difficulty_1_target) if target else 0.0
                return [*self.says(request, True), *self._wishes(wished)]
            case "mining.get_transactions":
                return self.says(request, [])
            case "mining.ping":
                return self.says(request, "pong")
            case "mining.capabilities" | "mining.multi_version":
                return self.says(request, True)
            case _:
                return self.unknown(request)

    def _wishes(self, difficulty: float) -> list[Event]:
        return [DifficultyAsked(difficulty)] if difficulty else []

    def says(self, request: Request, value: Json) -> list[Event]:
        """An answer that needs nobody's decision."""
        return [Say(line) for line in self.reply(request.id, value)]

    def subscribe(self, request: Request) -> list[Event]:
        """Answer the hello. It must be the very first line the pool sends: cpuminer takes any first line for it."""
        self.subscribed = True
        self.agent = request.text(0)
        return [*self.says(request, self.subscription()), Subscribed(self.agent)]

    def subscription(self) -> Json:
        """The result of mining.subscribe."""
        mark = f"{self.number:016x}"
        names: list[Json] = [["mining.set_difficulty", mark], ["mining.notify", mark]]
        return [names, self.extranonce1, self.extranonce2_bytes]

    @abstractmethod
    def submission(self, request: Request) -> Submission:
        """Read mining.submit."""

    @property
    def difficulty_1_target(self) -> int:
        """The target that difficulty 1 stands for."""
        return D1

    def tell_difficulty(self) -> list[bytes]:
        """mining.set_difficulty."""
        value = self.difficulty
        return [notification("mining.set_difficulty", [int(value) if value.is_integer() else value])]

    def tell_extranonce(self) -> list[bytes]:
        """mining.set_extranonce, to clients that said they can take it."""
        if not self.extranonce_subscribed:
            return []
        return [notification("mining.set_extranonce", self.extranonce_params())]

    def extranonce_params(self) -> list[Json]:
        """What mining.set_extranonce carries."""
        return [self.extranonce1, self.extranonce2_bytes]

    @staticmethod
    def words(request: Request, least: int, most: int) -> list[str]:
        """A submission's parameters as lower-case text without 0x, filled up where some are missing."""
        words = [value.lower().removeprefix("0x") if isinstance(value, str) else "" for value in request.params[:most]]
        return words + [""] * (least - len(words))

    @staticmethod
    def word_problem(request: Request, least: int, most: int, what: str) -> str:
        """What is wrong with a submission's parameters; empty where they are as many strings as they should be."""
        if least <= len(request.params) <= most and all(isinstance(value, str) for value in request.params):
            return ""
        many = f"{least}" if least == most else f"{least} or {most}"
        return f"mining.submit takes {many} strings: {what}"


class FamilyMiner(MinerSession):
    """The miner's side."""

    SUBSCRIBE, AUTHORIZE = 1, 2
    nonce_bytes: ClassVar[int | None] = None
    """Bytes of the whole nonce, extranonce included, where that is fixed."""

    def opening(self) -> list[Ask]:
        """Subscribe, then authorize."""
        who = self.credentials
        hello = request(self.SUBSCRIBE, "mining.subscribe", self.subscribe_params())
        login = request(self.AUTHORIZE, "mining.authorize", [who.username, who.password])
        return [Ask(self.SUBSCRIBE, hello, (Stage.SUBSCRIPTION,)), Ask(self.AUTHORIZE, login, (Stage.AUTHORIZATION,))]

    def subscribe_params(self) -> list[Json]:
        """What mining.subscribe carries."""
        return [self.credentials.agent]

    def learn(self, ask: Ask, message: Mapping[str, Json]) -> None:
        """Keep the extranonce; a login needs nothing but the absence of a refusal."""
        if ask.id == self.SUBSCRIBE:
            self.learn_subscription(message.get("result"))

    def learn_subscription(self, value: Json) -> None:
        """Read mining.subscribe's result: subscriptions, extranonce, bytes left to the miner.

        Raises:
            Unexpected: if it is not that.
        """
        match value:
            case [_, str(extranonce), int(size), *_] if not isinstance(size, bool) and size <= 16:
                if self.keep_extranonce(extranonce, size):
                    return
        raise Unexpected("the reply to mining.subscribe has no extranonce and extranonce size")

    def take(self, message: Mapping[str, Json]) -> Work | None:
        """Follow difficulty and extranonce; give the job."""
        params = params_of(message)
        match message.get("method"), params:
            case "mining.set_difficulty", [value, *_]:
                # A pool that says nonsense leaves the difficulty where it was.
                self.difficulty = as_number(value) or self.difficulty
            case "mining.set_target", [str(target), *_] if is_hex(target, 64) and int(target, 16):
                self.difficulty = difficulty_of(int(target, 16), self.difficulty_1_target)
            case "mining.set_extranonce", [str(extranonce), *more]:
                size = more[0] if more and isinstance(more[0], int) and not isinstance(more[0], bool) else None
                self.keep_extranonce(extranonce, size)
            case "mining.notify", _:
                return self.take_job(params)
        return None

    def keep_extranonce(self, extranonce: str, size: int | None = None) -> bool:
        """Remember an extranonce where it can be one; says whether it can.

        Args:
            extranonce: hex, or empty.
            size: bytes left to the miner, where the pool says; else what a nonce of fixed size leaves.
        """
        if extranonce and not (is_hex(extranonce) and len(extranonce) % 2 == 0):
            return False
        if self.nonce_bytes is not None:
            size = self.nonce_bytes - len(extranonce) // 2
        size = self.extranonce2_bytes if size is None else size
        if not 1 <= size <= 32:
            return False
        self.extranonce1, self.extranonce2_bytes = extranonce, size
        return True

    @property
    def difficulty_1_target(self) -> int:
        """The target that difficulty 1 stands for."""
        return D1

    @abstractmethod
    def take_job(self, params: list[Json]) -> Work | None:
        """Read mining.notify; None where it is another dialect's job."""
