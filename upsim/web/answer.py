"""An answer on its way out of the app, as WSGI has it: a status, fields, and a body that is all there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(slots=True, eq=False, repr=False)  # what nobody asks for need not be compiled at each start
class Answer:
    """What will be sent.

    Attributes:
        status: the whole line: "200 OK".
        fields: names and values, Content-Length not among them.
        length: what Content-Length promises.
        breaks_off: the connection is closed after the body, whatever was promised.
    """

    status: str
    fields: list[tuple[str, str]]
    body: bytes
    length: int
    breaks_off: bool = False

    @classmethod
    def of(cls, response: Response) -> Answer:
        """What Flask would send."""
        body = response.get_data()
        fields = [(name, value) for name, value in response.headers if name != "Content-Length"]
        return cls(response.status, fields, body, len(body))

    @classmethod
    def from_app(cls, app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
        """What another app answers."""
        status, fields = "", list[tuple[str, str]]()
        chunks: list[bytes] = []

        def start_response(line: str, told: list[tuple[str, str]], _: Any = None) -> Any:
            nonlocal status, fields
            status, fields = line, told
            return chunks.append

        sent = app(environ, start_response)
        try:
            chunks.extend(sent)
        finally:
            if hasattr(sent, "close"):
                sent.close()
        body = b"".join(chunks)
        # An answer to HEAD has the length that GET's would have.
        length = next((int(value) for name, value in fields if name == "Content-Length"), len(body))
        return cls(status, [field for field in fields if field[0] != "Content-Length"], body, length)

    @property
    def code(self) -> int:
        """The status as a number."""
        return int(self.status[:3])

    def replace_body(self, body: bytes) -> None:
        """Send something else."""
        self.body, self.length = body, len(body)

    def send(self, start_response: StartResponse, *, head: bool = False) -> Iterable[bytes]:
        """Send it; to HEAD without its body."""
        start_response(self.status, [*self.fields, ("Content-Length", str(self.length))])
        body = b"" if head else self.body
        return _broken(body) if self.breaks_off else [body]


def _broken(sent: bytes) -> Iterator[bytes]:
    """A body that breaks off: the server closes a connection whose body raises an OSError.

    It has written nothing where nothing came before.
    """
    if sent:
        yield sent
    raise ConnectionAbortedError("the connection was dropped by a fault of the simulator")
