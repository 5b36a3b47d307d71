"""A hand on a real canvas, a real project and everything that may happen meanwhile, as a state machine.

Beside it runs a model of a few lines that knows only what the person did, in order. What the screen and the
disk have must follow from it: nothing acknowledged is lost, and nothing else is done. Which rule comes next
never hangs on what the threads have done by then, so that a walk can be walked again: there are no
preconditions, but rules that do nothing.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import shiboken6
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace
from PySide6.QtCore import QEvent, QEventLoop, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMainWindow

from labeler.core.geometry import bounds
from labeler.core.rebase import rebased
from labeler.core.records import Annotation, Box, Candidate, Category, Change, Image, Mask, Record
from labeler.gui.canvas.view import Canvas
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.agreements import SetAgreements
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.queue import ReviewQueue
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier
from labeler.gui.window.keys import Keys
from labeler.gui.window.verdicts import Verdicts
from tests.in_one_go import import_coco

SIZE = (200, 150)
NO_KEY = Qt.KeyboardModifier.NoModifier
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NO_BUTTON = Qt.MouseButton.NoButton
KEYS = ("Return", "Escape", "Backspace", "Delete", "Left", "Down", "Tab")
FAIR = (
    "is kept.",
    "any more.",
    "classes of the model first.",
    "left to accept.",
    "import results first.",
    "Add one first.",
)
"""How sentences end that a person may be told here; any other is an act refused."""
TOOLS = ("select", "box", "polygon", "brush", "eraser")
PHOTOS = ("a.png", "b.png", "c.png")
places = st.tuples(st.integers(5, 190), st.integers(5, 140))


def make_photos(folder: Path) -> Path:
    """Three small photos."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for name in PHOTOS:
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8))
    return folder


