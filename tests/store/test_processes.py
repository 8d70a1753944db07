"""What holds between processes: two that write to one store at once, and one that is killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.conftest import UrlFor
from tests.store.invariants import check_world
from tests.store.test_tallies import entry
from tests.store.things import VIP, WORLD, content, key, oid, record
from tests.store.writer import Known
from upsim.store.asking import EntryFilter
from upsim.store.factory import open_store

WRITES = int(os.environ.get("UPSIM_TEST_STORE_WRITES", "300"))
"""How many writes each of two processes makes."""

KILLS = int(os.environ.get("UPSIM_TEST_STORE_KILLS", "4"))
"""How many writers are killed."""

ROOT = Path(__file__).parents[2]


@contextmanager
def writer(url: str, number: int, writes: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.store.writer", url, str(number), str(writes)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def heard(process: subprocess.Popen[str], known: Known, writes: int) -> str:
    """Hear the writer out, or until it has made so many writes and is killed; what it said of errors."""
    assert process.stdout is not None
    assert process.stderr is not None
    made = 0
    for line in process.stdout:
        # The last line of one that was killed may be a part of a line.
        if line.endswith("\n"):
            made += known.hear(line)
        if made == writes:
            process.kill()
    return process.stderr.read()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def test_two_processes_write_to_one_store_and_nothing_is_lost(url_for: UrlFor, kind: str) -> None:
    url = url_for(kind)
    store = open_store(url)
    store.create_world(record(), content())
    known = [Known(), Known()]
    with writer(url, 0, WRITES) as first, writer(url, 1, WRITES) as second, ThreadPoolExecutor(2) as threads:
        errors = list(threads.map(heard, (first, second), known, (-1, -1)))
        assert (errors, [first.wait(), second.wait()]) == (["", ""], [0, 0])
    for one in known:
        assert one.open is None
        one.check(store)
    numbers = sorted(number for one in known for number in one.numbers)
    assert numbers == list(range(len(numbers)))
    assert store.get_hits(WORLD, VIP, 1) == sum(one.hits for one in known)
    changed = store.get_world(WORLD)
    assert changed is not None
    assert changed.revision == sum(one.revisions for one in known)
    check_world(store, WORLD)
    store.close()


def test_a_writer_that_is_killed_loses_nothing_it_acknowledged(url_for: UrlFor) -> None:
    url = url_for("sqlite")
    store = open_store(url)
    store.create_world(record(), content())
    store.close()
    hits = revisions = 0
    for turn in range(KILLS):
        known = Known()
        with writer(url, turn, 10_000) as process:
            heard(process, known, Random(f"kill:{turn}").randrange(5, 120))
        store = open_store(url)
        known.check(store)
        check_world(store, WORLD)
        open_kind = known.open[0] if known.open else None
        counted = store.get_hits(WORLD, VIP, 1) - hits
        assert 0 <= counted - known.hits <= (open_kind == "hit")
        changed = store.get_world(WORLD)
        assert changed is not None
        assert 0 <= changed.revision - revisions - known.revisions <= (open_kind == "revision")
        hits, revisions = hits + counted, changed.revision
        store.close()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def test_a_store_that_is_opened_again_holds_everything(url_for: UrlFor, kind: str) -> None:
    url = url_for(kind)
    store = open_store(url)
    store.create_world(record(options={"frozen": True}), content())
    store.next_number(WORLD, "pool")
    store.count_hit(WORLD, VIP, 5)
    store.add_entry(WORLD, entry(1), 100)
    store.set_default_profile(WORLD, VIP, oid(201))
    store.record_test(WORLD, oid(100), content().pools[0].created_at, None, "no route")
    held, worlds = store.read_content(WORLD), store.list_worlds()
    entries = store.list_entries(WORLD, EntryFilter(), 9)
    store.close()
    again = open_store(url)
    assert again.read_content(WORLD) == held
    assert again.list_worlds() == worlds
    assert again.list_entries(WORLD, EntryFilter(), 9) == entries
    assert again.get_hits(WORLD, VIP, 5) == 1
    assert again.next_number(WORLD, "pool") == 1
    assert again.find_caller(key(900).digest) is not None
    check_world(again, WORLD)
    again.close()
