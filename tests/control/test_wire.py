"""Faults as a client meets them on a real socket: no answer at all, or half of one."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

import pytest

from tests.conftest import UrlFor
from tests.doors import DOORS
from upsim import Simulator, World


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest) -> Literal["waitress", "granian"]:
    """Each door in turn."""
    found: Literal["waitress", "granian"] = request.param
    return found


@pytest.fixture(scope="module")
def simulator(door: Literal["waitress", "granian"]) -> Iterator[Simulator]:
    with Simulator(fixture="empty", server=door) as simulator:
        yield simulator


def world_of(simulator: Simulator, seed: int = 7) -> World:
    world = simulator.world(fixture="demo", seed=seed)
    world.clock.freeze()
    return world


def raw(world: World, path: str = "/v1/pools") -> bytes:
    """Everything that comes back before the connection ends."""
    parts = urlsplit(world.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {world.key('vip')}\r\nConnection: close\r\n\r\n".encode()
        )
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def session(url: str, seed: int = 7, calls: int = 60) -> list[bool]:
    """Which of so many reads, on one connection as long as it lasts, were answered."""
    with Simulator(fixture="demo", store=url) as simulator, world_of(simulator, seed) as world:
        world.faults.add("drop", method="GET", share=0.1)
        parts = urlsplit(world.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        answered = []
        for _ in range(calls):
            try:
                connection.request("GET", "/v1/pools", headers={"X-API-Key": world.key("vip")})
                connection.getresponse().read()
                answered.append(True)
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()  # and opens it anew with the next request
                answered.append(False)
        connection.close()
        dropped = [entry.status is None for entry in world.journal]
        assert dropped == [not one for one in answered]
        return answered


def test_a_dropped_connection_carries_not_one_byte_of_an_answer(simulator: Simulator, door: str) -> None:
    """granian has sent the head by then: not one byte of what it announces follows."""
    with world_of(simulator) as world:
        whole = raw(world)
        assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
        fault = world.faults.add("drop", times=1)
        dropped = raw(world)
        assert body_of(dropped) == b""
        assert door == "granian" or dropped == b""
        assert body_of(raw(world)) == body_of(whole)
        entry = list(world.journal)[1]
        assert (entry.status, entry.decided, entry.fault) == (None, "fault", fault.id)


def test_an_answer_cut_short_promises_more_than_comes(simulator: Simulator, door: str) -> None:
    """Of what granian was given to send it may lose the end, or all."""
    with world_of(simulator) as world:
        body = body_of(raw(world))
        world.faults.add("cut", times=1)
        head, _, cut = raw(world).partition(b"\r\n\r\n")
        half = body[: len(body) // 2]
        if door == "granian":
            assert half.startswith(cut)
            return
        assert f"content-length: {len(body)}".encode() in head.lower()
        assert cut == half


def test_a_call_dropped_afterwards_has_done_its_work(simulator: Simulator) -> None:
    with world_of(simulator) as world:
        profiles = json.loads(body_of(raw(world, "/v1/profiles?algorithm=sha256")))["data"]
        other = next(profile["_id"] for profile in profiles if not profile["is_default"])
        world.faults.add("drop", times=1, after=True, method="POST")
        connection = http.client.HTTPConnection(world.url.removeprefix("http://"), timeout=30)
        connection.request("POST", f"/v1/profiles/{other}/default", headers={"X-API-Key": world.key("vip")})
        with pytest.raises((http.client.RemoteDisconnected, http.client.IncompleteRead)):  # the latter by granian
            connection.getresponse().read()
        connection.close()
        default = json.loads(body_of(raw(world, "/v1/profiles/default?algorithm=sha256")))
        assert default["_id"] == other


def test_a_tenth_of_the_reads_drops_the_same_ones_in_each_run_and_on_each_store(url_for: UrlFor) -> None:
    first = session("memory:")
    assert 0 < first.count(False) < 20
    assert session("memory:") == first
    assert session(url_for("sqlite")) == first
    assert session("mongomock:") == first
    assert session("memory:", seed=8) != first
