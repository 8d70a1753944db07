"""Which hosts are led, let through or refused."""

from __future__ import annotations

import pytest

from upsim.intercept.hosts import Fate, Hosts, refusal

HOSTS = Hosts.of(
    ["api.other.example", "*.many.example"],
    ["db.example:5432", "*.cdn.example", "Mirror.Example.", "[2001:DB8::1]:443"],
)


@pytest.mark.parametrize(
    ("host", "port", "fate"),
    [
        ("api.ultimate-proxy.com", 443, Fate.SIMULATED),
        ("API.Ultimate-Proxy.com.", 8443, Fate.SIMULATED),
        ("api.other.example", 80, Fate.SIMULATED),
        ("one.many.example", 443, Fate.SIMULATED),
        ("two.one.many.example", 443, Fate.REFUSED),  # no certificate vouches for two labels
        ("many.example", 443, Fate.REFUSED),
        ("ultimate-proxy.com", 443, Fate.REFUSED),
        ("api.ultimate-proxy.com.evil.example", 443, Fate.REFUSED),
        ("xapi.ultimate-proxy.com", 443, Fate.REFUSED),
        ("192.0.2.7", 443, Fate.REFUSED),
        ("169.254.169.254", 80, Fate.REFUSED),
        ("db.example", 5432, Fate.PASSED),
        ("db.example", 443, Fate.REFUSED),
        ("a.cdn.example", 443, Fate.PASSED),
        ("b.a.cdn.example", 443, Fate.PASSED),
        ("cdn.example", 443, Fate.REFUSED),
        ("mirror.example", 443, Fate.PASSED),
        ("2001:db8::1", 443, Fate.PASSED),
        ("2001:db8::1", 80, Fate.REFUSED),
        ("2001:db8::2", 443, Fate.REFUSED),
        ("0.0.0.0", 3000, Fate.PASSED),
        ("localhost", 3000, Fate.PASSED),
        ("app.localhost", 3000, Fate.PASSED),
        ("127.9.9.9", 3000, Fate.PASSED),
        ("::1", 3000, Fate.PASSED),
        ("localhost.example", 3000, Fate.REFUSED),
        ("127.0.0.1.example", 3000, Fate.REFUSED),
    ],
)
def test_a_connection_has_one_fate(host: str, port: int, fate: Fate) -> None:
    assert HOSTS.fate(host, port) is fate


def test_letting_all_through_never_lets_the_service_itself_be_reached() -> None:
    hosts = Hosts.of((), ["*"])
    assert hosts.fate("anybody.example", 443) is Fate.PASSED
    assert hosts.fate("api.ultimate-proxy.com", 443) is Fate.SIMULATED
    assert Hosts.of((), ["api.ultimate-proxy.com"]).fate("api.ultimate-proxy.com", 443) is Fate.SIMULATED


@pytest.mark.parametrize(
    "name", ["", "https://a.example", "a.example/v1", "a.example:443", "*", "a b", "ü.example", "a..b"]
)
def test_what_is_no_host_name_is_said(name: str) -> None:
    with pytest.raises(ValueError, match=r"^host: .*api\.example\.com"):
        Hosts.of([name])


@pytest.mark.parametrize("name", ["", "https://a.example", "a.example/v1", "a.*.example", "a.example:http"])
def test_what_is_no_pattern_is_said(name: str) -> None:
    with pytest.raises(ValueError, match=r"^pass-through: .*db\.example\.com:5432"):
        Hosts.of((), [name])


def test_a_refusal_is_one_line_of_ascii_whatever_was_called() -> None:
    said = refusal("ü\r\nX-Header: y" + "z" * 1_000, 443)
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 400


def test_what_a_refusal_says_to_write_is_what_would_allow_it() -> None:
    for host in ("real.example", "192.0.2.7", "2001:db8::1"):
        pattern = refusal(host, 443).rpartition(" ")[2]
        assert Hosts.of((), [pattern]).fate(host, 443) is Fate.PASSED
