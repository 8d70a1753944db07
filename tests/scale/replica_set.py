"""A replica set of one, that is no MongoDB but speaks as one: a wire-compatible server from PyPI, with its failpoints.

It numbers retryable writes, knows pipelines in updates, and can be told to break a connection or to step down: what the
suite's usual server cannot. The real thing was not to be had where upsim is made.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_START = """
from secantus.server import SecantusDBServer
server = SecantusDBServer(
    host="127.0.0.1", port=0, storage_path=":memory:", replica_set_name="upsim", enable_test_commands=True
)
server.start()
print(server.port, flush=True)
server.wait()
"""


@contextmanager
def replica_set() -> Iterator[int]:
    """Run one until the block ends; gives its port."""
    pytest.importorskip("secantus", reason="the replica set of the tests is not installed: pip install secantusdb")
    with subprocess.Popen(
        [sys.executable, "-c", _START], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.strip().isdigit(), "the replica set ended before it answered"
            yield int(said)
        finally:
            process.terminate()  # it leaves no files behind, if it is asked
            try:
                process.wait(20)
            finally:
                process.kill()
