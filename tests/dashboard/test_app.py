"""The dashboard's files, and what the server says of them; and the look, which costs nobody anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from werkzeug.test import Client

from upsim.dashboard.app import assets
from upsim.serve import Server

STATIC = Path(__file__).resolve().parents[2] / "upsim" / "dashboard" / "static"
PAGES = ("/", "/docs", "/s/s-00000000000000000000000000000000")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_forbids_scripts_styles_and_frames_of_others(server: Server, path: str) -> None:
    answer = Client(server.app).get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_inline_script_or_style(server: Server, path: str) -> None:
    text = Client(server.app).get(path).get_data(as_text=True)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style|\sstyle=|\son\w+=", text)
    assert not re.search(r"(src|href)=\"(?!/)", text)


def test_all_that_a_page_or_module_asks_for_is_there(server: Server) -> None:
    client = Client(server.app)
    for name, asset in assets().items():
        text = asset.content.decode()
        wanted = re.findall(r"\"(/static/[^\"]+)\"", text)
        wanted += [
            "/static/" + str((Path("/x") / name).parent.joinpath(found).resolve().relative_to("/x"))
            for found in re.findall(r"from \"(\.[^\"]+)\"", text)
        ]
        for path in wanted:
            assert client.get(path).status_code == 200, (name, path)


def test_no_file_names_another_host() -> None:
    for path in STATIC.rglob("*.*"):
        hosts = set(re.findall(r"https?://([^/\"'\s)]+)", path.read_text(encoding="utf-8")))
        assert hosts <= {"www.w3.org"}, path  # the name of SVG's namespace, which nobody ever fetches


def test_no_module_has_a_way_from_text_to_markup() -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser"
    for path in STATIC.rglob("*.js"):
        assert not re.search(ways, path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/nothing.js",
        "/static/index.html",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/pages",
    ],
)
def test_nothing_but_assets_is_handed_out(server: Server, path: str) -> None:
    answer = Client(server.app).get(path)
    assert answer.status_code == 404
    assert answer.json is not None
    assert "error" in answer.json


def test_an_asset_that_did_not_change_is_not_sent_again(server: Server) -> None:
    client = Client(server.app)
    first = client.get("/static/main.js")
    assert first.headers["Content-Type"].startswith("text/javascript")
    again = client.get("/static/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.get_data() == b""


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "rebound.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_upsim/worlds/default/clock"),
        ("DELETE", "/_upsim/worlds/default/journal"),
        ("POST", "/_upsim/worlds/default/reset"),
        ("POST", "/_upsim/visits"),
        ("GET", "/_upsim/worlds/default/accounts/vip/look?call=/v1/overview"),
    ],
)
def test_the_control_plane_refuses_pages_of_other_origins(
    server: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = Client(server.app).open(path, method=method, headers=headers, json=None if method == "GET" else {})
    assert answer.status_code == 403
    assert answer.json is not None
    assert "other origins" in answer.json["error"]


def test_a_page_of_another_origin_gets_no_leave_to_send_a_key(server: Server) -> None:
    """A browser asks first before it sends X-API-Key elsewhere; what it is answered allows nothing."""
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = Client(server.app).open(
        "/v1/pools", method="OPTIONS", headers={**asked, "Access-Control-Request-Headers": "x-api-key"}
    )
    assert answer.status_code >= 400
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


def test_a_look_answers_what_the_call_would_and_costs_nothing(server: Server) -> None:
    client = Client(server.app)
    world = "/_upsim/worlds/default"
    fault = {"path": "/v1/*", "status": 503}
    looked = client.get(f"{world}/accounts/vip/look", query_string={"call": "/v1/pools?limit=3&algorithm=sha256"})
    called = client.get("/v1/pools?limit=3&algorithm=sha256", headers={"X-API-Key": "up_k_demovip"})
    assert looked.status_code == called.status_code == 200
    assert looked.json == called.json
    client.post(f"{world}/faults", json=fault)
    assert client.get(f"{world}/accounts/vip/look", query_string={"call": "/v1/pools"}).status_code == 200
    accounts = client.get(f"{world}/accounts").json
    journal = client.get(f"{world}/journal").json
    assert accounts is not None
    assert journal is not None
    assert next(one["window"]["used"] for one in accounts["data"] if one["name"] == "vip") == 1  # the call, no look
    assert [entry["path"] for entry in journal["data"]] == ["/v1/pools"]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("/v1/workers?limit=0", 400),
        ("/v1/workers/zz", 400),
        ("/v1/workers/0123456789abcdef01234567", 404),
        ("/v1/nothing", 404),
        ("/_upsim/worlds", 400),
        ("http://elsewhere.example/v1/pools", 200),
        ("/v1/pools/test", 405),
    ],
)
def test_a_look_refuses_as_the_call_would(server: Server, call: str, status: int) -> None:
    answer = Client(server.app).get("/_upsim/worlds/default/accounts/vip/look", query_string={"call": call})
    assert answer.status_code == status


def test_a_key_beyond_the_quota_is_given_when_asked_for_alone(server: Server) -> None:
    client = Client(server.app)
    keys = "/_upsim/worlds/default/accounts/basic/keys"
    refused = client.post(keys, json={"name": "second"})
    assert refused.status_code == 403
    given = client.post(keys, json={"name": "the page's", "beyond_quota": True})
    assert given.status_code == 201
    assert given.json is not None
    assert client.get("/v1/overview", headers={"X-API-Key": given.json["key"]}).status_code == 200


def test_about_tells_known_keys_of_the_default_world_and_no_others(server: Server) -> None:
    about = Client(server.app).get("/_upsim/about").json
    assert about is not None
    assert {login["key"] for login in about["logins"]} == {"up_k_demovip", "up_k_demoreader", "up_k_demobasic"}
    assert about["sandbox"] is None
    units = {one["id"]: one["unit"] for one in about["algorithms"]}
    assert units["sha256"] == "H/s"
    assert units["equihash"] == "Sol/s"
