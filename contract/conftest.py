"""The one run that the tests of `pytest --pyargs upsim_contract` report of."""

from __future__ import annotations

import pytest

from .clauses import Level
from .reports import Summary
from .runner import CannotRun, Plan
from .session import check
from .settings import SettingsError, load, override


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
