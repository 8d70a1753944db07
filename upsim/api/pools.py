"""The calls under /v1/pools."""

from __future__ import annotations

from http import HTTPStatus

from upsim.api import render
from upsim.api.call import Call, object_id
from upsim.clock import FOREVER
from upsim.model import HealthStatus, PoolTarget
from upsim.rules import pools
from upsim.store.asking import PoolChanges
from upsim.web.reply import Reply


def list_pools(call: Call) -> Reply:
    status = call.query.get("status")
    found = pools.list_pools(
        call.world, call.account, call.span, call.query.get("algorithm"), HealthStatus(status) if status else None
    )
    return Reply(render.page(found, call.span, render.pool), until=FOREVER)


def get_pool(call: Call) -> Reply:
    return Reply(render.pool(pools.get_pool(call.world, call.account, call.id)), until=FOREVER)


def create_pool(call: Call) -> Reply:
    created = pools.create_pool(call.world, call.account, call.body["name"], _target(call))
    return Reply({**render.pool(created.pool), "created_profile_id": created.profile_id}, HTTPStatus.CREATED)


def update_pool(call: Call) -> Reply:
    fields = ("algorithm", "host", "port", "tls", "username", "password")
    changes = PoolChanges(
        at=call.world.now(),
        name=call.body.get("name"),
        **{name: call.body[name] for name in fields if name in call.body},
    )
    return Reply(render.pool(pools.update_pool(call.world, call.account, call.id, changes)))


def delete_pool(call: Call) -> Reply:
    pools.delete_pool(call.world, call.account, call.id)
    return Reply({"deleted": True, "_id": call.id})


def test_pool(call: Call) -> Reply:
    if "pool_id" in call.body:
        pool_id = object_id(call.body["pool_id"])
        return Reply(render.pool_test(pools.check_saved_pool(call.world, call.account, pool_id), pool_id))
    return Reply(render.pool_test(pools.check_pool(call.world, _target(call)), None))


def _target(call: Call) -> PoolTarget:
    body = call.body
    return PoolTarget(
        body["host"], body["port"], body["tls"], body["algorithm"], body["username"], body["password"]
    )  # fmt: skip
