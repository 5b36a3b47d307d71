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
