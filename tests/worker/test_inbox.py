import threading

import pytest

from labeler.wire.host_protocol import Ahead, Ask, Open
from labeler.worker.inbox import Inbox


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def click(number: int) -> Ask:
    return Ask(number, "a", ((1.0, 1.0),), (True,))


def hover(number: int) -> Ask:
    return Ask(number, "a", ((1.0, 1.0),), (True,), hover=True)


def test_opening_goes_before_clicks_and_clicks_before_hovers(inbox) -> None:
    inbox.post(Open("a", "a.jpg"))
    inbox.post(hover(1))
    inbox.post(click(2))
    assert [inbox.next_interactive() for _ in range(3)] == [Open("a", "a.jpg"), click(2), hover(1)]


def test_newer_clicks_and_hovers_replace_waiting_ones(inbox) -> None:
    for number in range(1, 6):
        inbox.post(hover(number))
        inbox.post(click(number + 10))
    assert inbox.next_interactive() == click(15)
    assert inbox.next_interactive() == hover(5)


def test_opening_another_image_drops_what_waits_for_the_one_before(inbox) -> None:
    inbox.post(click(1))
    inbox.post(hover(2))
    inbox.post(Open("b", "b.jpg"))
    inbox.post(click(3))
    assert [inbox.next_interactive() for _ in range(2)] == [Open("b", "b.jpg"), click(3)]


def test_opening_calls_off_another_image_in_the_background_but_not_the_same(inbox) -> None:
    inbox.post(Ahead((("b", "b.jpg"), ("c", "c.jpg"))))
    item = inbox.next_ahead()
    assert item is not None
    assert inbox.is_ahead_busy
    inbox.post(Open("b", "b.jpg"))
    assert not item.interrupt.is_set()
    inbox.post(Open("x", "x.jpg"))
    assert item.interrupt.is_set()


def test_what_was_called_off_goes_first_again(inbox) -> None:
    inbox.post(Ahead((("b", "b.jpg"), ("c", "c.jpg"))))
    item = inbox.next_ahead()
    assert item is not None
    inbox.put_back(item)
    assert [inbox.next_ahead().path, inbox.next_ahead().path] == ["b.jpg", "c.jpg"]


def test_what_was_called_off_stays_off_when_there_is_another_list(inbox) -> None:
    inbox.post(Ahead((("b", "b.jpg"),)))
    item = inbox.next_ahead()
    assert item is not None
    inbox.post(Ahead((("c", "c.jpg"),)))
    inbox.put_back(item)
    assert inbox.next_ahead().path == "c.jpg"


def test_the_background_stands_still_while_an_image_is_opened(inbox) -> None:
    inbox.post(Open("a", "a.jpg"))
    inbox.post(Ahead((("b", "b.jpg"),)))
    got = []
    thread = threading.Thread(target=lambda: got.append(inbox.next_ahead()))
    thread.start()
    assert inbox.next_interactive() == Open("a", "a.jpg")
    thread.join(0.1)
    assert not got
    inbox.post(click(1))
    assert inbox.next_interactive() == click(1)  # asking again says that the image is open
    thread.join(5)
    assert [item.path for item in got] == ["b.jpg"]


def test_an_image_opened_while_the_background_is_at_it_is_waited_for(inbox) -> None:
    inbox.post(Ahead((("b", "b.jpg"),)))
    inbox.next_ahead()
    waiting = threading.Thread(target=lambda: inbox.wait_for_ahead("b.jpg"))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    inbox.wait_for_ahead("another.jpg")  # returns at once
    background = threading.Thread(target=inbox.next_ahead)
    background.start()
    waiting.join(5)
    assert not waiting.is_alive()
    inbox.close()
    background.join(5)


def test_closing_ends_both_lanes(inbox) -> None:
    inbox.post(Ahead((("b", "b.jpg"),)))
    item = inbox.next_ahead()
    inbox.close()
    assert item is not None
    assert item.interrupt.is_set()
    assert inbox.next_interactive() is None
    assert inbox.next_ahead() is None
