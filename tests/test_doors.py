"""The doors alone, with an app of a few lines behind: what waits, holds up nobody who need not wait."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.doors import DOORS
from upsim.config import Config
from upsim.doors import AtOnce, bound, open_door
from upsim.doors.bounds import KEPT_BYTES, LARGE_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

THREADS = 2


@contextmanager
def opened(door: str, app: WSGIApplication, at_once: AtOnce | None = None) -> Iterator[int]:
    """The port of a door that is open; bodies for /large may be large."""
    config = Config(server="granian" if door == "granian" else "waitress", threads=THREADS)
    taken = bound("127.0.0.1", 0)
    port: int = taken.getsockname()[1]
    running = open_door(config, app, taken, lambda path, _: path == "/large", None, at_once)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield port
    finally:
        running.close()
        thread.join()


def length_of(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answers how long the body is that it reads."""
    body = b"%d" % len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def answer_to(client: socket.socket) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status, response.read()


def connected(stack: ExitStack, port: int, sent: bytes) -> socket.socket:
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
    client.sendall(sent)
    return client


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("announced", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_bodies_that_come_slowly_hold_up_nobody_and_are_answered_in_the_end(door: str, announced: bytes) -> None:
    """Though they are more than there are threads."""
    whole = b"hello" if b"Length" in announced else b"5\r\nhello\r\n0\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + announced + b"\r\n\r\n"
    with opened(door, length_of) as port, ExitStack() as stack:
        slow = [connected(stack, port, head + whole[:4]) for _ in range(3 * THREADS)]
        for sent in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", head + whole):
            assert answer_to(connected(stack, port, sent)) == (200, b"0" if sent[:1] == b"G" else b"5")
        for client in slow:
            client.sendall(whole[4:])
            assert answer_to(client) == (200, b"5")


def test_what_need_not_wait_is_answered_while_all_threads_do() -> None:
    pytest.importorskip("granian", reason="granian is an extra")
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        waiting.release()
        go_on.wait(30)
        return length_of(environ, start_response)

    def at_once(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes] | None:
        return length_of(environ, start_response) if environ["PATH_INFO"] == "/now" else None

    with opened("granian", app, at_once) as port, ExitStack() as stack:
        later = [connected(stack, port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(THREADS)]
        for _ in later:
            assert waiting.acquire(timeout=30)
        assert answer_to(connected(stack, port, b"GET /now HTTP/1.1\r\nHost: x\r\n\r\n")) == (200, b"0")
        go_on.set()
        for client in later:
            assert answer_to(client) == (200, b"0")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("path", "size", "kept"),
    [
        ("/", 0, 0),
        ("/", 700_000, 700_000),
        ("/", KEPT_BYTES + 1, KEPT_BYTES),
        ("/", 3 * KEPT_BYTES, KEPT_BYTES),
        ("/large", 3 * KEPT_BYTES, 3 * KEPT_BYTES),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_no_more_is_kept_of_a_body_than_could_be_accepted(
    door: str, path: str, size: int, kept: int, chunked: bool
) -> None:
    with (
        opened(door, length_of) as port,
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client,
    ):
        client.request("POST", path, [bytes(size)] if chunked else bytes(size), encode_chunked=chunked)
        assert client.getresponse().read() == b"%d" % kept


@pytest.mark.parametrize("door", DOORS)
def test_content_that_breaks_off_ends_its_connection(door: str) -> None:
    """Even where nothing was promised, and it could be taken for whole."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"half"
        raise ConnectionAbortedError

    with opened(door, app) as port, ExitStack() as stack:
        client = connected(stack, port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected)):
            answer_to(client)


@pytest.mark.parametrize("at_once", [False, True])
def test_an_app_that_fails_is_500_and_said(caplog: pytest.LogCaptureFixture, at_once: bool) -> None:
    pytest.importorskip("granian", reason="granian is an extra")

    def app(*_: object) -> list[bytes]:
        raise ValueError("the app's own")

    with opened("granian", app, app if at_once else None) as port, ExitStack() as stack:
        for _ in range(THREADS + 1):  # no thread is lost over it
            client = connected(stack, port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer_to(client)[0] == 500
    assert "the app's own" in caplog.text


@pytest.mark.parametrize("door", DOORS)
def test_a_door_may_be_closed_before_it_runs_and_twice(door: str) -> None:
    config = Config(server="granian" if door == "granian" else "waitress")
    running = open_door(config, length_of, bound("127.0.0.1", 0), lambda *_: False)
    running.close()
    running.run()
    running.close()


@pytest.mark.parametrize("door", DOORS)
def test_of_a_body_without_end_no_more_is_read_than_of_any(door: str) -> None:
    """It is answered while it still comes."""
    piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    with opened(door, length_of) as port, ExitStack() as stack:
        client = connected(stack, port, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range((LARGE_BYTES >> 20) + 1):
            client.sendall(piece)
        assert answer_to(client)[0] == (200 if door == "granian" else 413)  # which is said by the app behind granian
