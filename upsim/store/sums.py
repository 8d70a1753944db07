"""Sums over workers, kept beside them, so that what a fleet does as a whole is never asked of each worker. Pure.

What a worker adds, where, and from when on, is a Summing's to say: to a store the numbers mean nothing. It adds them up
for each account and algorithm, as a whole and for each part of it that a Summing names: by place, by group of places,
and by the day on which they changed, as integers, so that what is taken away again leaves nothing behind.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import add, neg
from typing import Final, NamedTuple, TypeVar

from upsim.clock import DAY, Instant
from upsim.model import Worker
from upsim.records import dataclass
from upsim.store.courses import Happening, what_moved

Numbers = tuple[int, ...]
_Key = TypeVar("_Key")


WHOLE: Final = ""
"""Names all of an account's workers of an algorithm, as if that were a part too."""


class Summand(NamedTuple):
    """Numbers that a worker adds to the sums of a place, and of the group that the place is in, from an instant on.

    Attributes:
        part: what part of the whole it adds to, besides the whole; WHOLE adds to no part.
    """

    at: Instant
    place: int
    group: int
    numbers: Numbers
    part: str = WHOLE


Summing = Callable[[Worker], Iterable[Summand]]
"""Everything that a worker adds, now or later; the same for equal workers."""


def no_sums(_worker: Worker) -> Iterable[Summand]:
    """For those who ask a store for no sums."""
    return ()


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of an account's workers of one algorithm, or of a part of them, after all that they add, now or later.

    Attributes:
        listed: how many workers there are; of a part it is not counted.
        groups, places: all that were ever added to.
        changes: (instant, place, numbers) of all that was added from an instant on, in order of time.
    """

    listed: int
    groups: Mapping[int, Numbers]
    places: Mapping[int, Numbers]
    changes: Sequence[tuple[Instant, int, Numbers]]


NO_SUMS: Final = Sums(0, {}, {}, ())

Key = tuple[str, str, str]
"""An account's id, an algorithm, and which part of that, or WHOLE."""


class Ledger:
    """Sums being added up.

    Attributes:
        listed: how many workers.
        days: what was added on each day, by instant and place.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.listed = 0
        self._group_of: dict[int, int] = {}
        self.days: dict[int, dict[tuple[Instant, int], Numbers]] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to add to sums that are kept."""
        return self.listed != 0 or bool(self.days)

    def add(self, at: Instant, place: int, group: int, numbers: Numbers) -> None:
        """Add numbers."""
        self._group_of[place] = group
        _add(self.days.setdefault(day_of(at), {}), (at, place), numbers)

    def add_all(self, other: Ledger) -> None:
        """Add what another has added up, but for what comes to nothing together."""
        self._group_of |= other._group_of
        for day, changes in other.days.items():
            mine = self.days.setdefault(day, {})
            for key, numbers in changes.items():
                _add(mine, key, numbers)
                if not any(mine[key]):
                    del mine[key]
            if not mine:
                del self.days[day]

    def head(self, before: str | None = None) -> str:
        """The sums as text, added to those of a text."""
        listed, known_groups, known_places = _read_head(before) if before else (0, {}, {})
        groups, places = dict(known_groups), dict(known_places)
        for changes in self.days.values():
            for (_, place), numbers in changes.items():
                _add(places, place, numbers)
                _add(groups, self._group_of[place], numbers)
        return _text([listed + self.listed, sorted(groups.items()), sorted(places.items())])

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
        self._listed: Counter[tuple[str, str]] = Counter()
        self._parts: dict[Key, Ledger] = {}
        self._moved: dict[tuple[Key, str, Instant, int, int], Numbers] = {}

    def adding(self, workers: Iterable[Worker], times: int = 1) -> Iterator[Worker]:
        """The same workers, each added as it goes by, or with -1 taken away."""
        for worker in workers:
            self._listed[worker.account_id, worker.algorithm] += times
            for at, place, group, numbers, part in self._summing(worker):
                signed = numbers if times == 1 else tuple(map(neg, numbers))
                self._ledger((worker.account_id, worker.algorithm, part)).add(at, place, group, signed)
            yield worker

    def add(self, workers: Iterable[Worker], times: int = 1) -> None:
        """Add workers, or with -1 take them away."""
        for _ in self.adding(workers, times):
            pass

    def move(self, worker: Worker, history: tuple[Happening, ...]) -> None:
        """Take a worker away and add it with another history, where only the profiles in it are others."""
        changed, names = what_moved(worker, history)
        for at, place, group, numbers, name in self._summing(changed):
            if name not in names:
                continue
            source, target = names[name]
            key = changed.account_id, changed.algorithm, source
            _add(self._moved, (key, target, at, place, group), numbers)

    def _ledger(self, key: Key) -> Ledger:
        ledger = self._parts.get(key)
        if ledger is None:
            ledger = self._parts[key] = Ledger()
        return ledger

    def by_key(self) -> dict[Key, Ledger]:
        """What there is to add to each sum that is kept: the wholes first, then the parts that make them."""
        for ((account_id, algorithm, source), target, at, place, group), numbers in self._moved.items():
            self._ledger((account_id, algorithm, source)).add(at, place, group, tuple(map(neg, numbers)))
            self._ledger((account_id, algorithm, target)).add(at, place, group, numbers)
        self._moved.clear()
        wholes: defaultdict[Key, Ledger] = defaultdict(Ledger)
        for (account_id, algorithm), listed in self._listed.items():
            wholes[account_id, algorithm, WHOLE].listed = listed
        for (account_id, algorithm, _), ledger in self._parts.items():
            wholes[account_id, algorithm, WHOLE].add_all(ledger)
        parts = {key: ledger for key, ledger in self._parts.items() if key[2] != WHOLE}
        return {key: ledger for key, ledger in (wholes | parts).items() if ledger}


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def day_of(at: Instant) -> int:
    """The day under which what changes at an instant is kept."""
    return at // DAY


def read_sums(head: str, days: Iterable[str], since: Instant) -> Sums:
    """The sums that were made text, with the changes since an instant.

    Args:
        days: the days from that of `since` on, in order.
    """
    changes = [change for text in days for change in _read_day(text) if change[0] >= since]
    return Sums(*_read_head(head), changes)


@lru_cache(maxsize=64)
def _read_head(text: str) -> tuple[int, dict[int, Numbers], dict[int, Numbers]]:
    listed, groups, places = json.loads(text)
    return listed, {key: tuple(value) for key, value in groups}, {key: tuple(value) for key, value in places}


def _read_day(text: str) -> list[tuple[Instant, int, Numbers]]:
    return [(Instant(at), place, tuple(numbers)) for at, place, numbers in json.loads(text)]


def _add(sums: dict[_Key, Numbers], key: _Key, numbers: Numbers) -> None:
    known = sums.get(key)
    sums[key] = tuple(map(add, known, numbers)) if known else numbers
