"""`upsim serve --tls`: HTTPS alone, as a client that verifies certificates meets it."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.doors import DOORS
from tests.serving import KEY, UPSIM, Serving, environment, serving
from upsim.clock import SystemClock
from upsim.intercept.hosts import SERVICE

HEADERS = {"X-API-Key": KEY, "Content-Type": "application/json"}


@pytest.fixture(scope="module", params=DOORS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that speaks HTTPS, by each of the doors."""
    with serving(tmp_path_factory.mktemp("tls"), "--tls", "--rate-limit", "off", "--server", request.param) as served:
        yield served


def trusting(server: Serving) -> ssl.SSLContext:
    """Trusts the server's authority and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(server.ready["ca"])
    return context


@pytest.fixture
def connection(server: Serving) -> Iterator[HTTPSConnection]:
    with closing(HTTPSConnection("127.0.0.1", server.port, context=trusting(server), timeout=30)) as opened:
        yield opened


def ask(connection: HTTPSConnection, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection.request(method, path, None if body is None else json.dumps(body), HEADERS)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_banner_and_ready_file_say_whom_to_trust(server: Serving) -> None:
    assert server.ready["url"] == f"https://127.0.0.1:{server.port}"
    assert f"upsim simulates the Ultimate Proxy API on {server.ready['url']}" in server.banner
    assert server.banner.count(f"curl --cacert {server.ready['ca']} ") == 3


def test_a_connection_is_kept_for_many_calls(connection: HTTPSConnection) -> None:
    for _ in range(5):
        assert ask(connection, "GET", "/v1/workers?limit=100")[0] == 200
        held = connection.sock
    assert held is connection.sock


def test_large_and_chunked_bodies_arrive_whole(connection: HTTPSConnection) -> None:
    text = json.dumps({"algorithm": "sha256", "pools": [], "name": "x" * 900_000}).encode()
    chunks = (text[start : start + 7_777] for start in range(0, len(text), 7_777))
    connection.request("POST", "/v1/profiles", chunks, HEADERS, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 400
    assert json.loads(answer.read())["error"].endswith("got 900000.")
    assert ask(connection, "POST", "/v1/profiles", {"name": "x" * 1_100_000})[0] == 413


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", SERVICE])
def test_it_answers_to_the_names_it_is_called(server: Serving, name: str) -> None:
    """The service's own too: for those who lead that name here by other means."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw,
        trusting(server).wrap_socket(raw, server_hostname=name) as secured,
    ):
        assert secured.version() in ("TLSv1.2", "TLSv1.3")


def test_clients_that_would_rather_speak_http_2_fall_back(server: Serving) -> None:
    context = trusting(server)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        assert secured.selected_alpn_protocol() == "http/1.1"


def test_nobody_else_trusts_it(server: Serving) -> None:
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")


def test_plain_http_is_refused_and_told_so_where_the_door_can(server: Serving, request: pytest.FixtureRequest) -> None:
    if "granian" in request.node.callspec.id:
        with pytest.raises((OSError, HTTPException)):
            server.ask("GET", "/v1/overview")
    else:
        status, answer = server.ask("GET", "/v1/overview")
        assert (status, "https://" in answer["error"]) == (400, True)


def test_a_caller_keeps_its_address(server: Serving, connection: HTTPSConnection) -> None:
    """Address lists of keys go by it, with TLS as without."""
    status, made = ask(
        connection,
        "POST",
        "/_upsim/worlds/default/accounts/vip/keys",
        {"name": "here", "addresses": ["127.0.0.0/8"]},
    )
    assert status in (200, 201)
    connection.request("GET", "/v1/pools", headers={"X-API-Key": made["key"]})
    answer = connection.getresponse()
    assert (answer.status, len(answer.read()) > 0) == (200, True)


