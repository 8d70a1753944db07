"""What a world begins with: a fixture file as accounts, keys, pools, profiles and workers. fixture_reader.py reads it.

A mistake in a file is answered with file, line and reason. The same file gives the same content, ids included.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from upsim import documents
from upsim.clock import Instant
from upsim.errors import ConfigError
from upsim.records import dataclass

if TYPE_CHECKING:
    from upsim.store.content import Content


@dataclass(frozen=True, slots=True)
class Fixture:
    """A world's beginning.

    Attributes:
        name: what it was asked for by.
        digest: follows from its text: two of one digest are the same.
        secrets: its keys themselves, in the order of content.keys; memorable, and the same for everybody.
        clock: what the clock of a world shows when it begins; None is the present time.
        remarks: sentences on what whoever uses it should know, such as gaps in its recordings.
        read: gives its content.
    """

    name: str
    description: str
    digest: str
    secrets: tuple[str, ...] = field(repr=False)
    clock: Instant | None
    remarks: tuple[str, ...]
    read: Callable[[], Content] = field(repr=False)

    @property
    def content(self) -> Content:
        """All of it, its keys included."""
        return self.read()


def load(name: str) -> Fixture:
    """Read a fixture: one of upsim's own by name, or a file by its path.

    Raises:
        ConfigError: there is none, or there is a mistake in it.
    """
    from upsim.fixture_reader import Mistake  # with what it needs, a good part of a start that need not read any

    try:
        text, schema = texts(name)
        return _read(name, text, schema)
    except OSError as error:
        raise ConfigError(
            f"fixture: {name!r} is neither one of upsim's own ({', '.join(names())}) nor a file that can be read:"
            f" {error.strerror or error}."
        ) from error
    except Mistake as mistake:
        line = documents.line_of(text, mistake.path)
        raise ConfigError(f"fixture: {name}, line {line}: {mistake}") from mistake
    except ValueError as error:
        raise ConfigError(f"fixture: {name}, {error}") from error


@lru_cache(maxsize=4)  # a fresh world of a known fixture must not wait for its reading
def _read(name: str, text: bytes, schema: bytes) -> Fixture:
    from upsim.fixture_reader import check, read

    document = documents.load(_source(name), lambda content: check(content, schema), schema)
    found = read(text, document, _folder(name))
    return Fixture(
        name, document["description"], found.digest, found.secrets, found.clock, found.remarks, lambda: found.content
    )


def texts(name: str) -> tuple[bytes, bytes]:
    """A fixture's text, and that of the schema that it has to follow.

    Raises:
        OSError: there is none.
    """
    return _source(name).read_bytes(), (files("upsim_fixtures") / "schema.yaml").read_bytes()


def _source(name: str) -> Traversable:
    return files("upsim_fixtures") / f"{name}.yaml" if is_own(name) else Path(name)


def is_own(name: str) -> bool:
    """Whether the fixture is one that comes with upsim."""
    return re.fullmatch(r"[a-z0-9-]+", name) is not None and name in names()


def _folder(name: str) -> Traversable:
    """Where a fixture's recordings lie: beside it."""
    return files("upsim_fixtures") if is_own(name) else Path(name).parent


def names() -> tuple[str, ...]:
    """The fixtures that come with upsim."""
    found = (entry.name for entry in files("upsim_fixtures").iterdir())
    return tuple(sorted(name[:-5] for name in found if name.endswith(".yaml") and name != "schema.yaml"))