def until(condition: Callable[[], bool], what: str) -> None:
    """Let everything go on until it is so; a broken promise fails, a busy machine does not."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)


class Entry:
    """One undo step of the model."""

    def __init__(self, changes: tuple[Change, ...] | None) -> None:
        self.changes = changes
        """None while only the writer knows them."""


class Model:
    """What the person did, done one after the other to plain dictionaries."""

    def __init__(self) -> None:
        self.records: dict[tuple[type, int], Record] = {}
        self.lost: dict[int, Category] = {}
        self.done: list[Entry] = []
        self.undone: list[Entry] = []
        self.acts = 0
        self.void = False
        """Whether an act had nothing left to do, so that it is no step to undo."""

    def do(self, changes: tuple[Change, ...]) -> None:
        self.acts += 1
        kept = [change for change in changes if not isinstance(change.record, Candidate)]
        made = [one for change in kept if (one := rebased(change, self.now(change))) is not None]
        if not made and len(kept) == len(changes):
            self.void = True
            return
        needed = {c.after.category_id for c in made if isinstance(c.after, Annotation)}
        needed -= {key for kind, key in self.records if kind is Category}
        needed -= {c.after.id for c in made if isinstance(c.after, Category)}
        made = [*(Change(None, self.lost[key]) for key in sorted(needed)), *made]
        self.done.append(Entry(tuple(made)))
        self.undone.clear()
        self.apply(made)

    def now(self, change: Change) -> Record | None:
        return self.records.get((type(change.record), change.record.id))

    def apply(self, changes) -> None:
        for change in changes:
            key = type(change.record), change.record.id
            if change.after is not None:
                self.records[key] = change.after
                continue
            gone = self.records.pop(key, None)
            if isinstance(gone, Category):
                self.lost[gone.id] = gone

    def undo(self) -> None:
        if self.done:
            self.undone.append(self.done.pop())
            self.replay([change.inverse() for change in reversed(self.undone[-1].changes or ())])

    def redo(self) -> None:
        if self.undone:
            self.done.append(self.undone.pop())
            self.replay(self.done[-1].changes or ())

    def replay(self, changes) -> None:
        self.apply([one for change in changes if (one := rebased(change, self.now(change))) is not None])

    def resolve(self, entry: Entry, changes: tuple[Change, ...]) -> None:
        entry.changes = changes
        if entry in self.done:
            self.replay(changes)

    def annotations(self, image_id: int) -> dict[int, Annotation]:
        found = (one for one in self.records.values() if isinstance(one, Annotation))
        return {one.id: plain(one) for one in found if one.image_id == image_id}

    def of(self, kind: type) -> dict[int, Record]:
        return {one.id: one for one in self.records.values() if isinstance(one, kind)}


def plain(annotation: Annotation) -> Annotation:
    """Without the time, which the writer sets for a merge."""
    return replace(annotation, edited=0.0)


def same(here: dict, there: dict, what: str) -> None:
    """Both have the same; else what is different."""
    keys = [key for key in here.keys() | there.keys() if here.get(key) != there.get(key)]
    assert not keys, f"{what}: {[(here.get(key), there.get(key)) for key in keys]}"


class TwoAtOnce(RuleBasedStateMachine):
    """See the module. Rules named `arrives_…` are not the person's, and must leave the person alone."""

    root = Path()
    count = 0

    @initialize()
    def begin(self) -> None:
        type(self).count += 1
        self.folder = make_photos(self.root / f"{self.count}" / "photos")
        self.model = Model()
        self.gate: threading.Event | None = None
        self.ahead = self.follows = self.all_images = False
        """Whether the writer knows more than the model; whether a step may go to its image yet; whether an
        act on all images was asked for."""
        self.pressed: tuple[str, tuple[int, int], int] | None = None
        self.told: list[str] = []
        self.build()
        for image in self.session.document.images:
            self.model.records[Image, image.id] = image
        self.watch()
        for name in ("person", "dog"):
            self.session.edits.add_category(name, by="test")
        self.settle()

    def build(self) -> None:
        """Session, desk, canvas and keys with the photos open; of a window only what these need."""
        self.session = Session()
        self.session.open(self.folder)
        until(lambda: self.session.place.pixels is not None, "the first photo")
        self.window = QMainWindow()
        session, window = self.session, self.window
        self.predictions = predictions = Predictions(session, window)
        reviewing, agreements = (
            Reviewing(session, predictions, window),
            SetAgreements(session, predictions, window),
        )
        queue = ReviewQueue(session, predictions, reviewing, agreements, window)
        self.verdicts = Verdicts(session, predictions, reviewing, queue, window)
        self.canvas = Canvas(
            session,
            None,
            predictions,
            take_over=reviewing.take_over,
            reject=self.verdicts.reject_at,
        )
        self.canvas.resize(420, 320)
        self.canvas.show()
        self.canvas.sight.fit()
        notifier = Notifier(self.window)
        self.keys = Keys(
            self.window, session=session, canvas=self.canvas, notifier=notifier, verdicts=self.verdicts
        )

    def take_down(self) -> None:
        """Close what `build` has made."""
        self.canvas.hide()
        self.session.shut_down()
        for made in (self.canvas, self.window, self.session):
            shiboken6.delete(made)

    def watch(self) -> None:
        """The model hears of every act that was taken, at the moment it was."""
        session, model = self.session, self.model
        commit, undo, redo = session.edits.commit, session.history.undo, session.history.redo

        def committed(label, changes, *, by):
            meant = tuple(changes)
            opened = session.place.image.id if session.place.image is not None else None
            for change in meant:
                where = getattr(change.record, "image_id", opened)
                assert where == opened or by == "photos" or self.all_images, (
                    f"“{label}” of {by} hit image {where} while {opened} was shown"
                )
            self.check_screen()
            taken = commit(label, meant, by=by)
            if taken:
                model.do(meant)
            return taken

        def stepped(step, noted, known):
            if model.void:
                self.settle()
            if not getattr(self.session.history._acts, known):
                self.ahead = self.follows = True  # only the writer knows what comes of it
            step()
            noted()
            self.check_screen()

        session.edits.commit = committed
        session.history.undo = lambda: stepped(undo, model.undo, "_done")
        session.history.redo = lambda: stepped(redo, model.redo, "_undone")
        session.told.connect(self.told.append)

    # --- what must hold ---------------------------------------------------------------------------

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What is not the person's ends no drag, selects nothing, goes nowhere, and takes no point away."""
        session, canvas = self.session, self.canvas
        before = (
            session.place.image,
            canvas.progress.is_dragging,
            canvas.progress.is_on,
            session.focus.selection,
            canvas.hand.name,
        )
        yield
        after = (
            session.place.image,
            canvas.progress.is_dragging,
            canvas.progress.is_on,
            session.focus.selection,
            canvas.hand.name,
        )
        if self.follows and before[0].id != after[0].id:
            return  # the person's own undo
        assert before[0].id == after[0].id, "the screen was taken elsewhere"
        assert after[1:3] == before[1:3], "what the hand has in progress was ended"
        kept = before[3] & session.document.annotations.keys()
        # where only the writer knows what was done, an object may go and come back before one looks
        # what is accepted on the open image is selected, when it has been looked for
        asked = self.all_images and after[3] <= session.document.annotations.keys()
        assert after[3] == kept or asked or (self.ahead and after[3] <= kept), "the selection was changed"
        assert after[4] == before[4]

    @invariant()
    def check_screen(self) -> None:
        """Every act is on the screen at once."""
        session = self.session
        if self.ahead or session.place.image is None or not session.document.is_read:
            return
        shown = {key: plain(one) for key, one in session.document.annotations.items()}
        same(shown, self.model.annotations(session.place.image.id), "the screen is not what was done")
        assert list(shown) == sorted(shown)
        assert session.focus.selection <= shown.keys()

    @rule()
    def settle(self) -> None:
        """Wait for “Saved”: then the screen is the disk, and both are what was done."""
        session = self.session
        self.let_go()
        with self.undisturbed():
            until(lambda: session.saved == "saved", "saved")
            for _ in range(2):  # what the answers have asked for is answered by the second
                self.ask(lambda store: None)
                self.come_to_rest()
            until(lambda: session.document.is_read and not session.history._acts.learning, "the labels")
        shown = session.place.image.id
        disk = self.ask(
            lambda store: (
                {image.id: store.annotations(image.id) for image in store.images()},
                {one.id: one for one in store.categories()},
                {image.id: image.reviewed for image in store.images()},
                {one.id: one for one in store.predictions.candidates(shown)},
                (store.history.can_undo(), store.history.can_redo()),
            )
        )
        labels, categories, reviewed, candidates, steps = disk
        self.take_photos(labels, reviewed)
        self.ahead = self.model.void = self.follows = self.all_images = False
        wrong = [one for one in self.told if not one.endswith(FAIR)]
        assert not wrong, wrong
        for image_id, annotations in labels.items():
            found = {one.id: plain(one) for one in annotations}
            same(found, self.model.annotations(image_id), f"the disk is not what was done on {image_id}")
            counted = sum(session.document.counts(image_id).values())
            assert counted == len(annotations), f"{counted} counted on {image_id}: {len(annotations)}"
        here = {one.id: one for one in labels[session.place.image.id]}
        same(dict(session.document.annotations), here, "the screen is not the disk")
        same(dict(session.document.candidates), candidates, "the predictions shown are not those of the disk")
        same(dict(session.document.categories), categories, "the categories shown are not those of the disk")
        same(categories, self.model.of(Category), "the categories are not what was done")
        done = {key: one.reviewed for key, one in self.model.of(Image).items()}
        same(
            {one.id: one.reviewed for one in session.document.images},
            reviewed,
            "the marks are not the disk's",
        )
        same(reviewed, done, "the reviewed marks are not what was done")
        assert (session.history.can_undo, session.history.can_redo) == steps
        assert steps == (bool(self.model.done), bool(self.model.undone))
        self.check_screen()

    def come_to_rest(self) -> None:
        """Wait for what goes on beside the writer."""

    def take_photos(self, labels: dict, reviewed: dict[int, bool]) -> None:
        """A photo that was put into the folder is an image that nobody has done anything to."""
        for image in self.session.document.images:
            if (Image, image.id) not in self.model.records and image.id in reviewed:
                assert not labels[image.id], "a removed image is back"
                self.model.records[Image, image.id] = image

    def ask(self, work):
        """What the writer answers; what it cannot answer fails as what it is."""
        assert self.gate is None, "nobody can be asked while the writer is held up"
        answers, errors = [], []
        self.session.keep(work, answers.append, failed=errors.append)
        until(lambda: bool(answers or errors), "an answer")
        if errors:
            raise AssertionError(f"it cannot be answered: {errors[0]!r}") from errors[0]
        return answers[0]

    def teardown(self) -> None:
        if not hasattr(self, "keys"):
            return
        try:
            self.settle()
        finally:
            self.let_go()
            self.take_down()

    # --- the hand ---------------------------------------------------------------------------------

    def mouse(self, kind: QEvent.Type, place: tuple[int, int], held: Qt.MouseButton = LEFT) -> None:
        at = QPointF(*self.canvas.sight.view.point_on_screen(*place))
        button = NO_BUTTON if kind == QEvent.Type.MouseMove else held
        event = QMouseEvent(kind, at, self.canvas.mapToGlobal(at), button, held, NO_KEY)
        QApplication.sendEvent(self.canvas, event)

    @rule(place=places)
    def press(self, place) -> None:
        if self.canvas.progress.is_dragging:
            return
        self.pressed = None
        self.mouse(QEvent.Type.MouseButtonPress, place)
        if self.canvas.progress.is_dragging:
            self.pressed = self.canvas.hand.name, place, self.model.acts

    @rule(place=places)
    def move(self, place) -> None:
        with self.undisturbed():
            self.mouse(QEvent.Type.MouseMove, place)

    @rule(place=places)
    def release(self, place) -> None:
        was = self.canvas.progress.is_dragging
        if was:
            self.mouse(QEvent.Type.MouseMove, place)
        self.mouse(QEvent.Type.MouseButtonRelease, place)
        assert not self.canvas.progress.is_dragging
        if self.pressed is not None:
            assert was, "the drag was ended by somebody else"
            tool, start, acts = self.pressed
            far = min(abs(place[0] - start[0]), abs(place[1] - start[1])) > 8
            if tool in ("box", "brush") and far:
                assert self.model.acts > acts, f"what the {tool} drew was lost"
        self.pressed = None

    @rule(tool=st.sampled_from(TOOLS))
    def take_tool(self, tool) -> None:
        self.canvas.hand.take(tool)

    @rule(name=st.sampled_from(KEYS))
    def key(self, name) -> None:
        QTest.keyClick(self.canvas, getattr(Qt.Key, f"Key_{name}"))
        if not self.canvas.progress.is_dragging:
            self.pressed = None

    @rule(digit=st.sampled_from("12"))
    def digit(self, digit) -> None:
        self.keys.pick_category(digit)

    @rule()
    def delete(self) -> None:
        self.keys.delete()
        if not self.canvas.progress.is_dragging:
            self.pressed = None

    @rule()
    def undo(self) -> None:
        busy, steps = self.canvas.progress.is_on, len(self.model.done)
        self.keys.undo()
        assert not busy or len(self.model.done) == steps, "an undo was not for what is in progress"
        if not self.canvas.progress.is_dragging:
            self.pressed = None

    @rule()
    def redo(self) -> None:
        self.keys.redo()

    @rule(by=st.sampled_from((-1, 1)))
    def another_image(self, by) -> None:
        before = self.session.place.image.id
        was = self.canvas.progress.is_dragging
        self.session.place.step(by)
        assert not was or self.session.place.image.id == before, "a drag was left behind"

    # --- more of the person's acts ----------------------------------------------------------------

    @rule(place=places)
    def accept_a_mask(self, place) -> None:
        if self.canvas.progress.is_dragging:
            return
        self.session.edits.accept(Mask(*place, np.ones((7, 9), bool)), 0.9, by="canvas")

    @rule(accepts=st.booleans(), which=st.integers(0, 9))
    def decide(self, accepts, which) -> None:
        """Enter or Backspace on a prediction that is shown and selected."""
        if self.canvas.progress.is_dragging:
            return
        kept = sorted(self.predictions.kept)
        if kept:
            self.predictions.select([kept[which % len(kept)]])
            (self.verdicts.accept if accepts else self.verdicts.reject)()

    @rule(place=places, on_one=st.booleans(), far=st.booleans())
    def right_click(self, place, on_one, far) -> None:
        """A right click, which rejects at most the prediction under it; away from there none."""
        canvas, kept = self.canvas, self.predictions.kept
        if canvas.progress.is_dragging:
            return
        if on_one and kept:
            box = bounds(self.predictions.candidates[kept[0]].shape)
            place = int((box.x0 + box.x1) / 2), int((box.y0 + box.y1) / 2)
        self.pressed = None
        acts, before = self.model.acts, dict(self.session.document.candidates)
        shows = self.session.place.pixels is not None
        mends = canvas.hand.name in ("select", "box")
        self.mouse(QEvent.Type.MouseMove, place, NO_BUTTON)
        aimed = canvas.aimed if shows and mends else None
        self.mouse(QEvent.Type.MouseButtonPress, place, RIGHT)
        if far:
            self.mouse(QEvent.Type.MouseMove, (place[0] + 9, place[1] + 9), RIGHT)
        self.mouse(QEvent.Type.MouseButtonRelease, place, RIGHT)
        assert not canvas.progress.is_dragging
        rejected = aimed is not None and not far
        if mends:
            assert self.model.acts == acts + rejected, "a right click did something else"
        if rejected and self.session.place.image.id == before[aimed].image_id:
            now = self.session.document.candidates.get(aimed)
            assert now is None or now.verdict == "rejected"

    @rule(digit=st.sampled_from("12"), which=st.integers(0, 9))
    def name_what_the_mouse_is_on(self, digit, which) -> None:
        """A digit with Select over a prediction accepts it as that category."""
        canvas, kept = self.canvas, self.predictions.kept
        if canvas.progress.is_on or not kept or canvas.hand.name != "select":
            return
        box = bounds(self.predictions.candidates[kept[which % len(kept)]].shape)
        self.mouse(QEvent.Type.MouseMove, (int((box.x0 + box.x1) / 2), int((box.y0 + box.y1) / 2)), NO_BUTTON)
        aimed, chosen = canvas.aimed, self.predictions.selection
        known = next((c for c in self.session.document.categories.values() if c.key == digit), None)
        acts = self.model.acts
        self.keys.pick_category(digit)
        if aimed is not None and not chosen and known is not None:
            assert self.model.acts == acts + 1, "the digit was lost"

    @rule(which=st.integers(0, 9), by=st.tuples(st.integers(-30, 30), st.integers(-30, 30)))
    def correct_a_prediction(self, which, by) -> None:
        """Begin to drag a corner of a prediction; other rules go on with it, and let go."""
        canvas, kept = self.canvas, self.predictions.kept
        if canvas.progress.is_dragging or not kept or canvas.hand.name != "select":
            return
        box = bounds(self.predictions.candidates[kept[which % len(kept)]].shape)
        corner = int(box.x1), int(box.y1)
        self.pressed = None
        self.mouse(QEvent.Type.MouseButtonPress, corner)
        if canvas.progress.is_dragging:
            self.pressed = canvas.hand.name, corner, self.model.acts
            self.mouse(QEvent.Type.MouseMove, (corner[0] + by[0], corner[1] + by[1]))

    @rule()
    def reviewed(self) -> None:
        if self.canvas.progress.is_dragging:
            return
        image = self.session.place.image
        self.session.edits.mark_reviewed(not image.reviewed, by="test")

    @rule(turns=st.booleans())
    def merge(self, turns) -> None:
        """The writer works it out; what the person does meanwhile is done to what comes of it."""
        if self.canvas.progress.is_dragging or self.ahead:
            return
        ids = sorted(self.session.document.categories)
        if len(ids) < 2 or self.model.void:
            return
        source, target = (ids[0], ids[-1]) if turns else (ids[-1], ids[0])
        self.session.edits.merge_categories(source, target)
        moved = [one for one in self.model.of(Annotation).values() if one.category_id == source]
        gone = self.model.records[Category, source]
        changes = (*(Change(one, replace(one, category_id=target)) for one in moved), Change(gone, None))
        self.model.do(changes)
        self.model.acts -= 1
        self.ahead = True

    @rule(name=st.sampled_from(("cat", "cow")))
    def add_category(self, name) -> None:
        if self.canvas.progress.is_dragging:
            return
        if not self.ahead:
            self.session.edits.add_category(name, by="test")

    # --- what is not the person's -----------------------------------------------------------------

    @rule()
    def arrives_nothing(self) -> None:
        """Whatever is on its way comes."""
        with self.undisturbed():
            QApplication.processEvents()

    @rule()
    def arrives_reload(self) -> None:
        with self.undisturbed():
            self.session.reload()
            QApplication.processEvents()

    @rule(place=places, waits=st.booleans())
    def arrives_run(self, place, waits) -> None:
        """A job stores what a model found on the open image, as “Learn while I label” does."""
        x, y = place
        shapes = [Box(x, y, x + 8, y + 7), Box(x / 2, y / 2, x / 2 + 30, y / 2 + 20)]
        self.store_found("detector", [(shape, "person") for shape in shapes], waits=waits)

    def store_found(self, name: str, shapes: list[tuple[Box | Mask, str]], *, waits: bool) -> None:
        session, image = self.session, self.session.place.image.id
        found = [Candidate(0, image, 0, 0, shape, 0.9, label) for shape, label in shapes]
        answers = []

        def work(store):
            model = store.predictions.ensure_model(name, "1")
            store.predictions.record_run(model.id, image, found)
            return model

        def take(model):
            answers.append(model)
            if session.measure.model != model:
                session.measure.add_model(model)
            session.refresh_candidates(image)

        with self.undisturbed():
            session.keep(work, take, failed=lambda error: self.told.append(str(error)))
            if waits and self.gate is None:
                until(lambda: bool(answers), "what the run stored")

    @rule(place=places)
    def arrives_import(self, place) -> None:
        """A file with an object is taken in; only the writer knows what it becomes."""
        name = next((one.path for one in reversed(self.session.document.images) if one.path in PHOTOS), "")
        if not name:
            return  # an image that nobody has a file of would be made, and take the path of one put elsewhere
        entry = Entry(None)
        file = self.folder.parent / f"labels-{time.monotonic_ns()}.json"
        box = {"bbox": [*place, 6, 6], "area": 36, "iscrowd": 0}
        data = {
            "images": [{"id": 1, "file_name": name, "width": SIZE[0], "height": SIZE[1]}],
            "categories": [{"id": 1, "name": "person"}],
            "annotations": [{"id": time.monotonic_ns() % 2**50, "image_id": 1, "category_id": 1, **box}],
        }
        file.write_text(json.dumps(data))
        made = []

        def work(store):
            before = {edit_id for edit_id, _ in store.history.tail().done}
            report = import_coco(store, file)
            made.extend(edit.changes for edit_id, edit in store.history.tail().done if edit_id not in before)
            return report

        with self.undisturbed():
            self.ahead = True
            self.session.import_file(work, lambda _: self.model.resolve(entry, made[0]))
            self.model.done.append(entry)
            self.model.undone.clear()
            QApplication.processEvents()

    @rule()
    def arrives_work(self) -> None:
        """The writer is at something else until further notice."""
        if self.gate is not None:
            return
        self.gate = threading.Event()
        gate = self.gate
        self.session.ask(lambda _: gate.wait(60), lambda _: None)

    @rule()
    def let_go(self) -> None:
        if self.gate is not None:
            self.gate.set()
            self.gate = None
