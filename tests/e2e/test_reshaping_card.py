"""The slider that simplifies, cleans, smooths and grows; what happens under it while it is open."""

import numpy as np
import pytest

from labeler.core.geometry import area
from labeler.core.records import Annotation, Box, Mask, Polygons
from labeler.gui.window.shaping.reshape_card import ReshapeCard
from tests.e2e.user import User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", "This plugin does not support")


@pytest.fixture
def disc(user: User) -> tuple[User, Annotation]:
    """A disc with a hole of four pixels, selected with Select in hand."""
    user.add_category("person")
    rows, columns = np.mgrid[:120, :120] - 59.5
    bits = rows**2 + columns**2 < 55**2
    bits[50:52, 50:52] = False
    made = user.session.edits.add(Mask(300, 300, bits), by="test")
    user.key("V")
    return user, made


def card(user: User) -> ReshapeCard:
    return user.window.reshaping


def test_simplified_by_the_slider_and_taken_by_enter(disc) -> None:
    user, made = disc
    user.key("S")
    exact = card(user).figures.text()
    assert "vertices" in exact
    assert "IoU 0.9" in exact
    assert user.session.focus.draft is not None
    assert user.annotations() == [made]
    user.key("Right")
    user.wait(lambda: card(user).figures.text() != exact or card(user).slider.value() == 11)
    user.key("Return")
    (now,) = user.annotations()
    assert isinstance(now.shape, Polygons)
    assert user.said().startswith("Simplify: person. ")
    assert card(user).isHidden()
    assert user.session.focus.draft is None
    user.undo()
    assert user.annotations() == [made]


def test_left_by_esc(disc) -> None:
    user, made = disc
    user.key("G")
    assert not card(user).isHidden()
    user.key("Esc")
    assert card(user).isHidden()
    assert user.annotations() == [made]
    assert user.session.focus.selection == {made.id}
    assert user.session.focus.draft is None


@pytest.mark.parametrize(("key", "more"), [("U", 4), ("G", 300)])
def test_holes_are_filled_and_objects_grown(disc, key, more) -> None:
    user, made = disc
    user.key(key)
    user.key("Return")
    (now,) = user.annotations()
    assert isinstance(now.shape, Mask)
    assert area(now.shape) - area(made.shape) >= more


def test_what_would_vanish_cannot_be_taken(disc) -> None:
    user, _ = disc
    small = user.session.edits.add(Box(500, 300, 510, 310), by="test")
    user.key("G")
    card(user).slider.setValue(-20)
    user.key("Return")
    assert user.said() == "Nothing was changed: nothing of person would be left."
    assert user.annotations()[-1] == small
    user.key("S")
    assert user.said() == "Simplify: boxes have nothing to change. Masks and polygons do."
    assert card(user).isHidden()


@pytest.mark.parametrize("act", ["undo", "delete", "lock", "import"])
def test_it_leaves_where_its_object_goes(disc, act) -> None:
    user, made = disc
    user.key("S")
    if act == "undo":
        user.undo()
    elif act == "delete":
        user.session.edits.delete([made.id], by="test")
    elif act == "lock":
        user.session.veil.lock([made.id])
    else:
        user.session.reload()
        user.session.edits.replace(made, Box(1, 1, 9, 9), label="Other", by="test")
    user.wait(card(user).isHidden)
    assert user.session.focus.draft is None
    assert not any(isinstance(one.shape, Polygons) for one in user.annotations())


def test_it_leaves_for_another_image_and_under_a_drag(disc) -> None:
    user, made = disc
    user.key("S")
    user.press(360, 360)
    user.move_held(380, 360)
    assert card(user).isHidden()
    user.release(380, 360)
    assert isinstance(user.selected().shape, Mask)
    user.key("S")
    assert not card(user).isHidden()
    user.session.place.step(1)
    assert card(user).isHidden()
    assert made.image_id != user.session.place.image.id


def test_a_new_category_and_new_predictions_leave_it_open(disc) -> None:
    user, made = disc
    bus = user.session.edits.add_categories(["bus"], by="test")["bus"]
    user.key("S")
    user.session.edits.recategorise([made.id], bus, by="test")
    user.session.refresh_candidates(made.image_id)
    assert not card(user).isHidden()
    user.key("Return")
    (now,) = user.annotations()
    assert (now.category_id, type(now.shape)) == (bus, Polygons)
