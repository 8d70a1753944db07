"""Sessions under every kind of input: cut anywhere, mutated, hostile. They answer or hang up, and never more."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsim.algorithms import ALGORITHMS
from upsim.stratum.dialects import speech_of
from upsim.stratum.peer import Credentials, Unexpected, error_text
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.recognise import dialect_of_job
from upsim.stratum.session import MAX_JOBS, MAX_LOGINS, Duplicates
from upsim.stratum.wire import LineBuffer, LineTooLong, NotStratum, decode

from .conftest import NOON, Desk
from .test_conversations import CONVERSATIONS, read

MUTATIONS = int(os.environ.get("UPSIM_TEST_MUTATIONS", "50000"))
"""How many mutated lines are tried: a million takes a few minutes."""
SPOKEN = {
    algorithm: [
        *(
            step[1]
            for entry in CONVERSATIONS
            if entry["algorithm"] == algorithm
            for step in entry["steps"]
            if step[0] == "C"
        ),
        *(
            line
            for entry in read("first_lines.json")["clients"]
            if algorithm in entry["algorithms"]
            for line in entry["lines"]
        ),
    ]
    for algorithm in ALGORITHMS
}
"""Everything clients of an algorithm are known to say."""


def talk(algorithm: str, pieces: list[bytes]) -> bytes:
    """What a pool answers to bytes that come in these pieces."""
    desk, buffer = Desk(SimulatedPool(ALGORITHMS[algorithm], 1)), LineBuffer()
    said = b""
    for piece in pieces:
        for line in buffer.feed(piece):
            said += b"".join(desk.raw(line))
    return said


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ALGORITHMS)), st.data())
def test_a_session_answers_the_same_however_its_lines_were_cut_and_glued(algorithm: str, data: st.DataObject) -> None:
    lines = data.draw(st.lists(st.sampled_from(SPOKEN[algorithm]), min_size=1, max_size=8))
    stream = "".join(line + "\n" for line in lines).encode()
    whole = talk(algorithm, [stream])
    assert whole
    assert talk(algorithm, [bytes([byte]) for byte in stream]) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert talk(algorithm, pieces) == whole


def mutated(line: bytes, chance: random.Random) -> bytes:
    """A line with something wrong with it."""
    match chance.randrange(7):
        case 0:
            at = chance.randrange(len(line) + 1)
            return line[:at] + bytes([chance.randrange(256)]) + line[at:]
        case 1:
            at = chance.randrange(len(line))
            return line[:at] + bytes([line[at] ^ (1 << chance.randrange(8))]) + line[at + 1 :]
        case 2:
            return line[: chance.randrange(len(line))]
        case 3:
            at, size = chance.randrange(len(line)), chance.randrange(1, 20)
            return line[:at] + line[at + size :]
        case 4:
            at = chance.randrange(len(line))
            return line[:at] + line[at : at + 30] * chance.randrange(2, 5) + line[at:]
        case 5:
            token = chance.choice([b"null", b"true", b"-1", b"1e999", b"{}", b"[]", b'""', b"9" * 40, b'"\\ud800"'])
            parts = line.split(b",")
            parts[chance.randrange(len(parts))] = token
            return b",".join(parts)
        case _:
            message = json.loads(line)
            chosen = chance.choice(["id", "method", "params"])
            message[chosen] = chance.choice(
                [None, True, 0, -1, 1.5, 10**400, 1e308, "x", [], {}, [[]], {"id": {}}, ["", None, 3], [10**400]]
            )
            return json.dumps(message).encode()


def test_mutated_lines_crash_nothing_and_leak_nothing() -> None:
    """Each answer is a whole line with a JSON object in it, and what a pool keeps does not grow with what it hears."""
    chance = random.Random(f"mutations:{MUTATIONS}")
    algorithms = sorted(ALGORITHMS)
    answered = 0
    desks = {algorithm: Desk(SimulatedPool(ALGORITHMS[algorithm], 1, work_limit=1.0)) for algorithm in algorithms}
    half_way = 0
    for number in range(MUTATIONS):
        algorithm = algorithms[number % len(algorithms)]
        desk = desks[algorithm]
        if number % 50 < len(algorithms):
            # A client that says hello properly from time to time, so that deeper doors are open.
            for line in SPOKEN[algorithm][:2]:
                desk.raw(line.encode())
        for said in desk.raw(mutated(chance.choice(SPOKEN[algorithm]).encode(), chance)):
            answered += 1
            assert said.endswith(b"\n")
            assert isinstance(json.loads(said), dict)
        if desk.closed or number % 1_000 < len(algorithms):
            desks[algorithm] = Desk(desk.pool)
        if number == MUTATIONS // 2:
            gc.collect()
            half_way = sys.getallocatedblocks()
    gc.collect()
    assert answered > MUTATIONS // 4
    # The second half may add some remembered shares and logins, all of them bounded.
    assert sys.getallocatedblocks() - half_way < 200_000


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ids_come_back_as_they_were(algorithm: str) -> None:
    for mark in (0, 7, -1, 2**63, "auth", "", 1.5):
        desk = Desk(SimulatedPool(ALGORITHMS[algorithm], 1))
        (reply,) = desk.ask(mark, "no.such.method", [])
        assert (type(reply["id"]), reply["id"]) == (type(mark), mark)
        assert reply["error"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_no_json_is_answered_once_and_hung_up_on(algorithm: str) -> None:
    desk = Desk(SimulatedPool(ALGORITHMS[algorithm], 1))
    (reply,) = desk.send("GET / HTTP/1.1")
    assert reply["error"]
    assert desk.closed


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_session_keeps_a_bounded_number_of_jobs_and_logins(algorithm: str) -> None:
    desk = Desk(SimulatedPool(ALGORITHMS[algorithm], 1))
    for line in SPOKEN[algorithm][:2]:
        desk.send(line)
    for number in range(200):
        desk.pool.retarget(desk.seat, 1.0 + number, NOON)
        desk.ask(3, "mining.authorize", [f"w{number}", "x"])
        desk.ask(3, "eth_submitLogin", [f"w{number}", "x"])
    session: Any = desk.seat.session
    assert len(session._jobs) <= MAX_JOBS
    assert len(session.logins) <= MAX_LOGINS


def test_duplicates_are_remembered_within_bounds() -> None:
    known = Duplicates(most=3)
    assert known.is_new("a", "1")
    assert not known.is_new("a", "1")
    assert known.is_new("b", "1")
    for nonce in "23":
        assert known.is_new("a", nonce)
    assert not known.is_new("b", "1")
    assert known.is_new("a", "1"), "the oldest share is forgotten first"


def test_two_sessions_never_share_an_extranonce() -> None:
    pool = SimulatedPool(ALGORITHMS["sha256"], 1)
    seen = set()
    for _ in range(1_000):
        desk = Desk(pool, pool.join())
        (reply,) = desk.ask(1, "mining.subscribe", ["x"])
        seen.add(reply["result"][1])
    assert len(seen) == 1_000


def test_a_line_that_is_too_long_ends_in_an_error_not_in_memory() -> None:
    buffer = LineBuffer()
    for _ in range(65):
        assert buffer.feed(b"A" * 1_000) == []
    with pytest.raises(LineTooLong):
        buffer.feed(b"A" * 1_000)


def heard_by_miners(algorithm: str) -> list[bytes]:
    """Everything a pool of an algorithm says in the conversations we know."""
    desk = Desk(SimulatedPool(ALGORITHMS[algorithm], 1))
    said = [line for spoken in SPOKEN[algorithm] for line in desk.raw(spoken.encode())]
    for miner in speech_of(ALGORITHMS[algorithm]).miners:
        other = Desk(SimulatedPool(ALGORITHMS[algorithm], 1))
        said += [
            line
            for ask in miner(ALGORITHMS[algorithm], Credentials("w", "x")).opening()
            for line in other.raw(ask.line)
        ]
    session: Any = desk.seat.session
    session.extranonce_subscribed = True
    said += session.tell_extranonce()
    said += session.tell_difficulty()
    return said


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_whatever_a_pool_says_the_miners_side_stands_it(algorithm: str) -> None:
    """It takes a reply or calls it unexpected; and from any job it takes, it can make a share."""
    chance = random.Random(f"pools:{algorithm}")
    lines = heard_by_miners(algorithm)
    jobs = [line for line in lines if dialect_of_job(decode(line)) is not None or b'"blob"' in line]
    kinds = speech_of(ALGORITHMS[algorithm]).miners
    works = 0
    for number in range(MUTATIONS // 25):
        miner = kinds[number % len(kinds)](ALGORITHMS[algorithm], Credentials("w", "x"))
        asks = miner.opening()
        for line in (*lines[:2], chance.choice(lines), *chance.choices(jobs, k=3)):
            try:
                message = decode(mutated(line, chance) if chance.random() < 0.6 else line)
            except NotStratum:
                continue
            error_text(message)
            dialect_of_job(message)
            for ask in asks:
                with contextlib.suppress(Unexpected):
                    miner.learn(ask, message)
            work = miner.take(message)
            if work is not None:
                works += 1
                assert work.difficulty > 0
                share = miner.submit(9, work, miner.look(work, number, 1))
                assert decode(share)["id"] == 9
    assert works > MUTATIONS // 250
