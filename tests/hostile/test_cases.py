"""Single hostile requests, by every door: each is answered as the table says, in JSON, and costs the others nothing."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.doors import DOORS
from tests.hostile.cases import GROUPS, Case, get
from upsim.config import configure
from upsim.serve import Server


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """Each door in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def port(door: str) -> Iterator[int]:
    """A server with the demo world."""
    server = Server(configure({"port": "0", "rate_limit": "off", "server": door}, {}))
    url = server.listen()
    server.start()
    yield int(url.rpartition(":")[2])
    server.close()


def told(port: int, sent: bytes) -> bytes:
    """All that comes back before the server closes the connection, which it has to."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        heard = b""
        # A server that refuses what it has not read to the end may reset the connection behind its answer.
        with suppress(ConnectionError):
            client.sendall(sent)
        with suppress(ConnectionError):
            while piece := client.recv(1 << 16):
                heard += piece
        return heard


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{group}: {case.title}") for group, cases in GROUPS.items() for case in cases]
)
def test_what_was_tried_is_answered_as_the_table_says(port: int, door: str, case: Case) -> None:
    heard = told(port, case.sent)
    statuses = re.findall(rb"HTTP/1\.[01] (\d{3}) [A-Z]", heard)
    assert ", ".join(status.decode() for status in statuses) == case.expected(door), heard[:2000]
    head, _, body = heard.rpartition(b"\r\n\r\n")
    for field in (b"Set-Cookie", b"Access-Control", b"Traceback"):
        assert field not in re.sub(rb"\{.*", b"", heard), "a field that nobody set"
    if statuses and int(statuses[-1]) >= 400 and (body or door == "waitress"):
        assert re.search(rb"(?i)content-type: application/json", head)
        error = json.loads(body)["error"]
        assert case.says in error or door == "granian"
        assert len(error) < 1000
    (after,) = re.findall(rb"HTTP/1\.[01] (\d{3}) [A-Z]", told(port, get("/v1/overview")))
    assert after == b"200"
