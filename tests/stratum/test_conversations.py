"""Recorded conversations: what clients are known to send is answered the way pools are known to answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from upsim.algorithms import ALGORITHMS
from upsim.stratum.dialects.monero import MoneroSession
from upsim.stratum.pool import SimulatedPool

from .conftest import Desk

PATTERNS = {
    "~any": r"(?s).*",
    "~hex": r"([0-9a-f]{2})+|[0-9a-f]+",
    "~decimal": r"[1-9][0-9]*",
    "~0xhex": r"0x[0-9a-f]+",
    "~stale": r"Solution for a stale job!.*",
    "~uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}


def read(name: str) -> Any:
    return json.loads(resources.files("upsim_fixtures").joinpath("stratum", name).read_text())


def fits(pattern: Any, value: Any) -> bool:
    """Whether a value is what a recorded answer allows. Types count: true is not 1."""
    if pattern == "~int":
        return type(value) is int
    if pattern == "~number":
        return type(value) in (int, float)
    if isinstance(pattern, str) and pattern.startswith("~"):
        digits = re.fullmatch(r"~(0x)?hex(\d+)", pattern)
        form = f"{digits[1] or ''}[0-9a-f]{{{digits[2]}}}" if digits else PATTERNS[pattern]
        return isinstance(value, str) and re.fullmatch(form, value) is not None
    if isinstance(pattern, dict):
        return (
            isinstance(value, dict)
            and pattern.keys() == value.keys()
            and all(fits(part, value[key]) for key, part in pattern.items())
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and len(pattern) == len(value) and all(map(fits, pattern, value))
    return type(pattern) is type(value) and bool(pattern == value)


class Player:
    """Plays a client's part, filling in what it learned from the pool."""

    def __init__(self, algorithm: str) -> None:
        self.desk = Desk(SimulatedPool(ALGORITHMS[algorithm], 1))
        self.fields: list[Any] = []
        self.job = ""

    def send(self, line: str) -> list[dict[str, Any]]:
        answers = self.desk.send(self._filled(line))
        for answer in answers:
            self._learn(answer)
        return answers

    def _filled(self, line: str) -> str:
        session = self.desk.seat.session
        for at, field in enumerate(self.fields):
            line = line.replace(f"{{{at}}}", str(field))
        if session is not None:
            line = line.replace("{xn1}", session.extranonce1)
        if isinstance(session, MoneroSession):
            line = line.replace("{session}", session.mark).replace("{job}", self.job)
        return line

    def _learn(self, answer: dict[str, Any]) -> None:
        result = answer.get("result")
        if answer.get("method") == "mining.notify":
            self.fields = answer["params"]
        elif isinstance(result, list) and result and str(result[0]).startswith("0x"):
            self.fields = result
        elif isinstance(result, dict) and "job" in result:
            self.job = result["job"]["job_id"]


CONVERSATIONS = read("conversations.json")["conversations"]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=[entry["name"] for entry in CONVERSATIONS])
def test_a_recorded_conversation_is_answered_as_it_was(conversation: dict[str, Any]) -> None:
    player = Player(conversation["algorithm"])
    heard: list[dict[str, Any]] = []
    for who, what in conversation["steps"]:
        if who == "C":
            assert heard == [], f"said too much before {what}"
            heard = player.send(what)
        else:
            assert heard, f"nothing said where this was expected: {what}"
            answer = heard.pop(0)
            assert fits(what, answer), f"{answer} does not fit {what}"
    assert heard == []


def test_every_algorithm_has_a_recorded_conversation() -> None:
    talked = {entry["algorithm"] for entry in CONVERSATIONS}
    # The three of V1 differ in the hash alone, which the vectors hold.
    assert talked >= set(ALGORITHMS) - {"scrypt", "sha512256d"}


CLIENTS = [
    pytest.param(entry["lines"], algorithm, id=f"{entry['client']}-{algorithm}")
    for entry in read("first_lines.json")["clients"]
    for algorithm in entry["algorithms"]
]


