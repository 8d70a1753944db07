"""The command line against a server of its own: what is printed, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from upsim import Simulator, World
from upsim.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Shell:
    """Somebody at a terminal: one server, one world, set in the environment."""

    def __init__(self, simulator: Simulator, world: World) -> None:
        self.simulator = simulator
        self.world = world

    def run(self, line: str, *more: str, **variables: str) -> Ended:
        """Run `upsim LINE MORE…`; the line is split at spaces, the rest taken as it is."""
        environment = {"UPSIM_URL": self.simulator.url, "UPSIM_WORLD": self.world.id, "UPSIM_TOKEN": None, **variables}
        result = CliRunner().invoke(main, [*line.split(), *more], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    def says(self, line: str, *more: str) -> str:
        """What it prints where all is well."""
        ended = self.run(line, *more)
        assert (ended.code, ended.err) == (0, "")
        return ended.out.strip()

    def get(self, path: str = "/v1/pools", key: str | None = None) -> int:
        headers = {"X-API-Key": key or self.world.key("vip")}
        return httpx.get(self.simulator.url + path, headers=headers).status_code


@pytest.fixture(scope="session")
def terminal() -> Iterator[Simulator]:
    """A server for all of them."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def shell(terminal: Simulator) -> Iterator[Shell]:
    """A world for each."""
    with terminal.world(seed=7, clock={"set": "2026-01-05T08:00:00Z", "freeze": True}) as world:
        yield Shell(terminal, world)
