"""Certificates made on the spot. Keys live in memory, and for a moment in a private file, deleted at once.

`cryptography` is imported when the first certificate is needed, not before: it loads 10 MB of library that a server
without TLS never needs.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import ssl
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from upsim.clock import Instant

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY_NAME: Final = "upsim, made for one run: trust it nowhere else"
VALID: Final = timedelta(days=397)
"""The longest that every client accepts: Apple's refuse more than 398 days."""
TRUSTSTORE_PASSWORD: Final = "upsim!"  # noqa: S105 - Java demands one, and nothing in there is secret
HTTP_1_1: Final = ["http/1.1"]
"""What is offered by ALPN: clients that would rather speak HTTP/2 fall back."""

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that signed one certificate. Its own key is gone: it can sign no second one.

    Attributes:
        pem: the authority's certificate, for those who shall trust it.
        context: the server's side of TLS, under the names the certificate was asked for.
        secret: that certificate and its key, for a server that takes no context.
    """

    pem: bytes
    context: ssl.SSLContext
    secret: bytes = field(repr=False)


def throw_away_authority(names: Sequence[str], now: Instant) -> Authority:
    """An authority of its own for one server.

    Args:
        names: what the server is called: host names, `*.` and the rest of a name, addresses.
        now: from a day before on the certificates are valid, so that clocks may differ a little.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    issuer = _name(AUTHORITY_NAME)
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
    authority = (
        _certificate(issuer, issuer, issuer_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        # Names stand in the extension alone; a common name longer than 64 characters would be none.
        _certificate(_name("upsim"), issuer, key, now)
        .add_extension(x509.SubjectAlternativeName([*_alternatives(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    secret = _secret(key, certificate)
    context = _server_context(secret)
    context.set_alpn_protocols(HTTP_1_1)
    return Authority(_pem(authority), context, secret)


def throw_away_context(name: str = "pool.test") -> ssl.SSLContext:
    """A server's context with a fresh certificate for `name`, signed by itself.

    It is good for nothing else: miners do not verify pools' certificates, and neither does the tester.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        # A fixed date: nobody verifies it, and no clock is needed.
        _certificate(_name(name), _name(name), key, Instant(1_577_836_800_000), timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([*_alternatives([name])]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _server_context(_secret(key, certificate))


def loaded_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context with somebody's own certificate, followed in its file by those that signed it, if any.

    Raises:
        ValueError: they cannot be used; the text says which, and why.
    """
    _look_for(certificate, "certificate", b"CERTIFICATE-----")
    if b"ENCRYPTED" in _look_for(key, "private key", b"PRIVATE KEY-----"):
        raise ValueError(f"{key} has a pass phrase, which nobody could be asked for: openssl pkey writes it without")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError as error:
        raise ValueError(f"{certificate} is damaged: what stands in it is no certificate") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")  # else a pass phrase would be asked for at the terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(
                f"{key} is not the key of {certificate}, or that does not begin with the certificate of this server"
            ) from error
        raise ValueError(f"{key} is damaged: what stands in it is no private key") from error
    context.set_alpn_protocols(HTTP_1_1)
    return context


def _look_for(path: Path, what: str, mark: bytes) -> bytes:
    """What the file holds, if that may be it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    if mark not in content:
        raise ValueError(f"{path} holds no {what} in PEM, which has a line that ends in {mark.decode()}")
    return content


@contextlib.contextmanager
def secret_file(secret: bytes) -> Iterator[Path]:
    """A file with a secret, in memory where the system has such, else a private one: keys are read from files alone."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        with open(os.memfd_create("upsim", os.MFD_CLOEXEC), "wb") as file:
            file.write(secret)
            file.flush()
            yield Path(f"/proc/self/fd/{file.fileno()}")
        return
    with tempfile.TemporaryDirectory(prefix="upsim-") as folder:  # readable by its owner only
        path = Path(folder) / "key.pem"
        path.touch(mode=0o600)
        path.write_bytes(secret)
        yield path


def unverified_context() -> ssl.SSLContext:
    """A client's context that accepts any certificate, as miners do: pools' certificates are mostly self-signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def java_truststore(pem: bytes) -> bytes:
    """The certificates as Java wants them: PKCS #12, under TRUSTSTORE_PASSWORD; less those too odd to be read."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    entries = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # systems trust some old authorities that no longer pass every rule
        for number, block in enumerate(_PEM.findall(pem)):
            with contextlib.suppress(ValueError):
                certificate = x509.load_pem_x509_certificate(block)
                entries.append(pkcs12.PKCS12Certificate(certificate, b"%d" % number))  # Java tells them apart by it
    return pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(TRUSTSTORE_PASSWORD.encode()))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, now: Instant, valid: timedelta = VALID
) -> x509.CertificateBuilder:
    from cryptography import x509

    start = datetime.fromtimestamp(now // 1000, UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + valid)
    )


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])


def _alternatives(names: Iterable[str]) -> Iterator[x509.GeneralName]:
    from cryptography import x509

    for name in names:
        try:
            yield x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            yield x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _secret(key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return _pem(certificate) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _server_context(secret: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with secret_file(secret) as path:
        context.load_cert_chain(path)
    return context


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)
