"""Devices and the table of hardware: believable, countable, and the same for every world."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsim.algorithms import ALGORITHMS
from upsim.clock import Instant
from upsim.fleet.cells import cell_at
from upsim.fleet.device import WEIGHTS, device
from upsim.fleet.hardware import HARDWARE, QUANTUM, models_of
from upsim.fleet.history import MAX_SCALE
from upsim.fleet.sums import worth

JOINED = Instant(1_760_000_000_000)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_has_several_machines_that_its_quantum_counts_exactly(algorithm: str) -> None:
    machines = models_of(algorithm)
    assert len(machines) >= 3
    for row in machines:
        assert HARDWARE[row.model] is row
        assert row.nominal % QUANTUM[algorithm] == 0
        assert 0 < row.nominal // QUANTUM[algorithm] <= 1_000_000
        assert 0 < row.spread < 50
        assert 0 < row.ambient <= 10
        assert 5 <= row.share_s <= 60


def test_models_are_unique() -> None:
    rows = [row for algorithm in ALGORITHMS for row in models_of(algorithm)]
    assert len(rows) == len(HARDWARE)


def test_sums_of_a_million_machines_at_ten_times_their_rate_fit_a_store_s_64_bits() -> None:
    largest = max(
        abs(part) for model in HARDWARE for part in worth(device("w", model, joined_at=JOINED), MAX_SCALE).parts
    )
    assert 1_000_000 * largest < 2**63


@given(st.text(min_size=1), st.sampled_from(sorted(HARDWARE)))
def test_a_device_follows_from_its_key_and_model(key: str, model: str) -> None:
    found = device(key, model, joined_at=JOINED)
    row = HARDWARE[model]
    assert found == device(key, model, joined_at=JOINED)
    assert found.algorithm == row.algorithm
    assert 0 <= found.cell < 512
    assert len(found.weights) == WEIGHTS
    assert found.weights[0] == row.ambient
    assert all(2 <= abs(weight) <= 6 for weight in found.weights[1:])
    assert found.nominal % QUANTUM[row.algorithm] == 0
    assert abs(found.nominal - row.nominal) <= row.nominal * row.spread / 1000 + QUANTUM[row.algorithm]


def test_machines_of_a_class_differ_around_its_nominal_rate() -> None:
    rates = [device(f"w{i}", "m60s", joined_at=JOINED).nominal for i in range(1000)]
    assert fmean(rates) / HARDWARE["m60s"].nominal == pytest.approx(1, abs=0.001)
    assert len(set(rates)) > 200


def test_cells_left_to_chance_are_spread_over_all_sites() -> None:
    cells = Counter(device(f"w{i}", "m60s", joined_at=JOINED).cell // 128 for i in range(4000))
    assert set(cells) == {0, 1, 2, 3}
    assert max(cells.values()) < 1.2 * min(cells.values())


def test_a_place_and_a_rate_can_be_given() -> None:
    found = device("w", "s21", joined_at=JOINED, cell=cell_at(3, 15, 7), nominal=123_456_789_012_345)
    assert found.cell == 511
    assert found.nominal == 123_456_000_000_000
    assert QUANTUM["sha256"] == 10**9


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({"model": "abacus"}, "there is no hardware model 'abacus'; there are s19k-pro", id="model"),
        pytest.param({"cell": 512}, "cell is 512; give a number from 0 to 511", id="cell"),
        pytest.param({"nominal": 5}, "too low for sha256", id="rate"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(options: dict[str, str | int], reason: str) -> None:
    cell, nominal = options.get("cell"), options.get("nominal")
    assert cell is None or isinstance(cell, int)
    assert nominal is None or isinstance(nominal, int)
    with pytest.raises(ValueError, match=reason):
        device("w", str(options.get("model", "s21")), joined_at=JOINED, cell=cell, nominal=nominal)
