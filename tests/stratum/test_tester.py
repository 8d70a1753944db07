"""The tester against whatever may answer: it tells the truth, within its deadline and a bounded memory."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from upsim.model import PoolTarget, PoolTest, Stage
from upsim.stratum.dial import connect
from upsim.stratum.tester import PoolTester

SUBSCRIBED = b'{"id":1,"result":[[["mining.notify","1"]],"08000002",4],"error":null}\n'
QUESTION = b'{"id":5,"method":"client.get_version","params":[]}\n'
AUTHORIZED = b'{"id":2,"result":true,"error":null}\n'
JOB = (
    b'{"id":null,"method":"mining.notify","params":["1","' + b"00" * 32 + b'","00","00",[],"20000000","1d00ffff",'
    b'"64b3f3ec",true]}\n'
)


@contextmanager
def answering(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listens, and lets each connection be handled by a function; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    handlers: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with connection:
            try:
                behave(connection)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            handlers.append(threading.Thread(target=handle, args=(connection,)))
            handlers[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listener.close()
        for handler in handlers:
            handler.join()


def tried(port: int, algorithm: str = "sha256", *, deadline_s: float = 1.0, tls: bool = False) -> PoolTest:
    target = PoolTarget("127.0.0.1", port, tls, algorithm, "wallet.rig1", "x")
    return PoolTester(target, lambda deadline: connect("127.0.0.1", port, deadline), deadline_s).run()


def in_order(*replies: bytes) -> Callable[[socket.socket], None]:
    """Answers each line with the next of these, then waits for the client to leave."""

    def behave(connection: socket.socket) -> None:
        for reply in replies:
            connection.recv(65_536)
            connection.sendall(reply)
        while connection.recv(65_536):
            pass

    return behave


def endless(data: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        while True:
            connection.sendall(data)

    return behave


def dripping(data: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.settimeout(0.01)
        for byte in data:
            connection.sendall(bytes([byte]))
            try:
                if not connection.recv(4_096):
                    return
            except TimeoutError:
                continue

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(lambda connection: connection.recv(1) and connection.recv(1_000_000), id="silent"),
        pytest.param(endless(b"A" * 65_536), id="an endless line"),
        pytest.param(endless(JOB * 100), id="jobs without end"),
        pytest.param(endless(b'{"id":99,"result":true,"error":null}\n' * 100), id="other people's replies"),
        pytest.param(endless(b"\n" * 65_536), id="blank lines"),
        pytest.param(
            endless(b'{"id":5,"method":"client.get_version","params":[]}\n' * 100), id="questions without end"
        ),
        pytest.param(dripping(SUBSCRIBED[:-1] * 50), id="a byte now and then"),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_no_peer_holds_a_test_past_its_deadline(behave: Callable[[socket.socket], None], tls: bool) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with answering(behave) as port:
        began = time.monotonic()
        found = tried(port, deadline_s=0.5, tls=tls)
        took = time.monotonic() - began
    assert found.failure is not None
    # The deadline, and a lot for a busy machine: these peers would go on for ever.
    assert took < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_a_pool_as_it_should_be_passes() -> None:
    with answering(in_order(SUBSCRIBED, AUTHORIZED + JOB)) as port:
        found = tried(port)
    assert found.failure is None
    assert found.remarks == ()


@pytest.mark.parametrize(
    "subscribed",
    [
        b'{"id":1,"result":[[["mining.notify","a"]],"00",8],"error":null}\n',
        b'{"id":1,"result":[["mining.notify","a"],"",4],"error":null}\n',
        b'{"id":1,"result":[null,"08000002",4],"error":null}\n',
        b'{"id":1,"result":[[],"08000002",4]}\n',
        b'{"id":1,"jsonrpc":"2.0","result":[[],"08000002",4,"more"],"error":null}\n',
    ],
)
@pytest.mark.parametrize(
    "authorized", [AUTHORIZED, b'{"id":2,"result":null,"error":null}\n', b'{"id":2,"result":true}\n']
)
def test_replies_are_understood_in_all_their_shapes(subscribed: bytes, authorized: bytes) -> None:
    with answering(in_order(subscribed, authorized + JOB)) as port:
        assert tried(port).failure is None


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b'{"id":2,"result":false,"error":null}\n', "refused without a reason"),
        (b'{"id":2,"result":false,"error":[24,"Unauthorized worker",null]}\n', "Unauthorized worker"),
        (b'{"id":2,"result":null,"error":{"code":24,"message":"unknown account"}}\n', "unknown account"),
        (b'{"id":2,"error":"go away"}\n', "go away"),
        (b'{"id":2,"reject-reason":"no such user","result":false,"error":null}\n', "no such user"),
        (b'{"id":2,"error":[24,"bad\\u0007\\n\\u202ename",null]}\n', "bad???name"),
    ],
)
def test_a_refused_login_is_quoted_in_print(reply: bytes, words: str) -> None:
    with answering(in_order(SUBSCRIBED, reply)) as port:
        failure = tried(port).failure
    assert failure is not None
    assert failure.stage is Stage.AUTHORIZATION
    assert words in str(failure.reason)
    assert str(failure.reason).isprintable()


def test_what_is_no_stratum_is_shown_escaped_and_cut() -> None:
    with answering(in_order(b"\x1b[31mWelcome to the jungle " + b"x" * 500 + b"\r\n")) as port:
        failure = tried(port).failure
    assert failure is not None
    assert '"\\x1b[31mWelcome to the jungle ' in str(failure.reason)
    assert len(str(failure.reason)) < 200


def test_words_without_a_line_end_are_shown_too() -> None:
    with answering(in_order(b"Password: ")) as port:
        failure = tried(port, deadline_s=0.3).failure
    assert failure is not None
    assert 'not Stratum: "Password: "' in str(failure.reason)


def test_messages_and_reconnects_are_remarks() -> None:
    extra = (
        b'{"id":null,"method":"client.show_message","params":["maintenance at 12:00 UTC"]}\n'
        b'{"id":null,"method":"client.reconnect","params":["other.example",3334,10]}\n'
    )
    with answering(in_order(SUBSCRIBED, extra + AUTHORIZED + JOB)) as port:
        found = tried(port)
    assert found.failure is None
    assert found.remarks == (
        "the pool says: maintenance at 12:00 UTC",
        "the pool asks to reconnect to other.example:3334; a test does not follow",
    )


def test_questions_of_the_pool_are_answered() -> None:
    asked: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b'{"id":77,"method":"client.get_version","params":[]}\n')
        asked.append(connection.recv(65_536))
        connection.sendall(SUBSCRIBED)
        connection.recv(65_536)
        connection.sendall(AUTHORIZED + JOB)

    with answering(behave) as port:
        assert tried(port).failure is None
    assert b'"id":77' in asked[0]
    assert b"upsim" in asked[0]


def test_an_ethproxy_only_pool_passes_on_a_second_connection() -> None:
    """Ethereum pools that know no EthereumStratum close, or answer -3; the tester then logs in the other way."""
    work = (
        b'{"id":2,"jsonrpc":"2.0","result":["0x' + b"ab" * 32 + b'","0x' + b"00" * 32 + b'","0x' + b"ff" * 32 + b'"]}\n'
    )

    def behave(connection: socket.socket) -> None:
        if b"eth_submitLogin" not in connection.recv(65_536):
            return
        connection.sendall(b'{"id":1,"jsonrpc":"2.0","result":true}\n')
        connection.recv(65_536)
        connection.sendall(work)
        connection.recv(65_536)

    with answering(behave) as port:
        found = tried(port, "etchash")
    assert found.failure is None
    assert found.remarks == ()


@pytest.mark.parametrize("first", ["[user, pass]", "[user]", "v1"])
def test_octopus_pools_pass_whichever_hello_they_want(first: str) -> None:
    def behave(connection: socket.socket) -> None:
        hello = connection.recv(65_536)
        form = "v1" if b"upsim/" in hello else "[user, pass]" if b'"x"' in hello else "[user]"
        if form != first:
            connection.sendall(b'{"id":1,"result":null,"error":[-1,"Invalid params",null]}\n')
            return
        connection.sendall(b'{"id":1,"jsonrpc":"2.0","result":true,"error":null}\n')
        if form == "v1":
            connection.recv(65_536)
            connection.sendall(AUTHORIZED)
        job = ["1", "2302785", "0x" + "ab" * 32, "0x55e63b88c2000000000000000000000000000000000000000000000000"]
        params = ",".join(f'"{field}"' for field in job).encode()
        connection.sendall(b'{"id":0,"jsonrpc":"2.0","method":"mining.notify","params":[' + params + b"]}\n")
        connection.recv(65_536)

    with answering(behave) as port:
        found = tried(port, "octopus")
    assert found.failure is None
    assert found.remarks == ()


def test_a_test_submits_nothing_and_closes_politely() -> None:
    heard: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        for reply in (SUBSCRIBED, AUTHORIZED + JOB):
            heard.append(connection.recv(65_536))
            connection.sendall(reply)
        heard.append(connection.recv(65_536))

    with answering(behave) as port:
        assert tried(port).failure is None
    assert [b"mining.subscribe" in heard[0], b"mining.authorize" in heard[1]] == [True, True]
    assert heard[2] == b"", "an orderly end, not a reset"
