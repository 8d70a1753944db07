"""Whether the time of a refusal tells anything of a key: guesses that share none of it against those that nearly are.

Guesses take turns over one kept connection, so that what else happens on the machine meets all kinds alike. What is
printed is the median time of each, and its ratio to that of the guesses that share nothing: 1.00 is as good as it gets.
"""

from __future__ import annotations

import socket
import time
from contextlib import closing
from statistics import median
from typing import Final

from upsim.config import configure
from upsim.serve import Server

ROUNDS: Final = 3_000
SECRET: Final = "up_k_demovip"  # noqa: S105 - of the demo world
TOKEN: Final = "an-admin-token-of-some-length"  # noqa: S105 - of a server that lives for this


def main() -> None:
    """Measure and print."""
    server = Server(configure({"port": "0", "admin_token": TOKEN}, {}))
    port = int(server.listen().rpartition(":")[2])
    server.start()
    try:
        print(f"{'the time of a refusal':44}{'µs':>8}      {'ratio':>6}", flush=True)
        _compare(port, "/v1/overview", "X-API-Key", "a key", SECRET)
        _compare(port, "/_upsim/worlds", "X-Upsim-Token", "the admin token", TOKEN)
    finally:
        server.close()


def _compare(port: int, path: str, field: str, title: str, secret: str) -> None:
    """Time guesses at the secret that share none of it, half of it, and all but its last sign."""
    shared = {"none": 0, "half": len(secret) // 2, "all but the last sign": len(secret) - 1}
    guesses = {name: secret[:length] + "~" * (len(secret) - length) for name, length in shared.items()}
    times: dict[str, list[float]] = {name: [] for name in guesses}
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as client:
        for turn in range(ROUNDS + 100):
            for name, guess in guesses.items():
                request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{field}: {guess}\r\n\r\n".encode()
                began = time.perf_counter()
                client.sendall(request)
                answer = _answer(client)
                if turn >= 100:
                    times[name].append(time.perf_counter() - began)
                assert answer.startswith(b"HTTP/1.1 401 "), answer
    least = median(times["none"])
    for name, found in times.items():
        label = f"{title}, of which a guess shares {name}"
        print(f"{label:44}{median(found) * 1e6:>8.0f}      {median(found) / least:>6.2f}", flush=True)


def _answer(client: socket.socket) -> bytes:
    """One whole refusal: its content is one object."""
    answer = b""
    while not answer.endswith(b"}"):
        answer += client.recv(1 << 16)
    return answer
