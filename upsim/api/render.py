"""From values to the JSON the API answers with: the names and shapes of contract/openapi.yaml, and nothing else.

What there is much of, workers and the points of a series, is written as text at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from upsim.clock import Instant, iso
from upsim.model import Outcome, Page, Pool, PoolTest
from upsim.store.asking import PoolCounts, Span
from upsim.web.reply import Json, written

if TYPE_CHECKING:  # each is imported by whose answer it is
    from upsim.rules.overview import Overview
    from upsim.rules.profiles import ProfileView
    from upsim.rules.series import Series
    from upsim.rules.workers import WorkerView

Item = TypeVar("Item")


def moment(instant: Instant | None) -> str | None:
    """An instant as ISO 8601 text."""
    return None if instant is None else iso(instant)


def page(found: Page[Item], span: Span, item: Callable[[Item], Json]) -> Json:
    """A page of a list."""
    return {"data": [item(one) for one in found.items], "pagination": _pagination(found.total, span)}


def _pagination(total: int, span: Span) -> Json:
    return {
        "page": span.offset // span.limit + 1,
        "limit": span.limit,
        "total": total,
        "total_pages": -(-total // span.limit),
    }


def pool(one: Pool) -> Json:
    """A pool; its password never leaves."""
    health = one.health
    return {
        "_id": one.id,
        "name": one.name,
        "algorithm": one.algorithm,
        "host": one.host,
        "port": one.port,
        "tls": one.tls,
        "username": one.username,
        "health": {
            "status": health.status,
            "last_checked_at": moment(health.last_checked_at),
            "last_error": health.last_error,
            "consecutive_failures": health.consecutive_failures,
            "latency_ms": health.latency_ms,
        },
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
    }


def pool_test(test: PoolTest, pool_id: str | None) -> Json:
    """What a pool test found."""
    return {
        "success": test.failure is None,
        "pool_id": pool_id,
        "stages": [
            {
                "stage": stage.stage,
                "status": stage.outcome,
                "duration_ms": stage.duration_ms,
                "reason": stage.reason if stage.outcome is Outcome.FAILED else None,
            }
            for stage in test.stages
        ],
        "latency_ms": test.latency_ms,
        "remarks": list(test.remarks),
    }


def profile(view: ProfileView) -> Json:
    """A profile with its pools in their order."""
    one = view.profile
    return {
        "_id": one.id,
        "name": one.name,
        "algorithm": one.algorithm,
        "is_default": one.is_default,
        "pools": [
            {
                "pool_id": held.id,
                "name": held.name,
                "host": held.host,
                "port": held.port,
                "status": held.health.status,
            }
            for held in view.pools
        ],
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
    }


def workers(found: Page[WorkerView], span: Span) -> str:
    """A page of workers."""
    data = ",".join(map(worker, found.items))
    return f'{{"data":[{data}],"pagination":{written(_pagination(found.total, span))}}}'


def worker(view: WorkerView) -> str:
    """A worker as it is at this instant."""
    one, reading, pool = view.worker, view.reading, view.pool
    shares = reading.shares
    status = "online" if reading.online else "offline"
    mined_on = f'"pool_id":"{pool.id}","pool_name":{written(pool.name)}' if pool else '"pool_id":null,"pool_name":null'
    # Ids, instants, numbers and words of ours need no care; names do.
    return (
        f'{{"_id":"{one.id}","name":{written(one.name)},"algorithm":"{one.algorithm}","profile_id":"{one.profile_id}",'
        f'"profile_name":{written(view.profile_name)},"status":"{status}","hashrate":{reading.hashrate},"shares":'
        f'{{"accepted":{shares.accepted},"stale":{shares.stale},"rejected":{shares.rejected}}},{mined_on},'
        f'"uptime_seconds":{reading.uptime_s},"last_seen_at":{_moment(reading.last_seen_at)},'
        f'"created_at":{_moment(one.created_at)},"updated_at":{_moment(one.updated_at)}}}'
    )


def _moment(instant: Instant | None) -> str:
    return "null" if instant is None else f'"{iso(instant)}"'


def series(found: Series) -> str:
    """A series with its statistics; without points there is nothing to be the average of."""
    data = ",".join([f'{{"timestamp":{timestamp},"hashrate":{hashrate}}}' for timestamp, hashrate in found.points])
    rates: Sequence[int] = [hashrate for _, hashrate in found.points]
    stats = ""
    if rates:
        average, peak = sum(rates) / len(rates), float(max(rates))
        stats = f',"stats":{{"avg_hashrate":{average!r},"peak_hashrate":{peak!r}}}'
    return (
        f'{{"algorithm":{written(found.algorithm)},"timeRange":"{found.time_range}","hours":{found.hours},'
        f'"granularity":{found.granularity_s},"data":[{data}]{stats}}}'
    )


def overview(found: Overview) -> Json:
    """Counts in all and by algorithm; hashrates by algorithm only."""
    return {
        "workers": _workers(found.workers_total, found.workers_online),
        "pools": _pools(found.pools),
        "algorithms": [
            {
                "algorithm": block.algorithm,
                "workers": _workers(block.workers_total, block.workers_online),
                "pools": _pools(block.pools),
                "hashrate": block.hashrate,
            }
            for block in found.blocks
        ],
    }


def _workers(total: int, online: int) -> Json:
    return {"total": total, "online": online, "offline": total - online}


def _pools(counts: PoolCounts) -> Json:
    return {"total": counts.total, "healthy": counts.healthy, "unhealthy": counts.unhealthy}
