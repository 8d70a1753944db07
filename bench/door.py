"""What the proxy's own door costs, in the same run as the pool alone.

Three figures: shares per second through the door, as a part of what the pool behind it takes without it; five thousand
sessions at the door, each with a job of its pool, in a process that has one core; and how long it takes until they are
all on another pool after theirs was killed. Times are the server's own processor time where that is said.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import selectors
import socket
import time
from multiprocessing.connection import Connection as Pipe

from upsim.algorithms import ALGORITHMS
from upsim.clock import SystemClock
from upsim.config import configure
from upsim.model import WorldId
from upsim.proxy.door import StratumDoor
from upsim.serve import Server
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.ports import PoolServer

SESSIONS = 5_000
SHARES = 20_000
CONNECTIONS = 50
ROUNDS = 4
_SPAWN = multiprocessing.get_context("spawn")
_HELLO = b'{"id":1,"method":"mining.subscribe","params":["bench"]}\n'
_WORLD = WorldId("default")


def _login(name: str) -> bytes:
    return json.dumps({"id": 2, "method": "mining.authorize", "params": [name, "x"]}).encode() + b"\n"


def _read_until(connection: socket.socket, wanted: bytes, times: int) -> bytes:
    """Read until something was said so many times."""
    data = bytearray()
    seen = 0
    while seen < times:
        piece = connection.recv(262_144)
        assert piece, "hung up"
        data += piece
        seen = data.count(wanted)
    return bytes(data)


def _send_shares(port: int, pipe: Pipe) -> None:
    """In a process of its own: log in, then send shares as fast as they are answered, as often as asked."""
    miners: list[tuple[socket.socket, str, str]] = []
    for number in range(CONNECTIONS):
        miner = socket.create_connection(("127.0.0.1", port))
        miner.sendall(_HELLO + _login(f"vip.rig{number}"))
        lines = _read_until(miner, b'"method":"mining.notify"', 1).splitlines()
        job = next(json.loads(line)["params"] for line in lines if b'"method":"mining.notify"' in line)
        miners.append((miner, job[0], job[7]))
    each = SHARES // CONNECTIONS // ROUNDS
    pipe.send("ready")
    for turn in range(ROUNDS):
        pipe.recv()
        for number, (miner, job_id, ntime) in enumerate(miners):
            first = turn * each
            lines_out = [
                b'{"id":9,"method":"mining.submit","params":["vip.rig%d","%s","%08x","%s","00000000"]}\n'
                % (number, job_id.encode(), at, ntime.encode())
                for at in range(first, first + each)
            ]
            miner.sendall(b"".join(lines_out))
        pipe.send(sum(_read_until(miner, b'"id":9,', each).count(b'"id":9,') for miner, _, _ in miners))
    for miner, _, _ in miners:
        miner.close()


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _rate(port: int) -> float:
    """Shares a second of the processor that the server in this process takes."""
    ours, theirs = _SPAWN.Pipe()
    sending = _SPAWN.Process(target=_send_shares, args=(port, theirs), daemon=True)
    sending.start()
    ours.recv()
    best = 0.0
    for _ in range(ROUNDS):
        before = _spent()
        ours.send("go")
        answered = ours.recv()
        assert answered == SHARES // ROUNDS, f"{answered} of {SHARES // ROUNDS} answered"
        best = max(best, answered / (_spent() - before))
    sending.join()
    return best


def _server() -> tuple[Server, StratumDoor]:
    server = Server(configure({"fixture": "empty", "rate_limit": "off", "stratum": "sha256=0"}, {}))
    server.open_ports()
    assert server.stratum is not None
    return server, server.stratum


def _ask(server: Server, method: str, path: str, body: object) -> dict[str, object]:
    from werkzeug.test import Client

    answer = Client(server.app).open(path, method=method, json=body, headers={"X-API-Key": "up_k_demovip"})
    found: dict[str, object] = json.loads(answer.get_data())
    assert answer.status_code < 400, found
    return found


def _pool(name: str, host: str, port: int) -> dict[str, object]:
    where = {"host": host, "port": port, "username": "w", "password": "x"}
    return {"name": name, "algorithm": "sha256", **where}


def shares() -> tuple[float, float, float]:
    """Shares a second: at the pool alone, through the door to a pool within, and to one at the end of a socket."""
    clock = SystemClock()
    with PoolServer(clock) as alone:
        of_pool = _rate(alone.open(SimulatedPool(ALGORITHMS["sha256"], 1, work_limit=1e-9)))
    server, door = _server()
    try:
        _ask(server, "POST", "/v1/pools", _pool("within", "within.example", 3333))
        of_door = _rate(door.openings[0].port)
    finally:
        server.close()
    with PoolServer(clock) as beyond:
        port = beyond.open(SimulatedPool(ALGORITHMS["sha256"], 1, work_limit=1e-9))
        server, door = _server()
        try:
            _ask(server, "POST", "/v1/pools", _pool("beyond", "127.0.0.1", port))
            of_both = _rate(door.openings[0].port)
        finally:
            server.close()
    return of_pool, of_door, of_both


def _hold_sessions(port: int, count: int, pipe: Pipe) -> None:
    """In a process of its own: open all sessions and log in; then say when each has had so many jobs."""
    selector = selectors.DefaultSelector()
    miners = []
    for number in range(count):
        miner = socket.create_connection(("127.0.0.1", port))
        miner.sendall(_HELLO + _login(f"vip.rig{number}"))
        selector.register(miner, selectors.EVENT_READ, bytearray())
        miners.append(miner)
    waiting = set(miners)
    while waiting:
        for key, _ in selector.select():
            buffer = key.data
            assert isinstance(key.fileobj, socket.socket)
            buffer += key.fileobj.recv(65_536)
            if b'"method":"mining.notify"' in buffer:
                waiting.discard(key.fileobj)
                buffer.clear()
    pipe.send("ready")
    while not pipe.poll():  # read on, or the door would think that nobody does
        for key, _ in selector.select(0.05):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.recv(65_536)
    pipe.recv()
    for miner in miners:
        miner.close()


def sessions() -> tuple[float, float, float, float]:
    """Processor seconds to let all in, kilobytes a session, the part of a core they take, and seconds to move all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 2 * SESSIONS + 1_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    server, door = _server()
    try:
        ids = [
            _ask(server, "POST", "/v1/pools", _pool(name, f"{name}.example", 3333))["_id"] for name in ("main", "spare")
        ]
        profile = _ask(server, "GET", "/v1/profiles/default?algorithm=sha256", None)["_id"]
        _ask(server, "PUT", f"/v1/profiles/{profile}", {"pools": [{"pool_id": one} for one in ids]})
        ours, theirs = _SPAWN.Pipe()
        holding = _SPAWN.Process(target=_hold_sessions, args=(door.openings[0].port, SESSIONS, theirs), daemon=True)
        before_kb, before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, _spent()
        holding.start()
        if cores is not None:
            os.sched_setaffinity(0, {min(cores)})
        ours.recv()
        entering = _spent() - before
        per_session_kb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / SESSIONS
        idle, began = _spent(), time.perf_counter()
        time.sleep(5)
        load = (_spent() - idle) / (time.perf_counter() - began)
        began = time.perf_counter()
        _ask(
            server,
            "POST",
            "/_upsim/worlds/default/pools",
            {"host": "main.example", "port": 3333, "behaviour": "refused"},
        )
        while any(one["pool_id"] != ids[1] for one in door.sessions(_WORLD)):
            time.sleep(0.2)
        moving = time.perf_counter() - began
        assert len(door.sessions(_WORLD)) == SESSIONS
        ours.send("stop")
        holding.join()
    finally:
        if cores is not None:
            os.sched_setaffinity(0, cores)
        server.close()
    return entering, per_session_kb, load, moving


def main() -> None:
    """Measure and print."""
    of_pool, of_door, of_both = shares()
    print(f"shares at the pool alone    {of_pool:>10,.0f} /s of its processor")
    print(
        f"through the door, pool in it{of_door:>10,.0f} /s     {of_door / of_pool:.2f} of the pool alone, pool included"
    )
    print(
        f"through the door, by socket {of_both:>10,.0f} /s     {of_both / of_pool:.2f} of the pool alone, pool included"
    )
    entering, per_session_kb, load, moving = sessions()
    print(
        f"{SESSIONS:,} sessions on one core  {entering:>9.1f} s of it to let all in, {per_session_kb:.0f} KB a session,"
        f" {100 * load:.0f} % of it to hold them; all on the next pool in {moving:.1f} s after theirs was killed"
    )


if __name__ == "__main__":
    main()
