"""The relay without sockets: what a miner's lines become at a pool, and the pool's at the miner."""

from __future__ import annotations

import contextlib
import json
import random
from itertools import count
from typing import Any

import pytest

from tests.stratum.conftest import NOON
from upsim.algorithms import ALGORITHMS
from upsim.proxy.relay import Act, Counted, HangUp, LoginAsked, Relay, ToMiner, ToPool, Unusable
from upsim.proxy.upstream import Answered, Heard, Offered, Opened, Refused, Send, Told, Upstream, tongues
from upsim.stratum.dialects import speech_of
from upsim.stratum.peer import Credentials
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.wire import NotStratum, RejectCode

HELLO = '{"id":1,"method":"mining.subscribe","params":["a miner"]}'
LOGIN = '{"id":2,"method":"mining.authorize","params":["vip.rig","x"]}'


class Bench:
    """A miner's relay, and a pool it can be put on."""

    def __init__(self, algorithm: str = "sha256") -> None:
        self.algorithm = ALGORITHMS[algorithm]
        self.relay = Relay(self.algorithm, 1, count(1))
        self.pool = SimulatedPool(self.algorithm, 1, work_limit=1e-9)
        self.seat = self.pool.join()
        self.counted: list[Counted] = []
        self.to_pool: list[dict[str, Any]] = []
        self.heard: list[Heard] = []
        self.hung_up = False

    def say(self, line: str) -> list[dict[str, Any]]:
        """The miner says something; what it hears, the pool's answer included."""
        return self._do(self.relay.from_miner(line.encode()))

    def _do(self, acts: list[Act]) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        for act in acts:
            match act:
                case ToMiner(line):
                    said.append(json.loads(line))
                case ToPool(upstream, line):
                    self.to_pool.append(json.loads(line))
                    for answer in self.pool.receive(self.seat, line, NOON).lines:
                        said += self.pool_says(upstream, answer)
                case LoginAsked(login):
                    said += self._do(self.relay.grant(login))
                case Counted():
                    self.counted.append(act)
                    said += [json.loads(line) for line in act.reply.splitlines()]
                case HangUp():
                    self.hung_up = True
        return said

    def pool_says(self, upstream: Upstream, line: bytes) -> list[dict[str, Any]]:
        """A line of the pool; what the miner hears of it."""
        said = []
        for event in upstream.receive(line):
            self.heard.append(event)
            if isinstance(event, Offered | Answered | Told):
                said += self._do(self.relay.heard(upstream, event))
        return said

    def open(self, **wishes: Any) -> Upstream:
        """A conversation with the pool that was opened."""
        session = self.relay.session
        assert session is not None
        speaks = tongues(self.algorithm, session)[0]
        upstream = Upstream(self.algorithm, speaks, Credentials("wallet", "x"), **wishes)
        waiting = [upstream.begin()]
        while waiting:
            for answer in self.pool.receive(self.seat, waiting.pop(0).strip(), NOON).lines:
                for event in upstream.receive(answer):
                    if isinstance(event, Send):
                        waiting.append(event.line)
        assert upstream.opened
        return upstream

    def follow(self, upstream: Upstream) -> list[dict[str, Any]]:
        """Put the miner on it; what it hears."""
        return self._do(self.relay.follow(upstream))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def seated(bench: Bench, **wishes: Any) -> list[dict[str, Any]]:
    """A V1 miner that logged in and is on a pool; its first job's lines."""
    bench.say(HELLO)
    bench.say(LOGIN)
    return bench.follow(bench.open(**wishes))


def submit(bench: Bench, job: str, *more: str) -> dict[str, Any]:
    params = ["vip.rig", job, "00000001", "695ba87c", "00000000", *more]
    answers = bench.say(json.dumps({"id": 9, "method": "mining.submit", "params": params}))
    return next(one for one in answers if one.get("id") == 9)


def test_a_v1_miner_gets_the_pools_job_with_the_pools_extranonce_in_it(bench: Bench) -> None:
    subscription = bench.say(HELLO)[0]
    assert subscription["result"][1:] == ["", 4]
    assert bench.say(LOGIN) == [{"id": 2, "result": True, "error": None}]
    upstream = bench.open()
    difficulty, job = bench.follow(upstream)
    assert difficulty["method"] == "mining.set_difficulty"
    assert job["params"][0] == "1"  # the door's own id
    assert job["params"][8] is True
    assert upstream.work is not None
    assert job["params"][2] == f"{upstream.work.fields[2]}{upstream.miner.extranonce1}"


def test_a_share_goes_to_the_pool_under_the_pools_names_and_counts_when_it_says_so(bench: Bench) -> None:
    _, job = seated(bench)
    answer = submit(bench, job["params"][0])
    assert bench.to_pool[-1]["params"][0] == "wallet"
    if answer["error"] is not None:  # the pool looks at the time of a share, too
        assert answer["error"][0] == 20
    assert len(bench.counted) == 1
    assert (bench.counted[0].code is None) == (answer["error"] is None)


