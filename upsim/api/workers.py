"""The calls under /v1/workers."""

from __future__ import annotations

from upsim.api import render
from upsim.api.call import Call, object_id
from upsim.rules import series, workers
from upsim.web.reply import Reply


def list_workers(call: Call) -> Reply:
    profile_id, status = call.query.get("profile_id"), call.query.get("status")
    found = workers.list_workers(
        call.world,
        call.account,
        call.span,
        algorithm=call.query.get("algorithm"),
        profile_id=object_id(profile_id) if profile_id else None,
        search=call.query.get("search"),
        online=status == "online" if status else None,
    )
    return Reply(render.workers(found.page, call.span), until=found.until)


def get_worker(call: Call) -> Reply:
    found = workers.get_worker(call.world, call.account, call.id)
    return Reply(render.worker(found), until=found.reading.until)


def get_worker_hashrate(call: Call) -> Reply:
    found = series.worker_series(
        call.world, call.account, call.id, call.query["timeRange"], call.query.get("algorithm")
    )  # fmt: skip
    return Reply(render.series(found), until=found.until)


def get_workers_hashrate(call: Call) -> Reply:
    found = series.fleet_series(call.world, call.account, call.query["timeRange"], call.query.get("algorithm"))
    return Reply(render.series(found), until=found.until)


def bulk_assign_workers(call: Call) -> Reply:
    worker_ids = [object_id(worker_id) for worker_id in call.body["worker_ids"]]
    profile_id = object_id(call.body["profile_id"])
    assigned = workers.assign_workers(call.world, call.account, worker_ids, profile_id)
    return Reply({"assigned": assigned, "profile_id": profile_id})
