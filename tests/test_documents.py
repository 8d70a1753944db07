"""YAML documents: read once and kept, never wrongly; and where in a text a value stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from upsim import documents

TEXT = "a: 1\nb:\n  - x: 2025-01-05\n  - {y: yes}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A document of its own."""
    path = tmp_path / "one.yaml"
    path.write_text(TEXT)
    return path


def test_times_stay_text(file: Path) -> None:
    assert documents.load(file) == {"a": 1, "b": [{"x": "2025-01-05"}, {"y": True}]}


def test_what_was_parsed_is_kept_beside_and_read_from_there(file: Path) -> None:
    first = documents.load(file)
    (kept,) = (file.parent / "__pycache__").iterdir()
    assert json.loads(kept.read_text()) == first
    kept.write_text('{"kept": true}')
    assert documents.load(file) == {"kept": True}


def test_another_text_another_salt_and_a_broken_copy_are_read_anew(file: Path) -> None:
    documents.load(file)
    (kept,) = (file.parent / "__pycache__").iterdir()
    kept.write_text("{broken")
    assert documents.load(file)["a"] == 1
    kept.write_text('{"kept": true}')
    assert documents.load(file, salt=b"other")["a"] == 1
    file.write_text(TEXT.replace("a: 1", "a: 2"))
    assert documents.load(file)["a"] == 2


def test_a_folder_that_cannot_be_written_costs_time_only(file: Path) -> None:
    (file.parent / "__pycache__").write_text("in the way")
    assert documents.load(file)["a"] == documents.load(file)["a"] == 1


def test_what_did_not_pass_its_check_is_not_kept(file: Path) -> None:
    def refuse(content: Any) -> None:
        raise ValueError("not this")

    for _ in range(2):
        with pytest.raises(ValueError, match="not this"):
            documents.load(file, refuse)
    checked: list[Any] = []
    documents.load(file, checked.append)
    documents.load(file, checked.append)
    assert len(checked) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: [1\nb: 2\n", 2), ("a: 1\na: 2\n", 2), ("a: 'x\n", 2), ("a: *b\n", 1), ("x:\n  y: 1\n  y: 2\n", 3)],
)
def test_what_is_not_yaml_is_said_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"^line {line}: "):
        documents.parse(text.encode())


@pytest.mark.parametrize(
    ("path", "line"),
    [([], 1), (["a"], 1), (["b"], 2), (["b", 0], 3), (["b", 0, "x"], 3), (["b", 1, "y"], 4), (["b", 7], 2), (["c"], 1)],
)
def test_the_line_of_a_value(path: list[str | int], line: int) -> None:
    assert documents.line_of(TEXT.encode(), path) == line


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "target.json"
    documents.write_atomically(target, b"one")
    documents.write_atomically(target, b"two")
    assert (target.read_bytes(), list(tmp_path.iterdir())) == (b"two", [target])
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        documents.write_atomically(folder, b"three")
    assert sorted(tmp_path.iterdir()) == [folder, target]
