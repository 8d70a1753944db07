"""What the proxy's tests use: a server with a door, on a clock that stands until it is moved, and miners that obey.

The miners talk as the synthetic ones do, but each sends a share when it is told to, and waits for the answer: so what a
test counts does not hang on how fast a machine is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from werkzeug.test import Client as HttpClient

from tests.control.harness import HandClock
from upsim.algorithms import ALGORITHMS
from upsim.config import configure
from upsim.model import WorldId
from upsim.proxy.door import StratumDoor
from upsim.rules.worlds import DEFAULT
from upsim.serve import Server
from upsim.stratum.dialects import speech_of
from upsim.stratum.dialects.family import FamilyMiner
from upsim.stratum.peer import Ask, Credentials, MinerSession, Work, error_text, request
from upsim.stratum.wire import Json, LineBuffer, decode

VIP: Final = "up_k_demovip"


class Farm:
    """A server whose door is open."""

    def __init__(
        self, algorithms: Sequence[str], store: str = "memory:", real_time: bool = False, **settings: str
    ) -> None:
        self.wall = HandClock()
        stratum = ",".join(f"{algorithm}=0" for algorithm in algorithms)
        given = {"fixture": "empty", "store": store, "rate_limit": "off", "stratum": stratum, **settings}
        self.server = Server(configure(given, {}), None if real_time else self.wall)
        self.server.open_ports()
        assert self.server.stratum is not None
        self.door: StratumDoor = self.server.stratum
        self.ports = {one.algorithm: one.port for one in self.door.openings}
        self._http = HttpClient(self.server.app)

    def ask(self, method: str, path: str, body: Any = None, key: str = VIP) -> Any:
        """Make a call that succeeds; its answer."""
        headers = {"X-API-Key": key}
        if body is None:
            answer = self._http.open(path, method=method, headers=headers)
        else:
            answer = self._http.open(path, method=method, headers=headers, json=body)
        content = json.loads(answer.get_data(as_text=True))
        assert answer.status_code < 400, content
        return content

    def pool(self, name: str, algorithm: str, host: str = "", port: int = 3333) -> str:
        """Save a pool; its id."""
        body = {"name": name, "algorithm": algorithm, "host": host or f"{name}.example", "port": port}
        answer = self.ask("POST", "/v1/pools", {**body, "username": "wallet.1", "password": "x"})
        return str(answer["_id"])

    def profile(self, name: str, algorithm: str, *pool_ids: str) -> str:
        """Make a profile; its id."""
        body = {"name": name, "algorithm": algorithm, "pools": [{"pool_id": pool_id} for pool_id in pool_ids]}
        return str(self.ask("POST", "/v1/profiles", body)["_id"])

    def workers(self, **query: str) -> dict[str, Any]:
        """The account's workers by name."""
        text = "&".join(f"{name}={value}" for name, value in {"limit": "100", **query}.items())
        return {worker["name"]: worker for worker in self.ask("GET", f"/v1/workers?{text}")["data"]}

    def sessions(self, world: str = DEFAULT) -> Sequence[Any]:
        """Who is connected."""
        return self.door.sessions(WorldId(world))

    def step(self, seconds: float = 0.0) -> None:
        """Let time pass, and the door take its next step."""
        self.wall.advance(seconds)
        self.door.step()

    def empty(self) -> None:
        """Wait until everybody's hanging up was seen, and written down."""
        asyncio.run(until(lambda: not self.sessions()))
        self.step()

    def close(self) -> None:
        """Stop everything."""
        self.server.close()


@contextmanager
def farm(*algorithms: str, store: str = "memory:", real_time: bool = False, **settings: str) -> Iterator[Farm]:
    """A server whose door is open until the block ends; on the machine's clock where it has to run."""
    made = Farm(algorithms, store, real_time, **settings)
    try:
        yield made
    finally:
        made.close()


class Refused(Exception):
    """The door said no; the message is what it said."""


