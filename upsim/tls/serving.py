"""The TLS of one server: ended for it, so that it finds in the clear what came; or its files, where it can end it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from upsim.clock import Instant
from upsim.tls.certificates import Authority, loaded_context, secret_file, throw_away_authority
from upsim.tls.folder import PrivateFolder
from upsim.tls.relay import Terminator

Accept = Callable[[], tuple[socket.socket, Any] | None]


class ServerTls:
    """A certificate and its key, for one server, until `close`.

    Attributes:
        authority: the file of the certificate that clients have to trust; None where it is not ours.
    """

    def __init__(self, context: ssl.SSLContext, files: tuple[Path, Path] | None, made: Authority | None) -> None:
        """Use somebody's own files, or an authority that was made."""
        self._context = context
        self._files = files
        self._made = made
        self._open = ExitStack()
        self.authority: Path | None = None
        if made is not None:
            folder = PrivateFolder()
            self._open.callback(folder.close)
            self.authority = folder.write("ca.pem", made.pem)

    @classmethod
    def with_certificate(cls, certificate: Path, key: Path) -> ServerTls:
        """With somebody's own certificate.

        Raises:
            ValueError: the files cannot be used; the text says which, and why.
        """
        return cls(loaded_context(certificate, key), (certificate, key), None)

    @classmethod
    def with_throw_away_authority(cls, names: Sequence[str], now: Instant) -> ServerTls:
        """With an authority made for it, whose certificate stands in a private folder until `close`."""
        made = throw_away_authority(names, now)
        return cls(made.context, None, made)

    def accepting(self, accept: Accept) -> Accept:
        """Accept as before, but give out the content of connections in place of their TLS; the peer stays who it is."""
        terminator = Terminator(self._context)
        self._open.callback(terminator.close)

        def accept_content() -> tuple[socket.socket, Any] | None:
            accepted = accept()
            return None if accepted is None else (terminator.terminate(accepted[0]), accepted[1])

        return accept_content

    def files(self) -> tuple[Path, Path]:
        """Certificate and key, for a server that ends TLS itself: there until `close`."""
        if self._files is None:
            assert self._made is not None  # noqa: S101 - one of both is there
            path = self._open.enter_context(secret_file(self._made.secret))
            self._files = path, path
        return self._files

    def close(self) -> None:
        """End every connection that is carried on, and remove what was written."""
        self._open.close()
