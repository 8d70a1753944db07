"""Known answers: real blocks and shares, recomputed byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from upsim.algorithms import ALGORITHMS
from upsim.stratum import proof
from upsim.stratum.dialects.bitcoin import BitcoinJob, BitcoinSession, as_job, block_header
from upsim.stratum.events import Login, Submission, Verdict
from upsim.stratum.targets import D1, EQUIHASH_D1, SCRYPT_D1, difficulty_of, network_target, target_for
from upsim.stratum.wire import RejectCode, as_request

from .test_conversations import read

VECTORS = read("vectors.json")
JOBS = [pytest.param(entry, id=entry["name"]) for entry in VECTORS["jobs"]]
MASKED = 0x1FFFE000


def session_at(vector: dict[str, Any], difficulty: float, **settings: Any) -> BitcoinSession:
    """A session that was offered a vector's job, as the vector's miner was."""
    session = BitcoinSession(ALGORITHMS[vector["algo"]], 0, difficulty, **settings)
    session.extranonce1 = vector["extranonce1"]
    session.extranonce2_bytes = len(vector["submit"][2]) // 2
    session.mask = int(vector.get("version_mask", "0"), 16)
    session.subscribed = True
    session.grant(Login(1, vector["submit"][0], "x"), as_job(vector["notify"]))
    return session


def judged(session: BitcoinSession, params: list[str]) -> Verdict:
    """What becomes of mining.submit with these parameters, at the job's own time."""
    request = as_request({"id": 4, "method": "mining.submit", "params": list(params)})
    assert request is not None
    (submission,) = session.handle(request)
    assert isinstance(submission, Submission)
    return session.judge(submission, int(params[3], 16) if len(params[3]) == 8 else 0)


def changed(params: list[str], position: int, value: str) -> list[str]:
    return [*params[:position], value, *params[position + 1 :]]


@pytest.mark.parametrize("vector", JOBS)
def test_coinbase_merkle_root_and_header_are_those_of_the_block(vector: dict[str, Any]) -> None:
    job = as_job(vector["notify"])
    submit = vector["submit"]
    coinbase = bytes.fromhex(job.coinb1 + vector["extranonce1"] + submit[2] + job.coinb2)
    assert proof.sha256d(coinbase).hex() == vector["coinbase_hash"]
    assert proof.merkle_root(coinbase, map(bytes.fromhex, job.merkle_branch)).hex() == vector["merkle_root"]
    bits = submit[5] if len(submit) > 5 else ""
    header = block_header(job, vector["extranonce1"], submit[2], submit[3], submit[4], bits, MASKED)
    assert header.hex() == vector["header"]
    assert proof.HASHES[vector["algo"]](header)[::-1].hex() == vector["hash"]


@pytest.mark.parametrize("vector", JOBS)
def test_a_recorded_share_is_accepted_up_to_the_difficulty_it_shows(vector: dict[str, Any]) -> None:
    shown = vector["share_difficulty"]
    for difficulty in (1.0, shown / 2, shown):
        verdict = judged(session_at(vector, difficulty), vector["submit"])
        assert verdict.accepted
        assert verdict.difficulty == difficulty
        assert verdict.achieved == pytest.approx(shown, rel=1e-6)
    for difficulty in (shown * 1.02, shown * 1000):
        assert judged(session_at(vector, difficulty), vector["submit"]).code is RejectCode.LOW_DIFFICULTY


@pytest.mark.parametrize(("difficulty", "accepted"), [(1, True), (2, True), (7.88, True), (8, False)])
def test_the_worked_example_passes_at_7_88_and_fails_at_8(difficulty: float, accepted: bool) -> None:
    """7.8858 / 8 is 0.986, below the 0.99 pools forgive."""
    vector = VECTORS["jobs"][0]
    assert judged(session_at(vector, float(difficulty)), vector["submit"]).accepted is accepted


@pytest.mark.parametrize("vector", JOBS)
def test_a_share_that_meets_the_networks_target_is_a_block(vector: dict[str, Any]) -> None:
    is_block = judged(session_at(vector, 1.0), vector["submit"]).is_block
    assert is_block is (vector["name"][0] in "ABD")


def test_each_kind_of_bad_share_has_its_own_code() -> None:
    vector = VECTORS["jobs"][0]
    good = vector["submit"]
    session = session_at(vector, 1.0)
    assert judged(session, good).accepted
    assert judged(session, good).code is RejectCode.DUPLICATE
    assert judged(session, changed(good, 4, "B2957C02")).code is RejectCode.DUPLICATE
    assert judged(session, changed(good, 1, "c0")).code is RejectCode.STALE
    assert judged(session, changed(good, 0, "somebody.else")).code is RejectCode.UNAUTHORIZED
    assert judged(session, changed(good, 2, "0001")).code is RejectCode.OTHER
    assert judged(session, changed(good, 3, "504e86b8")).text == "ntime out of range"
    assert judged(session, changed(good, 4, "b2957c0")).text == "incorrect size of nonce"
    assert judged(session, changed(good, 4, "b2957c0g")).text == "nonce is not hex"
    assert judged(session, [*good[:4], ""]).code is RejectCode.OTHER
    session.subscribed = False
    assert judged(session, good).code is RejectCode.NOT_SUBSCRIBED


