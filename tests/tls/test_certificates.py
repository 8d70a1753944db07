"""Certificates made on the spot: what they are good for, and what is left of their keys."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from upsim.clock import Instant, SystemClock, parse_iso
from upsim.tls import certificates
from upsim.tls.certificates import Authority, java_truststore, throw_away_authority, throw_away_context

NOW = parse_iso("2026-03-01T12:00:00Z")


def shaken_hands(authority: Authority, name: str, trusted: bytes) -> ssl.SSLObject:
    """A handshake in memory with a client that trusts these certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python asks for from 3.13 on
    context.load_verify_locations(cadata=trusted.decode())
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=name)
    server = authority.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client


@pytest.mark.parametrize("name", ["api.example.com", "www.any.example", "127.0.0.1", "::1"])
def test_a_client_that_trusts_the_authority_accepts_each_name(name: str) -> None:
    authority = throw_away_authority(["api.example.com", "*.any.example", "127.0.0.1", "::1"], _today())
    assert shaken_hands(authority, name, authority.pem).version() == "TLSv1.3"


def test_it_vouches_for_no_other_name() -> None:
    authority = throw_away_authority(["api.example.com"], _today())
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken_hands(authority, "www.example.com", authority.pem)


def test_one_authority_is_not_trusted_for_another() -> None:
    one, other = throw_away_authority(["a.example"], _today()), throw_away_authority(["a.example"], _today())
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken_hands(one, "a.example", other.pem)


def test_certificates_are_valid_from_yesterday_for_as_long_as_all_clients_accept() -> None:
    (found,) = x509.load_pem_x509_certificates(throw_away_authority(["a.example"], NOW).pem)
    assert found.not_valid_before_utc == datetime(2026, 2, 28, 12, tzinfo=UTC)
    assert found.not_valid_after_utc - found.not_valid_before_utc < timedelta(days=398)


def test_javas_truststore_holds_each_certificate_as_trusted() -> None:
    pems = b"".join(throw_away_authority([name], NOW).pem for name in ("a.example", "b.example"))
    pems += b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"  # which is left out
    held = pkcs12.load_pkcs12(java_truststore(pems), certificates.TRUSTSTORE_PASSWORD.encode())
    assert held.key is None
    assert len(held.additional_certs) == 2
    assert len({entry.friendly_name for entry in held.additional_certs}) == 2


@pytest.mark.parametrize("memory", [True, False], ids=["in memory", "in a file for a moment"])
def test_no_key_is_left_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: bool) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not memory:
        monkeypatch.delattr("os.memfd_create", raising=False)
    throw_away_authority(["a.example"], NOW)
    throw_away_context()
    assert [*tmp_path.iterdir()] == []


def _today() -> Instant:
    return SystemClock().now()
