"""The options of `pytest --pyargs upsim_contract`: those of `upsim contract`, each with --contract before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .clauses import Level
from .reports import Summary
from .runner import CannotRun, Plan
from .session import check
from .settings import SettingsError, load, override


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("contract", "proof that a server is the API of upsim's spec")
    group.addoption("--contract-url", help="address of the server")
    group.addoption("--contract-key", help="API key of the user to test with")
    group.addoption("--contract-config", type=Path, help="keys and pools: TOML, or a ready-file")
    group.addoption("--contract-level", default="observed", choices=[one.word for one in Level], help="what fails")
    group.addoption("--contract-read-only", action="store_true", help="change nothing on the target")
    group.addoption("--contract-yes-write", action="store_true", help="write even to the vendor's own service")
    group.addoption("--contract-no-control", action="store_true", help="wait instead of moving upsim's clock")
    group.addoption("--contract-admin-token", help="what upsim's control plane asks for")
    group.addoption("--contract-only", action="append", default=[], help="scenarios or clauses to run; repeatable")
    group.addoption("--contract-cases", type=int, default=10, help="generated requests an operation")
    group.addoption("--contract-seed", type=int, default=0, help="what generated requests follow from")
    group.addoption("--contract-timeout", type=float, default=15.0, help="seconds an answer may take")


@pytest.fixture(scope="session")
def summary(pytestconfig: pytest.Config) -> Summary:
    """The one run all the tests report of."""
    option = pytestconfig.getoption
    try:
        given = load(option("--contract-config")) if option("--contract-config") else None
        settings = override(given, option("--contract-url"), option("--contract-key"))
        if settings.is_vendor and not option("--contract-read-only") and not option("--contract-yes-write"):
            raise SettingsError(
                f"{settings.url} is the vendor's own service: --contract-read-only or --contract-yes-write"
            )
        plan = Plan(
            option("--contract-read-only"),
            tuple(option("--contract-only")),
            option("--contract-cases"),
            option("--contract-seed"),
        )
        found = check(
            settings,
            plan,
            Level[option("--contract-level").upper()],
            control=not option("--contract-no-control"),
            token=option("--contract-admin-token"),
            timeout_s=option("--contract-timeout"),
        )
    except (SettingsError, CannotRun) as error:
        pytest.exit(f"upsim contract: {error}", returncode=2)
    assert found is not None  # noqa: S101 - only a clean-up gives None
    if found.outcome.interrupted:
        raise KeyboardInterrupt
    if found.outcome.lost:
        pytest.exit(f"upsim contract: {found.outcome.lost}", returncode=2)
    return found
