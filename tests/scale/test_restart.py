"""Processes are restarted one by one under load, behind a round-robin that asks who is ready: no request fails."""

from __future__ import annotations

import http.client
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.conftest import UrlFor
from tests.doors import DOORS
from tests.scale.conftest import Arguments
from tests.scale.haproxy import haproxy
from tests.scale.load import Load
from tests.scale.test_round_robin import cluster
from tests.serving import KEY, Serving, serving


@pytest.mark.parametrize("door", DOORS)
def test_behind_the_haproxy_that_comes_with_it_a_restart_fails_no_request(
    door: str, url_for: UrlFor, tmp_path: Path
) -> None:
    options = ("--store", url_for("sqlite"), "--rate-limit", "off", "--drain", "3", "--server", door)
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(home(tmp_path, f"first-{number}"), *options)) for number in range(2)]
        front = stack.enter_context(haproxy([server.port for server in servers]))
        for server in servers:
            front.wait_for(server.port, ready=True)
        load = stack.enter_context(Load(front.url))
        load.wait_for(201, 1)
        for server in servers:
            server.process.send_signal(signal.SIGTERM)
            front.wait_for(server.port, ready=False)
            assert server.process.wait(60) == 0
            again = home(tmp_path, f"again-{server.port}")
            stack.enter_context(serving(again, *options, "--port", str(server.port)))
            front.wait_for(server.port, ready=True)
            load.wait_for(201, load.statuses[201] + 2)
        load.stop()
        assert set(load.statuses) == {200, 201}, load.statuses


def home(folder: Path, name: str) -> Path:
    """A new folder for a process."""
    (folder / name).mkdir()
    return folder / name


def test_processes_are_restarted_one_by_one_and_no_request_fails(shared: Arguments, tmp_path: Path) -> None:
    options = (*shared, "--rate-limit", "off", "--drain", "1")
    with ExitStack() as again, cluster(tmp_path, *options, count=2) as one, Load(one.front.url) as load:
        for number, server in enumerate(one.servers):
            before = sum(load.statuses.values())
            server.process.send_signal(signal.SIGTERM)
            one.front.wait_for(server.port, ready=False)
            assert server.process.wait(60) == 0
            folder = home(tmp_path, f"again-{number}")
            again.enter_context(serving(folder, *options, "--port", str(server.port)))
            one.front.wait_for(server.port, ready=True)
            assert sum(load.statuses.values()) > before, "the other went on"
    assert set(load.statuses) == {200, 201}, load.statuses
    with serving(tmp_path, *options) as last:
        assert {last.ask("GET", f"/v1/pools/{one}")[0] for one in load.created} == {200}


def test_a_process_that_is_killed_takes_with_it_only_what_was_under_way(url_for: UrlFor, tmp_path: Path) -> None:
    options = ("--store", url_for("sqlite"), "--rate-limit", "off")
    with cluster(tmp_path, *options, count=2) as one, Load(one.front.url) as load:
        load.wait_for(201, 3)
        one.servers[0].process.kill()
        one.front.wait_for(one.servers[0].port, ready=False)
        load.wait_for(201, load.statuses[201] + 3)
        load.stop()
        broken = sum(count for status, count in load.statuses.items() if isinstance(status, str))
        assert broken <= 4, "one call of each caller at most"
        assert {status for status in load.statuses if isinstance(status, int)} == {200, 201}
        assert {one.servers[1].ask("GET", f"/v1/pools/{pool}")[0] for pool in load.created} == {200}


@pytest.mark.parametrize("door", DOORS)
def test_a_request_under_way_is_answered_before_a_process_stops(door: str, tmp_path: Path) -> None:
    with serving(tmp_path, "--server", door) as server:
        slow = {"effect": "latency", "latency": 1.5, "times": 1}
        assert server.ask("POST", "/_upsim/worlds/default/faults", slow)[0] == 201
        with ThreadPoolExecutor(1) as caller:
            asking = caller.submit(server.ask, "GET", "/v1/pools")
            wait_until_it_is_under_way(server)
            status, said = server.stop()
            assert asking.result()[0] == 200
        assert status == 0
        assert "Traceback" not in said


def test_while_it_drains_each_answer_ends_its_connection(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "30") as server:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as kept:
            assert asked(kept) == (200, None)
            assert asked(kept) == (200, None)
            server.process.send_signal(signal.SIGTERM)
            while server.ask("GET", "/_upsim/ready")[0] == 200:
                time.sleep(0.01)
            assert asked(kept) == (200, "close")
        assert server.stop()[0] == 0, "told twice, it stops at once"


def asked(connection: http.client.HTTPConnection) -> tuple[int, str | None]:
    """The status of a call, and what the answer says of the connection."""
    connection.request("GET", "/v1/pools", headers={"X-API-Key": KEY})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("Connection")


def wait_until_it_is_under_way(server: Serving) -> None:
    """Wait until a call that does not answer yet was counted by the account it belongs to."""
    while True:
        accounts = server.ask("GET", "/_upsim/worlds/default/accounts")[1]["data"]
        if any(account["window"]["used"] for account in accounts):
            return
        time.sleep(0.01)
