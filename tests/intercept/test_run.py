"""`upsim run`: the command's own code, streams and signals; its world and keys; what is told, and what is left."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from tests.intercept.conftest import Upsim
from tests.serving import UPSIM, environment, serving
from upsim import Simulator
from upsim.cli import main
from upsim.config import CLIENT_VARIABLES

CALL = """
import json, os, sys, urllib.request
for path in sys.argv[1:]:
    request = urllib.request.Request("https://api.ultimate-proxy.com" + path)
    request.add_header("X-API-Key", os.environ.get("UP_API_KEY", "up_k_demovip"))
    try:
        print(urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""

PYTHON = (sys.executable, "-c")


# The command is itself


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 128 + 15), ("kill -KILL $$", 128 + 9)],
)
def test_the_exit_code_is_the_commands_own(run_upsim: Upsim, script: str, code: int) -> None:
    assert run_upsim("--quiet", "--fixture", "empty", "--", "sh", "-c", script).returncode == code


def test_its_streams_are_its_own(run_upsim: Upsim) -> None:
    done = run_upsim("--quiet", "sh", "-c", "cat; echo more; echo no >&2", given="from before\n")
    assert (done.stdout, done.stderr) == ("from before\nmore\n", "no\n")


def test_a_command_that_is_none_is_said_as_a_shell_says_it(run_upsim: Upsim, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    for command, code in (("no-such-command", 127), ("./text", 126)):
        done = run_upsim(command)
        assert done.returncode == code
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"upsim: {command}: ")


