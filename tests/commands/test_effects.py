"""`upsim clock`, `upsim fault`, `upsim journal`, `upsim key`, `upsim tier` and `upsim magic`."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Shell

POOLS = "/v1/pools"


def test_a_clock_is_read_moved_set_run_and_stopped(shell: Shell) -> None:
    for line, shown in (
        ("clock show", "2026-01-05T08:00:00.000Z, frozen"),
        ("clock advance 1d12h", "2026-01-06T20:00:00.000Z, frozen"),
        ("clock advance -90", "2026-01-06T19:58:30.000Z, frozen"),
        ("clock advance -5m", "2026-01-06T19:53:30.000Z, frozen"),
        ("clock set 2026-02-01", "2026-02-01T00:00:00.000Z, frozen"),
        ("clock set 1767600000", "2026-01-05T08:00:00.000Z, frozen"),
        ("clock freeze --at 2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000Z, frozen"),
    ):
        assert shell.says(line) == shown
    assert shell.says("clock speed 60").endswith(", runs 60 times as fast")
    assert shell.says("clock run").endswith(", runs")
    assert shell.run("clock freeze --json").json["frozen"] is True


def test_faults_are_added_listed_and_removed(shell: Shell) -> None:
    assert shell.says("fault list") == "There are no faults."
    added = shell.says("fault add --method get --path /v1/pools --status 500 --times 2 --account vip")
    assert added == "fault-1: 500; GET /v1/pools of vip, the next 2."
    assert shell.says("fault add drop --share 0.1 --path /v1/never") == "fault-2: drop; /v1/never, 10 % of all."
    assert shell.says("fault add latency --latency 10ms..30ms --path /v1/never --after").startswith("fault-3: latency ")
    assert [shell.get() for _ in range(3)] == [500, 500, 200]
    rows = [line.split("  ") for line in shell.says("fault list").splitlines()]
    assert [row[0] for row in rows] == ["fault", "fault-1", "fault-2", "fault-3"]
    assert "0.01 to 0.03 s late after its work" in shell.says("fault list")
    assert shell.says("fault remove fault-2") == "fault-2 is gone."
    assert [fault["id"] for fault in shell.run("fault list --json").json["data"]] == ["fault-1", "fault-3"]
    assert shell.says("fault clear") == "There are no faults any more."
    assert shell.world.faults.list() == ()


def test_a_faults_body_is_json(shell: Shell) -> None:
    shell.says("fault add --status 502 --body", '{"why": "tests"}')
    assert shell.world.faults.list()[0].body == {"why": "tests"}


def test_the_journal_is_shown_counted_marked_and_cleared(shell: Shell) -> None:
    assert shell.says("journal show") == "Nothing was called."
    shell.get()
    assert shell.says("journal mark") == "1"
    shell.get("/v1/profiles")
    shell.get("/v1/pools?limit=0")
    assert shell.says("journal show").splitlines() == [
        "#1 08:00:00 vip GET /v1/pools → 200 (rule)",
        "#2 08:00:00 vip GET /v1/profiles → 200 (rule)",
        "#3 08:00:00 vip GET /v1/pools?limit=0 → 400 (validation): limit: must be from 1 to 100, got 0.",
    ]
    assert shell.says("journal show -n 1").startswith("#3 ")
    assert shell.says("journal show get /v1/pools --status 200").startswith("#1 ")
    assert shell.says("journal count /v1/p* --since 1") == "2"
    assert shell.run("journal count --json").json == {"count": 3}
    assert shell.says("journal clear") == "The journal is empty."
    assert shell.says("journal count") == "0"


def test_verify_ends_0_or_1_and_says_what_came_instead(shell: Shell) -> None:
    shell.get()
    assert shell.says("journal verify GET /v1/pools --exactly 1") == "yes: exactly 1 call: GET /v1/pools"
    assert shell.says("journal verify --at-most 3").startswith("yes: at most 3 calls: any call")
    unmet = shell.run("journal verify POST /v1/workers/bulk-assign --exactly 2 --body", '{"profile_id": "x"}')
    assert (unmet.code, unmet.err) == (1, "")
    assert unmet.lines == [
        "expected exactly 2 calls: POST /v1/workers/bulk-assign with body {'profile_id': 'x'}; there were none",
        "these came instead:",
        "  #1 08:00:00 vip GET /v1/pools → 200 (rule)",
    ]
    verdict = shell.run("journal verify DELETE --json")
    assert (verdict.code, verdict.json["met"], len(verdict.json["instead"])) == (1, False, 1)


def test_keys_are_made_listed_and_revoked(shell: Shell) -> None:
    secret = shell.says("key create vip --name ci --scope pools:read --address 127.0.0.0/8 --expires 2026-01-06")
    assert shell.get(key=secret) == 200
    assert shell.get("/v1/workers", key=secret) == 403
    row = next(line for line in shell.says("key list vip").splitlines() if " ci " in line)
    assert secret not in row
    assert row.split()[-1] == "pools:read"
    key_id = next(key["id"] for key in shell.run("key list --json").json["data"] if key["name"] == "ci")
    assert shell.says(f"key revoke {key_id}") == f"Key {key_id} opens nothing any more."
    assert shell.get(key=secret) == 401
    assert "revoked" in shell.says("key list vip")


def test_tiers_are_shown_and_changed(shell: Shell) -> None:
    shell.get()
    assert ["vip", "vip", "1", "of", "60"] in [line.split() for line in shell.says("tier").splitlines()]
    assert shell.says("tier basic vip").startswith("Account basic is vip: quotas at once")
    assert len(shell.says("tier basic").splitlines()) == 2
    assert shell.run("tier nobody").err == "upsim: Account not found: nobody.\n"


def test_the_magic_values_are_a_table(shell: Shell) -> None:
    lines = shell.says("magic").splitlines()
    assert lines[0].split() == ["kind", "value", "outcome"]
    assert any(line.startswith("pool host  refused.pool.test") for line in lines)
    assert len(shell.run("magic --json").json["data"]) == len(lines) - 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("clock advance ever", "upsim: advance: 'ever' is no duration"),
        ("clock set never", "upsim: set: 'never' is no time"),
        ("fault add --status 99", "upsim: status: must be from 200 to 599, got 99."),
        ("fault add --body {x", "upsim: --body: '{x' is not JSON"),
        ("fault add latency", "upsim: latency: is required"),
        ("fault remove fault-9", "upsim: Fault not found: fault-9."),
        ("journal show --since 9", "upsim: since: there is no mark 9 in this journal"),
        ("journal verify --exactly 1 --at-least 1", "upsim: exactly: cannot be given together"),
        ("journal count --body {x", "upsim: --body: '{x' is not JSON"),
        ("key create nobody", "upsim: Account not found: nobody."),
        ("key create vip --scope all", "upsim: scopes[0]: must be one of dashboard:read"),
        ("key revoke 0123", "upsim: key: is malformed"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(shell: Shell, line: str, message: str) -> None:
    ended = shell.run(line)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(message)
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("command", ["world", "snapshot", "clock", "fault", "journal", "key", "tier", "magic"])
def test_each_command_helps_and_the_list_of_all_names_it(shell: Shell, command: str) -> None:
    assert f"\n  {command} " in shell.says("--help")
    helped = shell.says(f"{command} --help")
    assert helped.startswith(f"Usage: main {command}")
    assert len(helped.splitlines()) > 5
