from collections import Counter

from labeler.gui.window.actions import ACTIONS, TOOLS, key_table


def test_no_key_means_two_things() -> None:
    keys = Counter(key for spec in (*TOOLS, *ACTIONS) for key in spec.keys)
    assert [key for key, count in keys.items() if count > 1] == []


def test_ids_are_unique() -> None:
    ids = [spec.id for spec in (*TOOLS, *ACTIONS)]
    assert len(ids) == len(set(ids))


def test_the_help_page_has_every_key() -> None:
    told = {key for _, _, keys in key_table() for key in keys.split(", ")}
    assert {key for spec in (*TOOLS, *ACTIONS) for key in spec.keys} <= told
