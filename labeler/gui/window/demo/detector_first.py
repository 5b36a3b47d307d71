"""The demo's first steps: a detector proposes, NMS thins out, a person accepts."""

from collections.abc import Iterator

from PySide6.QtCore import Qt

from labeler.core.geometry import bounds
from labeler.core.records import Box
from labeler.errors import LabelerError
from labeler.gui.predictions.mapping_dialog import MappingDialog
from labeler.gui.predictions.run_panel import RunPanel
from labeler.gui.toolkit.words import counted
from labeler.gui.window.demo.demo_photos import PAIR, STREET
from labeler.gui.window.demo.person import PAINTED, Acts, DemoStep, Person, Until, heard


# --- predictions --------------------------------------------------------------------------------------
def _predict(person: Person) -> Acts:
    window, batch = person.window, person.bench.batch
    yield from person.at(STREET)
    window.panels.open("Pre-annotate")
    panel = window.panels[RunPanel]
    yield Until(lambda: panel.choice() is not None, "a detector")
    with heard(batch.ended) as ended, heard(batch.completed) as completed:
        person.do("predict-all")
        yield Until(lambda: not batch.is_running and bool(ended or completed), "the predictions")
    yield from person.answered()
    yield PAINTED
    if batch.unmapped:
        yield from _make_categories(person, panel)
    if not _is_predicted(person):
        raise LabelerError(ended[-1] if ended else f"{STREET} was predicted before, and nothing was found.")


def _make_categories(person: Person, panel: RunPanel) -> Acts:
    """In the table of classes: create one for each that has predictions, and save."""
    panel.show_classes()
    dialog = next(one for one in person.window.frame.findChildren(MappingDialog) if one.isVisible())
    yield Until(dialog.create_button.isEnabled, "the classes")
    dialog.create_button.click()
    yield PAINTED
    dialog.save_button.click()
    yield from person.answered()
    yield Until(lambda: _has_categories(person), "the categories")


def _has_categories(person: Person) -> bool:
    return any(one.category_id for one in person.session.document.candidates.values())


def _is_predicted(person: Person) -> bool:
    return not person.bench.batch.is_running and _has_categories(person)


def _said_predicted(person: Person) -> str:
    predictions, model, image = (
        person.bench.predictions,
        person.session.measure.model,
        person.session.place.image,
    )
    assert model is not None, "it is asked once it is done"
    assert image is not None, "there are candidates"
    found, wanted = predictions.filtered, predictions.filter
    return (
        f"{model.name} has {counted(len(predictions.candidates), 'candidate')} for {image.path}; "
        f"{len(found.kept) + len(found.suppressed)} are at or over confidence {wanted.confidence:.2f}; "
        f"of these NMS at IoU {wanted.iou:.2f} keeps {len(found.kept)} and suppresses "
        f"{len(found.suppressed)}."
    )


PREDICT = DemoStep(
    "Let a detector go first",
    "Press Ctrl+B: it predicts all photos. Then make its classes categories: Classes… in Pre-annotate.",
    _predict,
    _is_predicted,
    _said_predicted,
    picture="predictions",
)


# --- suppression --------------------------------------------------------------------------------------
def _point_at_suppressed(person: Person) -> Acts:
    predictions = person.bench.predictions
    yield from person.at(STREET)
    person.canvas.hand.take("select")
    for key in predictions.filtered.suppressed:
        for spot in _along(bounds(predictions.candidates[key].shape)):
            person.move(*spot)
            yield PAINTED
            if predictions.hovered == key:
                return
    raise LabelerError(f"Nothing is suppressed on {STREET} as the sliders stand: lower the confidence.")


def _along(box: Box) -> Iterator[tuple[float, float]]:
    """Points just inside the edges of a box, where one that is only outlined answers to the mouse."""
    width, height = box.x1 - box.x0, box.y1 - box.y0
    for part in (0.5, 0.3, 0.7, 0.1, 0.9):
        yield box.x0 + part * width, box.y0 + 1
        yield box.x0 + 1, box.y0 + part * height
        yield box.x1 - 1, box.y0 + part * height
        yield box.x0 + part * width, box.y1 - 1


def _is_explained(person: Person) -> bool:
    predictions = person.bench.predictions
    return predictions.hovered is not None and predictions.suppressor(predictions.hovered) is not None


def _said_why(person: Person) -> str:
    predictions = person.bench.predictions
    assert predictions.hovered is not None, "it is asked once it is done"
    lost, by = predictions.candidates[predictions.hovered], predictions.suppressor(predictions.hovered)
    assert by is not None, "as above"
    kept, overlap = by
    return (
        f"{predictions.name_of(lost)} {lost.confidence:.2f} is suppressed: its IoU with "
        f"{predictions.name_of(kept)} {kept.confidence:.2f} is {overlap:.2f}, over "
        f"{predictions.filter.iou:.2f}."
    )


WHY = DemoStep(
    "See why a box was suppressed",
    "Move the mouse over the edge of a faint box: a line leads to what suppressed it, with their IoU.",
    _point_at_suppressed,
    _is_explained,
    _said_why,
    picture="suppression",
)


# --- acceptance ---------------------------------------------------------------------------------------
def _accept(person: Person) -> Acts:
    for name in (STREET, PAIR):
        yield from _accept_on(person, name)


def _accept_on(person: Person, name: str) -> Acts:
    """One by a click and Enter, the others at once."""
    predictions = person.bench.predictions
    yield from person.at(name)
    person.canvas.hand.take("select")
    if predictions.kept:
        for spot in _along(bounds(predictions.candidates[predictions.kept[0]].shape)):
            person.click(*spot)
            yield PAINTED
            if predictions.selection:
                break
        person.press(Qt.Key.Key_Return)
        yield from person.answered()
    if predictions.kept:
        person.do("accept-image")
        yield Until(lambda: not predictions.kept, "the predictions to be accepted")
    yield from person.answered()


def _is_accepted(person: Person) -> bool:
    return all(person.labelled(name) for name in (STREET, PAIR))


def _said_accepted(person: Person) -> str:
    objects = sum(person.labelled(name) for name in (STREET, PAIR))
    return f"{counted(objects, 'prediction')} are accepted on 2 photos: they are annotations now."


ACCEPT = DemoStep(
    "Accept what is right",
    f"Click a dashed box and press Enter; Ctrl+Shift+Enter accepts the others. So on {STREET} and {PAIR}.",
    _accept,
    _is_accepted,
    _said_accepted,
    picture="accepted",
)
