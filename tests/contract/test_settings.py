"""What a run is told: TOML, a ready-file, the command line; mistakes named; secrets never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contract.exchange import Exchange, masked
from contract.settings import SettingsError, all_scopes, load, override

WHOLE = """
[target]
url = "https://proxy.example.com/v1"
disposable = true

[keys]
main = {key = "up_k_mainmain", tier = "vip"}
other_user = "up_k_otherother"
limited = [{key = "up_k_reader", scopes = ["workers:read"]}]

[[pools.good]]
algorithm = "randomx"
host = "pool.example.com"
port = 3333
username = "wallet"

[[pools.bad]]
stage = "connectivity"
host = "nowhere.example.com"
port = 1
username = "wallet"
"""


def written(folder: Path, text: str, name: str = "contract.toml") -> Path:
    """A file with this text."""
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def test_a_whole_file_is_understood(tmp_path: Path) -> None:
    found = load(written(tmp_path, WHOLE))
    assert found.url == "https://proxy.example.com"
    assert (found.keys["main"].tier, found.keys["main"].user) == ("vip", "main")
    assert found.keys["other_user"].user == "other"
    assert found.limited[0].scopes == {"workers:read"}
    assert found.good_pool("randomx") is not None
    assert found.good_pool("sha256") is None
    assert found.bad_pool("connectivity", "randomx") is not None
    assert found.disposable
    assert not found.move_workers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[targets]\n", "targets: no such section"),
        ('[keys]\nsecond = "k"\n', "keys.second: no such key"),
        ("[keys]\nmain = 5\n", "keys.main"),
        ('[keys]\nmain = {key = "k", tier = "gold"}\n', "keys.main.tier: vip or basic"),
        ('[[pools.good]]\nhost = "h"\nusername = "u"\n', "port is missing"),
        ('[[pools.bad]]\nhost = "h"\nport = 1\nusername = "u"\n', "stage has to be one of"),
        ('[target]\nurl = "proxy"\n', "'proxy' is no address"),
        ("[target\n", "contract.toml"),
    ],
)
def test_mistakes_are_named(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(written(tmp_path, text))
    assert said in str(refused.value)
    assert "contract.toml" in str(refused.value)


def test_a_ready_file_is_enough_for_everything_an_upsim_needs(tmp_path: Path) -> None:
    accounts = [
        {"name": "basic", "tier": "basic", "key": "up_k_b", "scopes": sorted(all_scopes())},
        {"name": "vip", "tier": "vip", "key": "up_k_r", "scopes": ["workers:read"]},
        {"name": "vip", "tier": "vip", "key": "up_k_v", "scopes": sorted(all_scopes())},
    ]
    content = {"url": "http://127.0.0.1:8080", "pid": 1, "admin_token": None, "accounts": accounts}
    found = load(written(tmp_path, json.dumps(content), "ready.json"))
    assert (found.keys["main"].secret, found.keys["other_user"].secret) == ("up_k_v", "up_k_b")
    assert [key.secret for key in found.limited] == ["up_k_r"]
    assert found.good_pool("kawpow") is not None
    assert set(found.bad) == {"connectivity", "subscription", "authorization"}


def test_the_command_line_goes_over_the_file(tmp_path: Path) -> None:
    found = override(load(written(tmp_path, WHOLE)), "http://127.0.0.1:1", "up_k_given")
    assert found.url == "http://127.0.0.1:1"
    assert found.keys["main"].secret == "up_k_given"
    assert found.keys["other_user"].secret == "up_k_otherother"


def test_keys_are_not_shown_by_accident(tmp_path: Path) -> None:
    assert "mainmain" not in repr(load(written(tmp_path, WHOLE)))


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "hunter2hunter2"}',
        '{"password" : "with \\" quote hunter2"}',
        "X-API-Key: up_k_hunter2",
        "Bearer up_k_hunter2 and more",
    ],
)
def test_secrets_are_masked_in_what_is_shown(text: str) -> None:
    assert "hunter2" not in masked(text)


def test_a_curl_line_can_be_pasted_and_holds_no_key() -> None:
    one = Exchange(
        "POST",
        "http://127.0.0.1/v1/pools?limit=1&page=2",
        {"X-API-Key": "up_k_hunter2", "Content-Type": "application/json"},
        '{"name": "it\'s", "password": "hunter2"}',
    )
    assert one.curl == (
        "curl -i -X POST 'http://127.0.0.1/v1/pools?limit=1&page=2' -H \"X-API-Key: $KEY\" "
        '-H \'Content-Type: application/json\' --data-binary \'{"name": "it\'"\'"\'s", "password": "***"}\''
    )