def test_shares_the_pool_never_hears_of(bench: Bench) -> None:
    _, job = seated(bench)
    known = job["params"][0]
    wrong = [
        ([*"abcde"], 24),
        (["vip.rig", "nope", "00000001", "695ba87c", "00000000"], 21),
        (["vip.rig", known], 20),
    ]
    for params, code in wrong:
        answer = bench.say(json.dumps({"id": 9, "method": "mining.submit", "params": params}))[0]
        assert answer["error"][0] == code
    assert bench.to_pool == []
    assert [int(one.code or 0) for one in bench.counted] == [24, 21, 20]


def test_what_comes_before_a_hello_or_a_login(bench: Bench) -> None:
    answer = bench.say('{"id":7,"method":"mining.submit","params":["a","b","c","d","e"]}')[0]
    assert answer["error"][0] == 25
    bench.say(LOGIN)
    lines = bench.follow(bench.open())
    assert lines == []  # it has not subscribed
    first = bench.say(HELLO)
    assert [line.get("method", "reply") for line in first] == ["reply", "mining.set_difficulty", "mining.notify"]


def test_one_connection_is_one_worker(bench: Bench) -> None:
    seated(bench)
    again = bench.say(LOGIN)
    assert again[0]["result"] is True
    other = bench.say('{"id":5,"method":"mining.authorize","params":["vip.other","x"]}')[0]
    assert other["error"][0] == 24
    assert "open another one" in other["error"][1]


def test_version_bits_that_a_pool_does_not_grant_are_taken_back() -> None:
    bench = Bench()
    asked = {
        "id": 0,
        "method": "mining.configure",
        "params": [["version-rolling"], {"version-rolling.mask": "1fffe000"}],
    }
    assert bench.say(json.dumps(asked))[0]["result"]["version-rolling"] is True
    without = seated(bench)
    assert without[0] == {"id": None, "method": "mining.set_version_mask", "params": ["00000000"]}
    submit(bench, without[-1]["params"][0], "00000000")
    assert len(bench.to_pool[-1]["params"]) == 5
    bench.seat = bench.pool.join()
    granted = bench.follow(bench.open(mask=0x1FFFE000))
    assert granted[0]["params"] == ["1fffe000"]
    submit(bench, granted[-1]["params"][0], "00002000")
    assert bench.to_pool[-1]["params"][5] == "00002000"


def pool_with(extranonce2_bytes: int) -> tuple[Bench, Upstream]:
    bench = Bench()
    bench.say(HELLO)
    bench.say(LOGIN)
    upstream = bench.open()
    upstream.miner.extranonce2_bytes = extranonce2_bytes
    return bench, upstream


def test_a_pool_that_leaves_more_room_gets_zeros_first() -> None:
    bench, upstream = pool_with(8)
    _, job = bench.follow(upstream)
    assert job["params"][2].endswith(upstream.miner.extranonce1 + "00000000")
    submit(bench, job["params"][0])
    assert bench.to_pool[-1]["params"][2] == "0000000000000001"


def test_a_pool_that_leaves_too_little_room_cannot_be_used() -> None:
    bench, upstream = pool_with(2)
    assert [type(act) for act in bench.relay.follow(upstream)] == [Unusable]


def test_a_wish_for_a_difficulty_goes_on_to_the_pool(bench: Bench) -> None:
    seated(bench)
    answers = bench.say('{"id":4,"method":"mining.suggest_difficulty","params":[1024]}')
    assert bench.to_pool[-1]["method"] == "mining.suggest_difficulty"
    assert {"id": None, "method": "mining.set_difficulty", "params": [1024]} in answers
    assert answers[-1]["method"] == "mining.notify"
    again = Bench()
    again.say('{"id":4,"method":"mining.suggest_difficulty","params":[512]}')
    assert again.relay.wish == 512


