"""What the simulated pool costs, as ratios to the bare cost of the same work in the same run.

Two figures: sha256 shares checked per second, against hashing the same headers and JSON-decoding the same lines and
nothing else; and five thousand sessions on one core that all get a job, against writing the same bytes to as many
sockets and nothing else.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import selectors
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from statistics import median

from upsim.algorithms import ALGORITHMS
from upsim.clock import Instant
from upsim.stratum.dialects.bitcoin import as_job, block_header
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.ports import PoolServer
from upsim.stratum.proof import sha256d
from upsim.stratum.wire import decode

SESSIONS = 5_000
SHARES = 40_000
ROUND = 2_000
_NOW = Instant(1_767_614_400_000)
_SPAWN = multiprocessing.get_context("spawn")
_HELLO = b'{"id":1,"method":"mining.subscribe","params":["bench"]}\n'
_LOGIN = b'{"id":2,"method":"mining.authorize","params":["w.1","x"]}\n'


class _JumpingClock:
    """Shows a time that is moved by hand."""

    def __init__(self) -> None:
        self.shown = _NOW

    def now(self) -> Instant:
        return self.shown


def _timed(work: Callable[[list[bytes]], None], lines: list[bytes]) -> float:
    began = time.perf_counter()
    work(lines)
    return time.perf_counter() - began


def shares() -> tuple[float, float]:
    """Shares checked per second, and how many of the bare rate that is."""
    pool = SimulatedPool(ALGORITHMS["sha256"], 1, work_limit=1e-9)
    seat = pool.join()
    subscribed = json.loads(pool.receive(seat, _HELLO, _NOW).lines[0])
    job = as_job(json.loads(pool.receive(seat, _LOGIN, _NOW).lines[-1])["params"])
    extranonce1 = subscribed["result"][1]
    params = [["w.1", job.id, f"{number:08x}", job.ntime, "00000000"] for number in range(SHARES)]
    submitted = [json.dumps({"id": 4, "method": "mining.submit", "params": each}).encode() for each in params]

    def bare(lines: list[bytes]) -> None:
        # The least anybody must do: read the line, hash the coinbase, three branches and the header, write an answer.
        branch = [bytes.fromhex(sibling) for sibling in job.merkle_branch]
        front, back = bytes.fromhex(job.coinb1 + extranonce1), bytes.fromhex(job.coinb2)
        head = block_header(job, extranonce1, "00000000", job.ntime, "00000000")
        for line in lines:
            params = decode(line)["params"]
            assert isinstance(params, list)
            root = sha256d(front + bytes.fromhex(str(params[2])) + back)
            for sibling in branch:
                root = sha256d(root + sibling)
            sha256d(head[:36] + root + head[68:])
            json.dumps({"id": 4, "result": True, "error": None}).encode()

    def checked(lines: list[bytes]) -> None:
        for line in lines:
            pool.receive(seat, line, _NOW)

    # In turns and small rounds: another program on the machine then slows both alike.
    spent = []
    for at in range(0, SHARES, ROUND):
        lines = submitted[at : at + ROUND]
        spent.append((_timed(bare, lines), _timed(checked, lines)))
    assert pool.tally.accepted == SHARES, pool.tally.rejects
    return ROUND / min(ours for _, ours in spent), median(theirs / ours for theirs, ours in spent)


def _listen_to_all(port: int, pipe: Pipe) -> None:
    """In a process of its own: open all sessions, log in, then say when each got a job after being told to begin."""
    selector = selectors.DefaultSelector()
    miners = []
    for _ in range(SESSIONS):
        miners.append(socket.create_connection(("127.0.0.1", port)))
    bare = pipe.recv()
    for miner in miners:
        if not bare:
            miner.sendall(_HELLO + _LOGIN)
        selector.register(miner, selectors.EVENT_READ, bytearray())
    while True:
        jobs_each = 0 if bare else 1
        _await_jobs(selector, jobs_each)
        pipe.send("ready")
        if pipe.recv() == "stop":
            break
        _await_jobs(selector, 1)
        pipe.send(time.perf_counter())
        bare = True
    for miner in miners:
        miner.close()


def _await_jobs(selector: selectors.BaseSelector, wanted: int) -> None:
    """Read until every session has seen so many jobs."""
    left = SESSIONS * wanted
    while left > 0:
        for key, _ in selector.select():
            buffer = key.data
            assert isinstance(key.fileobj, socket.socket)
            buffer += key.fileobj.recv(65_536)
            *lines, rest = bytes(buffer).split(b"\n")
            buffer[:] = rest
            left -= sum(b"mining.notify" in line for line in lines)


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def broadcast() -> tuple[float, float, float]:
    """Seconds until all sessions have a new job, how many times the bare cost that is, and kilobytes a session."""
    _allow_files(SESSIONS + 1_000)
    clock = _JumpingClock()
    ours, theirs = _SPAWN.Pipe()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with PoolServer(clock) as server:
        port = server.open(SimulatedPool(ALGORITHMS["sha256"], 1))
        listening = _SPAWN.Process(target=_listen_to_all, args=(port, theirs), daemon=True)
        listening.start()
        ours.send(False)
        ours.recv()
        per_session_kb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / SESSIONS
        spent: list[float] = []
        for _ in range(5):
            ours.send("begin")
            clock.shown = Instant(clock.shown + 86_400_000)
            began = time.perf_counter()
            server.broadcast()
            spent.append(ours.recv() - began)
            ours.recv()
        ours.send("stop")
        listening.join()
    return min(spent), min(spent) / bare_broadcast(), per_session_kb


def bare_broadcast() -> float:
    """Seconds to write a job of the same size to as many sockets, and have it read, with nothing in between."""
    ours, theirs = _SPAWN.Pipe()
    line = b'{"method":"mining.notify",' + b"x" * 600 + b"}\n"
    with socket.create_server(("127.0.0.1", 0), backlog=4_096) as listener:
        port = listener.getsockname()[1]
        listening = _SPAWN.Process(target=_listen_to_all, args=(port, theirs), daemon=True)
        listening.start()
        accepted = [listener.accept()[0] for _ in range(SESSIONS)]
        ours.send(True)
        ours.recv()
        spent: list[float] = []
        for _ in range(5):
            ours.send("begin")
            began = time.perf_counter()
            for connection in accepted:
                connection.sendall(line)
            spent.append(ours.recv() - began)
            ours.recv()
        ours.send("stop")
        listening.join()
        for connection in accepted:
            connection.close()
    return min(spent)


def main() -> None:
    """Measure and print."""
    rate, of_bare = shares()
    print(f"sha256 shares checked       {rate:>10,.0f} /s     {of_bare:.2f} of bare hashing and JSON")
    seconds, times_bare, per_session_kb = broadcast()
    print(
        f"a job to {SESSIONS:,} sessions     {seconds * 1000:>10,.0f} ms     {times_bare:.1f} times bare writes;"
        f" {per_session_kb:.0f} KB a session"
    )


if __name__ == "__main__":
    main()
