"""Sums over workers, kept beside them, so that what a fleet does as a whole is never asked of each worker. Pure.

What a worker adds, where, and from when on, is a Summing's to say: to a store the numbers mean nothing. It adds them up
for each account and algorithm: by place, by group of places, and by the day on which they changed, as integers, so that
what is taken away again leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from upsim.clock import DAY, Instant
from upsim.model import Worker
from upsim.records import dataclass

Numbers = tuple[int, ...]
_Key = TypeVar("_Key", int, tuple[Instant, int])


class Summand(NamedTuple):
    """Numbers that a worker adds to the sums of a place, and of the group that the place is in, from an instant on."""

    at: Instant
    place: int
    group: int
    numbers: Numbers


Summing = Callable[[Worker], Iterable[Summand]]
"""Everything that a worker adds, now or later; the same for equal workers."""


def no_sums(_worker: Worker) -> Iterable[Summand]:
    """For those who ask a store for no sums."""
    return ()


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of an account's workers of one algorithm, after all that they add, now or later.

    Attributes:
        listed: how many workers there are.
        groups: all groups that were ever added to.
        places: of the places asked for, those that were ever added to.
        changes: (instant, place, numbers) of all that was added from an instant on, in order of time.
    """

    listed: int
    groups: Mapping[int, Numbers]
    places: Mapping[int, Numbers]
    changes: Sequence[tuple[Instant, int, Numbers]]


NO_SUMS: Final = Sums(0, {}, {}, ())

Key = tuple[str, str]
"""An account's id, and an algorithm."""


class Ledger:
    """Sums being added up.

    Attributes:
        days: what was added on each day, by instant and place.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._listed = 0
        self._group_of: dict[int, int] = {}
        self.days: dict[int, dict[tuple[Instant, int], Numbers]] = {}

    def add(self, summands: Iterable[Summand], times: int = 1) -> None:
        """Add what one worker adds, or with -1 take it away."""
        self._listed += times
        for at, place, group, numbers in summands:
            self._group_of[place] = group
            changes = self.days.setdefault(day_of(at), {})
            _add(changes, (at, place), numbers if times == 1 else tuple(times * number for number in numbers))

    def head(self, before: str | None = None) -> str:
        """The sums as text, added to those of a text."""
        listed, known_groups, known_places = _read_head(before) if before else (0, {}, {})
        groups, places = dict(known_groups), dict(known_places)
        for changes in self.days.values():
            for (_, place), numbers in changes.items():
                _add(places, place, numbers)
                _add(groups, self._group_of[place], numbers)
        return _text([listed + self._listed, sorted(groups.items()), sorted(places.items())])

    def day(self, day: int, before: str | None = None) -> str:
        """The changes of a day as text, added to those of a text; those that come to nothing are left out."""
        changes = {(at, place): numbers for at, place, numbers in _read_day(before)} if before else {}
        for key, numbers in self.days[day].items():
            _add(changes, key, numbers)
        return _text([(at, place, numbers) for (at, place), numbers in sorted(changes.items()) if any(numbers)])


class Ledgers:
    """The ledgers of a few accounts and algorithms, filled while workers go by."""

    def __init__(self, summing: Summing) -> None:
        """Begin with nothing; `summing` says what a worker adds."""
        self._summing = summing
        self.by_key: dict[Key, Ledger] = {}

    def adding(self, workers: Iterable[Worker], times: int = 1) -> Iterator[Worker]:
        """The same workers, each added as it goes by, or with -1 taken away."""
        for worker in workers:
            key = worker.account_id, worker.algorithm
            if key not in self.by_key:
                self.by_key[key] = Ledger()
            self.by_key[key].add(self._summing(worker), times)
            yield worker


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def day_of(at: Instant) -> int:
    """The day under which what changes at an instant is kept."""
    return at // DAY


def read_sums(head: str, days: Iterable[str], places: Collection[int], since: Instant) -> Sums:
    """The sums that were made text: of these places, with the changes since an instant.

    Args:
        days: the days from that of `since` on, in order.
    """
    listed, groups, known = _read_head(head)
    changes = [change for text in days for change in _read_day(text) if change[0] >= since]
    return Sums(listed, groups, {place: known[place] for place in places if place in known}, changes)


@lru_cache(maxsize=64)
def _read_head(text: str) -> tuple[int, dict[int, Numbers], dict[int, Numbers]]:
    listed, groups, places = json.loads(text)
    return listed, {key: tuple(value) for key, value in groups}, {key: tuple(value) for key, value in places}


def _read_day(text: str) -> list[tuple[Instant, int, Numbers]]:
    return [(Instant(at), place, tuple(numbers)) for at, place, numbers in json.loads(text)]


def _add(sums: dict[_Key, Numbers], key: _Key, numbers: Numbers) -> None:
    known = sums.get(key)
    sums[key] = tuple(map(int.__add__, known, numbers)) if known else numbers
