"""`upsim contract` and `upsim drift` as commands: exit codes, reports, and targets that are no API at all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from contract.cli import contract, drift
from tests.contract.mutants.contents import the_limit_is_not_repeated, untested_pools_are_unhealthy
from tests.contract.mutants.tamper import tampered
from tests.contract.second import data
from tests.contract.second.app import Second

Serve = Callable[[Any], str]


class Threaded(ThreadingMixIn, WSGIServer):
    """A server with a thread for each call."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Says nothing on standard error."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Put applications on free ports of this machine."""
    servers: list[tuple[WSGIServer, threading.Thread]] = []

    def start(app: Any) -> str:
        server = make_server("127.0.0.1", 0, app, Threaded, Quiet)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def command(*arguments: str) -> Result:
    """Run `upsim contract`."""
    return CliRunner().invoke(contract, list(arguments))


READ_ONLY = ("--read-only", "--key", data.BASIC, "--only", "lists.*", "--only", "overview.*", "--cases", "0")


class Generous(Second):
    """Never spends a window: these tests are about the command."""

    def count(self, user: str) -> dict[str, str]:
        """As if each call were the first of its window."""
        self.counts.clear()
        return super().count(user)


def test_a_conforming_target_exits_0(serve: Serve) -> None:
    result = command(serve(Generous()), *READ_ONLY)
    assert result.exit_code == 0, result.output
    assert "Conforms" in result.output


def test_a_documented_or_observed_difference_exits_1_and_says_how_to_see_it(serve: Serve) -> None:
    result = command(serve(tampered(Generous(), after=the_limit_is_not_repeated)), *READ_ONLY)
    assert result.exit_code == 1
    assert "lists.echo  [observed: client call 3]" in result.output
    assert "curl -i" in result.output
    assert '-H "X-API-Key: $KEY"' in result.output
    assert data.BASIC not in result.output


def test_an_assumption_mismatch_exits_0_unless_it_is_asked_for(serve: Serve) -> None:
    url = serve(tampered(Generous(), after=untested_pools_are_unhealthy))
    vip = [data.VIP if one == data.BASIC else one for one in READ_ONLY]
    result = command(url, *vip)
    assert result.exit_code == 0, result.output
    assert "Assumption mismatches" in result.output
    assert "overview.agrees-with-lists" in result.output
    assert command(url, *vip, "--level", "assumed").exit_code == 1


def html(environ: Any, start_response: Any) -> list[bytes]:
    """A web page, whatever is asked."""
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<html>Welcome to nginx</html>"]


def broken(environ: Any, start_response: Any) -> list[bytes]:
    """A failure, whatever is asked."""
    start_response("500 Oops", [("Content-Type", "application/json")])
    return [b'{"error": "oops"}']


@pytest.mark.parametrize(("app", "said"), [(html, "text/html"), (broken, "answers 500")], ids=["HTML", "500"])
def test_what_is_no_api_exits_2_with_one_line(serve: Serve, app: Any, said: str) -> None:
    result = command(serve(app), *READ_ONLY)
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert isinstance(result.exception, SystemExit)


def test_a_target_that_is_down_exits_2_with_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        result = command(f"http://127.0.0.1:{taken.getsockname()[1]}", *READ_ONLY)
    assert result.exit_code == 2
    assert "no connection" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_target_that_hangs_exits_2_with_one_line() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        result = command(f"http://127.0.0.1:{silent.getsockname()[1]}", *READ_ONLY, "--timeout", "0.2")
    assert result.exit_code == 2
    assert "no answer in time" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_wrong_key_exits_2(serve: Serve) -> None:
    result = command(serve(Second()), "--key", "up_k_wrong")
    assert result.exit_code == 2
    assert "does not take the key" in result.output
    assert "up_k_wrong" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "an address is needed"),
        (("nonsense", "--key", "k"), "no address"),
        (("http://127.0.0.1:1",), "a key is needed"),
        (("http://127.0.0.1:1", "--key", "k"), "does not answer: no connection (Connection refused)"),
        (("https://api.ultimate-proxy.com", "--key", "k"), "--yes-write"),
        (("--config", "/nowhere/at/all.toml"), "No such file"),
    ],
)
def test_what_is_missing_is_said_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    result = command(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_the_checks_can_be_listed_without_a_target() -> None:
    result = command("--list")
    assert result.exit_code == 0
    assert "pools.create.tests-before-saving@bad-pools-are-not-saved" in result.output
    assert "not observable" in result.output


def test_reports_are_written_whole_and_without_secrets(serve: Serve, tmp_path: Path) -> None:
    files = {name: tmp_path / f"report.{name}" for name in ("json", "xml", "html")}
    app = tampered(Generous(), after=the_limit_is_not_repeated)
    url = serve(app)
    options = ["--json", str(files["json"]), "--junit", str(files["xml"]), "--html", str(files["html"])]
    result = command(url, *READ_ONLY, *options)
    assert result.exit_code == 1
    report = json.loads(files["json"].read_text("utf-8"))
    echo = next(one for one in report["clauses"] if one["id"] == "lists.echo")
    assert echo["verdict"] == "differs"
    assert echo["differences"][0]["exchange"]["curl"].startswith("curl")
    suites = ElementTree.fromstring(files["xml"].read_text("utf-8"))  # noqa: S314 - our own file
    failures = [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None]
    assert "lists.echo" in failures
    assert len(list(suites.iter("testcase"))) == len(report["clauses"])
    for suite in suites.iter("testsuite"):
        assert int(suite.get("tests", "0")) == len(list(suite.iter("testcase")))
    page = files["html"].read_text("utf-8")
    assert "lists.echo" in page
    assert "src=" not in page
    assert "<link" not in page
    assert "<script" not in page
    for file in files.values():
        assert data.BASIC not in file.read_text("utf-8")


def test_what_was_not_looked_at_is_not_called_verified(serve: Serve, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command(serve(Generous()), *READ_ONLY, "--json", str(report))
    clauses = {one["id"]: one for one in json.loads(report.read_text("utf-8"))["clauses"]}
    assert clauses["series.average"]["verdict"] == "not verified"
    assert clauses["series.average"]["reason"]


def test_drift_reads_a_live_target_and_stores_nothing_secret(serve: Serve, tmp_path: Path) -> None:
    saved, patch = tmp_path / "exchanges.json", tmp_path / "spec.patch"
    url = serve(Generous())
    options = ["--key", data.VIP, "--save", str(saved), "--patch", str(patch)]
    result = CliRunner().invoke(drift, [url, *options])
    assert result.exit_code == 0, result.output
    assert data.VIP not in saved.read_text("utf-8")
    assert "wallet.proxy" not in saved.read_text("utf-8")
    again = CliRunner().invoke(drift, [str(saved)])
    assert again.exit_code == 0
    assert '+    x-provenance: {level: observed, source: "recorded exchange' in patch.read_text("utf-8")


@pytest.mark.parametrize("content", ["", "{}", '{"log": {}}', "[1]", '{"log": {"entries": [{}]}}'])
def test_drift_says_what_it_cannot_read(content: str, tmp_path: Path) -> None:
    file = tmp_path / "exchanges.har"
    file.write_text(content, "utf-8")
    result = CliRunner().invoke(drift, [str(file)])
    assert result.exit_code == 2
    assert "exchanges.har" in result.output
    assert len(result.output.strip().splitlines()) == 1
