"""The MongoDB store on a replica set: a write whose connection breaks is made once; a new primary needs no restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests.control.harness import Sandbox, opened
from tests.scale.load import POOL
from tests.scale.test_loss import KEY, is_refusal

DATABASE = "upsim_replica"


@pytest.fixture
def primary(replica_set_port: int) -> Iterator[MongoClient[Any]]:
    """The replica set's primary, to tell it what shall go wrong."""
    with MongoClient[Any]("127.0.0.1", replica_set_port, directConnection=True) as client:
        yield client
        client.admin.command("configureFailPoint", "failCommand", mode="off")
        client.drop_database(DATABASE)


@pytest.fixture
def sandbox(primary: MongoClient[Any], replica_set_port: int) -> Iterator[Sandbox]:
    with opened(
        f"mongodb://127.0.0.1:{replica_set_port}/{DATABASE}?replicaSet=upsim&serverSelectionTimeoutMS=1500&heartbeatFrequencyMS=500"
    ) as one:
        yield one


@pytest.mark.parametrize("command", ["insert", "update", "findAndModify", "find"])
def test_a_connection_that_breaks_in_a_call_is_made_good_by_the_driver(
    sandbox: Sandbox, primary: MongoClient[Any], command: str
) -> None:
    before = sandbox.get(KEY).json["pagination"]["total"]
    data = {"failCommands": [command], "closeConnection": True}
    primary.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=data)
    created = sandbox.call(KEY, "POST", "/v1/pools", json=POOL)
    assert created.status == 201
    assert int(created.headers["X-RateLimit-Remaining"]) == 60 - 2, "counted once"
    assert sandbox.get(KEY).json["pagination"]["total"] == before + 1
    assert [entry.status for entry in sandbox.client.open_world("default").journal][-2:] == [201, 200]


def test_a_write_that_no_majority_confirmed_is_not_acknowledged(sandbox: Sandbox, primary: MongoClient[Any]) -> None:
    failure = {"code": 64, "errmsg": "waiting for replication timed out", "errInfo": {"wtimeout": True}}
    data = {"failCommands": ["findAndModify", "update", "insert"], "writeConcernError": failure}
    primary.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=data)
    assert is_refusal(sandbox.call(KEY, "POST", "/v1/pools", json=POOL))
    primary.admin.command("configureFailPoint", "failCommand", mode="off")
    assert sandbox.call(KEY, "POST", "/v1/pools", json=POOL).status == 201


def test_when_the_primary_steps_down_calls_go_on_with_the_next(sandbox: Sandbox, primary: MongoClient[Any]) -> None:
    acknowledged = [sandbox.call(KEY, "POST", "/v1/pools", json=POOL).json["_id"]]
    primary.admin.command("replSetStepDown", 1, secondaryCatchUpPeriodSecs=0, force=True)
    for _ in range(1000):
        answer = sandbox.call(KEY, "POST", "/v1/pools", json=POOL)
        if not is_refusal(answer):
            acknowledged.append(answer.json["_id"])
            break
        time.sleep(0.02)
    assert len(acknowledged) == 2
    assert {sandbox.get(KEY, f"/v1/pools/{one}").status for one in acknowledged} == {200}
