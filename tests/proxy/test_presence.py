"""Who is at the door: a worker is gone when the last of its miners is, and is told so once."""

from __future__ import annotations

from upsim.model import ObjectId, WorldId
from upsim.proxy.presence import Presence
from upsim.rules.miners import Guest


def guest(worker: str, world: str = "default") -> Guest:
    return Guest(WorldId(world), ObjectId("a"), "vip", ObjectId(worker), worker, ObjectId("p"))


def test_a_worker_is_gone_with_the_last_of_its_miners_and_told_once() -> None:
    presence = Presence()
    presence.came(guest("one"))
    presence.came(guest("one"))
    presence.came(guest("one", "other"))
    assert not presence.left(guest("one"))
    assert presence.take_gone() == {}
    assert presence.left(guest("one"))
    assert presence.take_gone() == {"default": {"one": guest("one")}}
    assert presence.take_gone() == {}


def test_who_comes_back_before_that_was_written_down_is_not_gone() -> None:
    presence = Presence()
    presence.came(guest("one"))
    presence.left(guest("one"))
    presence.came(guest("one"))
    assert presence.take_gone() == {}


def test_who_left_while_it_was_let_in_is_gone_unless_another_miner_of_its_worker_is_here() -> None:
    presence = Presence()
    presence.came(guest("one"))
    presence.never_came(guest("one"))
    presence.never_came(guest("two"))
    assert presence.take_gone() == {"default": {"two": guest("two")}}


def test_who_becomes_another_worker_leaves_no_word_of_the_one_that_is_no_more() -> None:
    presence = Presence()
    presence.came(guest("one"))
    presence.came(guest("two"))
    assert presence.changed(guest("one"))
    assert presence.take_gone() == {}
