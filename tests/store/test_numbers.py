"""Numbered sequences are part of a world's content: they are read with it, and go on where it begins anew."""

from __future__ import annotations

from dataclasses import replace

from tests.store.things import content, record
from upsim.model import WorldId
from upsim.store.base import Store


def test_a_content_is_read_with_the_numbers_given_last(store: Store, world: WorldId) -> None:
    assert store.read_content(world).numbers == {}
    for _ in range(3):
        store.next_number(world, "ids")
    store.next_number(world, "fault:fault-1")
    assert store.read_content(world).numbers == {"fault:fault-1": 0, "ids": 2}


def test_a_world_created_with_numbers_goes_on_behind_them(store: Store) -> None:
    copied = WorldId("copied")
    numbers = {"ids": 2, "connections:eu.example/x:3333": 0}
    store.create_world(record(copied), replace(content(), numbers=numbers))
    assert store.read_content(copied).numbers == numbers
    assert store.next_number(copied, "ids") == 3
    assert store.next_number(copied, "connections:eu.example/x:3333") == 1
    assert store.next_number(copied, "faults") == 0


def test_a_cleared_journal_is_no_part_of_the_content(store: Store, world: WorldId) -> None:
    store.clear_journal(world)
    assert store.read_content(world).numbers == {}
