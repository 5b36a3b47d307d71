"""The machine of `two_at_once.py` at the whole main window: its keys, a review, files that come and go.

Only the model that proposes masks is a stand-in: its child takes seconds to start and answers by its own
clock, so that no walk could be walked again, nor a thousand of them in a night.
"""

import itertools
import json
import shutil
from contextlib import contextmanager

import cv2
import numpy as np
import shiboken6
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from PySide6.QtCore import QTimer
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from two_at_once import SIZE, Entry, Model, TwoAtOnce, places, until

from labeler.core.records import Annotation, Category, Mask, Prompt, Proposal
from labeler.gui import app
from labeler.gui.children.host_client import Answer, HostClient
from labeler.gui.labelling import category_edits
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.courier import Courier
from labeler.gui.window import workbench
from labeler.training.labels_out import Order, deliver

TYPED = ("1", "2", "A", "D", "Ctrl+Z", "Ctrl+Shift+Z", "Return", "Backspace", "Esc", "Del", "Ctrl+R", "Tab")
NAMING, HISTORY = ("1", "2"), ("Ctrl+Z", "Ctrl+Shift+Z")
BUSY_TOOLS = ("sam-point", "sam-box", "polygon", "brush", "select", "box")


class Segmenter(HostClient):
    """Answers a prompt with a small and a large square about it, a moment later."""

    asked = 0

    def start(self) -> None:
        """There is no child."""

    def open_image(self, key, path) -> None:
        """Any image is as good as another."""

    def look_ahead(self, items) -> None:
        """Nothing is computed ahead."""

    def hover(self, x: float, y: float) -> None:
        """No previews."""

    def segment(self, prompt: Prompt, *, refine=None) -> int:
        """Ask; gives the number of the request."""
        self.asked += 1
        request, box = self.asked, prompt.box
        x, y = (box.x0, box.y0) if box is not None else prompt.points[-1].tolist()
        found = tuple(_square(x, y, size) for size in (8, 14))
        QTimer.singleShot(0, self, lambda: self.proposed.emit(Answer(request, "", False, found, 1.0)))
        return request


def _square(x: float, y: float, size: int) -> Proposal:
    mask = Mask(int(x), int(y), np.ones((size, size), bool))
    return Proposal(mask, 0.9, np.zeros((0, 0), dtype=np.float32))


