"""The peers: other simulators that can do a part of the same job, how they are installed, set up and asked.

The same workers are put before each, in the form it takes: a thousand and ten thousand of them. None is installed but
by `make bench ARGS=peers`, into a folder of its own outside the repository.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Workers = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, but for the host."""

    path: str
    method: str = "GET"
    headers: tuple[str, ...] = ()
    body: str = ""

    def text(self) -> bytes:
        """As it goes over the wire."""
        fields = [*self.headers, *([f"Content-Length: {len(self.body)}"] if self.body else [])]
        head = "".join(f"{one}\r\n" for one in ("Host: 127.0.0.1", *fields))
        return f"{self.method} {self.path} HTTP/1.1\r\n{head}\r\n{self.body}".encode()


@dataclass(frozen=True, slots=True)
class Peer:
    """Another simulator.

    Attributes:
        package: what npm or pip is asked for.
        keeps_state: what is written to it, it answers afterwards.
        command: from the folder it is installed in, a folder with its data, and a port: what starts it.
        prepare: writes its data into a folder.
        fill: calls to make once it answers.
        note: what is not as with the others.
    """

    name: str
    package: str
    keeps_state: bool
    command: Callable[[Path, Path, int], list[str]]
    small: Request
    page: Request
    prepare: Callable[[Path, Workers], None] = lambda folder, workers: None
    fill: Callable[[Workers], Sequence[Request]] = lambda workers: ()
    note: str = ""
    by: str = "npm"


def _json_server(folder: Path, workers: Workers) -> None:
    (folder / "db.json").write_text(json.dumps({"profiles": [{"id": "1", "name": "profile"}], "workers": workers}))


def _mockoon(folder: Path, workers: Workers) -> None:
    answer = {
        "uuid": "33333333-3333-4333-8333-333333333333", "body": "{}", "latency": 0, "statusCode": 200, "label": "",
        "headers": [], "bodyType": "DATABUCKET", "filePath": "", "databucketID": "wkrs", "sendFileAsBody": False,
        "rules": [], "rulesOperator": "OR", "disableTemplating": True, "fallbackTo404": False, "default": True,
        "crudKey": "id", "callbacks": [],
    }  # fmt: skip
    route = {
        "uuid": "22222222-2222-4222-8222-222222222222", "type": "crud", "documentation": "", "method": "",
        "endpoint": "workers", "responses": [answer], "responseMode": None, "streamingMode": None,
        "streamingInterval": 0,
    }  # fmt: skip
    bucket = {
        "uuid": "44444444-4444-4444-8444-444444444444", "id": "wkrs", "name": "workers", "documentation": "",
        "value": json.dumps(workers),
    }  # fmt: skip
    content = {
        "uuid": "11111111-1111-4111-8111-111111111111", "lastMigration": 33, "name": "bench", "port": 3000,
        "hostname": "127.0.0.1", "endpointPrefix": "", "latency": 0, "folders": [], "routes": [route],
        "rootChildren": [{"type": "route", "uuid": route["uuid"]}], "proxyMode": False, "proxyHost": "",
        "proxyRemovePrefix": False, "cors": False, "headers": [], "proxyReqHeaders": [], "proxyResHeaders": [],
        "tlsOptions": {
            "enabled": False, "type": "CERT", "pfxPath": "", "certPath": "", "keyPath": "", "caPath": "",
            "passphrase": "",
        },
        "data": [bucket], "callbacks": [],
    }  # fmt: skip
    (folder / "environment.json").write_text(json.dumps(content))


def _wiremock(folder: Path, workers: Workers) -> None:
    (folder / "mappings").mkdir(exist_ok=True)
    page = {"data": workers[400:500], "pagination": {"page": 5, "limit": 100, "total": len(workers)}}
    for name, path, body in (("small", "/profiles/1", {"id": "1", "name": "profile"}), ("page", "/workers", page)):
        stub = {
            "request": {"method": "GET", "urlPath": path},
            "response": {"status": 200, "body": json.dumps(body), "headers": {"Content-Type": "application/json"}},
        }
        (folder / "mappings" / f"{name}.json").write_text(json.dumps(stub))


def _java(*options: str) -> Callable[[Path, Path, int], list[str]]:
    def command(installed: Path, data: Path, port: int) -> list[str]:
        (jar,) = (installed / "node_modules" / "wiremock" / "build").glob("wiremock-standalone-*.jar")
        own = ["--port", str(port), "--root-dir", str(data), "--bind-address", "127.0.0.1", "--disable-banner"]
        return ["java", "-jar", str(jar), *own, *options]

    return command