@dataclass
class Pretender:
    """A miner that sends a share when it is told to.

    Attributes:
        accepted: shares that were.
        refusals: what was said to the others.
        cleaned: jobs that made earlier ones worthless.
    """

    algorithm: str
    login: str
    accepted: int = 0
    refusals: list[str] = field(default_factory=list)
    jobs: int = 0
    cleaned: int = 0
    said: list[dict[str, Json]] = field(default_factory=list)
    tongue: int = 0
    takes_extranonces: bool = True

    async def connect(self, port: int, host: str = "127.0.0.1") -> None:
        """Log in, and wait for the first job.

        Raises:
            Refused: it is not let in.
        """
        algorithm = ALGORITHMS[self.algorithm]
        speaks = speech_of(algorithm).miners[self.tongue]
        self.miner: MinerSession = speaks(algorithm, Credentials(self.login, "x", host, port))
        self.work: Work | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Json]]] = {}
        self._next = 100
        self._has_work = asyncio.Event()
        self.gone = asyncio.Event()
        reader, self._writer = await asyncio.open_connection(host, port)
        self._reading = asyncio.create_task(self._read(reader))
        for ask in self.miner.opening():
            message = await self._asked(ask)
            refusal = error_text(message)
            if refusal is not None or message.get("result") is False:
                await self.hang_up()
                raise Refused(refusal or "refused")
            self.miner.learn(ask, message)
        if self.takes_extranonces and isinstance(self.miner, FamilyMiner):
            self._writer.write(request(3, "mining.extranonce.subscribe", []))
        await until(lambda: self._has_work.is_set() or self.gone.is_set())
        if not self._has_work.is_set():
            await self.hang_up()
            raise Refused(str(self.said[-1].get("method")))

    async def _asked(self, ask: Ask) -> dict[str, Json]:
        answer: asyncio.Future[dict[str, Json]] = asyncio.get_running_loop().create_future()
        self._answers[ask.id] = answer
        self._writer.write(ask.line)
        async with asyncio.timeout(60):
            return await answer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        buffer = LineBuffer()
        try:
            while data := await reader.read(65_536):
                for line in buffer.feed(data):
                    self._take(decode(line))
        except ConnectionError:
            pass
        self.gone.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result({"error": "hung up", "result": None})

    def _take(self, message: dict[str, Json]) -> None:
        self.said.append(message)
        del self.said[:-20]
        work = self.miner.take(message)
        if work is not None:
            self.work = work
            self.jobs += 1
            self.cleaned += work.clean
            self._has_work.set()
        mark = message.get("id")
        if "method" not in message and isinstance(mark, int) and (answer := self._answers.pop(mark, None)):
            answer.set_result(message)

    async def share(self, work: Work | None = None) -> bool:
        """Send a share and hear what becomes of it."""
        work = work or self.work
        assert work is not None
        self._next += 1
        number = self._next
        found = self.miner.look(work, number + hash(self.login) % 1_000_000 * 1000, 64)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._writer.write(self.miner.submit(number, work, found))
        async with asyncio.timeout(60):
            message = await answer
        outcome = message.get("result")
        refusal = error_text(message)
        if refusal is None and isinstance(outcome, list) and outcome[:1] == [False]:
            refusal = str(outcome[1])
        if refusal is None and outcome:
            self.accepted += 1
            return True
        self.refusals.append(refusal or "refused")
        return False

    async def shares(self, count: int) -> None:
        """So many that count; one that came too late for its job is sent again for the next."""
        for _ in range(count):
            while not await self.share():
                assert (
                    "not found" in self.refusals[-1]
                    or "stale" in self.refusals[-1].lower()
                    or ("expired" in self.refusals[-1])
                ), self.refusals[-1]
                await asyncio.sleep(0.005)

    async def hang_up(self) -> None:
        """End the connection."""
        self._reading.cancel()
        self._writer.close()
        await asyncio.gather(self._reading, return_exceptions=True)
        with suppress(OSError):
            await self._writer.wait_closed()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that comes by itself."""
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


async def beside(work: Callable[[], Any]) -> Any:
    """Make a blocking call while miners go on."""
    return await asyncio.get_running_loop().run_in_executor(None, work)