@pytest.mark.parametrize(("lines", "algorithm"), CLIENTS)
def test_first_lines_of_known_miners_are_accepted(lines: list[str], algorithm: str, desk: Callable[..., Desk]) -> None:
    """Each request is answered without an error, in its own id; a request with id null gets no answer."""
    pool = desk(algorithm)
    jobs = 0
    for line in lines:
        asked = json.loads(line)
        answers = pool.send(line)
        replies = [answer for answer in answers if "method" not in answer]
        if asked["id"] is None:
            assert replies == []
        else:
            assert [(type(reply["id"]), reply["id"]) for reply in replies] == [(type(asked["id"]), asked["id"])]
            assert replies[0]["error"] is None
            assert replies[0]["result"] is not False
        jobs += sum(answer.get("method") == "mining.notify" or _brings_work(answer) for answer in answers)
    assert not pool.closed
    asks_for_work = [line for line in lines if "authorize" in line or "cfx:" in line or "login" in line]
    if asks_for_work and "stratum-ping" not in lines[0] and "eth_submitLogin" not in lines[-1]:
        assert jobs >= 1


def _brings_work(answer: dict[str, Any]) -> bool:
    result = answer.get("result")
    if isinstance(result, dict):
        return "job" in result
    return isinstance(result, list) and str(result[:1]).startswith("['0x")


def test_the_reply_to_the_hello_is_the_first_line_even_after_early_wishes(desk: Callable[..., Desk]) -> None:
    """cpuminer and bfgminer take whatever comes first for it."""
    pool = desk("sha256")
    assert pool.ask(None, "mining.suggest_target", ["00000000ffff" + "0" * 52]) == []
    assert pool.ask(None, "mining.capabilities", [{"notify": []}]) == []
    assert pool.ask(0, "mining.subscribe", ["bfgminer/5.5.0"])[0]["id"] == 0


def test_pipelined_lines_are_answered_in_order(desk: Callable[..., Desk]) -> None:
    pool = desk("sha256")
    answers = pool.ask(1, "mining.configure", [["version-rolling"], {}])
    answers += pool.ask(2, "mining.subscribe", ["bitaxe"]) + pool.ask(3, "mining.authorize", ["u", "x"])
    assert [answer["id"] for answer in answers if "method" not in answer] == [1, 2, 3]


def test_a_wish_for_a_difficulty_is_followed_by_a_new_job_at_that_difficulty(desk: Callable[..., Desk]) -> None:
    pool = desk("sha256")
    pool.ask(1, "mining.subscribe", ["x"])
    first = pool.ask(2, "mining.authorize", ["u", "x"])[-1]["params"][0]
    said = pool.ask(3, "mining.suggest_difficulty", [1000])
    assert said[0] == {"id": 3, "result": True, "error": None}
    assert said[1]["params"] == [1000]
    assert said[2]["method"] == "mining.notify"
    assert said[2]["params"][0] != first


@pytest.mark.parametrize(
    ("algorithm", "login", "password", "difficulty"),
    [
        ("sha256", "w", "d=512", 512.0),
        ("sha256", "w", "x,d=0.5", 0.5),
        ("sha256", "w", "x", 65_536.0),
        ("randomx", "wallet+20000", "x", 20_000.0),
    ],
)
def test_a_login_can_ask_for_a_fixed_difficulty(
    algorithm: str, login: str, password: str, difficulty: float, desk: Callable[..., Desk]
) -> None:
    pool = desk(algorithm)
    if algorithm == "randomx":
        pool.ask(1, "login", {"login": login, "pass": password})
    else:
        pool.ask(1, "mining.subscribe", ["x"])
        pool.ask(2, "mining.authorize", [login, password])
    assert pool.seat.session is not None
    assert pool.seat.session.difficulty == difficulty
