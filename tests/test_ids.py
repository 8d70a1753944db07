"""Names for new things: ids follow from what they name, keys from nothing, and only a digest of a key is kept."""

from __future__ import annotations

import re

from upsim.clock import Instant
from upsim.ids import digest_of, hint_of, new_key, new_token, object_id


def test_an_id_is_24_hex_characters_that_begin_with_its_time() -> None:
    made = object_id(Instant(1_736_064_000_999), 1, "pool", 0)
    assert re.fullmatch(r"[0-9a-f]{24}", made)
    assert int(made[:8], 16) == 1_736_064_000


def test_the_same_entity_has_the_same_id_and_another_another() -> None:
    at = Instant(1_736_064_000_000)
    assert object_id(at, 1, "pool", 0) == object_id(at, 1, "pool", 0)
    assert len({object_id(at, 1, "pool", number) for number in range(10_000)}) == 10_000
    assert object_id(at, 1, "pool", 0) != object_id(at, 2, "pool", 0)


def test_ids_made_later_come_later_in_order() -> None:
    made = [object_id(Instant(second * 1000), "x") for second in range(1_700_000_000, 1_700_001_000, 7)]
    assert made == sorted(made)


def test_keys_look_like_keys_and_are_never_the_same() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch(r"up_k_[A-Za-z0-9]{32}", key) for key in keys)
    assert new_token() != new_token()


def test_of_a_key_only_a_digest_and_its_first_characters_are_known() -> None:
    key = "up_k_secretOfMine"
    assert re.fullmatch(r"[0-9a-f]{64}", digest_of(key))
    assert digest_of(key) != digest_of(key + "x")
    assert hint_of(key) == "up_k_secr…"
