"""What was tried with single requests, and what they have to be answered: the tests do it, docs/hardening.md shows it.

Each is sent as it stands, over a connection of its own; where it does not end the connection itself, the server has to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

KEY: Final = b"X-API-Key: up_k_demovip\r\n"
_LAST: Final = b"Host: 127.0.0.1\r\nConnection: close\r\n"
_GET: Final = b"GET /v1/overview HTTP/1.1\r\n"
_POST: Final = b"POST /v1/pools/test HTTP/1.1\r\nContent-Type: application/json\r\n"
_EMPTY: Final = b"2\r\n{}\r\n0\r\n\r\n"
"""An empty object in one chunk."""
_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True)
class Case:
    """One thing that was tried.

    Attributes:
        answers: the statuses that came back, in order; none where the connection was closed without a word.
        granian: the same, where granian answers otherwise than waitress.
        says: a part of the last answer of waitress, where it matters.
    """

    title: str
    sent: bytes
    answers: str
    granian: str | None = None
    says: str = ""

    def expected(self, door: str) -> str:
        """The statuses that this door answers."""
        return self.granian if door == "granian" and self.granian is not None else self.answers


def get(path: str | bytes, fields: bytes = KEY, version: str = "1.1") -> bytes:
    """A whole GET, the last of its connection."""
    path = path if isinstance(path, bytes) else path.encode()
    return b"GET " + path + b" HTTP/" + version.encode() + b"\r\n" + _LAST + fields + b"\r\n"


def post(body: bytes, fields: bytes = b"") -> bytes:
    """A whole POST of a body whose length is said."""
    return _POST + b"Content-Length: %d\r\n" % len(body) + _LAST + KEY + fields + b"\r\n" + body


def framed(fields: bytes, body: bytes = b"{}", first: bytes = _POST) -> bytes:
    """A POST whose length is said by these fields."""
    return first + fields + _LAST + KEY + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """A POST of a body in chunks, written as it stands."""
    return framed(_CHUNKED, body)


GROUPS: Final[dict[str, Sequence[Case]]] = {
    "What is no HTTP/1": (
        Case(
            "a TLS hello on the plain port",
            bytes.fromhex("1603010200010001fc0303") + b"\x11" * 500,
            "400",
            says="http://",
        ),
        Case("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", "400", ""),
        Case("HTTP/0.9", b"GET /v1/overview\r\n\r\n", "400"),
        Case("HTTP/3.7", get("/v1/overview", version="3.7"), "400"),
        Case("a line of Stratum", b'{"id":1,"method":"mining.subscribe","params":[]}\n', "400"),
        Case("an SSH greeting", b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "400"),
        Case("zeros", bytes(200), "400"),
        Case("a method in lower case", get("/v1/overview").replace(b"GET", b"get"), "400"),
        Case("two blanks in the request line", get("/v1/overview").replace(b"GET ", b"GET  "), "400"),
        Case("a proxy's CONNECT", b"CONNECT example.com:443 HTTP/1.1\r\n" + _LAST + b"\r\n", "400", "404"),
        Case(
            "a websocket",
            get("/v1/overview", KEY + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"),
            "200",
        ),
        Case("an upgrade to HTTP/2", get("/v1/overview", KEY + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), "200"),
    ),
    "Requests that two servers could read as different ones": (
        Case(
            "Content-Length beside chunks, a second request behind them",
            _POST
            + _CHUNKED
            + b"Content-Length: 4\r\nHost: x\r\n"
            + KEY
            + b"\r\n2\r\n{}\r\n0\r\n\r\n"
            + get("/v1/overview"),
            "400",
        ),
        Case("two lengths", framed(b"Content-Length: 2\r\nContent-Length: 9\r\n"), "400"),
        Case("a length of +2", framed(b"Content-Length: +2\r\n"), "400"),
        Case("a length of 0_2", framed(b"Content-Length: 0_2\r\n"), "400"),
        Case("a length of 0x2", framed(b"Content-Length: 0x2\r\n"), "400"),
        Case("a length in Arabic digits", framed("Content-Length: ٢\r\n".encode()), "400"),
        Case("a length below 0", framed(b"Content-Length: -1\r\n"), "400"),
        Case("a length of 5,000 digits", framed(b"Content-Length: " + b"9" * 5000 + b"\r\n"), "400"),
        Case("chunked, chunked", framed(b"Transfer-Encoding: chunked, chunked\r\n", _EMPTY), "400"),
        Case("chunked, then identity", framed(_CHUNKED + b"Transfer-Encoding: identity\r\n", _EMPTY), "400"),
        Case("xchunked", framed(b"Transfer-Encoding: xchunked\r\n", _EMPTY), "400"),
        Case("chunked behind a vertical tab", framed(b"Transfer-Encoding: \x0bchunked\r\n", _EMPTY), "400"),
        Case("chunked on a line of its own", framed(b"Transfer-Encoding:\r\n chunked\r\n", _EMPTY), "400"),
        Case("chunked, a second time on a line of its own", framed(_CHUNKED + b" , chunked\r\n", _EMPTY), "400"),
        Case("chunks in HTTP/1.0", framed(_CHUNKED, _EMPTY, _POST.replace(b"1.1", b"1.0")), "400"),
        Case("a blank before the colon", framed(b"Transfer-Encoding : chunked\r\n", _EMPTY), "400"),
        Case("a chunk of 0x2", chunked(b"0x2\r\n{}\r\n0\r\n\r\n"), "400"),
        Case("a chunk of -2", chunked(b"-2\r\n{}\r\n0\r\n\r\n"), "400"),
        Case("a chunk of more bytes than there are", chunked(b"F" * 20 + b"\r\n{}\r\n0\r\n\r\n"), "413", "400"),
        Case("a chunk that goes on behind its end", chunked(b"2\r\n{}XX0\r\n\r\n"), "400"),
        Case("a chunk's line of 400,000 signs", chunked(b"2;" + b"a" * 400_000 + b"\r\n{}\r\n0\r\n\r\n"), "400"),
        Case(
            "200,000 fields behind the last chunk",
            chunked(b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 200_000 + b"\r\n"),
            "400",
        ),
        Case(
            "a key behind the last chunk",
            _POST + _CHUNKED + _LAST + b"\r\n2\r\n{}\r\n0\r\n" + KEY + b"\r\n",
            "401",
            "400",
        ),
        Case("a bare CR in a field", get("/v1/overview", KEY + b"X: a\rb\r\n"), "400"),
        Case("a bare LF in a field", get("/v1/overview", b"X: a\n" + KEY), "400", "200"),
        Case("a NUL in a field", get("/v1/overview", KEY + b"X: a\0b\r\n"), "400"),
        Case("a field without a colon", get("/v1/overview", KEY + b"nocolon\r\n"), "400"),
        Case(
            "a first field that goes on a line before",
            b"GET /v1/overview HTTP/1.1\r\n X: a\r\n" + _LAST + KEY + b"\r\n",
            "400",
        ),
        Case("a body in a GET", get("/v1/overview", KEY + b"Content-Length: 5\r\n") + b"hello", "200"),
        Case(
            "50 requests at once",
            get("/v1/overview").replace(b"Connection: close\r\n", b"") * 49 + get("/v1/none"),
            ", ".join(["200"] * 49 + ["404"]),
        ),
    ),
    "Who is asking": (
        Case("two keys, the first one good", get("/v1/overview", KEY + b"X-API-Key: up_k_other\r\n"), "401"),
        Case("two keys, the second one good", get("/v1/overview", b"X-API-Key: up_k_other\r\n" + KEY), "401"),
        Case(
            "a bad key beside a good Bearer token",
            get("/v1/overview", b"X-API-Key: no\r\nAuthorization: Bearer up_k_demovip\r\n"),
            "401",
        ),
        Case("X_API_Key", get("/v1/overview", KEY.replace(b"-", b"_")), "401"),
        Case("a key that is no text", get("/v1/overview", b"X-API-Key: \xff\xfe\r\n"), "401"),
        Case("a key of 60,000 signs", get("/v1/overview", b"X-API-Key: " + b"k" * 60_000 + b"\r\n"), "401"),
        Case(
            "forged addresses for a key with an address list",
            get(
                "/v1/overview",
                b"X-API-Key: up_k_demoelsewhere\r\nX-Forwarded-For: 192.0.2.1\r\n"
                b"Forwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n",
            ),
            "403",
        ),
        Case(
            "X_Forwarded_For for such a key",
            get("/v1/overview", b"X-API-Key: up_k_demoelsewhere\r\nX_Forwarded_For: 192.0.2.1\r\n"),
            "403",
        ),
        Case(
            "the control plane by another name",
            get("/_upsim/worlds", b"").replace(b"127.0.0.1", b"evil.example"),
            "403",
        ),
        Case(
            "… by another name that ends well",
            get("/_upsim/worlds", b"").replace(b"127.0.0.1", b"127.0.0.1.evil.example"),
            "403",
        ),
        Case(
            "… by 127.0.0.1@evil.example",
            get("/_upsim/worlds", b"").replace(b"127.0.0.1", b"127.0.0.1@evil.example"),
            "403",
        ),
        Case("… by two names", get("/_upsim/worlds", b"Host: evil.example\r\n"), "400", "403"),
        Case(
            "… by another name, X-Forwarded-Host says 127.0.0.1",
            get("/_upsim/worlds", b"X-Forwarded-Host: 127.0.0.1\r\n").replace(
                b"Host: 127.0.0.1\r\nC", b"Host: evil.example\r\nC"
            ),
            "403",
        ),
        Case("… from a page elsewhere", get("/_upsim/worlds", b"Origin: http://evil.example\r\n"), "403"),
        Case("… from a page that hides where it is", get("/_upsim/worlds", b"Origin: null\r\n"), "403"),
        Case("… from a page, by its browser's word", get("/_upsim/worlds", b"Sec-Fetch-Site: cross-site\r\n"), "403"),
        Case(
            "… written %5fupsim, by another name",
            get("/%5fupsim/worlds", b"").replace(b"127.0.0.1", b"evil.example"),
            "403",
        ),
        Case(
            "… written //_upsim, by another name",
            get("//_upsim/worlds", b"").replace(b"127.0.0.1", b"evil.example"),
            "404",
        ),
        Case(
            "another method by X-HTTP-Method-Override",
            get("/v1/overview", KEY + b"X-HTTP-Method-Override: DELETE\r\n"),
            "200",
        ),
    ),
    "Paths": (
        Case("/v1/../_upsim/worlds", get("/v1/../_upsim/worlds"), "404"),
        Case("/v1/%2e%2e/_upsim/worlds", get("/v1/%2e%2e/_upsim/worlds"), "404"),
        Case("/v1/%252e%252e/overview", get("/v1/%252e%252e/overview"), "404"),
        Case("/v1%2foverview", get("/v1%2foverview"), "200"),
        Case("/v1%2foverview without a key", get("/v1%2foverview", b""), "401"),
        Case("/v1/overview%00", get("/v1/overview%00"), "404"),
        Case("/v1/overview;x=1", get("/v1/overview;x=1"), "404"),
        Case("//v1/overview", get("//v1/overview"), "404"),
        Case("/v1/%ff", get("/v1/%ff"), "404"),
        Case("/v1/ and a byte that is no ASCII", get(b"/v1/\xff"), "400"),
        Case("/v1/%zz%2", get("/v1/%zz%2"), "404"),
        Case("a line break and a field in the path", get("/v1/x%0d%0aSet-Cookie:%20a=b"), "404"),
        Case("a line break and a field in a value", get("/v1/workers?limit=%0d%0aSet-Cookie:%20a=b"), "400"),
        Case("/static/../../../../etc/passwd", get("/static/../../../../etc/passwd"), "404"),
        Case("/static/%2e%2e/%2e%2e/app.py", get("/static/%2e%2e/%2e%2e/app.py"), "404"),
        Case("/static/..%2fapp.py", get("/static/..%2fapp.py"), "404"),
        Case("/static/..\\app.py", get("/static/..\\app.py"), "404"),
        Case("/static//etc/passwd", get("/static//etc/passwd"), "404"),
        Case("/s/..%2f..%2f_upsim", get("/s/..%2f..%2f_upsim"), "404"),
        Case("a path without its slash", get("v1/overview"), "400"),
        Case("*", get("*"), "400", "404"),
        Case("a query without a path", get("?x"), "400"),
        Case(
            "the path of another server, http://evil.example/v1/overview", get("http://evil.example/v1/overview"), "200"
        ),
        Case(
            "… and its control plane",
            get("http://127.0.0.1/_upsim/worlds", b"").replace(b"Host: 127.0.0.1", b"Host: evil.example"),
            "403",
        ),
        Case("… without any path", get("http://evil.example?x"), "400", "200"),
        Case("a method of 5,000 letters", b"A" * 5000 + get("/v1/overview")[3:], "405"),
        Case("a path of 50,000 parts", get("/v1/" + "a/" * 25_000), "404"),
        Case("a query of 20,000 names", get("/v1/overview?" + "a&" * 20_000), "200"),
        Case("a head of 300,000 bytes", get("/v1/overview?" + "a" * 300_000), "431"),
        Case("10,000 fields", get("/v1/overview", KEY + b"X: y\r\n" * 10_000), "200", "431"),
    ),
    "Bodies": (
        Case("100,000 lists, one in the other", post(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "400"),
        Case("100,000 objects, one in the other", post(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "400"),
        Case("the number 1e999", post(b'{"port": 1e999}'), "400"),
        Case("a number of 100,000 digits", post(b'{"port": ' + b"9" * 100_000 + b"}"), "400"),
        Case("a number with 100,000 digits behind the point", post(b'{"port": 1.' + b"3" * 100_000 + b"}"), "400"),
        Case("NaN", post(b'{"port": NaN}'), "400"),
        Case("one name 50,000 times", post(b"{" + b'"port": 1,' * 50_000 + b'"port": 2}'), "400"),
        Case("bytes that are no UTF-8", post(b'{"\xff": 1}'), "400"),
        Case("half a surrogate pair", post(b'{"host": "\\ud800"}'), "400"),
        Case("UTF-16", post("{}".encode("utf-16")), "400"),
        Case("a byte order mark", post(b"\xef\xbb\xbf{}"), "400"),
        Case("Content-Encoding: gzip", post(b"{}", b"Content-Encoding: gzip\r\n"), "400"),
        Case("a form", post(b"a=b").replace(b"application/json", b"application/x-www-form-urlencoded"), "415"),
        Case("Expect: something else", post(b"{}", b"Expect: the-unexpected\r\n"), "400"),
        Case("just above 1 MiB", post(b" " * ((1 << 20) + 1)), "413"),
        Case("100 MB that were announced", framed(b"Content-Length: 100000000\r\n", b" " * 100_000), "413"),
        Case(
            "2 MB in chunks",
            chunked(b"10000\r\n" + (b" " * 65_536 + b"\r\n10000\r\n") * 32 + b" " * 65_536 + b"\r\n0\r\n\r\n"),
            "413",
        ),
    ),
}
"""Every case, by what it is about."""
