"""The options of `pytest --pyargs upsim_contract`: those of `upsim contract`, each with --contract before it.

Pytest loads this wherever upsim is installed, so it imports nothing of the suite and adds nothing but options.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("contract", "proof that a server is the API of upsim's spec")
    group.addoption("--contract-url", help="address of the server")
    group.addoption("--contract-key", help="API key of the user to test with")
    group.addoption("--contract-config", type=Path, help="keys and pools: TOML, or a ready-file")
    group.addoption(
        "--contract-level", default="observed", choices=["assumed", "observed", "documented"], help="what fails"
    )
    group.addoption("--contract-read-only", action="store_true", help="change nothing on the target")
    group.addoption("--contract-yes-write", action="store_true", help="write even to the vendor's own service")
    group.addoption("--contract-no-control", action="store_true", help="wait instead of moving upsim's clock")
    group.addoption("--contract-admin-token", help="what upsim's control plane asks for")
    group.addoption("--contract-only", action="append", default=[], help="scenarios or clauses to run; repeatable")
    group.addoption("--contract-cases", type=int, default=10, help="generated requests an operation")
    group.addoption("--contract-seed", type=int, default=0, help="what generated requests follow from")
    group.addoption("--contract-timeout", type=float, default=15.0, help="seconds an answer may take")
