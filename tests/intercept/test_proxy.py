"""The proxy on the wire: what it leads, lets through and refuses, byte for byte."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from upsim import Simulator
from upsim.clock import SystemClock
from upsim.intercept.hosts import SERVICE, Hosts
from upsim.intercept.proxy import Proxy, Target
from upsim.tls.certificates import Authority, throw_away_authority

HEADERS = {"X-API-Key": "up_k_demovip"}
OTHER = "real.example"

MakeProxy = Callable[..., Proxy]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(rate_limit=False) as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> Authority:
    return throw_away_authority([SERVICE, OTHER], SystemClock().now())


@pytest.fixture
def make_proxy(simulator: Simulator, authority: Authority) -> Iterator[MakeProxy]:
    with ExitStack() as stack:

        def make(hosts: Hosts | None = None, url: str = "", **environ: str) -> Proxy:
            proxy = Proxy(hosts or Hosts.of(), Target.at(url or simulator.url), authority.context, environ)
            stack.callback(proxy.close)
            return proxy

        yield make


@pytest.fixture
def proxy(make_proxy: MakeProxy) -> Proxy:
    return make_proxy()


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    """Trusts the authority and nobody else."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(cadata=authority.pem.decode())
    return made


def tunnelled(proxy: Proxy, context: ssl.SSLContext, host: str = SERVICE, port: int = 443) -> HTTPSConnection:
    """A client's connection to a host, through the proxy."""
    connection = HTTPSConnection("127.0.0.1", urlsplit(proxy.url).port, context=context, timeout=30)
    connection.set_tunnel(host, port)
    return connection


def plain(proxy: Proxy) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", urlsplit(proxy.url).port, timeout=30)


def ask(connection: HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection.request(method, path, body, HEADERS)
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, json.loads(content) if content.startswith(b"{") else content.decode()


def raw(proxy: Proxy, words: bytes) -> bytes:
    """All that is answered to these bytes."""
    with socket.create_connection(("127.0.0.1", urlsplit(proxy.url).port or 0), timeout=30) as sent:
        sent.sendall(words)
        answered = b""
        while more := sent.recv(65_536):
            answered += more
        return answered


# Led


def test_one_tunnel_serves_many_calls_as_they_were_sent(
    proxy: Proxy, context: ssl.SSLContext, simulator: Simulator
) -> None:
    since = simulator.default.journal.mark()
    with closing(tunnelled(proxy, context)) as connection:
        assert ask(connection, "GET", "/v1/workers?limit=1&search=%C3%BC%2F")[0] == 200
        held = connection.sock
        status, answer = ask(connection, "POST", "/v1/pools/test", '{"pool_id": 1}')
        assert (status, "pool_id" in answer["error"]) == (400, True)
        assert connection.sock is held
    seen = simulator.default.journal.tail(2)
    assert [(entry.seq > since, entry.method, entry.path, entry.query) for entry in seen] == [
        (True, "GET", "/v1/workers", "limit=1&search=%C3%BC%2F"),
        (True, "POST", "/v1/pools/test", ""),
    ]


def test_large_and_chunked_bodies_arrive_whole(proxy: Proxy, context: ssl.SSLContext) -> None:
    body = json.dumps({"algorithm": "sha256", "pools": [], "name": "x" * 900_000}).encode()
    chunks = [body[start : start + 7_777] for start in range(0, len(body), 7_777)]
    with closing(tunnelled(proxy, context)) as connection:
        headers = {**HEADERS, "Content-Type": "application/json"}
        connection.request("POST", "/v1/profiles", iter(chunks), headers, encode_chunked=True)
        answer = connection.getresponse()
        assert answer.status == 400
        assert json.loads(answer.read())["error"].endswith("got 900000.")


def test_what_is_asked_for_while_an_answer_comes_is_answered_too(
    proxy: Proxy, context: ssl.SSLContext, simulator: Simulator
) -> None:
    """Thirty pages of a hundred workers asked for at once: more than any buffer holds."""
    one = b"GET /v1/workers?limit=100 HTTP/1.1\r\nHost: %b\r\nX-API-Key: up_k_demovip\r\n\r\n" % SERVICE.encode()
    with closing(tunnelled(proxy, context)) as connection:
        connection.connect()
        connection.sock.sendall(one * 30 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answered = b""
        while more := connection.sock.recv(65_536):
            answered += more
    assert answered.count(b"HTTP/1.1 200 OK") == 31


def test_a_tunnel_without_tls_is_led_as_well(proxy: Proxy) -> None:
    with closing(plain(proxy)) as connection:
        connection.set_tunnel(SERVICE, 80)
        assert ask(connection, "GET", "/v1/overview")[0] == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_for_a_whole_url_is_led_as_well(proxy: Proxy, simulator: Simulator, scheme: str) -> None:
    with closing(plain(proxy)) as connection:
        for _ in range(2):  # each on a connection of its own: the next may be for somebody else
            assert ask(connection, "GET", f"{scheme}://{SERVICE}/v1/workers?limit=1")[0] == 200
            assert connection.sock is None
    entry = simulator.default.journal.tail(1)[0]
    assert (entry.path, entry.query) == ("/v1/workers", "limit=1")


def test_a_url_without_a_path_means_the_root(proxy: Proxy) -> None:
    answered = raw(
        proxy, b"GET http://api.ultimate-proxy.com?x=1 HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n\r\n"
    )
    assert answered.startswith(b"HTTP/1.1 ")
    assert b"upsim" in answered


def test_heads_may_come_byte_by_byte(proxy: Proxy) -> None:
    head = f"CONNECT {SERVICE}:80 HTTP/1.1\r\nHost: {SERVICE}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", urlsplit(proxy.url).port or 0), timeout=30) as sent:
        sent.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head:
            sent.sendall(bytes([byte]))
        assert sent.recv(1_000).startswith(b"HTTP/1.1 200 ")


