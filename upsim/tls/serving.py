"""The TLS of a server that has none itself: what it accepts is carried on in the clear, within the process."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from upsim.clock import Instant
from upsim.tls.certificates import loaded_context, throw_away_authority
from upsim.tls.folder import PrivateFolder
from upsim.tls.relay import Terminator

Accept = Callable[[], tuple[socket.socket, Any] | None]


class ServerTls:
    """Ends the TLS of one server's connections.

    Attributes:
        authority: the file of the certificate that clients have to trust; None where it is not ours.
    """

    def __init__(self, context: ssl.SSLContext, folder: PrivateFolder | None = None, pem: bytes = b"") -> None:
        self._folder = folder
        self.authority: Path | None = None if folder is None else folder.write("ca.pem", pem)
        self._terminator = Terminator(context)

    @classmethod
    def with_certificate(cls, certificate: Path, key: Path) -> ServerTls:
        """With somebody's own certificate.

        Raises:
            OSError: the files cannot be used.
        """
        return cls(loaded_context(certificate, key))

    @classmethod
    def with_throw_away_authority(cls, names: Sequence[str], now: Instant) -> ServerTls:
        """With an authority made for it, whose certificate stands in a private folder until `close`."""
        made = throw_away_authority(names, now)
        return cls(made.context, PrivateFolder(), made.pem)

    def accepting(self, accept: Accept) -> Accept:
        """Accept as before, but give out the content of connections in place of their TLS; the peer stays who it is."""

        def accept_content() -> tuple[socket.socket, Any] | None:
            accepted = accept()
            return None if accepted is None else (self._terminator.terminate(accepted[0]), accepted[1])

        return accept_content

    def close(self) -> None:
        """End every connection and remove what was written."""
        self._terminator.close()
        if self._folder is not None:
            self._folder.close()
