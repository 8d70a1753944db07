"""Callers that never wait for each other: each asks again as soon as it was answered.

By wrk where that is installed: a client in C leaves the machine to the server. Else by one loop in Python, which takes
as much of a core as a quick server does, so that ratios come out smaller than they are.
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from typing import Final

from bench.peer_list import Request

WRK: Final = shutil.which("wrk")
CLIENT: Final = "wrk" if WRK else "a loop in Python (wrk is not installed)"

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


def load(port: int, request: Request, connections: int, seconds: int) -> tuple[int, float]:
    """How many calls were answered, all with a 2xx, and in how many seconds."""
    return _by_wrk(port, request, connections, seconds) if WRK else _by_loop(port, request, connections, seconds)


def _by_wrk(port: int, request: Request, connections: int, seconds: int) -> tuple[int, float]:
    fields = [text for field in request.headers for text in ("-H", field)]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'wrk.method = "{request.method}"\n' + (f'wrk.body = "{request.body}"\n' if request.body else ""))
        script.flush()
        told = ["-t1", f"-c{connections}", f"-d{seconds}", "-s", script.name, *fields]
        done = subprocess.run(
            [str(WRK), *told, f"http://127.0.0.1:{port}{request.path}"], capture_output=True, text=True, check=True
        ).stdout
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", done)
    assert found, done
    assert "Non-2xx" not in done, done
    return int(found[1]), float(found[2]) * {"ms": 0.001, "s": 1, "m": 60}[found[3]]


def _by_loop(port: int, request: Request, connections: int, seconds: int) -> tuple[int, float]:
    text, done, began = request.text(), 0, time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        for _ in range(connections):
            waiting.register(_connected(port, text), selectors.EVENT_READ, bytearray())
        while (took := time.perf_counter() - began) < seconds:
            for key, _ in waiting.select(1):
                assert isinstance(key.fileobj, socket.socket)
                piece = key.fileobj.recv(1 << 18)
                key.data.extend(piece)
                closes = not piece
                if (answer := bytes(key.data)) and _is_whole(answer, closed=closes):
                    assert answer.split(b" ", 2)[1].startswith(b"2"), answer[:400]
                    done += 1
                    key.data.clear()
                    closes = closes or answer.startswith(b"HTTP/1.0") or b"connection: close" in answer[:2000].lower()
                    if not closes:
                        key.fileobj.sendall(text)
                if closes:
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()
                    waiting.register(_connected(port, text), selectors.EVENT_READ, bytearray())
        for key in list(waiting.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
    return done, took


def _connected(port: int, text: bytes) -> socket.socket:
    connected = socket.create_connection(("127.0.0.1", port), timeout=60)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.sendall(text)
    return connected


def _is_whole(answer: bytes, *, closed: bool) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if b"transfer-encoding: chunked" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    length = _LENGTH.search(head)
    return len(body) >= int(length[1]) if length else closed