def test_nothing_that_follows_a_head_at_once_is_lost(proxy: Proxy) -> None:
    answered = raw(
        proxy,
        b"CONNECT api.ultimate-proxy.com:80 HTTP/1.1\r\n\r\n"
        b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert answered.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 401 ")


def test_the_control_plane_is_not_to_be_had_under_the_services_name(proxy: Proxy, context: ssl.SSLContext) -> None:
    with closing(tunnelled(proxy, context)) as connection:
        assert ask(connection, "GET", "/_upsim/worlds")[0] == 403


def test_a_simulator_that_is_gone_is_said(make_proxy: MakeProxy, context: ssl.SSLContext) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        proxy = make_proxy(url=f"http://127.0.0.1:{port}")
        with (
            closing(tunnelled(proxy, context)) as connection,
            pytest.raises(OSError, match=f"502 127.0.0.1:{port} cannot"),
        ):
            connection.connect()


@pytest.mark.parametrize("tls", [True, False])
def test_a_simulator_that_hangs_up_is_noticed(make_proxy: MakeProxy, context: ssl.SSLContext, tls: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = make_proxy(url=f"http://127.0.0.1:{server.getsockname()[1]}")
        with closing(tunnelled(proxy, context) if tls else plain(proxy)) as connection:
            if not tls:
                connection.set_tunnel(SERVICE, 80)
            answering = threading.Thread(target=lambda: server.accept()[0].close())
            answering.start()
            with pytest.raises((HTTPException, OSError)):
                ask(connection, "GET", "/v1/overview")
            answering.join()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "http://127.0.0.1:8080/under"])
