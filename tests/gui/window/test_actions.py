from collections import Counter
from typing import get_args

from labeler.gui.window.action_kinds import Heading
from labeler.gui.window.actions import ACTIONS, TOOL_ACTIONS
from labeler.gui.window.key_table import key_table


def test_no_key_means_two_things() -> None:
    keys = Counter(key for spec in (*TOOL_ACTIONS, *ACTIONS) for key in spec.keys)
    assert [key for key, count in keys.items() if count > 1] == []


def test_ids_are_unique() -> None:
    ids = [spec.id for spec in (*TOOL_ACTIONS, *ACTIONS)]
    assert len(ids) == len(set(ids))


def test_the_help_page_has_every_key() -> None:
    told = {key for _, _, keys in key_table() for key in keys.split(", ")}
    assert {key for spec in (*TOOL_ACTIONS, *ACTIONS) for key in spec.keys} <= told


def test_each_action_does_something_and_what_is_switched_says_whether_it_is_on() -> None:
    for action in (*TOOL_ACTIONS, *ACTIONS):
        assert (action.do is None) != (action.switch is None), action.id
        assert (action.switch is None) == (action.ticked is None), action.id


def test_the_help_page_goes_by_its_headings() -> None:
    headings = [heading for heading, _, _ in key_table()]
    assert list(dict.fromkeys(headings)) == list(get_args(Heading))
