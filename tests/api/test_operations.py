"""An operation answers the same whichever way a call comes to it: at once, or by way of Flask."""

from __future__ import annotations

import pytest

from tests.api.harness import NO_SUCH_ID, VIP, Api

BY_FLASK = {"Transfer-Encoding": "chunked"}
"""A body of no known length is Flask's to read, here to its end at once."""


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v1/overview", VIP),
        ("/v1/workers?limit=7&page=2", VIP),
        ("/v1/workers?limit=0", VIP),
        ("/v1/workers?limit=5&limit=6", VIP),
        ("/v1/workers/hashrate?timeRange=1h&algorithm=randomx", VIP),
        ("/v1/workers/hashrate", VIP),
        (f"/v1/workers/{NO_SUCH_ID}", VIP),
        ("/v1/workers/no%20id", VIP),
        ("/v1/profiles/default?algorithm=randomx", VIP),
        ("/v1/profiles/default?algorithm=ethash", VIP),
        ("/v1/pools", "up_k_onlyWorkersRead"),
        ("/v1/nothing", VIP),
        ("/v1//pools", VIP),
    ],
)
def test_the_same_by_way_of_flask(api: Api, path: str, key: str) -> None:
    answers = [api.call("GET", path, key=key, headers=way, body=b" ") for way in ((), BY_FLASK)]
    answers.append(api.call("GET", path, key=key))
    told = [
        {name: value for name, value in answer.headers.items() if not name.startswith("X-RateLimit-R")}
        for answer in answers
    ]
    assert len({(answer.status, answer.text) for answer in answers}) == 1
    assert told[0] == told[1] == told[2]
    entries = api.get("/_upsim/worlds/default/journal?limit=10", key=None).json["data"]
    assert len({(entry["decided"], entry["clause"], entry["error"], str(entry["body"])) for entry in entries}) == 1


def test_a_write_by_way_of_flask_is_a_write(api: Api) -> None:
    body = b'{"name": "by Flask"}'
    profile = api.id_of("profiles", "Monero empty")
    answer = api.call("PUT", f"/v1/profiles/{profile}", body=body, content_type="application/json")
    assert answer.status == 200
    entry = api.get("/_upsim/worlds/default/journal?limit=10", key=None).json["data"][-1]
    assert entry["body"] == {"name": "by Flask"}


def test_head_is_answered_as_get_without_its_body(api: Api) -> None:
    asked = api.get("/v1/pools")
    told = api.call("HEAD", "/v1/pools")
    assert told.text == ""
    assert told.headers["Content-Length"] == str(len(asked.text.encode()))
