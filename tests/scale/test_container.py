"""The files in deploy/ fit upsim and one another. No container was made of them: there is no engine to do it."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.scale.haproxy import CONFIG, program
from upsim.config import Config, configure, settings, variable
from upsim.spec import CONTROL

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "deploy" / "Containerfile").read_text()
COMPOSE: Any = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
VARIABLES = {variable(setting) for setting in settings()}


def instructions(name: str) -> list[str]:
    """What follows each instruction of that name in the Containerfile."""
    return re.findall(rf"^{name} (.+)$", CONTAINERFILE, re.MULTILINE)


def in_the_image() -> dict[str, str]:
    """The variables that the image sets."""
    return dict(word.partition("=")[::2] for line in instructions("ENV") for word in shlex.split(line))


def configured() -> Config:
    """How upsim understands what image and compose file tell it."""
    told = {**in_the_image(), **COMPOSE["services"]["upsim"]["environment"], "UPSIM_ADMIN_TOKEN": "a-token"}
    return configure({}, {name: value for name, value in told.items() if name.startswith("UPSIM_")})


def test_every_variable_is_a_setting_and_every_value_one_that_upsim_takes() -> None:
    config = configured()
    assert (config.host, config.port) == ("0.0.0.0", 8080)
    assert config.store.startswith("mongodb://")
    assert config.limits_storage is not None
    assert config.metrics


def test_all_processes_have_one_token_and_none_is_written_down() -> None:
    token = COMPOSE["services"]["upsim"]["environment"]["UPSIM_ADMIN_TOKEN"]
    assert token.startswith("${UPSIM_ADMIN_TOKEN:?")


def test_the_image_installs_extras_that_exist_from_files_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"install .*'\.\[(.+)\]'", CONTAINERFILE)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    copied = [name for line in instructions("COPY") if "--from" not in line for name in line.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"].values()
    assert set(packages) <= set(copied), "the wheel is built from these"


def test_the_image_runs_a_command_that_there_is_and_as_nobody() -> None:
    from upsim.cli import main

    assert instructions("ENTRYPOINT") == ['["upsim"]']
    (command,) = instructions("CMD")
    assert yaml.safe_load(command) == ["serve"]
    assert "serve" in main.commands
    assert instructions("USER") == ["10001"]


def test_whoever_asks_for_readiness_asks_where_it_is_told() -> None:
    paths = {operation.path for operation in CONTROL.operations if operation.method == "GET"}
    for text in (CONTAINERFILE, CONFIG.read_text()):
        asked = re.findall(r"/_upsim/\w+", text)
        assert asked
        assert set(asked) <= paths


def test_a_process_is_given_the_time_that_it_takes_to_stop() -> None:
    config, service = configured(), COMPOSE["services"]["upsim"]
    check = re.search(r"check inter (\d+)s fall (\d+)", CONFIG.read_text())
    assert check is not None
    noticed_s = int(check[1]) * (int(check[2]) + 1)
    assert config.drain > noticed_s, "the proxy has noticed before connections are closed"
    assert int(service["stop_grace_period"].removesuffix("s")) > config.drain + 10, "requests under way may take ten"


def test_the_names_that_services_call_one_another_by_exist() -> None:
    config, services = configured(), COMPOSE["services"]
    hosts = {host.partition(":")[0] for host in config.store.split("/")[2].split(",")}
    assert config.limits_storage is not None
    hosts.add(config.limits_storage.split("/")[2].partition(":")[0])
    hosts |= set(re.findall(r'host: "(\w+):27017"', str(services["mongo1"]["healthcheck"]["test"])))
    hosts |= set(re.findall(r"server-template \w+ \d+ (\w+):8080", CONFIG.read_text()))
    assert hosts == {"mongo1", "mongo2", "mongo3", "redis", "upsim"}
    assert hosts <= set(services)
    (network,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert list(config.trusted_proxy) == [network["subnet"]], "HAProxy is believed, and nobody else reaches upsim"
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_haproxy_accepts_its_configuration() -> None:
    done = subprocess.run([program(), "-c", "-f", str(CONFIG)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_service_says_what_becomes_of_it(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["restart"] == "unless-stopped"
    assert service["networks"] == ["inside"]
    assert ("image" in service) != ("build" in service)
