"""The environment variables by which programs are led: what each language reads, and what it is told.

docs/intercept.md has the table of languages, and what was tried with which.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from upsim.tls.certificates import TRUSTSTORE_PASSWORD, java_truststore
from upsim.tls.folder import PrivateFolder

DIRECT: Final = "localhost,127.0.0.1,::1"
"""Reached without the proxy: servers of the program's own. Nothing else, whatever NO_PROXY said before."""

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_BUNDLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


@dataclass(frozen=True, slots=True)
class Handed:
    """The files that a program finds by its environment.

    Attributes:
        bundle: the authorities to trust: ours alone, or with the system's.
        extra: ours, and what Node was told to trust besides its own.
        truststore: the bundle as Java wants it.
        preload: what Node loads first.
        nowhere: an empty folder, in place of the system's folder of authorities; None where those are trusted.
    """

    bundle: Path
    extra: Path
    truststore: Path
    preload: Path
    nowhere: Path | None


def hand_over(folder: PrivateFolder, pem: bytes, inherited: Mapping[str, str], *, real: bool) -> Handed:
    """Write the files.

    Args:
        pem: our authority's certificate.
        inherited: the environment there is.
        real: whether real hosts may be called, so that the system's authorities are needed. Else ours is the only one:
            a program that looks at no proxy variable then fails at its handshake with the real service.

    Raises:
        ValueError: the system's authorities are not to be found.
    """
    bundle = pem + _system_authorities(inherited) if real else pem
    nowhere = None if real else folder.path / "nowhere"
    if nowhere is not None:
        nowhere.mkdir()
    return Handed(
        bundle=folder.write("authorities.pem", bundle),
        extra=folder.write("authority.pem", pem + _read(inherited.get("NODE_EXTRA_CA_CERTS"))),
        truststore=folder.write("authorities.p12", java_truststore(bundle)),
        preload=folder.write("preload.cjs", files("upsim.intercept").joinpath("preload.cjs").read_bytes()),
        nowhere=nowhere,
    )


def variables(proxy_url: str, handed: Handed, inherited: Mapping[str, str]) -> dict[str, str]:
    """What is set for a program, in place of what it inherited."""
    told = {"NO_PROXY": DIRECT, **dict.fromkeys(_PROXIES, proxy_url)}
    told |= {name.lower(): value for name, value in told.items()}  # curl reads http_proxy in lower case alone
    told |= dict.fromkeys(_BUNDLES, str(handed.bundle))
    if handed.nowhere is not None:
        told["SSL_CERT_DIR"] = str(handed.nowhere)
    told["NODE_EXTRA_CA_CERTS"] = str(handed.extra)
    told["NODE_OPTIONS"] = _added(inherited, "NODE_OPTIONS", f'--require "{_escaped(handed.preload)}"')
    told["NODE_USE_ENV_PROXY"] = "0"  # newer Nodes' own way would get in the way of ours, which older ones need
    told["JAVA_TOOL_OPTIONS"] = _added(inherited, "JAVA_TOOL_OPTIONS", _java_options(proxy_url, handed))
    return told


def _java_options(proxy_url: str, handed: Handed) -> str:
    host, _, port = proxy_url.removeprefix("http://").partition(":")
    properties = {
        "http.proxyHost": host,
        "http.proxyPort": port,
        "https.proxyHost": host,
        "https.proxyPort": port,
        "http.nonProxyHosts": "localhost|127.*|[::1]",
        "javax.net.ssl.trustStore": str(handed.truststore),
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": TRUSTSTORE_PASSWORD,
    }
    options = (f"-D{name}={value}" for name, value in properties.items())
    return " ".join(f'"{option}"' if " " in option else option for option in options)


def _added(inherited: Mapping[str, str], name: str, more: str) -> str:
    return " ".join(filter(None, (inherited.get(name, "").strip(), more)))


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def _system_authorities(inherited: Mapping[str, str]) -> bytes:
    """Whom programs trusted before."""
    named = [_read(inherited[name]) for name in _BUNDLES if inherited.get(name)]
    usual = (ssl.get_default_verify_paths().cafile, *_SYSTEM_BUNDLES)
    system = next(filter(None, map(_read, usual)), b"") or _certifi()
    found = b"".join(dict.fromkeys([system, *named]))
    if not found:
        raise ValueError(
            "pass-through: this system's certificate authorities are not to be found, so no real host could be"
            " verified; name the file that holds them in SSL_CERT_FILE"
        )
    return found


def _read(path: str | None) -> bytes:
    try:
        content = b"" if path is None else Path(path).read_bytes()
    except OSError:
        return b""
    return content + b"\n" if content and not content.endswith(b"\n") else content


def _certifi() -> bytes:
    try:
        import certifi
    except ImportError:  # it comes with requests and httpx, not with us
        return b""
    return Path(certifi.where()).read_bytes()
