"""What a start does, and what it leaves to those who need it: held by what it imports and compiles, never by time."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
from werkzeug.routing import Rule

from upsim.config import Config
from upsim.serve import Server
from upsim.spec import API

STARTED = """
import http.client, sys
from upsim.config import Config
from upsim.serve import Server
from upsim import prepared
prepared._QUIET_S = 0
server = Server(Config(port=0), fresh=True)
address = server.listen().removeprefix("http://")
server.start()
for target in {targets}:
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", target, headers={{"X-API-Key": "up_k_demovip"}})
    assert connection.getresponse().status == 200
    connection.close()
server.close()
print(*sys.modules)
"""

FOR_OTHERS = {
    "drivers": "pymongo mongomock redis limits granian",
    "what reads and checks files that were read before": "yaml",
    "certificates": "cryptography upsim.tls upsim.intercept",
    "pools and miners": "asyncio upsim.pools upsim.stratum upsim.proxy upsim.rules.miners",
    "the control plane": "upsim.control.app upsim.client upsim.look",
    "what a world begins with": "upsim.fixture_reader upsim.rules.devices",
    "what workers do": "upsim.fleet upsim.rules.fleets upsim.rules.measured upsim.rules.presence",
    "other calls": "upsim.api.overview upsim.api.pools upsim.api.workers",
}
"""What neither a start nor an answer about profiles needs, by what it is for."""


def imported(*targets: str) -> set[str]:
    """What a process has imported once it answered these."""
    program = STARTED.format(targets=targets)
    for _ in range(2):  # the first may have to make what the second finds kept
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_a_first_answer_imports_nothing_that_only_others_need() -> None:
    found = imported("/v1/profiles/default?algorithm=kheavyhash")
    assert "upsim.api.profiles" in found
    unwanted = {kind: found.intersection(names.split()) for kind, names in FOR_OTHERS.items()}
    assert {kind: names for kind, names in unwanted.items() if names} == {}


def test_what_others_need_is_named_rightly() -> None:
    """Else the test above could not fail: each is imported by some other call, or can be found at least."""
    for name in " ".join(FOR_OTHERS.values()).split():
        assert find_spec(name) is not None, name


def test_a_start_compiles_nothing_that_makes_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each rule, that is nine tenths of what Werkzeug does with it; and here nobody asks for an address."""
    compiled: list[str] = []
    compile_builder = Rule._compile_builder

    def noted(rule: Rule, append_unknown: bool = True) -> object:
        compiled.append(rule.rule)
        return compile_builder(rule, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", noted)
    server = Server(Config())
    server.close()
    assert compiled == []
    routes = server.app.url_map.bind("upsim")
    for operation in API.operations:
        made = routes.build(operation.id, {"id": "abc"}, append_unknown=False)
        assert made == operation.path.replace("{id}", "abc")
        assert routes.match(made, method=operation.method)[0] == operation.id
    assert compiled
