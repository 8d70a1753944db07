"""Paths with stars: what they stand for, and that none keeps a process busy."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsim.globs import expression


def stands_for(path: str, text: str) -> bool:
    return re.fullmatch(expression(path), text) is not None


def by_the_book(path: str, text: str) -> bool:
    """One sign after the other, every way there is."""
    reached = {0}
    for sign in path:
        if sign == "*":
            reached = {at for first in reached for at in range(first, len(text) + 1)}
        else:
            reached = {at + 1 for at in reached if text[at : at + 1] == sign}
    return len(text) in reached


@given(st.text("ab*/", max_size=8), st.text("ab/\n", max_size=10))
def test_a_star_stands_for_any_text(path: str, text: str) -> None:
    assert stands_for(path, text) == by_the_book(path, text)


@pytest.mark.parametrize("path", ["/v1/pools", "/v1/po.ls", "/v1/[a-z]+", "/v1/(", "\\", "?"])
def test_only_a_star_is_special(path: str) -> None:
    assert stands_for(path, path)
    assert not stands_for(path, "/v1/poo1s")


@pytest.mark.parametrize("path", ["*a" * 90 + "*b", "*" * 200, "*aa" * 60 + "b", "a*" * 90 + "b"])
def test_no_path_keeps_a_process_busy(path: str) -> None:
    """It ends: with every way tried there is, it would not."""
    for text in ("a" * 60_000, "ab" * 30_000):
        stands_for(path, text)
