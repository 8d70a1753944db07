"""Where a pool test may connect: the resolved address decides, and nothing waits past its deadline."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from upsim.algorithms import ALGORITHMS
from upsim.clock import SystemClock
from upsim.model import PoolTarget, Stage, WorldId
from upsim.stratum.dial import CannotConnect, loopback, permitted, resolve, why_not
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.ports import PoolServer
from upsim.stratum.service import LocalBehaviours, PoolNetwork, PoolWorld

WORLD = PoolWorld(WorldId("w"), 1, SystemClock())


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fe80::1",
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "255.255.255.255",
        "240.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_addresses_that_are_nobodys_pool_are_refused(address: str) -> None:
    assert why_not(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "192.168.1.10", "10.0.0.1", "127.0.0.1", "::1", "2606:4700::1111"])
def test_other_addresses_are_allowed(address: str) -> None:
    assert why_not(address) == ""


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("localhost", ["127.0.0.1", "::1"]),
        ("LOCALHOST.", ["127.0.0.1", "::1"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("127.8.9.10", ["127.8.9.10"]),
        ("::1", ["::1"]),
        ("::ffff:127.0.0.1", ["127.0.0.1"]),
        ("127.1", []),
        ("2130706433", []),
        ("10.0.0.1", []),
        ("pool.example", []),
    ],
)
def test_loopback_is_known_without_a_resolver(host: str, addresses: list[str]) -> None:
    assert loopback(host) == addresses


def test_a_name_that_mixes_good_and_forbidden_addresses_is_refused() -> None:
    with pytest.raises(CannotConnect, match="metadata"):
        permitted("sneaky.example", ["8.8.8.8", "169.254.169.254"])


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A resolver that knows what it is told, and counts the questions."""
    known: dict[str, list[str]] = {"asked": []}

    def getaddrinfo(host: str, port: int, **more: Any) -> list[Any]:
        known["asked"].append(host)
        if host not in known:
            raise socket.gaierror("no such host")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def found_by(policy: Any, host: str, port: int) -> Any:
    network = PoolNetwork(policy, LocalBehaviours(), deadline_s=2.0, pace=0.05)
    try:
        return network.test(WORLD, PoolTarget(host, port, False, "sha256", "u", "x"))
    finally:
        network.close()


def test_a_real_test_judges_the_resolved_address(answers: dict[str, list[str]]) -> None:
    answers["rebound.example"] = ["169.254.169.254"]
    failure = found_by("real", "rebound.example", 80).failure
    assert failure.stage is Stage.CONNECTIVITY
    assert "rebound.example (169.254.169.254) is a cloud metadata address" in failure.reason


def test_a_real_test_looks_a_name_up_once_whatever_it_takes(answers: dict[str, list[str]]) -> None:
    """A port that closes at once makes the tester connect again; it must not ask the resolver again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = threading.Thread(target=_close_each, args=(listener,), daemon=True)
        closing.start()
        answers["mine.example"] = ["127.0.0.1"]
        failure = found_by("real", "mine.example", listener.getsockname()[1]).failure
        # Closing alone would leave the thread in accept.
        listener.shutdown(socket.SHUT_RDWR)
    closing.join()
    assert "closed before any reply" in failure.reason
    assert answers["asked"] == ["mine.example"]


def _close_each(listener: socket.socket) -> None:
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return


def test_a_name_that_does_not_exist_is_said_to(answers: dict[str, list[str]]) -> None:
    assert "there is no host called nowhere.example" in found_by("real", "nowhere.example", 80).failure.reason


@pytest.mark.parametrize("host", ["pool.example", "127.1", "2130706433", "169.254.169.254", "db.internal", "é.example"])
def test_the_simulated_network_never_asks_a_resolver_or_leaves(answers: dict[str, list[str]], host: str) -> None:
    assert found_by("simulated", host, 3333).failure is None
    assert answers["asked"] == []


@pytest.mark.parametrize("host", ["refused.pool.test", "Refused.Pool.Test."])
def test_test_names_work_under_every_policy(answers: dict[str, list[str]], host: str) -> None:
    for policy in ("simulated", "real"):
        assert "refused" in found_by(policy, host, 3333).failure.reason
    assert answers["asked"] == []


def test_a_resolver_that_hangs_does_not_hold_a_test_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*args: Any, **more: Any) -> list[Any]:
        release.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with pytest.raises(CannotConnect, match="took too long"):
            resolve("slow.example", 80, time.monotonic() + 0.1)
    finally:
        release.set()


def test_real_hosts_are_not_connected_to_more_than_once_a_second() -> None:
    network = PoolNetwork("real", LocalBehaviours())
    network.space_out("192.0.2.1", time.monotonic() + 5)
    with pytest.raises(CannotConnect, match="wait a second"):
        network.space_out("192.0.2.1", time.monotonic() + 0.1)
    network.space_out("192.0.2.2", time.monotonic() + 0.1)
    network.close()


def test_a_real_tls_port_is_told_on_a_second_connection_a_second_later(answers: dict[str, list[str]]) -> None:
    answers["mine.example"] = ["127.0.0.1"]
    with PoolServer() as server:
        port = server.open(SimulatedPool(ALGORITHMS["sha256"], 1), behaviour="tls")
        assert "this is a TLS port, set tls" in found_by("real", "mine.example", port).failure.reason
    assert answers["asked"] == ["mine.example"]


@pytest.mark.parametrize(
    "problem", [socket.gaierror("no"), UnicodeError("label too long"), ValueError("embedded null")]
)
def test_whatever_the_resolver_complains_of_is_a_sentence(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def complain(*args: Any, **more: Any) -> list[Any]:
        raise problem

    monkeypatch.setattr(socket, "getaddrinfo", complain)
    with pytest.raises(CannotConnect, match=r"there is no host called nowhere\.example: check the name"):
        resolve("nowhere.example", 80, time.monotonic() + 5)
