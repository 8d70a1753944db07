"""Accounts, their keys and their workers: the calls under /_upsim/worlds/{world}/accounts."""

from __future__ import annotations

from http import HTTPStatus

from upsim.control import render
from upsim.control.call import ControlCall
from upsim.control.times import instant
from upsim.model import ObjectId, Scope, Tier
from upsim.rules import accounts, machines
from upsim.rules.machines import Row, Wanted
from upsim.rules.tiers import requests_allowed, window_at, window_start
from upsim.web.reply import Reply


def list_accounts(call: ControlCall) -> Reply:
    world = call.world
    window = window_at(world.now())
    return Reply(
        {
            "data": [
                {
                    **render.account(account),
                    "window": {
                        "limit": requests_allowed(account, window),
                        "used": world.store.get_hits(world.id, account.id, window),
                        "reset": window_start(window + 1) // 1000,
                    },
                }
                for account in world.store.list_accounts(world.id)
            ]
        }
    )


def create_account(call: ControlCall) -> Reply:
    account = accounts.create_account(call.world, call.body["name"], Tier(call.body["tier"]))
    return Reply(render.account(account), HTTPStatus.CREATED)


def change_account(call: ControlCall) -> Reply:
    return Reply(render.account(accounts.set_tier(call.world, call.path["account"], Tier(call.body["tier"]))))


def look(call: ControlCall) -> Reply:
    world = call.world
    return call.look(world, accounts.require_account(world, call.path["account"]), call.query["call"])


def list_keys(call: ControlCall) -> Reply:
    return Reply({"data": [render.key(key) for key in accounts.list_keys(call.world, call.path["account"])]})


def create_key(call: ControlCall) -> Reply:
    body = call.body
    wish = accounts.KeyWish(
        name=body["name"],
        scopes=[Scope(scope) for scope in body.get("scopes", tuple(Scope))],
        addresses=body.get("addresses", ()),
        expires_at=instant("expires_at", body["expires_at"]) if "expires_at" in body else None,
        beyond_quota=body["beyond_quota"],
    )
    issued = accounts.create_key(call.world, call.path["account"], wish)
    return Reply(render.issued(issued), HTTPStatus.CREATED)


def revoke_key(call: ControlCall) -> Reply:
    accounts.revoke_key(call.world, ObjectId(call.path["key"]))
    return Reply({"revoked": True, "id": call.path["key"]})


def spawn_workers(call: ControlCall) -> Reply:
    world, body = call.world, call.body
    account = accounts.require_account(world, call.path["account"])
    row = Row(body["name"], body["model"], ObjectId(body["profile_id"].lower()), body["count"], body["first"])
    ids = machines.spawn_workers(world, account, row)
    return Reply({"spawned": len(ids), "worker_ids": ids}, HTTPStatus.CREATED)


def change_workers(call: ControlCall) -> Reply:
    world, body = call.world, call.body
    account = accounts.require_account(world, call.path["account"])
    ids = [ObjectId(worker_id.lower()) for worker_id in body["worker_ids"]]
    changed = machines.change_workers(world, account, ids, Wanted(body["action"]), round(body["factor"] * 1000))
    return Reply({"changed": changed})