def _node(program: str, arguments: Callable[[Path, int], list[str]]) -> Callable[[Path, Path, int], list[str]]:
    def command(installed: Path, data: Path, port: int) -> list[str]:
        return [str(installed / "node_modules" / ".bin" / program), *arguments(data, port)]

    return command


def _moto(installed: Path, data: Path, port: int) -> list[str]:
    return [str(installed / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]


def _dynamodb(target: str, content: dict[str, Any]) -> Request:
    signed = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=x"
    fields = (f"X-Amz-Target: DynamoDB_20120810.{target}", "Content-Type: application/x-amz-json-1.0")
    return Request("/", "POST", (*fields, f"Authorization: {signed}"), json.dumps(content))


def _table(workers: Workers) -> list[Request]:
    key = {"AttributeName": "id"}
    create = {
        "TableName": "workers",
        "KeySchema": [{**key, "KeyType": "HASH"}],
        "AttributeDefinitions": [{**key, "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    puts = [{"PutRequest": {"Item": {name: {"S": str(value)} for name, value in worker.items()}}} for worker in workers]
    batches = [{"RequestItems": {"workers": puts[start : start + 25]}} for start in range(0, len(puts), 25)]
    return [_dynamodb("CreateTable", create), *(_dynamodb("BatchWriteItem", batch) for batch in batches)]


_BY_PAGE: Final = Request("/workers?_page=5&_per_page=100")
_PROFILE: Final = Request("/profiles/1")
_SPEC: Final = Path(__file__).parents[1] / "contract" / "openapi.yaml"
_KEYED: Final = ("X-API-Key: key",)

PEERS: Final = (
    Peer(
        "json-server 1.0 beta", "json-server@1.0.0-beta.15", True,
        _node("json-server", lambda data, port: ["-p", str(port), str(data / "db.json")]),
        _PROFILE, _BY_PAGE, _json_server,
    ),
    Peer(
        "json-server 0.17", "json-server@0.17.4", True,
        _node("json-server", lambda data, port: ["-q", "-p", str(port), str(data / "db.json")]),
        _PROFILE, Request("/workers?_page=5&_limit=100"), _json_server,
    ),
    Peer(
        "Mockoon CRUD", "@mockoon/cli@9", True,
        _node(
            "mockoon-cli",
            lambda data, port: [
                "start", "--data", str(data / "environment.json"), "-p", str(port), "--disable-log-to-file",
            ],
        ),
        Request("/workers/5"), Request("/workers?page=5&limit=100"), _mockoon,
    ),
    Peer(
        "moto (DynamoDB)", "moto[server]==5.2.5", True, _moto,
        _dynamodb("GetItem", {"TableName": "workers", "Key": {"id": {"S": "5"}}}),
        _dynamodb("Scan", {"TableName": "workers", "Limit": 100}), fill=_table, by="pip",
        note="its page is the first 100",
    ),
    Peer(
        "Prism", "@stoplight/prism-cli@5", False,
        _node("prism", lambda data, port: ["mock", "-v", "error", "-p", str(port), str(_SPEC)]),
        Request("/v1/profiles/default?algorithm=randomx", headers=_KEYED),
        Request("/v1/workers?page=1&limit=100", headers=_KEYED), note="its page is the spec's example, of 2 workers",
    ),
    *(
        Peer(
            f"WireMock, {name}", "wiremock@3.13.2", False, _java(*options), _PROFILE, Request("/workers"), _wiremock,
            note="its page is the bytes it was given",
        )
        for name, options in (
            ("journal", ("--max-request-journal-entries", "10000")),
            ("journal, no log", ("--max-request-journal-entries", "10000", "--disable-request-logging")),
            ("journal, no log, async", (
                "--max-request-journal-entries", "10000", "--disable-request-logging",
                "--async-response-enabled", "true",
            )),
            ("no journal", ("--no-request-journal", "--disable-request-logging")),
        )
    ),
)  # fmt: skip


def install(peer: Peer, cache: Path) -> Path:
    """Install it into the cache, if it is not there; the folder it is in.

    Raises:
        OSError: npm is not there.
        subprocess.CalledProcessError: it cannot be had.
    """
    folder = cache / peer.package.replace("/", "_").replace("@", "_")
    if (folder / "installed").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if peer.by == "npm":
        commands = [["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), peer.package]]
    else:
        commands = [[sys.executable, "-m", "venv", str(folder)], [str(folder / "bin" / "pip"), "install", peer.package]]
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    (folder / "installed").touch()
    return folder