def test_what_a_pool_tells_people_is_told_and_what_it_asks_is_answered(bench: Bench) -> None:
    seated(bench)
    upstream = bench.relay.upstream
    assert upstream is not None
    shown = bench.pool_says(upstream, b'{"id":null,"method":"client.show_message","params":["hello"]}')
    assert shown == [{"id": None, "method": "client.show_message", "params": ["hello"]}]
    [asked] = upstream.receive(b'{"id":8,"method":"client.get_version","params":[]}')
    assert isinstance(asked, Send)
    assert json.loads(asked.line)["id"] == 8
    [moved] = upstream.receive(b'{"id":null,"method":"client.reconnect","params":["evil.example",1,0]}')
    assert isinstance(moved, Told)
    assert "the door stays" in moved.text


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ('"error":[21,"Job not found",null],"result":null', RejectCode.STALE),
        ('"error":[22,"Duplicate share",null],"result":null', RejectCode.DUPLICATE),
        ('"error":{"code":-1,"message":"Block expired"},"result":null', RejectCode.STALE),
        ('"error":{"code":-1,"message":"Low difficulty share"}', RejectCode.LOW_DIFFICULTY),
        ('"error":null,"result":[false,"Problem already solved with nonce 0x1"]', RejectCode.DUPLICATE),
        ('"error":null,"result":false', RejectCode.OTHER),
        ('"error":"Stale share","result":null', RejectCode.STALE),
        ('"error":null,"result":true', None),
        ('"error":null,"result":{"status":"OK"}', None),
    ],
)
def test_every_shape_of_an_answer_to_a_share_is_understood(reply: str, code: RejectCode | None) -> None:
    bench = Bench()
    seated(bench)
    upstream = bench.relay.upstream
    assert upstream is not None
    number = upstream.next_number()
    [answer] = upstream.receive(f'{{"id":{number},{reply}}}'.encode())
    assert isinstance(answer, Answered)
    assert answer.code is code


def test_a_pool_that_refuses_the_login_says_at_which_stage() -> None:
    upstream = Upstream(ALGORITHMS["sha256"], speech_of(ALGORITHMS["sha256"]).miners[0], Credentials("w", "x"))
    upstream.begin()
    upstream.receive(b'{"id":1,"result":[[],"08000002",4],"error":null}')
    assert upstream.receive(b'{"id":2,"result":false,"error":null}') == [
        Refused("authorization", "refused without a reason")
    ]


def test_opened_comes_once() -> None:
    upstream = Upstream(ALGORITHMS["sha256"], speech_of(ALGORITHMS["sha256"]).miners[0], Credentials("w", "x"))
    upstream.begin()
    assert isinstance(upstream.receive(b'{"id":1,"result":[[],"08000002",4],"error":null}')[0], Send)
    assert upstream.receive(b'{"id":2,"result":true,"error":null}') == [Opened()]
    assert upstream.receive(b'{"id":2,"result":true,"error":null}') == []


def test_what_is_no_stratum_ends_the_conversation(bench: Bench) -> None:
    assert "Not a JSON object" in str(bench.say("GET / HTTP/1.1"))
    assert bench.hung_up


METHODS: tuple[Any, ...] = (
    "mining.subscribe", "mining.authorize", "mining.submit", "mining.configure", "mining.suggest_difficulty", "login",
    "submit", "getjob", "eth_submitLogin", "eth_getWork", "eth_submitWork", "mining.notify", "mining.set_difficulty",
    "mining.set_target", "mining.set_extranonce", "mining.set_version_mask", "job", "client.show_message", None, 7, [],
)  # fmt: skip


def anything(chance: random.Random, depth: int = 0) -> Any:
    """Some JSON, wild or nearly right."""
    plain: list[Any] = [
        None, True, False, 0, -1, 1, 2, 11, 2**64, 1e300, "", "1", "vip.rig", "00000001", "0x" + "ab" * 32, "ff" * 32,
        "\u0000", "ä" * 5, "1e9", "fd4005" + "00" * 1344,
    ]  # fmt: skip
    if depth > 2 or chance.random() < 0.6:
        return chance.choice(plain)
    if chance.random() < 0.6:
        return [anything(chance, depth + 1) for _ in range(chance.randrange(11))]
    names = chance.sample(["id", "job_id", "nonce", "result", "login", "blob", "target", "version-rolling.mask"], 3)
    return {name: anything(chance, depth + 1) for name in names}


def message(chance: random.Random) -> str:
    """A line that looks like Stratum from afar."""
    parts: dict[str, Any] = {"id": anything(chance, 3), "method": chance.choice(METHODS), "params": anything(chance)}
    if chance.random() < 0.4:
        parts = {"id": chance.choice([1, 2, 3, 11, 12]), "result": anything(chance), "error": anything(chance, 2)}
    return json.dumps({name: part for name, part in parts.items() if chance.random() < 0.95})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_neither_side_can_break_a_relay(algorithm: str) -> None:
    for seed in range(20):
        chance = random.Random(f"{algorithm} {seed}")
        bench = Bench(algorithm)
        monero = '{"id":1,"method":"login","params":{"login":"vip.rig"}}'
        bench.say(monero if algorithm == "randomx" else HELLO)
        if algorithm != "randomx":
            bench.say(LOGIN)
        upstream = bench.open()
        bench.follow(upstream)
        for _ in range(30):
            bench.say(message(chance))
            with contextlib.suppress(NotStratum):
                bench.pool_says(upstream, message(chance).encode())
        bench.follow(bench.relay.upstream or upstream)
        assert not bench.hung_up