def test_faults_on_the_connection_are_met_as_without_tls(server: Serving, connection: HTTPSConnection) -> None:
    for effect in ("drop", "cut"):
        fault = {"path": f"/v1/{effect}", "effect": effect, "times": 1}
        assert ask(connection, "POST", "/_upsim/worlds/default/faults", fault)[0] in (200, 201)
    for effect in ("drop", "cut"):
        connection.request("GET", f"/v1/{effect}", headers=HEADERS)
        with pytest.raises((HTTPException, OSError)):
            connection.getresponse().read()
        connection.close()


def test_what_is_silent_or_speaks_nonsense_is_let_go_of(server: Serving) -> None:
    for words in (b"", b"\x16\x03\x01\x00\x05junk!", b"\x16"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
            raw.sendall(words)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4_096):
                pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("door", DOORS)
def test_the_authority_is_gone_with_the_server(tmp_path: Path, door: str, number: int) -> None:
    with serving(tmp_path, "--tls", "--fixture", "empty", "--server", door) as server:
        folder = Path(server.ready["ca"]).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [file.name for file in folder.iterdir()] == ["ca.pem"]
        assert "PRIVATE" not in Path(server.ready["ca"]).read_text()
        server.stop(number)
    gone(folder)


def gone(folder: Path) -> None:
    """Wait until a folder is not there any more: after SIGKILL it is a shell of its own that removes it."""
    for _ in range(3_000):
        if not folder.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{folder} was left behind")


@pytest.mark.parametrize("door", DOORS)
def test_a_certificate_of_ones_own_is_served(tmp_path: Path, door: str) -> None:
    certificate, key = own_certificate(tmp_path)
    told = ("--tls-cert", str(certificate), "--tls-key", str(key), "--fixture", "empty", "--server", door)
    with serving(tmp_path, *told) as server:
        assert server.ready["ca"] is None
        assert "authority" not in server.banner
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(certificate)
        with closing(HTTPSConnection("localhost", server.port, context=context, timeout=30)) as connection:
            assert ask(connection, "GET", "/v1/workers")[0] == 200


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that somebody brings along, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "localhost")])
    start = datetime.fromtimestamp(SystemClock().now() // 1000, UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "own.pem", folder / "own.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass phrase"))
    (folder / "locked.key").write_bytes(locked)
    return files


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--tls-cert own.pem", ["tls-cert", "tls-key", "both"]),
        ("--tls --tls-key own.key", ["tls-cert", "tls-key", "both"]),
        ("--tls-cert none.pem --tls-key own.key", ["tls-cert", "none.pem", "No such file"]),
        ("--tls-cert own.pem --tls-key .", ["tls-key: .: Is a directory"]),
        ("--tls-cert own.key --tls-key own.key", ["tls-cert", "own.key holds no certificate"]),
        ("--tls-cert own.pem --tls-key own.pem", ["tls-key: own.pem holds no private key"]),
        ("--tls-cert torn.pem --tls-key own.key", ["torn.pem is damaged", "no certificate"]),
        ("--tls-cert own.pem --tls-key torn.key", ["torn.key is damaged", "no private key"]),
        ("--tls-cert own.pem --tls-key other.key", ["other.key is not the key of own.pem"]),
        ("--tls-cert own.pem --tls-key locked.key", ["tls-cert", "locked.key has a pass phrase", "openssl pkey"]),
    ],
)
def test_a_certificate_that_cannot_be_used_is_said_in_one_line(tmp_path: Path, flags: str, words: list[str]) -> None:
    for file in own_certificate(tmp_path):
        first, *_, last = file.read_text().splitlines()
        (tmp_path / f"torn{file.suffix}").write_text(f"{first}\nMIIB\n{last}\n")
    other = ec.generate_private_key(ec.SECP256R1())
    other_pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "other.key").write_bytes(other_pem)
    done = subprocess.run(
        [*UPSIM, "serve", "--port", "0", "--fixture", "empty", *flags.split()],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("upsim: ")
    for word in words:
        assert word in line
