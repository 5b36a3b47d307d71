"""The demo's steps by hand: clicks add what is missed, a mask is corrected, and the labels go out."""

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from labeler.core.geometry import bounds
from labeler.core.measures.overlap import Agreement
from labeler.core.records import Annotation, Mask
from labeler.errors import LabelerError
from labeler.gui.exchange import exporter
from labeler.gui.exchange.export_dialog import ExportDialog
from labeler.gui.toolkit.words import counted
from labeler.gui.window.demo.demo_photos import PAIR, STREET
from labeler.gui.window.demo.person import PAINTED, Acts, DemoStep, Person, Until

MISSED = (
    (PAIR, "tie", (1015.0, 350.0)),
    (STREET, "bollard", (674.0, 655.0)),
    (STREET, "bollard", (442.0, 700.0)),
)
"""Photo, category and click for what the detector overlooks, or has no word for."""
LABELS = "labels.json"
_BRUSH = 14.0


# --- clicks -------------------------------------------------------------------------------------------
def _add_missed(person: Person) -> Acts:
    session, canvas, host = person.session, person.canvas, person.bench.host
    for name, category, spot in MISSED:
        if _category(person, category) is None:
            session.edits.add_category(category, by="demo")
        yield from person.at(name)
        yield Until(lambda: host.state.encoded, "the model that segments")
        session.focus.select(())
        session.focus.choose_category(_category(person, category) or 0)
        canvas.hand.take("sam-point")
        person.click(*spot)
        yield Until(lambda: bool(canvas.prompt_desk.proposals), "a mask")
        yield PAINTED
        person.press(Qt.Key.Key_Return)
        yield from person.answered()


def _category(person: Person, name: str) -> int | None:
    return next((one.id for one in person.session.document.categories.values() if one.name == name), None)


def _masks(person: Person) -> list[Annotation]:
    """The masks on the open photo, the last one first."""
    found = person.session.document.annotations.values()
    return [one for one in found if isinstance(one.shape, Mask)][::-1]


def _said_added(person: Person) -> str:
    measured = person.bench.predictions.agreement.of(_masks(person)[0].id)
    names = " and ".join(dict.fromkeys(name for _, name, _ in MISSED))
    objects = sum(person.labelled(image.path) for image in person.session.document.images)
    as_proposed = f", as proposed (IoU {measured.iou:.2f})" if measured is not None else ""
    in_all = counted(objects, "object")
    return f"A click a mask{as_proposed}: what was missed ({names}) is there, {in_all} in all."


ADD = DemoStep(
    "Add what it missed",
    f"Press Q and click a bollard on {STREET}, then Enter; + in Categories makes the word for it. "
    f"On {PAIR} one tie is missing too.",
    _add_missed,
    lambda person: bool(_masks(person)),
    _said_added,
    picture="masks",
)


# --- a correction -------------------------------------------------------------------------------------
def _erase(person: Person) -> Acts:
    canvas = person.canvas
    yield from person.at(STREET)
    masks = _masks(person)
    if not masks:
        raise LabelerError(f"There is no mask on {STREET} to correct: click an object with Q first.")
    person.session.focus.select([masks[0].id])
    canvas.hand.take("eraser")
    canvas.set_options(brush_size=_BRUSH)
    box = bounds(masks[0].shape)
    yield from person.drag((box.x0, box.y1 - 2), (box.x1, box.y1 - 2))
    canvas.hand.take("select")
    yield from person.answered()
    if _corrected(person) is None:
        raise LabelerError("The mask that was corrected has no proposal to be measured against.")


def _corrected(person: Person) -> tuple[Annotation, Agreement] | None:
    """The last mask on the open photo that is not as it was proposed, and how far it agrees."""
    for one in _masks(person):
        measured = person.bench.predictions.agreement.of(one.id)
        if measured is not None and measured.iou < 1.0:
            return one, measured
    return None


def _said_corrected(person: Person) -> str:
    found = _corrected(person)
    assert found is not None, "it is asked once it is done"
    mask, measured = found
    name = person.session.document.categories[mask.category_id].name
    return (
        f"The {name} is corrected with the eraser: IoU {measured.iou:.3f} and Dice {measured.dice:.3f} "
        "with the mask that SAM had proposed."
    )


CORRECT = DemoStep(
    "Correct a mask, and see it measured",
    "Select a mask, press E and erase a bit: IoU and Dice in the Agreement card follow every dab.",
    _erase,
    lambda person: _corrected(person) is not None,
    _said_corrected,
    picture="corrected",
)


# --- reviewed, and out --------------------------------------------------------------------------------
def _review(person: Person) -> Acts:
    for name in (STREET, PAIR):
        yield from person.at(name)
        if not person.photo(name).reviewed:
            person.do("reviewed-next")
        yield from person.answered()


def _reviewed(person: Person) -> int:
    return sum(image.reviewed for image in person.session.document.images)


REVIEW = DemoStep(
    "Say which photos are done",
    f"Press Ctrl+Enter on {STREET} and on {PAIR}: reviewed photos can be learnt from.",
    _review,
    lambda person: _reviewed(person) >= 2,
    lambda person: f"{_reviewed(person)} of {len(person.session.document.images)} photos are reviewed.",
)


def _export(person: Person) -> Acts:
    person.results.mkdir(parents=True, exist_ok=True)
    QTimer.singleShot(0, person.window, lambda: _fill(person))
    person.do("export")
    yield Until(lambda: _is_exported(person), "the export")


def _fill(person: Person) -> None:
    """Name the file in the dialog that is open by then, and press Export."""
    dialog = QApplication.activeModalWidget()
    if isinstance(dialog, ExportDialog):
        dialog.take_file(str(person.results / LABELS))
        dialog.export_button.click()


def _is_exported(person: Person) -> bool:
    said = person.told(exporter.KEY)
    return bool(said) and not said.startswith("Exporting")


EXPORT = DemoStep(
    "Export COCO",
    "Press Ctrl+E and Export: a file that the most programs read.",
    _export,
    _is_exported,
    lambda person: person.told(exporter.KEY),
)
