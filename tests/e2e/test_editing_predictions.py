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


def test_a_click_on_a_prediction_only_selects_it(user: User) -> None:
    predicted = with_a_prediction(user)
    user.key("V")
    for _ in range(2):
        user.click_at(300, 500)
    assert user.window.bench.predictions.selection == {predicted.id}
    assert not user.session.document.annotations
