"""Changing a prediction makes it an annotation that remembers what the model had said."""

from labeler.core.geometry import bounds
from labeler.core.records import Box, Candidate

from .user import User


def with_a_prediction(user: User) -> Candidate:
    """A detector's box on the open image, shown and waiting."""
    session = user.session
    category = session.edits.add_category("person", by="test")
    assert session.place.image is not None
    assert category is not None
    raw = Candidate(0, session.place.image.id, 0, category.id, Box(200, 300, 400, 700), 0.9, "person")
    session.import_file(
        lambda store: store.predictions.add(store.predictions.ensure_model("detector", "1").id, [raw]),  # type: ignore[arg-type, return-value]
        lambda _: None,
    )
    user.wait(
        lambda: (
            any(model.name == "detector" for model in session.document.models) and session.document.candidates
        )
    )
    session.measure.choose_model(next(model for model in session.document.models if model.name == "detector"))
    user.wait(lambda: user.window.bench.predictions.kept)
    return next(iter(session.document.candidates.values()))


def test_dragging_a_selected_prediction_accepts_and_moves_it(user: User) -> None:
    predicted = with_a_prediction(user)
    user.key("V")
    user.click_at(300, 500)
    assert user.window.bench.predictions.selection == {predicted.id}
    assert not user.session.document.annotations
    user.drag((300, 500), (340, 500))
    (made,) = user.session.document.annotations.values()
    assert made.prediction_id == predicted.id
    assert abs(bounds(made.shape).x0 - 240) < 3
    agreement = user.window.bench.predictions.agreement.of(made.id)
    assert agreement is not None
    assert abs(agreement.iou - 160 / 240) < 0.03
    assert user.session.document.candidates[predicted.id].verdict == "accepted"
    user.key("Ctrl+Z")  # one drag, one step
    assert not user.session.document.annotations
    assert user.session.document.candidates[predicted.id].verdict == ""


def test_a_drag_of_a_prediction_that_is_given_up_accepts_nothing(user: User) -> None:
    predicted = with_a_prediction(user)
    user.key("V")
    user.click_at(300, 500)
    user.press(300, 500)
    user.move_held(340, 500)
    agreement = user.window.bench.predictions.agreement
    assert user.session.focus.draft is not None
    assert agreement.of(user.session.focus.draft.id) is not None  # measured while it is dragged
    user.key("Escape")
    assert user.session.focus.draft is None
    assert not user.session.document.annotations
    assert user.session.document.candidates[predicted.id].verdict == ""


def test_reject_one_correct_one_accept_the_rest_is_a_step_each(user: User) -> None:
    session = user.session
    with_a_prediction(user)
    assert session.place.image is not None
    image_id = session.place.image.id
    more = [Candidate(0, image_id, 0, 1, Box(x, 300, x + 90, 700), 0.8, "person") for x in (10, 450, 600)]
    session.import_file(
        lambda store: store.predictions.add(store.predictions.ensure_model("detector", "1").id, more),  # type: ignore[arg-type, return-value]
        lambda _: None,
    )
    user.wait(lambda: len(user.window.bench.predictions.kept) == 4)
    user.key("V")
    user.click_at(50, 500)
    user.key("Backspace")
    user.click_at(300, 500)
    user.drag((300, 500), (340, 500))
    user.key("Ctrl+Shift+Return")
    user.wait(lambda: len(session.document.annotations) == 3)

    def verdicts() -> list[str]:
        return sorted(one.verdict for one in session.document.candidates.values())

    assert verdicts() == ["accepted", "accepted", "accepted", "rejected"]
    for left, said in (
        (1, ["", "", "accepted", "rejected"]),
        (0, ["", "", "", "rejected"]),
        (0, ["", "", "", ""]),
    ):
        user.key("Ctrl+Z")
        user.wait(lambda left=left: len(session.document.annotations) == left)  # type: ignore[misc]
        assert verdicts() == said


def test_a_click_on_a_prediction_only_selects_it(user: User) -> None:
    predicted = with_a_prediction(user)
    user.key("V")
    for _ in range(2):
        user.click_at(300, 500)
    assert user.window.bench.predictions.selection == {predicted.id}
    assert not user.session.document.annotations
