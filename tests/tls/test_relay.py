"""Connections that are carried on, byte for byte, at the speed of the slower side."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from upsim.loop import LoopThread
from upsim.tls.relay import Relay

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def relay() -> Iterator[tuple[LoopThread, Relay]]:
    thread = LoopThread("test-relay")
    carrying = Relay()
    yield thread, carrying
    thread.run(carrying.close_all())
    thread.stop()


@pytest.fixture
def ends(relay: tuple[LoopThread, Relay]) -> Iterator[Pair]:
    """The outer ends of two connections that are joined: what is said to one is heard at the other."""
    thread, carrying = relay
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outer = [socket.create_connection(listener.getsockname(), timeout=30) for _ in range(2)]
        inner = [listener.accept()[0] for _ in range(2)]
    for one in inner:
        one.setblocking(False)
    thread.run(carrying.join(inner[0], inner[1], first=b"before"))
    assert outer[1].recv(6) == b"before"
    yield outer[0], outer[1]
    for one in outer:
        one.close()


def read_all(end: socket.socket) -> bytes:
    parts = []
    while part := end.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def test_who_writes_waits_for_who_reads_and_nothing_is_lost(ends: Pair) -> None:
    writer, reader = ends
    written = hashlib.sha256()
    writer.settimeout(0.5)
    total, block = 0, bytes(range(256)) * 256
    while total < 256 << 20:
        try:
            sent = writer.send(block)
        except TimeoutError:
            break
        written.update(block[:sent])
        total += sent
    assert total < 64 << 20  # the buffers of the system and ours, not all there is
    writer.shutdown(socket.SHUT_WR)
    assert hashlib.sha256(read_all(reader)).digest() == written.digest()


def test_both_directions_are_carried_at_once(ends: Pair) -> None:
    content = [b"a" * (3 << 20), b"b" * (3 << 20)]

    def send(end: socket.socket, what: bytes) -> None:
        end.sendall(what)
        end.shutdown(socket.SHUT_WR)

    senders = [threading.Thread(target=send, args=pair) for pair in zip(ends, content, strict=True)]
    heard: list[bytes] = [b"", b""]
    readers = [threading.Thread(target=lambda n=n: heard.__setitem__(n, read_all(ends[n]))) for n in range(2)]
    for thread in (*senders, *readers):
        thread.start()
    for thread in (*senders, *readers):
        thread.join()
    assert [hashlib.sha256(one).digest() for one in heard] == [hashlib.sha256(one).digest() for one in content[::-1]]


def test_who_has_said_all_still_hears_the_answer(ends: Pair) -> None:
    asking, answering = ends
    asking.sendall(b"question")
    asking.shutdown(socket.SHUT_WR)
    assert read_all(answering) == b"question"
    answering.sendall(b"answer")
    answering.close()
    assert read_all(asking) == b"answer"


@pytest.mark.parametrize("first", [0, 1])
def test_a_reset_ends_the_other_side_too(ends: Pair, first: int) -> None:
    ends[first].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ends[first].close()
    with contextlib.suppress(ConnectionResetError):
        assert ends[1 - first].recv(1) == b""


def test_closing_ends_what_is_open(relay: tuple[LoopThread, Relay], ends: Pair) -> None:
    thread, carrying = relay
    thread.run(carrying.close_all())
    for end in ends:
        with contextlib.suppress(ConnectionResetError):
            assert end.recv(1) == b""
