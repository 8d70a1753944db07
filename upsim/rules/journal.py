"""The journal of a world: what was called, what became of it and why. Masks what is secret before it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from upsim.errors import InvalidInput
from upsim.ids import KEY_PREFIX
from upsim.model import JournalEntry
from upsim.records import dataclass
from upsim.rules.worlds import DEFAULT_JOURNAL, cap_of
from upsim.store.asking import EntryFilter
from upsim.world import World

MASK: Final = "•••"
MAX_ITEMS: Final = 20
"""Items of a list that a journaled body keeps."""
MAX_DEPTH: Final = 20
"""How deep into a journaled body is looked."""
MAX_TEXT: Final = 300
"""Characters of a text that a journaled body keeps."""

# A key as it may stand in a text: its signs as they are, or percent-encoded as in a URL.
_KEY: Final = re.compile(
    "".join(f"(?:{sign}|%{ord(sign):02x}|%{ord(sign):02X})" for sign in KEY_PREFIX) + "(?:[A-Za-z0-9]|%[0-9A-Fa-f]{2})+"
)
_SECRET: Final = re.compile(r"pass(word|wd|phrase)?$|secret|token|api.?key|credential|authori[sz]ation", re.IGNORECASE)
"""Names of fields whose values are nobody's business, those included that a caller misspelt."""
_ASSIGNED: Final = re.compile(r"(?i)((?:pass(?:word|wd|phrase)?|secret|token|api.?key|authori[sz]ation)=)[^&\s]+")
"""Such a field in a query."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What calls a test expects to have been made.

    Attributes:
        which: the calls that count.
        body: only calls whose body has these fields with these values, at any depth of objects.
        at_least, at_most: how many of them.
    """

    which: EntryFilter
    body: Mapping[str, Any] | None = None
    at_least: int = 1
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an expectation was met.

    Attributes:
        count: how many calls matched.
        matched: those calls, the newest at most.
        instead: where it was not met, what else was called since the mark, newest last.
    """

    met: bool
    count: int
    matched: Sequence[JournalEntry]
    instead: Sequence[JournalEntry]


SHOWN: Final = 50
"""Entries that a verdict shows at most of each kind."""


def note(world: World, entry: JournalEntry) -> None:
    """Write a call into the world's journal."""
    cap = cap_of(world.record, "journal")
    world.store.add_entry(world.id, entry, DEFAULT_JOURNAL if cap is None else cap)


def verify(world: World, expectation: Expectation) -> Verdict:
    """Hold an expectation against what was called.

    Raises:
        InvalidInput: the mark is none of this journal.
    """
    check_mark(world, expectation.which.since)
    everything = 1 << 40
    found = world.store.list_entries(world.id, expectation.which, everything)
    wanted = masked(expectation.body)  # as the journal has it: a password matches any, long lists by their beginning
    matched = [entry for entry in found if _contains(entry.body, wanted)]
    met = len(matched) >= expectation.at_least and (expectation.at_most is None or len(matched) <= expectation.at_most)
    instead: Sequence[JournalEntry] = ()
    if not met:
        since = EntryFilter(since=expectation.which.since)
        newest = world.store.list_entries(world.id, since, SHOWN + len(matched), newest_first=True)
        known = {entry.seq for entry in matched}
        instead = [entry for entry in reversed(newest) if entry.seq not in known][-SHOWN:]
    return Verdict(met, len(matched), matched[-SHOWN:], instead)


def check_mark(world: World, since: int) -> None:
    """Check that a mark was taken in the journal as it is, and not before a reset or a restore began it anew.

    Raises:
        InvalidInput: it was not.
    """
    newest = world.store.last_entry(world.id)
    if since > newest:
        raise InvalidInput(
            "since",
            f"there is no mark {since} in this journal, its newest call is {newest}: a reset or a restore"
            " began it anew; take a new mark after it.",
        )


def masked(value: Any, depth: int = 0) -> Any:
    """The value fit for the journal: no password, no key, no more of a list or text than tells what it was."""
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {
            masked_text(str(name)): MASK if _SECRET.search(str(name)) else masked(one, depth + 1)
            for name, one in list(value.items())[: MAX_ITEMS * 5]
        }
    if isinstance(value, list):
        kept = [masked(one, depth + 1) for one in value[:MAX_ITEMS]]
        return [*kept, f"… {len(value) - MAX_ITEMS} more"] if len(value) > MAX_ITEMS else kept
    return masked_text(value) if isinstance(value, str) else value


def masked_text(text: str) -> str:
    """The text with every API key in it masked, and every password of a query; no more of it than tells what it was."""
    text = _ASSIGNED.sub(rf"\1{MASK}", without_keys(text))
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def without_keys(text: str) -> str:
    """The text with every API key in it masked."""
    return _KEY.sub(KEY_PREFIX + MASK, text)


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and _contains(found[name], value) for name, value in wanted.items()
        )
    return wanted is None or bool(found == wanted)
