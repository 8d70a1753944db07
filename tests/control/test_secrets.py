"""No key and no password stays anywhere it can be read: not in a journal, a log, a snapshot, a download or an error."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.control.harness import Sandbox, opened
from upsim.client import ControlError

PASSWORD = "hunter2-swordfish"
KEY = "up_k_SomebodysVeryOwnKey123"
ENCODED = "".join(f"%{byte:02x}" for byte in KEY.encode())


def misuse(sandbox: Sandbox, key: str) -> list[str]:
    """Send a key and a password everywhere but where they belong; answers every error."""
    pool = {"name": "p", "algorithm": "octopus", "host": "h.example", "port": 1, "username": "u", "password": PASSWORD}
    answers = [
        sandbox.get(key, f"/v1/pools/{key}"),
        sandbox.get(key, f"/v1/{key}/pools"),
        sandbox.get(key, f"/v1/pools?api_key={key}&key={key}"),
        sandbox.get(key, f"/v1/pools?status={key}"),
        sandbox.get(key, f"/v1/pools?status={quote(key, safe='')}"),
        sandbox.get(key, f"/v1/pools?x={ENCODED}&password={PASSWORD}&Token={PASSWORD}"),
        sandbox.get(key, f"/v1/nowhere/{ENCODED}"),
        sandbox.get(key, "/v1/pools", headers={"X-Unknown": key, "Cookie": f"k={key}", "Referer": f"http://x/?{key}"}),
        sandbox.raw("GET", "/v1/pools", headers={"X-API-Key": KEY}),
        sandbox.raw("GET", "/v1/pools", headers={"Authorization": f"Bearer {KEY}"}),
        sandbox.raw("GET", f"/v1/pools?api_key={KEY}"),
        sandbox.raw("GET", f"/_upsim/worlds/{KEY}"),
        sandbox.raw("POST", "/_upsim/worlds", json={"id": f"{KEY} ", "tier": KEY}),
        sandbox.raw("GET", f"/nowhere/{KEY}"),
        sandbox.call(key, "DELETE", f"/v1/workers/{KEY}"),
        sandbox.call(key, "POST", "/v1/pools", json=pool),
        sandbox.call(key, "POST", "/v1/pools", json={**pool, "name": KEY, "username": KEY}),
        sandbox.call(key, "POST", "/v1/pools", json={**pool, "password": [PASSWORD]}),
        sandbox.call(key, "POST", "/v1/pools", json={**pool, "password": {"is": PASSWORD}}),
        sandbox.call(key, "POST", "/v1/pools", json={**pool, "password": PASSWORD * 100}),
        sandbox.call(key, "POST", "/v1/pools", json={"passwd": PASSWORD, "pool_password": PASSWORD, "apiKey": KEY}),
        sandbox.call(key, "POST", "/v1/pools/test", json=pool),
        sandbox.call(key, "POST", "/v1/pools/test", json={"pool_id": KEY}),
        sandbox.call(key, "POST", "/v1/pools", data=f'"{KEY}"'.encode(), content_type="application/json"),
        sandbox.call(key, "POST", "/v1/pools", data=f'["{PASSWORD}"]'.encode(), content_type="application/json"),
        sandbox.call(key, "POST", "/v1/pools", data=f'{{"a": {PASSWORD}}}'.encode(), content_type="application/json"),
        sandbox.call(key, "POST", "/v1/pools", data=KEY.encode(), content_type=f"text/{KEY}"),
    ]
    return [answer.text for answer in answers if answer.status >= 400]


def assert_clean(text: str, *secrets: str) -> None:
    for secret in (PASSWORD, KEY, ENCODED, *secrets):
        found = re.search(f".{{0,60}}{re.escape(secret)}", text, re.IGNORECASE)
        assert found is None, f"{secret} is in: …{found and found[0]}"


def test_no_error_and_no_journal_repeats_a_key_or_a_password(stored: Sandbox) -> None:
    with stored.client.world(clock={"freeze": True}) as world:
        key = world.key("vip")
        errors = misuse(stored, key)
        assert len(errors) > 20
        assert_clean("\n".join(errors), key)
        for place in (world.id, "default"):
            journal = stored.raw("GET", f"/_upsim/worlds/{place}/journal?limit=1000").text
            assert len(json.loads(journal)["data"]) >= 3
            assert_clean(journal, key)
        assert "•••" in stored.raw("GET", f"/_upsim/worlds/{world.id}/journal?limit=1000").text


def test_no_download_holds_a_key_or_a_password(stored: Sandbox) -> None:
    with stored.client.world() as world:
        made = world.create_key("vip", "another")
        misuse(stored, world.key("vip"))
        world.snapshot("before")
        text = json.dumps(world.download())
        secrets = [key.secret for key in world.keys if key.secret]
        assert made.secret in secrets
        # What a user named a pool by is no secret of ours; the name we gave away on purpose goes first.
        assert KEY in text
        assert_clean(text.replace(KEY, ""), *secrets)
        assert all("password" not in pool for pool in json.loads(text)["pools"])
        assert_clean(stored.raw("GET", f"/_upsim/worlds/{world.id}/snapshots").text, *secrets)


def test_what_is_said_of_keys_is_never_the_key(stored: Sandbox) -> None:
    with stored.client.world() as world:
        world.create_key("vip", "another")
        said = "".join(
            stored.raw("GET", f"/_upsim/worlds{path}").text
            for path in ("", f"/{world.id}", f"/{world.id}/accounts", f"/{world.id}/accounts/vip/keys")
        )
        for key in world.keys:
            assert key.secret is not None
            assert key.secret not in said
        assert "up_k_" in said
        assert all(key.secret is None for key in world.list_keys("vip"))
        assert (world.keys[0].secret or "?") not in repr(world.keys[0])


def test_the_file_of_a_store_holds_no_key(tmp_path: Path) -> None:
    with opened(f"sqlite:{tmp_path / 'upsim.db'}") as sandbox:
        world = sandbox.client.world()
        world.create_key("vip", "another")
        misuse(sandbox, world.key("vip"))
        world.snapshot("before")
        kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        secrets = [*(key.secret or "" for key in world.keys), "up_k_demovip", "up_k_demobasic"]
        assert len(secrets) == 9
        assert not [secret for secret in secrets if secret.encode() in kept]


def test_no_log_holds_a_key_or_a_password(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    with opened(access_log="on") as sandbox, sandbox.client.world() as world:
        key = world.key("vip")
        misuse(sandbox, key)
        with pytest.raises(ControlError):
            sandbox.client.open_world(key)
        shown = capfd.readouterr()
        logged = caplog.text + shown.err + shown.out
        assert "/v1/pools" in logged
        assert_clean(logged, key)


def test_a_crash_is_logged_without_the_key_in_its_path(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as sandbox, sandbox.client.world() as world:
        key = world.key("vip")
        monkeypatch.setattr(type(sandbox.server.universe.store), "get_pool", None)
        crashed = sandbox.get(key, f"/v1/pools/{'0' * 24}?x={key}")
        assert crashed.status == 500
        assert_clean(crashed.text, key)
        assert "failed" in caplog.text
        assert_clean(caplog.text, key)
