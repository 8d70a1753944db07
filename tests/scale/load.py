"""Callers that never pause, and what they were answered."""

from __future__ import annotations

import threading
import time
from collections import Counter

import httpx

from tests.serving import KEY

POOL = {"name": "kept", "algorithm": "sha256", "host": "new.pool.test", "port": 3333, "username": "me"}


class Load:
    """Callers that never pause but after a 503, each on a connection that it keeps as long as it may.

    Attributes:
        statuses: how many calls were answered so, or failed with this error.
        created: the ids of pools whose creation was acknowledged.
        slowest_s: how long the slowest call took.
    """

    def __init__(self, url: str, callers: int = 4) -> None:
        self._url = url
        self._stop = threading.Event()
        self._told = threading.Condition()
        self.statuses = Counter[int | str]()
        self.created: list[str] = []
        self.slowest_s = 0.0
        self._callers = [threading.Thread(target=self._call, args=(number,)) for number in range(callers)]

    def __enter__(self) -> Load:
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let calls under way end, and make no more."""
        self._stop.set()
        for caller in self._callers:
            caller.join()

    def wait_for(self, status: int, count: int) -> None:
        """Wait until so many calls were answered so."""
        with self._told:
            assert self._told.wait_for(lambda: self.statuses[status] >= count, timeout=120), self.statuses

    def _call(self, number: int) -> None:
        with httpx.Client(base_url=self._url, headers={"X-API-Key": KEY}, timeout=60) as api:
            while not self._stop.is_set():
                began = time.monotonic()
                answer, said = None, ""
                try:
                    answer = api.post("/v1/pools", json=POOL) if number == 0 else api.get("/v1/workers?limit=5")
                except httpx.HTTPError as error:
                    said = repr(error)
                with self._told:
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                    self.statuses[said if answer is None else answer.status_code] += 1
                    if answer is not None and answer.status_code == 201:
                        self.created.append(answer.json()["_id"])
                    self._told.notify_all()
                if answer is not None and answer.status_code == 503:
                    self._stop.wait(0.05)
