"""`upsim world` and `upsim snapshot`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Shell
from upsim import Simulator


def test_a_world_is_made_shown_listed_reset_and_deleted(shell: Shell) -> None:
    made = shell.run(
        "world create --id shown --seed 9 --at 2026-01-05T08:00:00Z --freeze --cap calls=50 --expires-in 1h"
    )
    assert made.code == 0
    assert made.lines[0] == "World shown: fixture demo, seed 9, 2026-01-05T08:00:00.000Z, frozen."
    assert made.lines[2].split() == ["account", "tier", "key", "secret"]
    secret = made.lines[3].split()[-1]
    assert made.lines[3].startswith("vip      vip    everything")
    assert shell.get(key=secret) == 200

    row = next(line for line in shell.run("world list").lines if line.startswith("shown "))
    assert row.split()[:5] == ["shown", "demo", "9", "2026-01-05T08:00:00.000Z", "frozen"]

    shown = shell.says("world show shown")
    assert "caps      calls 50" in shown
    assert "journal   1 calls" in shown
    assert ["basic", "basic", "24", "2", "2"] in [line.split() for line in shown.splitlines()]

    assert shell.says("world reset shown") == "World shown is as it was at its beginning."
    assert shell.says("world delete shown") == "World shown is gone."
    assert shell.get(key=secret) == 401
    again = shell.run("world show shown")
    assert (again.code, again.out, again.err) == (2, "", "upsim: World not found: shown.\n")


def test_json_is_what_the_server_answered(shell: Shell) -> None:
    made = shell.run("world create --tier basic --speed 2 --json").json
    assert {account["tier"] for account in made["accounts"]} == {"basic"}
    assert made["clock"]["speed"] == 2
    assert made["id"] in {world["id"] for world in shell.run("world list --json").json["data"]}
    assert shell.run(f"world show {made['id']} --json").json["id"] == made["id"]
    assert shell.run(f"world delete {made['id']} --json").json == {"deleted": True, "id": made["id"]}


def test_the_world_of_the_environment_is_meant_where_none_is_named(shell: Shell) -> None:
    assert shell.world.id in shell.says("world show")
    assert shell.says("clock show") == "2026-01-05T08:00:00.000Z, frozen"
    assert "runs" in shell.says("clock show --world default")


def test_a_world_is_downloaded_and_loaded(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    assert shell.says("world download -o", str(file)) == f"World {shell.world.id} is in {file}."
    assert json.loads(shell.says("world download")) == json.loads(file.read_text())
    loaded = shell.run("world load --id taken-along", str(file))
    assert loaded.lines[0].startswith("World taken-along: fixture demo, seed 7, 2026-01-05T08:00:00.000Z, frozen.")
    assert shell.get(key=loaded.lines[3].split()[-1]) in (200, 403)
    shell.says("world delete taken-along")


def test_snapshots_are_saved_listed_restored_and_deleted(shell: Shell) -> None:
    assert shell.says("snapshot list") == "Nothing was saved."
    assert shell.says("snapshot save one") == "Saved as one, at 2026-01-05T08:00:00.000Z by its clock."
    shell.says("clock advance 1h")
    assert shell.says("snapshot list").splitlines()[1].split()[:2] == ["one", "2026-01-05T08:00:00.000Z"]
    assert shell.says("snapshot restore one").endswith("as it was at 2026-01-05T08:00:00.000Z by its clock.")
    assert shell.says("clock show").startswith("2026-01-05T08:00:00.000Z")
    assert shell.says("snapshot delete one") == "Snapshot one is gone."
    assert shell.run("snapshot restore one").err == "upsim: Snapshot not found: one.\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("world create --id default", "upsim: World 'default' exists already."),
        ("world create --fixture nope", "upsim: fixture: must be one of "),
        ("world create --cap x", "upsim: --cap x: write a name and a whole number, as calls=1000"),
        ("world create --cap x=1", "upsim: caps.x: is no cap; there are calls, keys"),
        ("world delete default", "upsim: world: the default world cannot be ended; reset it instead."),
        ("world load /nowhere/at/all.json", "upsim: /nowhere/at/all.json: No such file or directory"),
        ("world download -o /nowhere/at/all.json", "upsim: /nowhere/at/all.json: No such file or directory"),
        ("world list --url http://127.0.0.1:1", "upsim: No answer from http://127.0.0.1:1: "),
        ("world list --url nope://", "upsim: 'nope://' is no URL of a server"),
        ("clock show --world nowhere", "upsim: World not found: nowhere."),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(shell: Shell, line: str, message: str) -> None:
    ended = shell.run(line)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(message)
    assert ended.err.count("\n") == 1


def test_a_file_that_is_no_world_says_so(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    for content, message in (
        ("{", "not JSON: "),
        ("[]", "snapshot: must be a JSON object"),
        ("{}", "snapshot.format: "),
    ):
        file.write_text(content)
        ended = shell.run("world load", str(file))
        assert ended.code == 2
        assert message in ended.err


def test_the_token_is_given_or_in_the_environment(shell: Shell) -> None:
    with Simulator(fixture="empty", admin_token="let-me-in") as guarded:
        variables = {"UPSIM_URL": guarded.url}
        assert shell.run("world list", **variables).err.startswith("upsim: The control plane needs its admin token")
        assert shell.run("world list --token let-me-in", **variables).code == 0
        assert shell.run("world list", **variables, UPSIM_TOKEN="let-me-in").code == 0
        assert shell.run("world list --token wrong", **variables, UPSIM_TOKEN="let-me-in").code == 2
