"""Targets, seeds and framing: pure functions, held by known answers and properties."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsim.stratum.dialects.monero import claimed_difficulty, expand_target, target_hex
from upsim.stratum.keccak import keccak_256, seed_hash
from upsim.stratum.peer import error_text
from upsim.stratum.targets import hashes_for, hashrate, network_target
from upsim.stratum.wire import LineBuffer, LineTooLong, NotStratum, decode, encode, excerpt

SEEDS = {
    1: "290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563",
    2: "510e4e770828ddbf7f7b00ab00a9f6adaf81c0dc9cc85f1f8249c256942d61d9",
    3: "356e5a2cc1eba076e650ac7473fccc37952b46bc2e419a200cec0c451dce2336",
    50: "abad8f99f3918bf903c6a909d9bbc0fdfa5a2f4b9cb1196175ec825c6610126c",
    61: "05bdd2c084d534ca95b954a616e56c8a126ba4a1e77257bf1c3ce22d8ccc5769",
}


@pytest.mark.parametrize(("epoch", "seed"), SEEDS.items())
def test_seeds_of_epochs_are_the_chains_own(epoch: int, seed: str) -> None:
    assert seed_hash(epoch).hex() == seed


def test_keccak_is_the_original_one() -> None:
    assert keccak_256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak_256(b"a" * 136) != keccak_256(b"a" * 135)


@pytest.mark.parametrize(("difficulty", "target"), [(10_000, "b88d0600"), (5_000, "711b0d00")])
def test_monero_targets_are_those_pools_send(difficulty: int, target: str) -> None:
    assert target_hex(difficulty) == target
    assert ((1 << 64) - 1) / expand_target(target) == pytest.approx(difficulty, rel=1e-3)


def test_the_documented_monero_share_shows_difficulty_38409() -> None:
    result = "e1364b8782719d7683e2ccd3d8f724bc59dfa780a9e960e7c0e0046acdb40100"
    assert int(claimed_difficulty(result)) == 38_409


@pytest.mark.parametrize("text", ["", "00000000", "b88d06", "b88d0600b8", "zz"])
def test_what_is_no_monero_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"target|hexadecimal"):
        expand_target(text)


@pytest.mark.parametrize(
    ("work", "constant", "seconds", "rate"),
    [
        pytest.param(1.0, 2.0**32, 1.0, 4.294967296e9, id="sha256: difficulty 1 each second"),
        pytest.param(65_536.0, 2.0**32, 2.814749767, 1e14, id="sha256: 100 TH/s at 65536"),
        pytest.param(1.0, 2.0**16, 1.0, 65_536.0, id="scrypt"),
    ],
)
def test_work_turns_into_hashrate(work: float, constant: float, seconds: float, rate: float) -> None:
    assert hashrate(work, constant, seconds) == pytest.approx(rate, rel=1e-6)


def test_no_time_is_no_hashrate() -> None:
    with pytest.raises(ValueError, match="seconds"):
        hashrate(1.0, 1.0, 0.0)


def test_expected_hashes_follow_from_a_target() -> None:
    assert hashes_for((1 << 256) - 1) == 1.0
    assert hashes_for((1 << 224) - 1) == 2.0**32
    assert network_target(0x1D00FFFF) == 0xFFFF << 208


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=12), st.data())
def test_lines_are_the_same_however_the_bytes_were_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + data.draw(st.sampled_from([b"\n", b"\r\n"])) for line in lines)
    whole = LineBuffer().feed(stream)
    single, cut = LineBuffer(), LineBuffer()
    assert [line for byte in stream for line in single.feed(bytes([byte]))] == whole
    at, pieces = 0, []
    while at < len(stream):
        step = data.draw(st.integers(1, 30))
        pieces += cut.feed(stream[at : at + step])
        at += step
    assert pieces == whole
    assert whole == [line.strip() for line in lines if line.strip()]


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_a_line_past_the_limit_is_an_error_with_and_without_an_end(ending: bytes) -> None:
    buffer = LineBuffer(limit=100)
    assert buffer.feed(b"a" * 100 + b"\n") == [b"a" * 100]
    with pytest.raises(LineTooLong):
        buffer.feed(b"a" * 101 + ending)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=8), _JSON, max_size=5))
def test_what_is_written_is_read_back(message: dict[str, object]) -> None:
    line = encode(message)  # type: ignore[arg-type] # hypothesis does not know our alias
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"null", b"1", b'"x"', b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 60_000, b'{"a":' * 9_000, b"9" * 9_000],
    ids=range(11),
)
def test_what_is_no_object_is_refused_with_an_excerpt(line: bytes) -> None:
    with pytest.raises(NotStratum) as problem:
        decode(line)
    assert len(str(problem.value)) < 400
    assert str(problem.value).isprintable()


def test_an_excerpt_shows_bytes_that_cannot_be_printed() -> None:
    assert excerpt(b"\x00\xffhello\r\n") == '"\\x00\\xffhello\\r\\n"'
    assert excerpt(b"a" * 100).endswith('…"')


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ('{"result":true,"error":null}', None),
        ('{"result":null,"error":[24,"Unauthorized worker",null]}', "Unauthorized worker"),
        ('{"result":false,"error":[21,"job not found"]}', "job not found"),
        ('{"result":null,"error":{"code":24,"message":"unauthorized worker","data":null}}', "unauthorized worker"),
        ('{"error":"Stale"}', "Stale"),
        ('{"error":["21","Stale share."]}', "Stale share."),
        ('{"reject-reason":"Above target","result":false,"error":null,"id":8}', "Above target"),
        ('{"error":[40,"unfit, ignore"],"id":4,"result":null}', "unfit, ignore"),
        ('{"error":[20,"Rejected","the detail"]}', "Rejected: the detail"),
        ('{"error":[]}', "an error without a text"),
        ('{"error":{}}', "an error without a text"),
        ('{"error":[[[]]]}', "an error without a text"),
        ('{"error":7}', "error 7"),
        ('{"error":{"code":-1}}', "error -1"),
    ],
)
def test_refusals_are_read_in_every_shape_pools_use(reply: str, text: str | None) -> None:
    assert error_text(json.loads(reply)) == text