def test_where_nothing_can_be_led_is_said(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|root"):
        Target.at(url)


# Refused


def test_anybody_else_is_refused_and_counted(proxy: Proxy, context: ssl.SSLContext) -> None:
    for _ in range(2):
        with (
            closing(tunnelled(proxy, context, OTHER)) as connection,
            pytest.raises(OSError, match=r"403 upsim refuses real\.example:443 .*--pass-through real\.example"),
        ):
            connection.connect()
    with closing(plain(proxy)) as connection:
        status, said = ask(connection, "GET", f"http://{OTHER}:8080/x")
        assert (status, said.strip()[:36]) == (403, "upsim refuses real.example:8080 so t")
    assert proxy.refused() == {"real.example:443": 2, "real.example:8080": 1}
    assert proxy.passed() == {}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET ftp://x.example/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://:80/ HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT x.example:99999 HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT a:b:c HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT x HTTP/2.0\r\n\r\n", 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET http://x.example/ HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_it_does_not_understand_is_answered_in_one_line(proxy: Proxy, words: bytes, status: int) -> None:
    head, _, body = raw(proxy, words).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert body.count(b"\n") == 1


def test_a_client_that_hangs_up_leaves_nothing(proxy: Proxy) -> None:
    for words in (b"", b"CONNECT api", b"CONNECT api.ultimate-proxy.com:443 HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", urlsplit(proxy.url).port or 0), timeout=30) as gone:
            gone.sendall(words)


# Let through


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`real.example` is this machine, under another name; no resolver is asked."""
    resolve = socket.getaddrinfo

    def resolved(host: str, *rest: Any, **more: Any) -> Any:
        return resolve("127.0.0.1" if host == OTHER else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


@pytest.mark.usefixtures("names")
def test_who_is_let_through_is_reached_as_is(make_proxy: MakeProxy, simulator: Simulator) -> None:
    port = urlsplit(simulator.url).port
    proxy = make_proxy(Hosts.of((), [f"{OTHER}:{port}"]), url="http://127.0.0.1:1")
    with closing(plain(proxy)) as connection:
        assert ask(connection, "GET", f"http://{OTHER}:{port}/v1/overview")[0] == 200
    with closing(plain(proxy)) as connection:
        connection.set_tunnel(OTHER, port)
        assert ask(connection, "GET", "/v1/overview")[0] == 200
    assert proxy.passed() == {f"{OTHER}:{port}": 2}


def test_this_machines_own_servers_are_reached_even_by_clients_that_ask_the_proxy(
    make_proxy: MakeProxy, simulator: Simulator
) -> None:
    proxy = make_proxy(url="http://127.0.0.1:1")
    with closing(plain(proxy)) as connection:
        assert ask(connection, "GET", f"{simulator.url}/v1/overview")[0] == 200
    assert (proxy.passed(), proxy.refused()) == ({}, {})


def test_a_proxy_that_was_needed_before_is_used_for_who_is_let_through(
    make_proxy: MakeProxy, context: ssl.SSLContext
) -> None:
    """The other proxy stands for a company's: behind it, real.example is reached."""
    outer = make_proxy(Hosts.of([OTHER]))
    inner = make_proxy(
        Hosts.of((), [OTHER]), url="http://127.0.0.1:1", HTTPS_PROXY=outer.url.replace("//", "//me:se%20cret@")
    )
    with closing(tunnelled(inner, context, OTHER)) as connection:
        assert ask(connection, "GET", "/v1/overview")[0] == 200
    assert inner.passed() == {"real.example:443": 1}


def test_what_the_other_proxy_refuses_is_said(make_proxy: MakeProxy, context: ssl.SSLContext) -> None:
    inner = make_proxy(Hosts.of((), ["*"]), url="http://127.0.0.1:1", ALL_PROXY=make_proxy().url)
    with (
        closing(tunnelled(inner, context, OTHER)) as connection,
        pytest.raises(OSError, match="the proxy before us says"),
    ):
        connection.connect()


@pytest.mark.usefixtures("names")
def test_the_environment_says_who_is_reached_without_the_other_proxy(
    make_proxy: MakeProxy, simulator: Simulator
) -> None:
    nowhere = {"http_proxy": "http://127.0.0.1:1", "NO_PROXY": "a.example, .example"}
    proxy = make_proxy(Hosts.of((), [OTHER]), url="http://127.0.0.1:1", **nowhere)
    with closing(plain(proxy)) as connection:
        assert ask(connection, "GET", f"http://{OTHER}:{urlsplit(simulator.url).port}/v1/overview")[0] == 200
