"""Metrics for Prometheus: what was called, how it ended and how long it took, counted by prometheus_client.

Off unless asked for, and then imported: it takes a while to load, and most processes are never scraped. A call costs
two look-ups and three additions. Where several processes share a port, they share a folder too, in which each keeps its
numbers: whichever of them is scraped answers for all (PROMETHEUS_MULTIPROC_DIR, set by whoever starts them).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flask import Flask, Response, g, request

from upsim import errors

LATENCY_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram's classes."""

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's variable: the folder in which processes add up."""


NOTED: Final = "upsim.passage"
"""Stands in the environment of a call that the gate tells of when it leaves."""


def forget(pid: int) -> None:
    """What was true only while a process lived is true no more; what it counted stays counted."""
    folder = os.environ.get(FOLDER)
    if folder is not None:
        for file in Path(folder).glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, as it is told.

    Attributes:
        labels: what it is told apart by.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


METRICS: Final = (
    Metric("upsim_calls_total", "counter", ("operation", "status"), "Calls by operationId and status of the answer."),
    Metric("upsim_call_seconds", "histogram", ("operation",), "How long calls under /v1 took, from their key on."),
    Metric("upsim_refused_by_limit_total", "counter", (), "Calls refused by the rate limit, faults not counted."),
    Metric(
        "upsim_unavailable_total", "counter", ("part",), "Calls refused since the store or the limits did not answer."
    ),
    Metric("upsim_worlds", "gauge", (), "Worlds there are, in the store that all processes share."),
    Metric("upsim_pool_sessions", "gauge", (), "Miners connected to simulated pools on ports of this machine."),
)
"""All there are, beside those of the process itself (process_…), which only a single process tells."""


class Metrics:
    """The counters of one simulator."""

    def __init__(self) -> None:
        """Begin to count.

        Raises:
            ImportError: prometheus_client is not installed.
        """
        import prometheus_client

        self._library: Any = prometheus_client
        # Of its own: several simulators may live in one process.
        self._registry = prometheus_client.CollectorRegistry()
        calls, seconds, refused, unavailable, _, sessions = METRICS
        self._calls: Any = self._counter(calls)
        self._seconds: Any = prometheus_client.Histogram(
            seconds.name, seconds.meaning, seconds.labels, buckets=LATENCY_BOUNDS_S, registry=self._registry
        )
        self._refused: Any = self._counter(refused)
        self._unavailable: Any = self._counter(unavailable)
        self._sessions: Any = prometheus_client.Gauge(
            sessions.name, sessions.meaning, registry=self._registry, multiprocess_mode="livesum"
        )
        # What `labels` finds, found faster.
        self._of_call: dict[tuple[str, int], Any] = {}
        self._of_operation: dict[str, Any] = {}

    def _counter(self, metric: Metric) -> Any:
        return self._library.Counter(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def install(self, app: Flask) -> None:
        """Count each call of the app, but those that `note` is told of."""
        app.after_request(self._note_response)

    def note(self, operation: str | None, status: int, error: Exception | None, began: float | None) -> None:
        """Count a call: its operationId, how it was answered, what it was refused for, and when it began."""
        operation = operation or "unknown"
        call = operation, status
        counter = self._of_call.get(call)
        if counter is None:
            counter = self._of_call[call] = self._calls.labels(operation, str(status))
        counter.inc()
        if began is not None:
            histogram = self._of_operation.get(operation)
            if histogram is None:
                histogram = self._of_operation[operation] = self._seconds.labels(operation)
            histogram.observe(time.perf_counter() - began)
        if isinstance(error, errors.RateLimited):
            self._refused.inc()
        elif isinstance(error, errors.StoreUnavailable):
            limits = isinstance(error, errors.CountingUnavailable)
            self._unavailable.labels("limits" if limits else "store").inc()

    def _note_response(self, response: Response) -> Response:
        if NOTED not in request.environ:
            self.note(request.endpoint, response.status_code, g.get("error"), None)
        return response

    def note_sessions(self, number: int) -> None:
        """Tell how many miners are connected."""
        self._sessions.set(number)

    def exposition(self, worlds: int | None) -> tuple[bytes, str]:
        """What Prometheus reads, and its content type.

        Args:
            worlds: how many there are; None where nobody can tell.
        """
        registry = self._registry
        if FOLDER in os.environ:
            from prometheus_client import multiprocess

            registry = self._library.CollectorRegistry()
            collector: Any = multiprocess.MultiProcessCollector
            collector(registry)
        told: list[Any] = [registry]
        if FOLDER not in os.environ:
            told.append(self._process())
        if worlds is not None:
            told.append(self._gauge_of(worlds))
        return b"".join(self._library.generate_latest(one) for one in told), self._library.CONTENT_TYPE_LATEST

    def _process(self) -> Any:
        registry = self._library.CollectorRegistry()
        self._library.ProcessCollector(registry=registry)
        return registry

    def _gauge_of(self, worlds: int) -> Any:
        registry = self._library.CollectorRegistry()
        metric = METRICS[4]
        self._library.Gauge(metric.name, metric.meaning, registry=registry, multiprocess_mode="max").set(worlds)
        return registry
