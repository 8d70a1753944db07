"""The server as sockets see it: what is sent byte by byte, broken off, doubled or beyond all bounds, is answered.

By every door there is; where granian answers otherwise than waitress, the test says how, as docs/servers.md does.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO

import pytest
from werkzeug.datastructures import Headers

from tests.api.harness import VIP, WORLD, Answer, HandClock, assert_error_shape
from tests.doors import DOORS
from upsim.config import configure
from upsim.serve import Server

KEY = f"X-API-Key: {VIP}\r\n"
END = f"Host: x\r\nConnection: close\r\n{KEY}"


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """Each door in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def port(door: str) -> Iterator[int]:
    """A server on a free port of loopback."""
    settings = {"fixture": str(WORLD), "port": "0", "rate_limit": "off", "server": door}
    server = Server(configure(settings, {}), HandClock())
    url = server.listen()
    server.start()
    yield int(url.rpartition(":")[2])
    server.close()


def exchange(port: int, *pieces: str | bytes) -> list[Answer]:
    """Send the pieces over one connection and read all answers, until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        for piece in pieces:
            client.sendall(piece if isinstance(piece, bytes) else piece.encode("latin-1"))
        with client.makefile("rb") as stream:
            return list(iter(lambda: read(stream), None))


def read(stream: BinaryIO) -> Answer | None:
    """The next answer of a connection; None where it is closed."""
    first = stream.readline()
    if not first:
        return None
    fields = http.client.parse_headers(stream)
    text = stream.read(int(fields["Content-Length"])).decode()
    return Answer(int(first.split()[1]), Headers(list(fields.items())), text)


@pytest.mark.parametrize(
    "request_text",
    [
        pytest.param("GET http://[x HTTP/1.1\r\n" + END, id="an address without its bracket"),
        pytest.param("POST /v1/pools HTTP/1.1\r\nContent-Length: " + "9" * 5000 + "\r\n" + END, id="5,000 digits"),
        pytest.param("POST /v1/pools HTTP/1.1\r\nContent-Length: -1\r\n" + END, id="a negative length"),
        pytest.param("POST /v1/pools HTTP/1.1\r\nContent-Length: 2, 2\r\n" + END, id="two lengths"),
        pytest.param("POST /v1/pools HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" + END, id="a foreign encoding"),
        pytest.param(
            "POST /v1/pools HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + END + "\r\nzz\r\n", id="a bad chunk"
        ),
        pytest.param("nonsense\r\n" + END, id="no request line"),
        pytest.param("get /v1/overview HTTP/1.1\r\n" + END, id="a method in lower case"),
        pytest.param("GET /v1/\xff HTTP/1.1\r\n" + END, id="a path that is not ASCII"),
        pytest.param("GET /v1/overview HTTP/1.1\r\nno colon\r\n" + END, id="a field without a colon"),
        pytest.param("GET /v1/overview HTTP/1.1\r\nX-API-Key : x\r\n" + END, id="a blank before the colon"),
        pytest.param("GET /v1/overview HTTP/1.1\r\nX-API-Key: a\0b\r\n" + END, id="a NUL in a field"),
        pytest.param("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n" + END, id="TLS"),
    ],
)
def test_what_is_not_http_is_answered_400(door: str, port: int, request_text: str) -> None:
    (answer,) = exchange(port, request_text + "\r\n")
    if door == "granian" and not answer.text:
        assert (answer.status, answer.headers["Connection"]) == (400, "close")
    else:
        assert_error_shape(answer)
        assert answer.status == 400
    (after,) = exchange(port, "GET /v1/overview HTTP/1.1\r\n" + END + "\r\n")
    assert after.status == 200


@pytest.mark.parametrize("path", ["//v1/overview", "///v1/workers", "//", "/v1//overview"])
def test_a_slash_too_many_is_404(port: int, path: str) -> None:
    (answer,) = exchange(port, f"GET {path} HTTP/1.1\r\n{END}\r\n")
    assert_error_shape(answer)
    assert answer.status == 404
    assert "No such endpoint" in answer.error


def test_fields_beyond_all_bounds_are_431(door: str, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET /v1/overview HTTP/1.1\r\nX: " + b"a" * 262_144)
        answer = read(client.makefile("rb"))
    assert answer is not None
    assert answer.status == 431
    if door == "granian":
        assert answer.text == ""
    else:
        assert_error_shape(answer)


@pytest.mark.parametrize(
    ("size", "key", "status"),
    [(1 << 20, KEY, 400), ((1 << 20) + 1, KEY, 413), (8 << 20, KEY, 413), (8 << 20, "", 401), (100 << 20, KEY, 413)],
)
def test_a_body_too_large_is_413_however_large(port: int, size: int, key: str, status: int) -> None:
    """The largest is refused for the length it names, before it is sent."""
    fields = f"POST /v1/pools HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{key}"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(f"{fields}Content-Length: {size}\r\n\r\n".encode())
        if size < 100 << 20:
            client.sendall(b" " * size)
        answer = read(client.makefile("rb"))
    assert answer is not None
    assert answer.status == status
    assert_error_shape(answer)


def test_a_body_in_chunks_is_a_body(port: int) -> None:
    fields = f"POST /v1/pools/test HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n{END}"
    (answer,) = exchange(port, fields + "\r\n", "3\r\n{}x\r\n", "0\r\n\r\n")
    assert answer.error.startswith("body: is not valid JSON")


def test_requests_sent_at_once_are_answered_in_their_order(port: int) -> None:
    paths = ["/v1/overview", "/v1/nothing", "/v1/workers?limit=1", "/v1/pools?limit=0", "/v1/profiles?limit=2"]
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n{KEY}\r\n" for path in paths[:-1]]
    answers = exchange(port, "".join(requests) + f"GET {paths[-1]} HTTP/1.1\r\n{END}\r\n")
    assert [answer.status for answer in answers] == [200, 404, 200, 400, 200]
    assert len(answers[-1].json["data"]) == 2


def test_a_request_sent_byte_by_byte_is_a_request(port: int) -> None:
    text = f"GET /v1/workers?limit=1 HTTP/1.1\r\n{END}\r\n"
    (answer,) = exchange(port, *text)
    assert answer.json["pagination"]["limit"] == 1


def test_clients_that_go_away_leave_the_server_to_the_others(port: int) -> None:
    for begun in (b"GET /v1/ov", b"POST /v1/pools HTTP/1.1\r\nContent-Length: 10\r\n\r\n{", b""):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                client.sendall(begun)
    (answer,) = exchange(port, f"GET /v1/overview HTTP/1.1\r\n{END}\r\n")
    assert answer.status == 200


def test_idle_connections_do_not_keep_others_out(port: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(150)]
    try:
        (answer,) = exchange(port, f"GET /v1/overview HTTP/1.1\r\n{END}\r\n")
        assert answer.status == 200
    finally:
        for client in idle:
            client.close()


def test_a_kept_connection_serves_call_after_call(port: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as client:
        for limit in range(1, 40):
            client.request("GET", f"/v1/workers?limit={limit}", headers={"X-API-Key": VIP})
            response = client.getresponse()
            content = json.loads(response.read())
            assert len(content["data"]) == min(limit, 37)


def test_curl_with_a_100_continue_gets_its_answer(port: int) -> None:
    fields = f"POST /v1/pools/test HTTP/1.1\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n{END}"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(f"{fields}Content-Length: 2\r\n\r\n".encode())
        assert client.recv(64).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"{}")
        answer = read(client.makefile("rb"))
    assert answer is not None
    assert answer.status == 400
    assert_error_shape(answer)