@pytest.mark.parametrize("position", range(8))
def test_any_changed_digit_of_the_nonce_is_low_difficulty(position: int) -> None:
    vector = VECTORS["jobs"][0]
    nonce = vector["submit"][4]
    other = nonce[:position] + f"{int(nonce[position], 16) ^ 1:x}" + nonce[position + 1 :]
    verdict = judged(session_at(vector, 1.0), changed(vector["submit"], 4, other))
    assert verdict.code is RejectCode.LOW_DIFFICULTY


def test_a_time_more_than_two_hours_ahead_is_refused() -> None:
    vector = VECTORS["jobs"][0]
    ahead = f"{int(vector['submit'][3], 16) + 7201:08x}"
    session = session_at(vector, 1.0)
    request = as_request({"id": 4, "method": "mining.submit", "params": [*changed(vector["submit"], 3, ahead)]})
    assert request is not None
    (submission,) = session.handle(request)
    assert isinstance(submission, Submission)
    assert session.judge(submission, int(vector["submit"][3], 16)).text == "ntime out of range"


def test_version_bits_count_only_where_they_were_granted() -> None:
    vector = VECTORS["jobs"][2]
    assert judged(session_at(vector, 512.0), vector["submit"]).accepted
    assert judged(session_at(vector, 512.0), vector["submit"][:5]).code is RejectCode.LOW_DIFFICULTY
    assert judged(session_at({**vector, "version_mask": "00000000"}, 512.0), vector["submit"]).text == (
        "rolling-version mask violation"
    )


@pytest.mark.parametrize("vector", [pytest.param(entry, id=entry["name"]) for entry in VECTORS["headers"]])
def test_headers_hash_to_what_their_chains_have(vector: dict[str, Any]) -> None:
    assert proof.HASHES[vector["algo"]](bytes.fromhex(vector["header"]))[::-1].hex() == vector["hash"]


def test_the_equihash_target_rule_hashes_header_and_solution() -> None:
    vector = VECTORS["equihash"]
    digest = proof.sha256d(bytes.fromhex(vector["header_and_solution"]))
    assert digest[::-1].hex() == vector["hash"]
    assert int.from_bytes(digest, "little") <= network_target(0x200F0F0F)


def test_the_coinbase_of_block_170_is_the_transaction_everybody_knows() -> None:
    assert bytes.fromhex(VECTORS["jobs"][1]["coinbase_hash"])[::-1].hex() == (
        "b1fea52486ce0c62bb442b530a3f0132b826c74e473d1f2c220bfa78111c5082"
    )


@pytest.mark.parametrize("one", [D1, SCRYPT_D1, EQUIHASH_D1])
@pytest.mark.parametrize("difficulty", [1e-9, 0.5, 1.0, 7.88, 65_536.0, 1e12])
def test_difficulty_and_target_convert_both_ways(one: int, difficulty: float) -> None:
    target = target_for(difficulty, one)
    if target < (1 << 256) - 1:
        assert difficulty_of(target, one) == pytest.approx(difficulty, rel=1e-9)
    else:
        assert difficulty_of(target, one) >= difficulty


def test_a_pool_that_asks_for_little_work_still_credits_the_assigned_difficulty() -> None:
    vector = VECTORS["jobs"][0]
    verdict = judged(session_at(vector, 1e6, work_limit=4.0), vector["submit"])
    assert verdict.accepted
    assert verdict.difficulty == 1e6


def test_simulated_jobs_carry_a_coinbase_that_parses(desk: Callable[..., Any]) -> None:
    pool = desk("sha256")
    pool.ask(1, "mining.subscribe", ["x"])
    params = pool.ask(2, "mining.authorize", ["u", "x"])[-1]["params"]
    job = as_job(params)
    assert isinstance(job, BitcoinJob)
    raw = bytes.fromhex(job.coinb1 + "08000000" + "00000001" + job.coinb2)
    assert raw[:4] == b"\x01\x00\x00\x00"
    assert raw[4:37] == b"\x01" + bytes(32)
    script = raw[42 : 42 + raw[41]]
    height = int.from_bytes(script[1 : 1 + script[0]], "little")
    assert height >= 458_890
    after = raw[42 + raw[41] :]
    assert after[:5] == b"\xff\xff\xff\xff\x01"
    payee = after[14 : 14 + after[13]]
    assert payee[:3] == b"\x76\xa9\x14"
    assert after[14 + after[13] :] == bytes(4)
