"""TLS with a certificate made on the spot. Keys live in memory, and for a moment in a private file, deleted at once.

The certificate is signed by itself and good for nothing else: miners do not verify pools' certificates, and neither
does the tester. `cryptography` is imported when the first certificate is needed, not before.
"""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path


def throw_away_context(name: str = "pool.test") -> ssl.SSLContext:
    """A server's context with a fresh self-signed certificate for `name`."""
    # Here and not above: it loads 10 MB of library that a server without TLS never needs.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    # Fixed dates: nobody verifies them, and no clock is needed.
    start = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The ssl module reads keys from files alone; the folder is readable by its owner only.
    with tempfile.TemporaryDirectory(prefix="upsim-") as folder:
        path = Path(folder) / "pool.pem"
        path.touch(mode=0o600)
        path.write_bytes(pem)
        context.load_cert_chain(path)
    return context


def unverified_context() -> ssl.SSLContext:
    """A client's context that accepts any certificate, as miners do: pools' certificates are mostly self-signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
