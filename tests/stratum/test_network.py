"""The simulated pool network: every algorithm against every behaviour, and what the tester makes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from upsim.algorithms import ALGORITHMS
from upsim.clock import SystemClock
from upsim.model import Outcome, PoolTarget, PoolTest, Stage, WorldId
from upsim.stratum.behaviours import BEHAVIOURS, HOSTS, TEST_SUFFIX, UnknownBehaviour, behaviour_for
from upsim.stratum.service import LocalBehaviours, PoolNetwork, PoolWorld

WORLD = PoolWorld(WorldId("w"), 1, SystemClock())
DEADLINE_S = 4.0
_PORTS = count(1)


@pytest.fixture(scope="module")
def behaviours() -> LocalBehaviours:
    return LocalBehaviours()


@pytest.fixture(scope="module")
def network(behaviours: LocalBehaviours) -> Iterator[PoolNetwork]:
    made = PoolNetwork("simulated", behaviours, deadline_s=DEADLINE_S, pace=0.1)
    yield made
    made.close()


def target(host: str, algorithm: str = "sha256", *, port: int = 3333, tls: bool = False) -> PoolTarget:
    return PoolTarget(host, port, tls, algorithm, "wallet.rig1", "x")


@pytest.fixture(scope="module")
def findings(network: PoolNetwork, behaviours: LocalBehaviours) -> dict[tuple[str, str], PoolTest]:
    """Every behaviour tested with every algorithm, side by side: most of the time is spent waiting."""

    def find(case: tuple[str, str]) -> tuple[tuple[str, str], PoolTest]:
        name, algorithm = case
        port = next(_PORTS)
        behaviours.put(WORLD.id, "pool.example", port, name)
        if BEHAVIOURS[name].alternates:
            behaviours.take(WORLD.id, "pool.example", port)
        return case, network.test(WORLD, target("pool.example", algorithm, port=port))

    with ThreadPoolExecutor(96) as pool:
        return dict(pool.map(find, [(name, algorithm) for name in BEHAVIOURS for algorithm in ALGORITHMS]))


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_tester_finds_what_a_behaviour_does(
    name: str, algorithm: str, findings: dict[tuple[str, str], PoolTest]
) -> None:
    found, expected = findings[name, algorithm], BEHAVIOURS[name].finding_for(ALGORITHMS[algorithm])
    assert [result.stage for result in found.stages] == list(Stage)
    if expected.fails is None:
        assert found.failure is None, found.failure
        assert expected.words in " | ".join(found.remarks)
        return
    assert found.failure is not None
    assert found.failure.stage is expected.fails
    assert found.failure.reason is not None
    assert expected.words in found.failure.reason
    at = list(Stage).index(expected.fails)
    assert all(result.outcome is Outcome.PASSED for result in found.stages[:at])
    assert all(result.outcome is Outcome.SKIPPED for result in found.stages[at + 1 :])
    for result in found.stages:
        assert (result.duration_ms is None) is (result.outcome is Outcome.SKIPPED)
        assert (result.reason is None) is (result.outcome is not Outcome.FAILED)


def test_a_dead_address_takes_until_the_deadline(findings: dict[tuple[str, str], PoolTest]) -> None:
    (failed,) = [result for result in findings["timeout", "sha256"].stages if result.outcome is Outcome.FAILED]
    assert failed.duration_ms is not None
    assert failed.duration_ms >= DEADLINE_S * 1000 - 1


def test_slow_pools_show_their_latency(findings: dict[tuple[str, str], PoolTest]) -> None:
    stages = findings["slow", "sha256"].stages
    assert stages[1].duration_ms is not None
    assert stages[1].duration_ms >= 100


def test_each_behaviour_has_a_host_of_its_name(network: PoolNetwork) -> None:
    def find(host: str) -> Stage | None:
        failure = network.test(WORLD, target(host)).failure
        if failure is None and HOSTS[host].alternates:
            failure = network.test(WORLD, target(host)).failure
        return failure.stage if failure is not None else None

    with ThreadPoolExecutor(96) as pool:
        found = dict(zip(HOSTS, pool.map(find, HOSTS), strict=True))
    assert found == {name + TEST_SUFFIX: behaviour.finding.fails for name, behaviour in BEHAVIOURS.items()}


@pytest.mark.parametrize(
    "name",
    ["refused", "timeout", "closes", "garbage", "slow", "no-subscribe", "no-auth", "wrong-dialect", "tls", "flaky"],
)
def test_the_published_test_names_exist(name: str) -> None:
    assert behaviour_for(f"{name}.pool.test", None, 1).name == name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_passes_with_tls(algorithm: str, network: PoolNetwork) -> None:
    for host in ("pool.example", "tls.pool.test"):
        assert network.test(WORLD, target(host, algorithm, tls=True)).failure is None


def test_tls_on_a_plain_port_says_to_unset_it(network: PoolNetwork, behaviours: LocalBehaviours) -> None:
    behaviours.put(WORLD.id, "plain.example", 1, "plain")
    failure = network.test(WORLD, target("plain.example", port=1, tls=True)).failure
    assert failure is not None
    assert failure.stage is Stage.CONNECTIVITY
    assert failure.reason == "connected, but there is no TLS on this port: unset tls"


def test_the_reason_names_both_dialects(network: PoolNetwork) -> None:
    failure = network.test(WORLD, target("wrong-dialect.pool.test", "randomx")).failure
    assert failure is not None
    assert failure.reason == "connected, but this port speaks Ethereum Stratum, not Monero's login dialect"


def test_a_flaky_pool_fails_every_other_time(network: PoolNetwork) -> None:
    world = PoolWorld(WorldId("flaky"), 1, SystemClock())
    passed = [network.test(world, target("flaky.pool.test")).failure is None for _ in range(4)]
    assert passed == [True, False, True, False]


def test_a_limited_behaviour_is_used_up_test_by_test(network: PoolNetwork, behaviours: LocalBehaviours) -> None:
    behaviours.put(WORLD.id, "limited.example", 1, "refused", times=2)
    passed = [network.test(WORLD, target("limited.example", port=1)).failure is None for _ in range(3)]
    assert passed == [False, False, True]


def test_behaviours_of_one_world_never_touch_another(network: PoolNetwork, behaviours: LocalBehaviours) -> None:
    behaviours.put(WORLD.id, "shared.example", 1, "refused")
    other = PoolWorld(WorldId("other"), 1, SystemClock())
    assert network.test(WORLD, target("shared.example", port=1)).failure is not None
    assert network.test(other, target("shared.example", port=1)).failure is None
    behaviours.put(WORLD.id, "shared.example", 1, None)
    assert network.test(WORLD, target("shared.example", port=1)).failure is None


def test_a_behaviour_can_be_put_on_a_loopback_address(network: PoolNetwork, behaviours: LocalBehaviours) -> None:
    behaviours.put(WORLD.id, "127.0.0.1", 1, "no-auth")
    failure = network.test(WORLD, target("127.0.0.1", port=1)).failure
    assert failure is not None
    assert failure.stage is Stage.AUTHORIZATION


def test_an_unknown_behaviour_is_refused_with_the_list(behaviours: LocalBehaviours) -> None:
    with pytest.raises(UnknownBehaviour, match=r"no behaviour is called 'dances'; there are: healthy, "):
        behaviours.put(WORLD.id, "pool.example", 1, "dances")
    with pytest.raises(UnknownBehaviour):
        behaviour_for("pool.example", "dances", 0)


def test_nothing_starts_before_the_first_test_and_nothing_is_left_after_the_last(no_thread_left: None) -> None:
    before = {thread.name for thread in threading.enumerate()}
    network = PoolNetwork("simulated", LocalBehaviours(), deadline_s=1.0)
    assert {thread.name for thread in threading.enumerate()} == before
    assert network.test(WORLD, target("pool.example")).failure is None
    network.close()
    network.close()
    failure = network.test(WORLD, target("pool.example")).failure
    assert failure is not None
    assert "closed" in str(failure.reason)


def test_many_threads_can_test_at_once(network: PoolNetwork) -> None:
    hosts = [f"pool{number}.example" for number in range(200)]
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda host: network.test(WORLD, target(host)), hosts))
    assert all(test.failure is None for test in found)


def test_closing_ends_a_test_that_waits(no_thread_left: None) -> None:
    network = PoolNetwork("simulated", LocalBehaviours(), deadline_s=60.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(network.test, WORLD, target("timeout.pool.test"))
        network.close()
        assert waiting.result(timeout=30).failure is not None