class TwoInAWindow(TwoAtOnce):
    """See the module."""

    def build(self) -> None:
        own, workbench.HostClient = workbench.HostClient, Segmenter
        try:
            self.window = app.make_window()
        finally:
            workbench.HostClient = own
        window = self.window
        self.session, self.bench, self.canvas, self.keys = (
            window.session,
            window.bench,
            window.canvas,
            window.keys,
        )
        self.predictions, self.verdicts = self.bench.predictions, self.bench.verdicts
        window.frame.resize(1000, 700)
        window.frame.show()
        window.frame.activateWindow()
        window.open(self.folder)
        until(lambda: self.session.place.pixels is not None, "the first photo")
        until(window.frame.isActiveWindow, "the window in front")
        self.numbers = itertools.count(1)
        self.begun: dict[int, tuple] = {}
        self.place = self.session.place.image.id
        self.exports: list[object] = []
        self.courier = Courier(window)
        self.bench.upkeep._timer.setInterval(0)

    def take_down(self) -> None:
        self.window.frame.close()
        shiboken6.delete(self.window.frame)
        QApplication.processEvents()

    # --- what must hold ---------------------------------------------------------------------------

    def in_hand(self) -> tuple:
        """What is half done on the open image: for each tool its points."""
        return tuple(
            (tool.makes, work.points, getattr(work, "box", None))
            for tool in self.canvas.progress.half_done()
            if (work := tool.work()) is not None
        )

    @invariant()
    def check_begun(self) -> None:
        """What was begun on an image is there when one returns to it."""
        image = self.session.place.image
        if image is None:
            return
        if image.id != self.place:
            self.place = image.id
            assert self.in_hand() == self.begun.get(image.id, ()), "what was begun here is not there"
        self.begun[image.id] = self.in_hand()

    @contextmanager
    def settled(self):
        """With nothing on its way before, nor after."""
        self.settle()
        yield
        self.settle()

    def settle_exports(self) -> None:
        until(lambda: all(not isinstance(one, str) for one in self.exports), "the exports")
        wrong = [one for one in self.exports if isinstance(one, Exception)]
        assert not wrong, wrong
        self.exports.clear()

    def teardown(self) -> None:
        try:
            if hasattr(self, "exports"):
                self.settle_exports()
        finally:
            super().teardown()

    # --- the person's keys, through the window's own actions and shortcuts --------------------------

    @rule(key=st.sampled_from(TYPED))
    def typed(self, key) -> None:
        session, canvas, model = self.session, self.canvas, self.model
        busy, dragging = canvas.progress.is_on, canvas.progress.is_dragging
        image, before = session.place.image.id, dict(session.document.annotations)
        acts, steps = model.acts, (len(model.done), len(model.undone))
        if key == "Ctrl+R" and dragging:
            return
        canvas.setFocus()
        QTest.keySequence(canvas, QKeySequence(key))
        if busy and key in (*NAMING, *HISTORY, "Backspace", "Esc", "Del", "Tab", "A", "D"):
            assert model.acts == acts, f"{key} was not for what is in progress"
            assert (len(model.done), len(model.undone)) == steps, f"{key} was not for what is in progress"
        if busy and key == "Return" and session.place.image.id == image:
            now = session.document.annotations
            assert all(now.get(one) == was for one, was in before.items()), "Enter hit a finished object"
        if dragging and key in ("A", "D"):
            assert session.place.image.id == image, "a drag was left behind"
        if not canvas.progress.is_dragging:
            self.pressed = None

    @rule(tool=st.sampled_from(BUSY_TOOLS), spots=st.lists(places, min_size=1, max_size=4))
    def begin_something(self, tool, spots) -> None:
        """Clicks with a tool: corners of a polygon, prompts, strokes."""
        if self.canvas.progress.is_dragging:
            return
        self.window.actions[tool].trigger()
        for spot in spots:
            self.press(spot)
            self.release(spot)
        QApplication.processEvents()

    # --- categories, and what is pointed at ---------------------------------------------------------

    def a_category(self, which: int) -> Category | None:
        """One to do something to, where the hand is free and it is known what there is."""
        known = list(self.session.document.categories.values())
        return (
            known[which % len(known)]
            if known and not (self.canvas.progress.is_dragging or self.ahead)
            else None
        )

    def change_category(self, edit: category_edits.CategoryEdit) -> None:
        self.session.edits.commit(edit.label, edit.changes, by="categories")

    @rule(which=st.integers(0, 5), name=st.sampled_from(("cat", "cow", "person")))
    def rename_category(self, which, name) -> None:
        found = self.a_category(which)
        if found is not None and category_edits.named(self.session.document.categories, name) is None:
            self.change_category(category_edits.renamed(found, name))

    @rule(which=st.integers(0, 5), hides=st.booleans())
    def hide_category(self, which, hides) -> None:
        if (found := self.a_category(which)) is not None and found.hidden != hides:
            self.change_category(category_edits.hidden(found, hides))

    @rule(which=st.integers(0, 5))
    def delete_category(self, which) -> None:
        """One that no object uses, as the menu offers it."""
        found = self.a_category(which)
        used = {one.category_id for one in self.model.of(Annotation).values()}
        if found is not None and found.id not in used and not self.model.void:
            self.change_category(category_edits.deleted(found))

    @rule(which=st.integers(0, 9))
    def point_at_a_candidate(self, which) -> None:
        keys = sorted(self.predictions.candidates)
        self.predictions.hover(keys[which % len(keys)] if keys else None)

    @invariant()
    def check_pointed_at(self) -> None:
        """Nothing is pointed at, selected or measured against that is not there."""
        known = self.predictions.candidates.keys()
        assert self.predictions.hovered is None or self.predictions.hovered in known
        assert self.predictions.selection <= known
        assert set(self.predictions.kept) <= known

    # --- a review -----------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        watch, queue = self.session._link._watch, self.bench.queue
        until(lambda: watch._round is None, "the look at the folder")
        until(lambda: not (queue._scan.running or queue._again.isActive()), "the queue")
        until(lambda: not self.bench.reviewing._scan.running, "all that is to be accepted")
        upkeep = self.bench.upkeep
        until(lambda: not (upkeep._is_busy or upkeep._timer.isActive()), "the labelme files")

    @rule()
    def review(self) -> None:
        """A review begins, and goes to its first item; or ends."""
        self.let_go()
        self.window.actions["review"].trigger()
        self.ask(lambda store: None)
        self.come_to_rest()

    @rule(back=st.booleans())
    def review_goes(self, back) -> None:
        if self.canvas.progress.is_dragging:
            return
        (self.bench.queue.previous_item if back else self.bench.queue.next_item)()

    @rule(accepts=st.booleans())
    def review_decides(self, accepts) -> None:
        """The buttons of the card."""
        if self.canvas.progress.is_dragging:
            return
        queue = self.bench.queue
        (queue.accept_current if accepts else queue.reject_current)()

    @rule()
    def review_card_closed(self) -> None:
        if self.canvas.progress.is_dragging:
            return
        self.window.panels.docks["Review"].close()
        assert not self.bench.queue.active, "a review goes on unseen"

    @rule(place=places)
    def arrives_stored(self, place) -> None:
        """The same run as the panel's: whoever shows predictions hears of it."""
        image = self.session.place.image.id
        self.arrives_run(place, waits=True)
        with self.undisturbed():
            self.bench.take_stored((image,))
            QApplication.processEvents()

    @rule(place=places)
    def arrives_everything(self, place) -> None:
        """“Everything” on the open image: masks of a class that no category has the name of."""
        image, (x, y) = self.session.place.image.id, place
        masks = [Mask(int(x / 2) + n, int(y / 2), np.ones((9 + n, 9), bool)) for n in range(3)]
        self.store_found("everything", [(mask, "object") for mask in masks], waits=True)
        with self.undisturbed():
            self.bench.take_stored((image,))
            QApplication.processEvents()

    @rule(which=st.integers(0, 6), label=st.sampled_from(("person", "object")))
    def map_class(self, which, label) -> None:
        """The dialog of what classes mean: a category, or nothing."""
        model, known = self.session.measure.model, sorted(self.session.document.categories)
        if model is None or self.canvas.progress.is_dragging or self.ahead or self.model.void:
            return
        meant = known[which] if which < len(known) else None
        answers = []
        self.let_go()
        self.settle()
        with self.undisturbed():
            self.session.keep(
                lambda store: store.predictions.set_mappings(model.id, {label: meant}),
                answers.append,
                failed=lambda error: self.told.append(str(error)),
            )
            until(lambda: bool(answers), "the classes mean something else")
            self.bench.batch.show_stored()
            self.bench.take_mapping()
            QApplication.processEvents()

    @rule(whole_set=st.booleans())
    def accept_all(self, whole_set) -> None:
        """On the open image or on all: it is looked for beside what the person goes on to do."""
        if self.canvas.progress.is_dragging:
            return
        self.all_images = True
        self.window.actions["accept-set" if whole_set else "accept-image"].trigger()

    @rule()
    def auto_confidence(self) -> None:
        """The threshold moves by itself after each reviewed image, or no longer."""
        with self.undisturbed():
            self.window.actions["auto-confidence"].trigger()

    # --- files that come and go -----------------------------------------------------------------------

    @rule()
    def arrives_photo(self) -> None:
        """A photo is put into the folder."""
        if len(self.session.document.images) < 5:
            rng = np.random.default_rng(1000 + next(self.numbers))  # its content is no other photo's
            pixels = rng.integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
            cv2.imwrite(str(self.folder / f"new{next(self.numbers)}.png"), pixels)
        with self.undisturbed():
            self.session.look_at_folder()
            QApplication.processEvents()

    @rule()
    def photo_removed(self) -> None:
        """A photo is deleted, and then its image, with all that is on it, taken out of the project."""
        image = self.session.place.image
        if len(self.session.document.images) < 3 or self.canvas.progress.is_dragging or self.in_hand():
            return
        (self.folder / image.path).unlink(missing_ok=True)
        with self.settled():
            self.begun.pop(image.id, None)
            self.window.bench.photo_desk.remove([image.id])
            until(lambda: self.session.document.find_image(image.id) is None, "the image is gone")
            self.begun.pop(image.id, None)

    @rule()
    def photo_located(self) -> None:
        """A photo was put elsewhere, and the person shows where."""
        image = self.session.place.image
        source = self.session.place.image_path(image)
        if self.canvas.progress.is_dragging or not source.exists():
            return
        aside = self.folder.parent / f"aside{next(self.numbers)}.png"
        with self.settled():
            shutil.move(source, aside)
            self.window.bench.photo_desk.locate(image.id, aside)
            until(
                lambda: self.session.document.find_image(image.id).path == str(aside), "the photo was located"
            )

    @rule()
    def keep_labelme(self) -> None:
        """The menu's switch: labelme's files beside the photos are kept up to date, or no longer."""
        upkeep = self.bench.upkeep
        with self.undisturbed():
            upkeep.switch(not upkeep.is_on)
            QApplication.processEvents()

    @rule(place=places, kind=st.sampled_from(("coco", "labelme")))
    def arrives_labels(self, place, kind) -> None:
        """A labels file is taken in as from the menu; the hand may be in the middle of something."""
        shown = next((one for one in self.session.document.images if "new" not in one.path), None)
        if shown is None or not self.session.place.image_path(shown).exists():
            return  # where few photos are found it asks, and a dialog that opens ends a drag
        self.settle()
        number = next(self.numbers)
        file = self.folder.parent / f"given-{number}.json"
        box = {"bbox": [*place, 6, 6], "area": 36, "iscrowd": 0}
        name = str(self.session.place.image_path(shown))
        data = {
            "images": [{"id": 1, "file_name": name, "width": SIZE[0], "height": SIZE[1]}],
            "categories": [{"id": 1, "name": "person"}],
            "annotations": [{"id": 10**9 + number, "image_id": 1, "category_id": 1, **box}],
        }
        if kind == "labelme":
            corners = [list(place), [place[0] + 6, place[1] + 6]]
            box = {"label": "person", "points": corners, "shape_type": "rectangle"}
            size = {"imageWidth": SIZE[0], "imageHeight": SIZE[1]}
            data = {"version": "5.4.1", "flags": {}, "shapes": [box], "imagePath": name, **size}
        file.write_text(json.dumps(data))
        known = {edit_id for edit_id, _ in self.ask(lambda store: store.history.tail()).done}
        desk, reports = self.window.bench.labels_desk, []
        desk.importer.finished.connect(reports.append)
        desk.importer.failed.connect(reports.append)
        desk.importer.few_found.connect(reports.append)
        with self.undisturbed():
            desk.take(file)
            until(lambda: bool(reports), "the file was taken in")
        for signal in (desk.importer.finished, desk.importer.failed, desk.importer.few_found):
            signal.disconnect(reports.append)
        done = self.ask(lambda store: store.history.tail()).done
        made = [edit.changes for edit_id, edit in done if edit_id not in known]
        for changes in made:
            self.model.done.append(Entry(changes))
            self.model.undone.clear()
            self.model.apply(changes)
        self.ahead = True
        self.settle()

    @rule()
    def arrives_export(self) -> None:
        """What is saved is written as COCO at the same time; it never fails."""
        if len(self.exports) > 1:
            return
        at, out = len(self.exports), self.folder.parent / f"out{next(self.numbers)}.json"
        self.exports.append("on its way")

        def took(delivery) -> None:
            json.loads(delivery.files[0].read_text())
            self.exports[at] = delivery

        def failed(error) -> None:
            self.exports[at] = error

        with self.undisturbed():
            project = self.session.project
            run_aside(lambda: deliver(project, Order(out)), courier=self.courier, done=took, failed=failed)

    # --- the history ------------------------------------------------------------------------------------

    def past(self, which: int) -> tuple[int, int] | None:
        """An edit of the journal, and how many done ones came after it."""
        done = [entry for entry in self.ask(lambda store: store.history.entries()) if entry.state == "done"]
        if not done or len(done) != len(self.model.done):
            return None
        at = which % len(done)
        return done[at].id, at

    @rule(which=st.integers(0, 5))
    def go_back(self, which) -> None:
        if self.canvas.progress.is_dragging:
            return
        with self.settled():
            found = self.past(which)
            if found is None:
                return
            edit_id, later = found
            self.ahead = self.follows = True
            self.session.history.go_back_to(edit_id)
            for _ in range(later):
                self.model.undo()

    @rule(which=st.integers(0, 5))
    def restore(self, which) -> None:
        if self.canvas.progress.is_dragging:
            return
        with self.settled():
            found = self.past(which)
            if found is None:
                return
            edit_id, later = found
            image = self.session.place.image.id
            then = Model()
            then.records, then.lost = dict(self.model.records), dict(self.model.lost)
            then.done = list(self.model.done)
            for _ in range(later):
                then.undo()
            changes = self.ask(lambda store: store.history.restored(image, edit_id)).changes
            if changes:
                self.model.done.append(Entry(changes))
                self.model.undone.clear()
                self.model.apply(changes)
            wanted = {key: one.shape for key, one in then.annotations(image).items()}
            assert {key: one.shape for key, one in self.model.annotations(image).items()} == wanted
            self.ahead = True
            self.session.history.restore_image(edit_id)
