"""`upsim serve` as a user runs it: a process of its own, told by flags and variables, stopped by signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.doors import DOORS
from tests.serving import KEY, UPSIM, environment, serving
from upsim.config import Config, configure, settings, variable
from upsim.serve import Server

POOL = {"algorithm": "randomx", "host": "any.example", "port": 1, "username": "u"}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run upsim to its end."""
    return subprocess.run(
        [*UPSIM, *arguments],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


# Starting


def test_a_banner_says_where_it_is_and_what_to_paste(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert server.ready["url"] in server.banner.splitlines()[0]
        commands = [line.strip() for line in server.banner.splitlines() if line.strip().startswith("curl ")]
        assert len(commands) == 3
        for command in commands:
            found = re.fullmatch(r"curl -H 'X-API-Key: (\w+)' '?([^']+)'?", command)
            assert found is not None, command
            key, url = found.groups()
            status, _ = server.ask("GET", url.removeprefix(server.ready["url"]), key=key)
            assert status == 200


@pytest.mark.parametrize("door", DOORS)
def test_the_ready_file_says_all_a_script_needs(tmp_path: Path, door: str) -> None:
    with serving(tmp_path, "--fixture", "empty", "--server", door) as server:
        ready = server.ready
        assert ready["pid"] == server.process.pid
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", ready["url"])
        assert ready["admin_token"] is None
        assert [(account["name"], account["tier"], account["key"]) for account in ready["accounts"]] == [
            ("vip", "vip", "up_k_demovip"),
            ("basic", "basic", "up_k_demobasic"),
        ]
        for account in ready["accounts"]:
            assert len(account["scopes"]) == 7
            assert server.ask("GET", "/v1/overview", key=account["key"])[0] == 200
        assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]


def test_what_is_to_be_pasted_suits_the_fixture(tmp_path: Path) -> None:
    with serving(tmp_path, "--fixture", "bad-day") as server:
        key, target = re.findall(r"X-API-Key: (\w+)' '[^']+?(/v1/workers/hashrate[^']+)'", server.banner)[0]
        status, content = server.ask("GET", target, key=key)
        assert (status, len(content["data"])) == (200, 60)
    with serving(tmp_path, "--fixture", "empty") as server:
        assert "/v1/workers?limit=2" in server.banner
        assert "hashrate" not in server.banner


def test_a_ready_file_of_an_earlier_life_is_gone_before_anything_can_fail(tmp_path: Path) -> None:
    stale = tmp_path / "ready.json"
    stale.write_text("{}")
    run("serve", "--port", "0", "--ready-file", str(stale), "--fixture", "no-such-fixture")
    assert not stale.exists()


def test_beyond_loopback_the_control_plane_gets_a_token(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "0.0.0.0", "--fixture", "empty") as server:
        token = server.ready["admin_token"]
        assert token in server.banner


def test_settings_come_from_variables_too_and_flags_win(tmp_path: Path) -> None:
    with serving(tmp_path, "--fixture", "empty", UPSIM_FIXTURE="demo", UPSIM_RATE_LIMIT="off") as server:
        assert server.ask("GET", "/v1/workers")[1]["pagination"]["total"] == 0
        statuses = {server.ask("GET", "/v1/overview", key="up_k_demobasic")[0] for _ in range(12)}
        assert statuses == {200}


def test_help_names_every_setting_and_its_variable() -> None:
    text = " ".join(run("serve", "--help").stdout.split())
    for setting in settings():
        assert f"--{setting.name.replace('_', '-')} " in text
        assert f"[{variable(setting)}]" in text


# Refusing to start


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One clear line, exit 2, no traceback."""
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("upsim: ")
    for word in words:
        assert word in line
    assert done.stdout == ""


@pytest.mark.parametrize("door", DOORS)
def test_a_taken_port_is_said_in_one_line(door: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_refused(run("serve", "--server", door, "--port", str(port)), f"127.0.0.1:{port}", "--port")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "no.such.host.invalid", "--port", "0"], ["host: ", "no.such.host.invalid", "0.0.0.0"]),
        (["--host", "192.0.2.1", "--port", "0"], ["host: ", "192.0.2.1", "0.0.0.0"]),
        (["--host", "ü" * 80, "--port", "0"], ["host: ", "0.0.0.0"]),
        (["--store", "nonsense"], ["store", "nonsense", "sqlite:PATH"]),
        (["--store", "sqlite:"], ["store", "path"]),
        (["--store", "sqlite:/no/such/folder/x.db"], ["store", "/no/such/folder/x.db", "no folder /no/such/folder"]),
        (["--store", "sqlite:/"], ["store", "it is a folder"]),
        (["--store", "sqlite:."], ["store", "it is a folder"]),
        (["--store", "memory:x"], ["store"]),
        (["--store", "mongodb://"], ["store", "mongodb://[NAME:PASSWORD@]HOST[:PORT]/DATABASE"]),
        (
            ["--store", "mongodb://localhost:x/y"],
            ["store: the MongoDB URL cannot be used: Port contains", "HOST[:PORT]"],
        ),
        (["--store", "mongodb://127.0.0.1:1/x"], ["store", ": 127.0.0.1:1: Connection refused. Start it first"]),
        (["--fixture", "nothing"], ["fixture", "nothing", "demo"]),
        (["--ready-file", "/no/such/folder/ready.json", "--port", "0"], ["ready-file", "/no/such/folder"]),
        (["--port", "http"], ["--port=http"]),
        (["--limits-storage", "nonsense"], ["limits-storage: nonsense is not a storage", "redis://"]),
        (["--limits-storage", "redis://a:b@c:x"], ["limits-storage: cannot use redis://c:x: ", "HOST[:PORT]"]),
        (["--limits-storage", "memcached://c:1"], ["limits-storage", "memcached://c:1", "not installed (pymemcache)"]),
        (["--limits-storage", "redis://127.0.0.1:1"], ["redis://127.0.0.1:1: Connection refused. Start it first"]),
        (["--limits-storage", "mongodb://127.0.0.1:1"], ["127.0.0.1:1: Connection refused. Start it first"]),
        (["--threads", "0"], ["--threads=0"]),
        (["--server", "gunicorn"], ["--server=gunicorn", "waitress", "granian"]),
        (["--processes", "2"], ["processes=2", "memory:", "sqlite:PATH"]),
        (["--processes", "2", "--store", "mongomock:"], ["processes=2", "mongomock:", "mongodb://"]),
        (["--processes", "2", "--store", "sqlite:/no/such/folder/x.db"], ["store", "/no/such/folder/x.db"]),
    ],
)
def test_a_setting_that_cannot_be_used_is_said_in_one_line(arguments: list[str], words: list[str]) -> None:
    assert_refused(run("serve", *arguments), *words)


def test_a_mistake_in_a_fixture_is_said_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text('description: "x"\nopened: "2025-01-20"\naccounts:\n  - {name: a, tier: gold}\n')
    assert_refused(run("serve", "--fixture", str(file)), f"{file}, line 4", "vip or basic")


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_text("this is no database, however long it may go on " * 100)
    assert_refused(run("serve", "--store", f"sqlite:{file}"), "store", str(file))


def test_a_variable_nobody_knows_is_said_in_one_line() -> None:
    assert_refused(run("serve", UPSIM_PROT="1"), "UPSIM_PROT", "UPSIM_PORT")


# Stopping


@pytest.mark.parametrize("door", DOORS)
def test_a_server_that_is_told_to_leave_before_it_answers_ends_too(door: str) -> None:
    server = Server(configure({"port": "0", "fixture": "empty", "server": door}, {}))
    server.listen()
    server.leave()
    assert server._leaving is not None
    server._leaving.join(30)
    server.start()
    assert server._thread is not None
    server._thread.join(30)
    ended = not server._thread.is_alive()
    server.close()
    assert ended


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("door", DOORS)
def test_a_signal_ends_it_with_0_once_the_requests_under_way_are_answered(
    tmp_path: Path, door: str, processes: str, number: int
) -> None:
    """The request under way tests a pool of ours, which has been connected to and says nothing yet."""
    several = ["--server", door, "--processes", processes, "--store", f"sqlite:{tmp_path / 'x.db'}"]
    with serving(tmp_path, *several) as server, socket.create_server(("127.0.0.1", 0)) as pool:
        answers: list[tuple[int, Any]] = []
        described = {"algorithm": "randomx", "host": "127.0.0.1", "port": pool.getsockname()[1], "username": "u"}
        asking = threading.Thread(target=lambda: answers.append(server.ask("POST", "/v1/pools/test", described)))
        asking.start()
        connection, _ = pool.accept()
        server.process.send_signal(number)
        pool.close()  # so that whoever asks again is refused at once
        connection.close()
        _, said = server.process.communicate(timeout=60)
        asking.join()
    assert server.process.returncode == 0
    assert said == ""
    ((status, found),) = answers
    assert (status, found["stages"][0]["status"], found["success"]) == (200, "passed", False)


@pytest.mark.parametrize("door", DOORS)
def test_a_signal_is_heard_whichever_thread_the_system_tells(tmp_path: Path, door: str) -> None:
    """The one that Python handles signals in sleeps on then, as it does when told just before it falls asleep."""
    with serving(tmp_path, "--fixture", "empty", "--server", door) as server:
        server.ask("GET", "/v1/overview", key=None)  # by now it runs
        threads = Path(f"/proc/{server.process.pid}/task")
        others = [int(each.name) for each in threads.glob("*") if each.name != str(server.process.pid)]
        os.kill(max(others, default=server.process.pid), signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_body_that_still_comes_when_granian_is_told_to_stop_is_answered(tmp_path: Path, stop: signal.Signals) -> None:
    """The thread that is interrupted by the second is the one that reads it."""
    pytest.importorskip("granian", reason="granian is an extra")
    with (
        serving(tmp_path, "--server", "granian") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as client,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as idle,
    ):
        idle.sendall(b"GET /v1/overview HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1 << 16)
        client.sendall(b"POST /v1/pools HTTP/1.1\r\nHost: x\r\nX-API-Key: up_k_demovip\r\nExpect: 100-continue\r\n")
        client.sendall(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{")
        assert client.recv(64).startswith(b"HTTP/1.1 100 ")
        server.process.send_signal(stop)
        assert idle.recv(1 << 16) == b""  # it was told by now
        client.sendall(b"}")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
        assert server.process.wait(timeout=60) == 0


# Logs


@pytest.mark.parametrize("door", DOORS)
def test_without_being_asked_it_says_nothing_about_calls(tmp_path: Path, door: str) -> None:
    with serving(tmp_path, "--server", door) as server:
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as gone:
            gone.sendall(b"POST /v1/pools HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
        calls = [threading.Thread(target=server.ask, args=("GET", "/v1/workers?limit=100")) for _ in range(30)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        server.ask("GET", "/nothing")
        assert server.stop() == (0, "")


@pytest.mark.parametrize("door", DOORS)
def test_on_request_each_call_is_one_line_without_secrets(tmp_path: Path, door: str) -> None:
    with serving(tmp_path, "--access-log", "on", "--server", door) as server:
        server.ask("GET", f"/v1/workers?limit=3&key={KEY}&search=%0A")
        server.ask("POST", "/v1/pools", POOL | {"name": "n", "password": "hunter2", "host": "refused.pool.test"})
        server.ask("GET", "/v1/workers", key="up_k_somebodyElses")
        server.ask("GET", "//v1/x", key=None)
        _, said = server.stop()
    lines = said.splitlines()
    assert [re.sub(r"^\S+ (.*) \d+\.\dms$", r"\1", line) for line in lines] == [
        "127.0.0.1 vip GET /v1/workers?limit=3&key=up_k_•••&search=%0A 200",
        "127.0.0.1 vip POST /v1/pools 400",
        "127.0.0.1 - GET /v1/workers 401",
        "127.0.0.1 - GET //v1/x 404",
    ]


def test_half_a_request_does_not_keep_granian_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    granian = pytest.importorskip("upsim.doors.granian", reason="granian is an extra")
    monkeypatch.setattr(granian, "_FINISHED_WITHIN_S", 0.1)
    server = Server(Config(port=0, server="granian"))
    url = urlsplit(server.listen())
    server.start()
    with socket.create_connection((url.hostname, url.port), timeout=30) as client:
        client.sendall(b"POST /v1/pools HTTP/1.1\r\nHost: x\r\nX-API-Key: up_k_demovip\r\nExpect: 100-continue\r\n")
        client.sendall(b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        assert client.recv(64).startswith(b"HTTP/1.1 100 ")  # it is waited for, and so under way
        server.close()


# Starting again


def test_on_a_file_everything_is_there_again(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'kept.db'}"
    with serving(tmp_path, "--store", store) as server:
        _, created = server.ask("POST", "/v1/pools", POOL | {"name": "kept", "host": "kept.example"})
        _, profiles = server.ask("GET", "/v1/profiles?algorithm=randomx")
        other = next(profile for profile in profiles["data"] if not profile["is_default"])
        assert server.ask("POST", f"/v1/profiles/{other['_id']}/default")[0] == 200
        before = server.ask("GET", "/v1/pools?limit=100")[1], server.ask("GET", "/v1/profiles?limit=100")[1]
        assert server.stop()[0] == 0
    with serving(tmp_path, "--store", store, "--fixture", "empty") as server:
        again = server.ask("GET", "/v1/pools?limit=100")[1], server.ask("GET", "/v1/profiles?limit=100")[1]
        assert again == before
        assert server.ask("GET", f"/v1/pools/{created['_id']}")[1]["name"] == "kept"
        assert server.ask("GET", "/v1/profiles/default?algorithm=randomx")[1]["_id"] == other["_id"]
