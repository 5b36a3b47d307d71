from hypothesis import given
from hypothesis import strategies as st

from labeler.core.measures.effort import Effort, active_seconds


def test_pauses_are_no_work():
    assert active_seconds([]) == 0
    assert active_seconds([100.0]) == 0
    assert active_seconds([130.0, 100.0, 110.0, 1000.0, 1005.0]) == 35.0
    assert active_seconds([0.0, 61.0, 121.0], longest_pause=60.0) == 60.0


def test_shares_of_an_object():
    effort = Effort(objects=4, actions=10, seconds=30.0, unchanged=3, edited=1, rejected=2)
    assert (effort.seconds_each, effort.actions_each, effort.decided) == (7.5, 2.5, 6)
    assert Effort().seconds_each is None


def test_nothing_done_costs_nothing_and_has_no_share():
    assert Effort() == Effort(0, 0, 0.0, 0, 0, 0)
    assert (Effort().seconds_each, Effort().actions_each, Effort().decided) == (None, None, 0)


@given(st.permutations([5.0, 0.0, 40.0, 100.0, 100.0, 170.0]))
def test_the_order_of_the_edits_is_no_matter(times):
    assert active_seconds(times) == 100.0
