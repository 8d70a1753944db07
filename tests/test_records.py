"""Records are the standard library's frozen dataclasses with slots, but for what they cost: held against them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from typing import Any

import pytest

from upsim import records

Decorator = Callable[..., Any]


def made_by(decorator: Decorator) -> Any:
    """The same class, by either."""

    @decorator(frozen=True, slots=True)
    class Hit:
        """One hit."""

        name: str
        at: int = 7
        tags: tuple[str, ...] = ()
        notes: list[str] = field(default_factory=list, hash=False)
        secret: str = field(default="s", repr=False)
        seen: int = field(default=0, compare=False)

        @property
        def twice(self) -> int:
            return self.at * 2

    return Hit


def made_often() -> Any:
    """One of ours of which there are many: they are made another way than the first few."""
    cls = made_by(records.dataclass)
    for _ in range(100):
        cls("a")
    return cls


OURS, OFTEN, THEIRS = made_by(records.dataclass), made_often(), made_by(dataclasses.dataclass)
BOTH = pytest.mark.parametrize("cls", [OURS, OFTEN, THEIRS], ids=["ours", "one of many of ours", "the library's"])


@records.dataclass(frozen=True, slots=True)
class Place:
    """One that a pickle can name."""

    x: int
    y: int = 0


@BOTH
def test_a_record_is_made_by_place_and_by_name_with_its_defaults(cls: Any) -> None:
    one = cls("a", at=3)
    assert cls(name="a", at=3) == cls("a", 3) == one
    assert (one.name, one.at, one.tags, one.notes, one.secret, one.twice) == ("a", 3, (), [], "s", 6)
    assert one.notes is not cls("b").notes
    assert cls("a", 1, ("t",), ["n"], "x", 1).secret == "x"
    for given, named in (((), {}), (("a", 1, (), [], "s", 0, 6), {}), (("a",), {"nobody": 1}), (("a",), {"name": "b"})):
        with pytest.raises(TypeError, match="argument"):
            cls(*given, **named)


def test_many_records_are_made_by_what_is_compiled() -> None:
    assert OFTEN.__init__.__code__.co_varnames[:3] == ("self", "name", "at")


@BOTH
def test_a_record_cannot_be_changed_and_has_no_more_than_its_fields(cls: Any) -> None:
    one = cls("a")
    with pytest.raises(FrozenInstanceError):
        one.at = 1
    with pytest.raises(FrozenInstanceError):
        del one.at
    with pytest.raises((FrozenInstanceError, TypeError)):
        one.more = 1
    assert not hasattr(one, "__dict__")
    assert cls.__slots__ == cls.__match_args__ == ("name", "at", "tags", "notes", "secret", "seen")
    assert (cls.__name__, cls.__doc__, cls.__module__) == ("Hit", "One hit.", __name__)


@BOTH
def test_records_are_equal_by_their_fields_and_only_to_their_own_kind(cls: Any) -> None:
    assert cls("a") == cls("a", seen=5) != cls("a", 8)
    assert OURS("a") != THEIRS("a") != OFTEN("a") != OURS("a")
    assert cls("a") != ("a", 7, (), [], "s", 0)


def test_equal_records_are_one_key_of_a_dictionary() -> None:
    assert {Place(1): "here"}[Place(1, 0)] == "here"
    assert len({Place(1), Place(1), Place(2)}) == 2


@BOTH
def test_what_dataclasses_offers_works_on_a_record(cls: Any) -> None:
    one = cls("a", notes=["n"])
    assert dataclasses.replace(one, at=9) == cls("a", 9, (), ["n"])
    assert dataclasses.asdict(one) == {
        "name": "a",
        "at": 7,
        "tags": (),
        "notes": ["n"],
        "secret": "s",
        "seen": 0,
    }
    assert [f.name for f in dataclasses.fields(cls)] == [f.name for f in dataclasses.fields(one)] == list(cls.__slots__)
    assert dataclasses.is_dataclass(cls)


def test_it_shows_what_the_library_shows() -> None:
    assert repr(OURS("a")) == repr(THEIRS("a")) == "made_by.<locals>.Hit(name='a', at=7, tags=(), notes=[], seen=0)"


def test_a_record_can_be_matched_by_place() -> None:
    match Place(1, 2):
        case Place(x, y):
            assert (x, y) == (1, 2)


def test_a_record_is_copied_and_pickled() -> None:
    assert copy.deepcopy(Place(1, 2)) == pickle.loads(pickle.dumps(Place(1, 2))) == Place(1, 2)  # noqa: S301 - our own


def test_by_request_a_record_is_equal_to_itself_alone() -> None:
    @records.dataclass(frozen=True, slots=True, eq=False)
    class Thing:
        name: str

    assert Thing("a") != Thing("a")
    assert len({Thing("a"), Thing("a")}) == 2


def test_what_is_done_after_the_fields_are_set_is_done() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Even:
        number: int

        def __post_init__(self) -> None:
            if self.number % 2:
                raise ValueError("odd")

    for _ in range(100):
        assert Even(2).number == 2
        with pytest.raises(ValueError, match="odd"):
            Even(3)


def test_what_it_is_not_for_is_refused() -> None:
    made: Any = records.dataclass
    with pytest.raises(TypeError, match="frozen"):
        made(frozen=False, slots=True)
    with pytest.raises(TypeError, match="no bases"):
        made(frozen=True, slots=True)(type("Sub", (Exception,), {}))


def test_a_record_without_fields_is_one() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Nothing:
        """No fields."""

    assert Nothing() == Nothing()
    assert repr(Nothing()).endswith("Nothing()")
