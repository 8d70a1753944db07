"""Fixtures: upsim's own are sound, a user's own works the same, a mistake is answered with file, line and reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from upsim import fixture
from upsim.clock import parse_iso
from upsim.errors import ConfigError
from upsim.ids import digest_of
from upsim.model import Scope, Tier

GOOD = """\
description: "One user with a little of everything."
opened: "2025-01-20"
accounts:
  - name: one
    tier: vip
    keys:
      - {key: up_k_abcd, scopes: ["pools:read"], addresses: [10.0.0.0/8], expires: "2030-01-01"}
    pools:
      - {name: main, algorithm: randomx, host: h.example, port: 5555, username: u}
      - {name: other, algorithm: sha256, host: h.example, port: 5555, username: u}
    profiles:
      - {name: first, pools: [main]}
      - {name: second, pools: [main], default: true}
    workers:
      - {name: "w-{n:03}", count: 3, first: 8, model: ryzen-7950x, profile: first, joined: "2025-02-01", every: 60}
"""


def load(tmp_path: Path, text: str) -> fixture.Fixture:
    """The fixture of this text."""
    file = tmp_path / "own.yaml"
    file.write_text(text)
    return fixture.load(str(file))


def test_a_file_of_ones_own_becomes_what_it_says(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    content = found.content
    assert [(account.name, account.tier) for account in content.accounts] == [("one", Tier.VIP)]
    (key,) = content.keys
    assert found.secrets == ("up_k_abcd",)
    assert (key.digest, key.scopes, key.networks) == (
        digest_of("up_k_abcd"),
        frozenset({Scope.POOLS_READ}),
        ("10.0.0.0/8",),
    )
    assert key.expires_at == parse_iso("2030-01-01")
    assert [(profile.name, profile.is_default) for profile in content.profiles] == [("first", False), ("second", True)]
    workers = list(content.workers)
    assert [worker.name for worker in workers] == ["w-008", "w-009", "w-010"]
    assert [worker.created_at for worker in workers] == [parse_iso(f"2025-02-01T0{hour}:00:00Z") for hour in range(3)]
    assert {worker.profile_id for worker in workers} == {content.profiles[0].id}


def test_the_same_file_gives_the_same_world_ids_included(tmp_path: Path) -> None:
    first = load(tmp_path, GOOD)
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert load(other, GOOD).content == first.content


@pytest.mark.parametrize("name", [name for name in fixture.names() if name != "large-farm"])
def test_upsims_own_are_sound(name: str) -> None:
    """All but the one whose 100,000 workers are alike, and take seconds to look at."""
    content = fixture.load(name).content
    workers = list(content.workers)
    for group in (content.accounts, content.keys, content.pools, content.profiles, workers):
        assert len({item.id for item in group}) == len(group)
    pools = {pool.id: pool for pool in content.pools}
    profiles = {profile.id: profile for profile in content.profiles}
    for profile in content.profiles:
        assert {pools[pool].algorithm for pool in profile.pool_ids} == {profile.algorithm}
        assert {pools[pool].account_id for pool in profile.pool_ids} == {profile.account_id}
    defaults = Counter((profile.account_id, profile.algorithm) for profile in content.profiles if profile.is_default)
    assert set(defaults) == {(profile.account_id, profile.algorithm) for profile in content.profiles}
    assert set(defaults.values()) <= {1}
    for worker in workers:
        assert profiles[worker.profile_id].algorithm == worker.algorithm
        assert profiles[worker.profile_id].account_id == worker.account_id


def test_the_demo_is_the_world_a_newcomer_is_promised() -> None:
    content = fixture.load("demo").content
    assert {account.tier for account in content.accounts} == {Tier.VIP, Tier.BASIC}
    assert len(content.pools) >= 12
    assert len(content.profiles) >= 8
    assert len({pool.algorithm for pool in content.pools}) >= 4
    assert 200 <= len(list(content.workers)) <= 1_000


def test_the_empty_one_has_accounts_and_keys_and_nothing_else() -> None:
    content = fixture.load("empty").content
    assert (len(content.accounts), len(content.keys)) == (2, 2)
    assert (list(content.pools), list(content.profiles), list(content.workers)) == ([], [], [])


@pytest.mark.parametrize(
    ("instead_of", "mistake", "line", "reason"),
    [
        ("port: 5555", "port: 0", 9, "port"),
        ("port: 5555", 'port: "5555"', 9, "must be a whole number"),
        ("tier: vip", "tier: gold", 5, "vip or basic"),
        ("    tier: vip\n", "", 4, "tier is missing"),
        ("tier: vip", "tier: vip\n    tear: 1", 6, "no 'tear'"),
        ("tier: vip", "tier: vip\n    tier: basic", 6, "'tier' is there twice"),
        ("opened:", "oponed: 1\nopened:", 2, "no 'oponed'"),
        ('"2025-01-20"', '"2025-13-20"', 2, "no time"),
        ('"2025-01-20"', '"9999-12-31"', 2, "not between"),
        ('"2025-01-20"', "20250120", 2, "must be text"),
        ("algorithm: randomx", "algorithm: xmr", 9, "'xmr' is no algorithm; there are sha256"),
        ("model: ryzen-7950x", "model: ryzen", 15, "'ryzen' is no hardware model"),
        ("model: ryzen-7950x", "model: s21", 15, "s21 mines sha256"),
        ("pools: [main]", "pools: [min]", 12, "no pool 'min'"),
        ("pools: [main]", "pools: [main, main]", 12, "listed once"),
        ("pools: [main]", "pools: [main, other]", 12, "one algorithm"),
        ("profile: first", "profile: third", 15, "no profile 'third'"),
        ("name: second", "name: first", 13, "there twice"),
        ("name: other", "name: main", 10, "there twice"),
        ("w-{n:03}", "w", 15, "needs {n}"),
        ("count: 3", "count: 0", 15, "count"),
        ("every: 60", "every: 10080, count: 900000", 15, "'count' is there twice"),
        ("count: 3", "count: 900000", 15, "would join after 2106"),
        ("up_k_abcd", "abcd", 7, "up_k_ and 4 to 64"),
        ("[10.0.0.0/8]", "[10.0.0.300]", 7, "neither an address nor a network"),
        ('["pools:read"]', '["pools:all"]', 7, "pools:read"),
        ("accounts:", "accounts: [", 4, "not YAML: "),
        ("  - name: one", "\t- name: one", 4, "not YAML: "),
        ("name: one", "name: !!python/object/apply:os.system [ls]", 4, "constructor"),
        (GOOD, "", 1, "must be a mapping (a fixture: "),
        (GOOD, "- 1\n", 1, "must be a mapping (a fixture: "),
    ],
)
def test_a_mistake_is_answered_with_file_line_and_reason(
    tmp_path: Path, instead_of: str, mistake: str, line: int, reason: str
) -> None:
    assert instead_of in GOOD
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, GOOD.replace(instead_of, mistake, 1).replace("every: 60", "every: 10080", 1))
    said = str(refusal.value)
    assert said.startswith(f"fixture: {tmp_path / 'own.yaml'}, line {line}: ")
    assert reason in said
    assert "\n" not in said


def test_two_workers_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    row = "      - {name: w-010, model: ryzen-7950x, profile: first}\n"
    with pytest.raises(ConfigError, match="line 16: the worker 'w-010' of account 'one' is there twice"):
        load(tmp_path, GOOD + row)


def test_a_mistake_stays_one_when_the_file_is_read_again(tmp_path: Path) -> None:
    """What was read once is kept; what was refused is not."""
    for _ in range(2):
        with pytest.raises(ConfigError, match="line 5"):
            load(tmp_path, GOOD.replace("tier: vip", "tier: gold"))
    assert load(tmp_path, GOOD).content == load(tmp_path, GOOD).content


@pytest.mark.parametrize("name", ["nothing", "schema", "../demo", "no/such/file.yaml", "/"])
def test_a_fixture_that_is_not_there_is_answered_with_those_that_are(name: str) -> None:
    with pytest.raises(ConfigError, match=r"demo, empty"):
        fixture.load(name)


def test_what_is_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "binary.yaml"
    file.write_bytes(b"description: \xff\n")
    with pytest.raises(ConfigError, match=r"binary\.yaml, not YAML"):
        fixture.load(str(file))
