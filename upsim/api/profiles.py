"""The calls under /v1/profiles."""

from __future__ import annotations

from http import HTTPStatus

from upsim.api import render
from upsim.api.call import Call, object_id
from upsim.clock import FOREVER
from upsim.errors import InvalidInput
from upsim.model import ObjectId
from upsim.rules import profiles
from upsim.store.asking import ProfileChanges
from upsim.web.reply import Reply


def list_profiles(call: Call) -> Reply:
    found = profiles.list_profiles(call.world, call.account, call.span, call.query.get("algorithm"))
    return Reply(render.page(found, call.span, render.profile), until=FOREVER)


def create_profile(call: Call) -> Reply:
    view = profiles.create_profile(call.world, call.account, call.body["name"], call.body["algorithm"], _pool_ids(call))
    return Reply(render.profile(view), HTTPStatus.CREATED)


def update_profile(call: Call) -> Reply:
    changes = ProfileChanges(
        at=call.world.now(),
        name=call.body.get("name"),
        algorithm=call.body.get("algorithm"),
        pool_ids=_pool_ids(call) if "pools" in call.body else None,
    )
    return Reply(render.profile(profiles.update_profile(call.world, call.account, call.id, changes)))


def delete_profile(call: Call) -> Reply:
    moved = profiles.delete_profile(call.world, call.account, call.id)
    return Reply(
        {"deleted": True, "_id": call.id, "migrated_workers": moved.workers, "migrated_to": moved.target_id}
    )  # fmt: skip


def set_default_profile(call: Call) -> Reply:
    return Reply(render.profile(profiles.set_default_profile(call.world, call.account, call.id)))


def get_default_profile(call: Call) -> Reply:
    found = profiles.get_default_profile(call.world, call.account, call.query["algorithm"])
    return Reply(render.profile(found), until=FOREVER)


def _pool_ids(call: Call) -> tuple[ObjectId, ...]:
    ids = tuple(object_id(entry["pool_id"]) for entry in call.body["pools"])
    for position, pool_id in enumerate(ids):
        if pool_id in ids[:position]:
            raise InvalidInput(f"pools[{position}].pool_id", f"pool {pool_id} is listed twice; list each once.")
    return ids
