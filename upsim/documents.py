"""Reads the YAML documents that upsim is told things by: the spec, the fixtures.

Parsing YAML takes far longer than anything else at start-up, so the parsed form is kept as JSON beside the byte code,
as Python keeps its own, under a name that follows from the text. Where it cannot be written, only time is lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

CACHE_FORMAT: Final = "2"
"""Part of the name of what is kept; raised when the parsed form, or what is refused, changes."""


def load(source: Traversable, check: Callable[[Any], None] | None = None, salt: bytes = b"") -> Any:
    """The document's content: mappings, lists, text, numbers. Times stay text.

    Args:
        check: raises where the content is not what it has to be. What passed once is not checked again.
        salt: what the check depends on.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not YAML; the text says line and reason.
    """
    text = source.read_bytes()
    name = hashlib.blake2b(text + salt, digest_size=12, person=CACHE_FORMAT.encode()).hexdigest()
    kept: Traversable | None = None
    if hasattr(source, "parent"):  # a file, in a folder or in an archive
        kept = source.parent / "__pycache__" / f"{source.name}.{name}.json"
        with contextlib.suppress(OSError, ValueError):
            return json.loads(kept.read_bytes())
    content = parse(text)
    if check is not None:
        check(content)
    if isinstance(kept, Path):
        with contextlib.suppress(OSError):
            kept.parent.mkdir(exist_ok=True)
            write_atomically(kept, json.dumps(content, separators=(",", ":")).encode())
    return content


def parse(text: bytes) -> Any:
    """The content of a YAML text.

    Raises:
        ValueError: it is not YAML; the text says line and reason.
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a safe loader, less its times
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        broken = isinstance(error, yaml.scanner.ScannerError | yaml.parser.ParserError)
        raise ValueError(f"line {line}: {'not YAML: ' if broken else ''}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from error


def line_of(text: bytes, path: list[str | int]) -> int:
    """The line, from 1, on which the value at the path stands, or the nearest there is above it."""
    import yaml

    node = yaml.compose(text, Loader=_loader())
    line = 1
    for step in path:
        following = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(step):
                    following, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            following = node.value[step]
            line = following.start_mark.line + 1
        if following is None:
            break
        node = following
    return line


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds either the old or the whole new one.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _loader() -> Any:
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # "2026-01-05" is text here: JSON, which the parsed form is kept as, has no times.
    resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in base.yaml_implicit_resolvers.items()
    }

    def construct_mapping(loader: Any, node: Any, deep: bool = False) -> Any:
        # YAML forbids a key given twice, and the parser takes the last: a slip of the hand would go unnoticed.
        seen: set[object] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is there twice; it can stand there once", key.start_mark
                )
            seen.add(key.value)
        return base.construct_mapping(loader, node, deep)

    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers, "construct_mapping": construct_mapping})