@contextmanager
def running(folder: Path, script: str) -> Iterator[subprocess.Popen[str]]:
    """`upsim run` of a shell script, once the script has said its first line."""
    command = [*UPSIM, "run", "--quiet", "--fixture", "empty", "--", "sh", "-c", script]
    process = subprocess.Popen(
        command,
        env=environment(TMPDIR=str(folder)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


SHELL_UNTIL_SIGNALLED = """
trap 'echo got TERM; exit 5' TERM; trap 'echo got HUP' HUP; trap 'echo got USR1' USR1; trap 'echo got INT' INT
echo ready
while :; do read line < {pipe}; done
"""


def test_signals_reach_the_command_and_it_decides(tmp_path: Path, temporary: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with running(temporary, SHELL_UNTIL_SIGNALLED.format(pipe=pipe)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for name in ("HUP", "USR1", "INT"):
            process.send_signal(getattr(signal, f"SIG{name}"))
            assert process.stdout.readline() == f"got {name}\n"
        process.terminate()
        assert process.stdout.readline() == "got TERM\n"
        assert process.wait(timeout=60) == 5
    assert [*temporary.iterdir()] == []


AT_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


COUNT_INTERRUPTS = """
import os, signal, subprocess, sys

def say_how_many(*_):
    print("interrupts:", len(interrupts), flush=True)
    os._exit(4)

witness = subprocess.Popen(
    ["sh", "-c", "trap 'echo interrupted >&2; exit' INT; echo; while :; do sleep 0.1; done"], stdout=subprocess.PIPE
)
os.setpgid(0, 0)
interrupts = []
signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
signal.signal(signal.SIGUSR1, say_how_many)
witness.stdout.readline()
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_ctrl_c_is_left_to_the_terminal(temporary: Path) -> None:
    """It tells all in the foreground; were the command told by upsim too, it could take that for a second Ctrl-C.

    Two at once are one to who is told, so the command counts those that come from upsim alone: it has left the
    foreground, where a witness stays.
    """
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PYTHON, AT_A_TERMINAL, *UPSIM, "run", "--quiet", "--fixture", "empty", *PYTHON, COUNT_INTERRUPTS],
        env=environment(TMPDIR=str(temporary)),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        read_until(ours, b"ready")
        os.write(ours, b"\x03")
        read_until(ours, b"interrupted")
        process.send_signal(signal.SIGUSR1)  # handed on after whatever was to be handed on before
        assert read_until(ours, b"interrupts: ", more=1).partition(b"interrupts: ")[2][:1] == b"0"
        assert process.wait(timeout=60) == 4
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(descriptor: int, words: bytes, more: int = 0) -> bytes:
    """What is said up to these words, and so many bytes behind them."""
    said = b""
    while len(said.partition(words)[2]) < more or words not in said:
        assert select.select([descriptor], [], [], 30)[0], said
        said += os.read(descriptor, 1_000)
    return said


# Its world


def test_a_fresh_world_with_the_wished_clock_seed_and_keys(run_upsim: Upsim) -> None:
    wish = (
        "--seed",
        "7",
        "--at",
        "2026-01-05T08:00:00Z",
        "--freeze",
        "--tier",
        "basic",
        "--key-env",
        "UP_API_KEY=vip:read only",
    )
    said = run_upsim(*wish, *PYTHON, CALL, *["/v1/workers"] * 11)
    assert said.stdout.split() == ["200"] * 10 + ["429"]  # which is what a basic account may
    assert said.stderr.count("GET /v1/workers  200     rule") == 10
    again = run_upsim(*wish, *PYTHON, SHOW)
    assert again.stdout == run_upsim(*wish, *PYTHON, SHOW).stdout
    assert "2026-01-05T08:00:00.000Z" in again.stdout


SHOW = """
import json, os, urllib.request
world = urllib.request.urlopen(os.environ["UPSIM_URL"] + "/_upsim/worlds/" + os.environ["UPSIM_WORLD"])
print(json.load(world)["clock"]["now"], os.environ["UP_API_KEY"])
headers = {"X-API-Key": os.environ["UP_API_KEY"]}
request = urllib.request.Request("https://api.ultimate-proxy.com/v1/overview", headers=headers)
print(urllib.request.urlopen(request).read())
"""


def test_the_memorable_keys_of_the_demo_work_as_ever(run_upsim: Upsim) -> None:
    assert run_upsim("--rate-limit", "off", *PYTHON, CALL, "/v1/overview").stdout == "200\n"


def test_the_command_can_drive_its_own_world(run_upsim: Upsim) -> None:
    drive = f"""{sys.executable} -m upsim fault add --status 503 --path /v1/overview --times 1 >/dev/null &&
        {sys.executable} -c "$0" /v1/overview /v1/overview"""
    done = run_upsim("--assert", "status=503 == 1", "--", "sh", "-c", drive, CALL)
    assert (done.returncode, done.stdout) == (0, "503\n200\n"), done.stderr


def test_a_simulator_that_runs_gives_each_run_a_fresh_world(run_upsim: Upsim) -> None:
    with Simulator() as simulator:
        for _ in range(2):
            done = run_upsim(
                *("--url", simulator.url, "--seed", "3", "--at", "2026-01-05T08:00:00Z", "--speed", "2"),
                *("--key-env", "UP_API_KEY=vip", "--assert", "* == 2"),
                *(*PYTHON, CALL, "/v1/overview", "/v1/pools"),
            )
            assert (done.returncode, done.stdout) == (0, "200\n200\n"), done.stderr
        assert [world.id for world in simulator.worlds()] == ["default"]
        assert len(simulator.default.journal) == 0


def test_a_world_that_is_there_is_used_as_it_is(run_upsim: Upsim) -> None:
    with Simulator(admin_token="t0ken") as simulator, simulator.world() as world:
        simulator.app.test_client().get("/v1/pools", headers={"X-API-Key": world.key("vip")})
        done = run_upsim(
            *("--world", world.id, "--assert", "* == 1", *PYTHON, CALL, "/v1/overview"),
            UPSIM_URL=simulator.url,
            UPSIM_TOKEN="t0ken",
            UP_API_KEY=world.key("vip"),
        )
        assert (done.returncode, done.stdout) == (0, "200\n"), done.stderr
        assert "after 1 call\n" in done.stderr
        assert len(world.journal) == 2


def test_a_simulator_behind_tls_is_called_by_its_own_certificate(run_upsim: Upsim, tmp_path: Path) -> None:
    with serving(tmp_path, "--tls", "--fixture", "empty") as server:
        done = run_upsim(
            *("--url", server.ready["url"], "--world", "default", *PYTHON, CALL, "/v1/overview"),
            SSL_CERT_FILE=server.ready["ca"],
        )
        assert (done.returncode, done.stdout) == (0, "200\n"), done.stderr


# What is said of it


def test_calls_refusals_and_expectations_are_told(run_upsim: Upsim) -> None:
    script = f"{CALL}\nurllib.request.urlopen('https://real.example/')"
    done = run_upsim(
        *("--assert", "GET /v1/workers == 1", "--assert", "/v1/pools", "--assert", "* == 2"),
        *(*PYTHON, script, "/v1/workers", "/v1/profiles"),
        UP_API_KEY="up_k_wrong",
    )
    assert done.returncode == 3
    assert "upsim refuses real.example:443 so that no test reaches a real service by mistake" in done.stderr
    told = done.stderr[done.stderr.index("upsim: the command") :].splitlines()
    assert told[0] == "upsim: the command ended with 1, after 2 calls"
    assert told[1].split() == ["account", "call", "answer", "decided", "by"]
    assert told[2].split()[:5] == ["-", "GET", "/v1/workers", "401", "key:"]
    assert told[4] == "upsim: refused: real.example:443, 1 time; --pass-through real.example would allow it"
    assert told[5] == "upsim: holds: --assert 'GET /v1/workers == 1'"
    assert told[6] == ("upsim: FAILED: --assert '/v1/pools': expected at least 1 call: /v1/pools; there were none")
    assert told[-1] == "upsim: holds: --assert '* == 2'"


def test_an_expectation_that_fails_ends_it_with_3_whatever_the_command_did(run_upsim: Upsim) -> None:
    for script in ("exit 0", "exit 7"):
        done = run_upsim("--quiet", "--assert", "GET /v1/workers", "--", "sh", "-c", script)
        assert done.returncode == 3
        assert done.stderr.splitlines()[-1] == "  nothing was called at all"


def test_junit_has_a_case_for_the_command_and_each_expectation(run_upsim: Upsim, tmp_path: Path) -> None:
    done = run_upsim(
        *("--junit", "report.xml", "--assert", "GET /v1/workers == 1", "--assert", "/v1/pools"),
        *(*PYTHON, CALL + "\nsys.exit(4)", "/v1/workers"),
    )
    assert done.returncode == 3
    (suite,) = ElementTree.parse(tmp_path / "report.xml").getroot()  # noqa: S314 - we wrote it
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    cases = {case.get("name"): case.find("failure") for case in suite.iter("testcase")}
    held, failed = cases["GET /v1/workers == 1"], cases["/v1/pools"]
    assert held is None
    assert failed is not None
    assert "GET /v1/workers → 200" in (failed.text or "")
    (command,) = (failure for name, failure in cases.items() if (name or "").startswith(sys.executable))
    assert command is not None
    assert command.get("message") == "the command ended with 4"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["which command", "upsim run -- "]),
        (["--assert", "GET /v1/pools === 2", "true"], ["GET /v1/pools === 2", "whole number", "[METHOD]"]),
        (["--host", "https://a.example", "true"], ["host", "https://a.example", "api.example.com"]),
        (["--pass-through", "a b", "true"], ["pass-through", "a b"]),
        (["--fixture", "nothing", "true"], ["fixture", "nothing", "demo"]),
        (["--at", "noon", "true"], ["noon"]),
        (["--key-env", "vip", "true"], ["--key-env vip", "UP_API_KEY=vip"]),
        (["--key-env", "K=nobody", "true"], ["nobody", "'vip'"]),
        (["--world", "w", "true"], ["--world", "--url"]),
        (["--url", "http://127.0.0.1:1", "true"], ["fresh world", "--key-env", "--world default"]),
        (["--url", "http://127.0.0.1:1", "--key-env", "K=vip", "true"], ["127.0.0.1:1", "upsim serve"]),
        (["--url", "http://127.0.0.1:1", "--world", "w", "--seed", "1", "true"], ["--seed", "fresh world"]),
        (["--url", "http://127.0.0.1:1", "--rate-limit", "off", "true"], ["--rate-limit"]),
        (["--junit", "no/such/folder/x.xml", "true"], ["no/such/folder"]),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: list[str], words: list[str]) -> None:
    done = CliRunner().invoke(main, ["run", *arguments], env=dict.fromkeys(CLIENT_VARIABLES))
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("upsim: ")
    for word in words:
        assert word in line


# What is left of it

SHOW_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)), flush=True); input()"


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGKILL], ids=["its end", "SIGTERM", "SIGKILL"])
def test_no_certificate_process_or_port_survives(temporary: Path, number: int | None) -> None:
    process = subprocess.Popen(
        [*UPSIM, "run", "--quiet", "--", *PYTHON, SHOW_ENVIRONMENT],
        env=environment(TMPDIR=str(temporary)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    seen = json.loads(process.stdout.readline())
    (folder,) = temporary.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not any("PRIVATE" in file.read_text(errors="replace") for file in folder.iterdir() if file.is_file())
    assert {Path(seen[name]).parent for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")} == {folder}
    if number is not None:
        process.send_signal(number)
    process.communicate("\n")
    for port in (urlsplit(seen["HTTPS_PROXY"]).port, urlsplit(seen["UPSIM_URL"]).port):
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port)) != 0
    for _ in range(3_000):  # after SIGKILL, a shell that waited for it removes the folder
        if not folder.exists() and not processes_of(folder):
            break
        time.sleep(0.01)
    assert (folder.exists(), processes_of(folder)) == (False, [])


def processes_of(folder: Path) -> list[str]:
    """The command lines in which a folder is named."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if str(folder) in line]
