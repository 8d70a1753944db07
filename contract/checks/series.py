"""Hashrate over time: form, steps, end, mean, maximum, and the fleet as the sum of its workers."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from ..exchange import Reply
from ..probe import Blocked, Probe
from ..registry import scenario

HOURS = {"1h": 1, "6h": 6, "24h": 24, "7d": 168, "30d": 720}
LARGEST_SUM = 40
"""A fleet of more workers is not added up worker by worker."""
PRECISION = 1e-6
SERIES = (
    "series.shape",
    "series.ascending",
    "series.aligned",
    "series.complete",
    "series.ends-now",
    "series.average",
    "series.peak",
)


def judge(probe: Probe, reply: Reply, *, filled: bool = True) -> list[dict[str, Any]]:
    """Hold a series against all its rules; its points.

    Raises:
        Blocked: it is no series.
    """
    body, points = reply.body, reply.items
    whole = all(type(body.get(name)) is int for name in ("hours", "granularity"))
    stats = body.get("stats")
    numbers = stats is None or all(
        isinstance(stats.get(name), int | float) for name in ("avg_hashrate", "peak_hashrate")
    )
    form = whole and isinstance(body.get("data"), list) and numbers
    form = form and all({"timestamp", "hashrate"} <= point.keys() for point in points)
    probe.need("series.shape", reply.ok and form, "{hours, granularity, data, stats}", "", reply)
    if not points:
        if filled:
            probe.expect("series.complete", False, "points, as there are workers", "none", reply)
        return points
    step, times = body["granularity"], [point["timestamp"] for point in points]
    rates = [point["hashrate"] for point in points]
    even = all(later - earlier == step for earlier, later in pairwise(times))
    probe.expect("series.ascending", even, f"each point {step} s after the one before", times[:6], reply)
    probe.expect("series.aligned", all(time % step == 0 for time in times), f"multiples of {step}", times[:3], reply)
    count = body["hours"] * 3600 / step
    probe.expect("series.complete", len(points) == count, f"{count} points", len(points), reply)
    # The answer was given a moment ago; a step may have ended since.
    late = probe.client.now() - (times[-1] + step)
    probe.expect("series.ends-now", -2 <= late < step + 5, f"an end at most {step} s ago", f"{late:.0f} s ago", reply)
    if not isinstance(stats, dict):
        probe.expect("series.average", False, "stats, as there are points", "none", reply)
        return points
    mean = math.fsum(rates) / len(rates)
    right = math.isclose(stats["avg_hashrate"], mean, rel_tol=PRECISION, abs_tol=PRECISION)
    probe.expect("series.average", right, f"avg_hashrate {mean}", stats["avg_hashrate"], reply)
    right = math.isclose(stats["peak_hashrate"], max(rates), rel_tol=PRECISION, abs_tol=PRECISION)
    probe.expect("series.peak", right, f"peak_hashrate {max(rates)}", stats["peak_hashrate"], reply)
    return points


def busiest(probe: Probe) -> str:
    """The algorithm with the most workers that are online.

    Raises:
        Blocked: there is no worker.
    """
    names = [one["algorithm"] for one in probe.workers() if one["status"] == "online"]
    if not names:
        raise Blocked("the user has no worker that is online")
    return str(max(sorted(set(names)), key=names.count))


@scenario(
    *SERIES,
    "series.one-hour",
    "series.ranges",
    "series.default-range",
    "series.bad-range",
    "fleet-series.answers",
    "fleet-series.filter-algorithm",
    cost=10,
)
def series_of_the_fleet(probe: Probe) -> None:
    """Reads the series of all workers of an algorithm in every range."""
    name = busiest(probe)
    for span, hours in HOURS.items():
        reply = probe.call("get_workers_hashrate", query={"algorithm": name, "timeRange": span})
        probe.success("fleet-series.answers", reply)
        clause = "series.one-hour" if span == "1h" else "series.ranges"
        probe.expect(clause, reply.ok and reply.body.get("hours") == hours, f"200 and hours {hours}", "", reply)
        echoed = reply.body.get("algorithm") == name
        probe.expect("fleet-series.filter-algorithm", echoed, f"algorithm {name}", reply.body.get("algorithm"), reply)
        if reply.ok:
            judge(probe, reply)
    reply = probe.call("get_workers_hashrate", query={"algorithm": name})
    probe.expect("series.default-range", reply.body.get("timeRange") == "24h", "the series of 24h", "", reply)
    for span in ("2h", "", "1H"):
        reply = probe.call("get_workers_hashrate", query={"algorithm": name, "timeRange": span})
        probe.status("series.bad-range", reply, 400)


@scenario("fleet-series.algorithm-required", "fleet-series.one-algorithm", cost=6)
def series_without_algorithm(probe: Probe) -> None:
    """Asks for the series of all workers without naming an algorithm, as users with one and with several."""
    for role in ("main", "other_user", "new_user"):
        if role not in probe.settings.keys:
            continue
        names = sorted({one["algorithm"] for one in probe.workers(role)})
        reply = probe.call("get_workers_hashrate", role=role, query={"timeRange": "1h"})
        if len(names) > 1:
            probe.status("fleet-series.algorithm-required", reply, 400)
        else:
            right = reply.ok and reply.body.get("algorithm", 0) == (names[0] if names else None)
            probe.expect("fleet-series.one-algorithm", right, f"the series of {names}", "", reply)


@scenario("series.empty", cost=2)
def series_of_nothing(probe: Probe) -> None:
    """Asks for the series of an algorithm nobody mines."""
    mined = {one["algorithm"] for one in probe.workers()}
    name = next((one for one in ("octopus", "nexapow", "firopow", "autolykos", "scrypt") if one not in mined), None)
    if name is None:
        raise Blocked("every algorithm has workers")
    reply = probe.call("get_workers_hashrate", query={"algorithm": name, "timeRange": "1h"})
    right = reply.ok and reply.body.get("data") == [] and "stats" not in reply.body
    probe.expect("series.empty", right, "200, no data, no stats", "", reply)


@scenario(*SERIES, "worker-series.answers", "worker-series.like-the-fleet", cost=4)
def series_of_a_worker(probe: Probe) -> None:
    """Reads the series of one worker."""
    worker = next((one for one in probe.workers() if one["status"] == "online"), None)
    if worker is None:
        raise Blocked("the user has no worker that is online")
    for span in ("1h", "7d"):
        reply = probe.call("get_worker_hashrate", worker["_id"], query={"timeRange": span})
        probe.success("worker-series.answers", reply)
        right = (reply.body.get("algorithm"), reply.body.get("timeRange")) == (worker["algorithm"], span)
        probe.expect(
            "worker-series.like-the-fleet", right, f"algorithm {worker['algorithm']}, timeRange {span}", "", reply
        )
        judge(probe, reply)


@scenario("fleet-series.is-the-sum", cost=24)
def fleet_is_the_sum(probe: Probe) -> None:
    """Adds the series of all workers of the smallest fleet there is."""
    fleets: list[tuple[int, str, str]] = []
    for role in ("main", "other_user"):
        if role in probe.settings.keys:
            names = [one["algorithm"] for one in probe.workers(role)]
            fleets += [(names.count(name), role, name) for name in set(names)]
    count, role, name = min((fleet for fleet in fleets if fleet[0] > 1), default=(0, "", ""))
    if not 0 < count <= LARGEST_SUM:
        raise Blocked(f"no fleet of 2 to {LARGEST_SUM} workers")
    whole = probe.call("get_workers_hashrate", role=role, query={"algorithm": name, "timeRange": "1h"})
    wanted = {point["timestamp"]: point["hashrate"] for point in whole.items}
    sums = dict.fromkeys(wanted, 0.0)
    for worker in probe.workers(role):
        if worker["algorithm"] == name:
            reply = probe.call("get_worker_hashrate", worker["_id"], role=role, query={"timeRange": "1h"})
            times = {point["timestamp"] for point in reply.items}
            # A step may have ended meanwhile: only what all series hold is compared.
            sums = {time: total for time, total in sums.items() if time in times}
            for point in reply.items:
                if point["timestamp"] in sums:
                    sums[point["timestamp"]] += point["hashrate"]
    probe.need(
        "fleet-series.is-the-sum", len(sums) >= len(wanted) // 2 > 0, "series of the same times", len(sums), whole
    )
    # Each number may have been rounded to whole H/s.
    rounding = 0.5 * (count + 1)
    off = {time: (wanted[time], total) for time, total in sums.items() if abs(wanted[time] - total) > rounding}
    probe.expect("fleet-series.is-the-sum", not off, f"the sum of {count} workers at each time", str(off)[:160], whole)


@scenario("series.stable", cost=3)
def series_stays(probe: Probe) -> None:
    """Reads a series twice, with a step of time between where the target's clock can be moved."""
    name = busiest(probe)
    query = {"algorithm": name, "timeRange": "1h"}
    first = probe.call("get_workers_hashrate", query=query)
    if probe.client.control is not None:
        probe.client.open_window(first.body.get("granularity", 60))
    second = probe.call("get_workers_hashrate", query=query)
    before = {point["timestamp"]: point["hashrate"] for point in first.items}
    after = {point["timestamp"]: point["hashrate"] for point in second.items}
    common = before.keys() & after.keys()
    right = bool(common) and all(_near(before[time], after[time]) for time in common)
    probe.expect("series.stable", right, "the same hashrates at the same times", "others", second)


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=PRECISION, abs_tol=0.01)
