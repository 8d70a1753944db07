"""Settings: one truth for flags, environment and help, each value checked at the door and named when it is refused."""

from __future__ import annotations

from dataclasses import Field
from pathlib import Path
from typing import Any

import pytest

from upsim.config import Config, configure, flag, settings, spoken, variable
from upsim.errors import ConfigError

# A value for each setting other than its default, as text and as it is understood.
VALUES: dict[str, tuple[str, object]] = {
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("0", 0),
    "store": ("sqlite:x.db", "sqlite:x.db"),
    "fixture": ("empty", "empty"),
    "seed": ("7", 7),
    "server": ("granian", "granian"),
    "processes": ("2", 2),
    "ready_file": ("ready.json", Path("ready.json")),
    "rate_limit": ("off", False),
    "limits_storage": ("memory://", "memory://"),
    "pool_network": ("real", "real"),
    "pool_timeout": ("0.25", 0.25),
    "pool_ports": ("randomx=0,sha256=3333", (("randomx", 0), ("sha256", 3333))),
    "stratum": ("sha256=3333", (("sha256", 3333),)),
    "trusted_proxy": ("10.0.0.1, fd00::/8", ("10.0.0.1", "fd00::/8")),
    "admin_token": ("t0ken", "t0ken"),
    "tls": ("on", True),
    "tls_cert": ("own.pem", Path("own.pem")),
    "tls_key": ("own.key", Path("own.key")),
    "sandbox": ("ON", True),
    "sandbox_worlds": ("3", 3),
    "sandbox_minutes": ("5", 5),
    "threads": ("2", 2),
    "drain": ("2.5", 2.5),
    "metrics": ("on", True),
    "access_log": ("on", True),
}

WRONG = [
    ("port", "-1", "0 to 65535"),
    ("port", "65536", "0 to 65535"),
    ("port", "http", "0 to 65535"),
    ("port", "80.0", "0 to 65535"),
    ("port", "٣", "0 to 65535"),
    ("port", "", "0 to 65535"),
    ("seed", "-1", "whole number"),
    ("seed", "9" * 19, "whole number"),
    ("threads", "0", "1 to 256"),
    ("server", "gunicorn", "waitress, granian"),
    ("processes", "0", "1 to 64"),
    ("rate_limit", "yes", "on or off"),
    ("access_log", "1", "on or off"),
    ("pool_network", "fake", "simulated, real"),
    ("pool_timeout", "0", "above 0"),
    ("pool_timeout", "inf", "above 0"),
    ("pool_timeout", "1e3", "above 0"),
    ("pool_timeout", "3601", "3600"),
    ("trusted_proxy", "localhost", "neither an address nor a network"),
    ("trusted_proxy", "10.0.0.1,10.0.0.300", "10.0.0.300"),
    ("host", " ", "empty"),
    ("store", "", "empty"),
    ("fixture", "", "empty"),
    ("ready_file", "", "empty"),
    ("admin_token", "", "empty"),
    ("admin_token", "tökén", "printable ASCII"),
    ("admin_token", "two\nlines", "printable ASCII"),
    ("admin_token", " spaced", "no space around it"),
    ("stratum", "sha256", "write sha256=PORT"),
]


def test_every_setting_is_tried_here() -> None:
    assert list(VALUES) == [setting.name for setting in settings()]


@pytest.mark.parametrize("setting", settings(), ids=lambda setting: setting.name)
def test_a_setting_can_be_given_by_flag_and_by_variable_and_the_flag_wins(setting: Field[Any]) -> None:
    text, value = VALUES[setting.name]
    default = getattr(Config(), setting.name)
    assert getattr(configure({}, {}), setting.name) == default != value
    assert getattr(configure({setting.name: text}, {}), setting.name) == value
    assert getattr(configure({setting.name: None}, {variable(setting): text}), setting.name) == value
    assert getattr(configure({setting.name: text}, {variable(setting): "\n"}), setting.name) == value


@pytest.mark.parametrize("setting", settings(), ids=lambda setting: setting.name)
def test_a_settings_default_can_be_said_and_read_back(setting: Field[Any]) -> None:
    said = spoken(setting)
    if said:
        assert getattr(configure({setting.name: said}, {}), setting.name) == setting.default
    else:
        assert setting.default in (None, ())
    assert setting.metadata["meaning"].endswith(".")


@pytest.mark.parametrize(("name", "text", "allowed"), WRONG)
def test_a_value_that_cannot_be_used_is_named_with_what_is_allowed(name: str, text: str, allowed: str) -> None:
    setting = next(setting for setting in settings() if setting.name == name)
    for source, flags, environ in (
        (flag(setting), {name: text}, {}),
        (variable(setting), {}, {variable(setting): text}),
    ):
        with pytest.raises(ConfigError) as refusal:
            configure(flags, environ)
        assert str(refusal.value).startswith(f"{source}={text}: ")
        assert allowed in str(refusal.value)


def test_a_variable_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"^UPSIM_PROT: no such setting; .*UPSIM_PORT"):
        configure({}, {"UPSIM_PROT": "1"})


def test_variables_of_others_are_none_of_its_business() -> None:
    assert configure({}, {"PORT": "1", "UPSIM": "x", "upsim_port": "x", "UPSIM_TEST_MONGODB_URI": "x"}) == Config()
