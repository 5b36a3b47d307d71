"""Agreement of the selected object with its prediction, live while it is dragged, and of the image."""

from html import escape

from PySide6.QtCore import QEvent, QMetaMethod, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from labeler.core.measures.overlap import Agreement
from labeler.core.model_titles import full_title, titles
from labeler.core.records import Annotation
from labeler.gui.session.document import Changed
from labeler.gui.session.measure import OpenAgreement
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import UNBROKEN, Card, EmptyState, Yields, tool_button
from labeler.gui.toolkit.figures import Figure, Sparkline
from labeler.gui.toolkit.timing import timer

_KEPT = 200
ACCEPTED = "the proposals that were accepted"
"""What is measured against where no model is chosen."""
_EXPLANATION = """<p><b>IoU</b> (intersection over union) = area both cover / area either covers
= |A ∩ B| / |A ∪ B|.</p>
<p><b>Dice</b> = twice the area both cover / the sum of both areas = 2 |A ∩ B| / (|A| + |B|)
= 2 IoU / (1 + IoU). It is never below IoU.</p>
<p><b>Boundary</b> is the IoU of two bands along the outlines, so that it sees edges that are off even
in a large object.</p>
<p>A is your annotation, B the model's prediction. 1 is the same area, 0 has nothing in common;
from 0.85 is good, from 0.5 middling.</p>"""


class AgreementPanel(Card):
    """Three numbers, how the first one went in this session, and the image in one line."""

    extra_clicked = Signal(tuple)
    """The candidates of the open image that no annotation stands for."""
    model_asked = Signal()
    """The person wants to choose another model to measure against, which is done where it is shown."""

    def __init__(self, session: Session, agreement: OpenAgreement, parent: QWidget | None = None) -> None:
        super().__init__("Agreement", parent)
        self.unfolded.connect(self.refresh)
        self._session, self._agreement = session, agreement
        self._tracks: dict[int, list[float]] = {}
        self._make_widgets()
        self._image_later = timer(self, self._show_image)
        self._refresh_later = timer(self, self.refresh)
        session.project_changed.connect(self._on_project)
        session.place.image_changed.connect(self._refresh_later.start)
        session.focus.selection_changed.connect(self._refresh_later.start)
        session.place.pixels_changed.connect(self._refresh_later.start)
        agreement.kept_changed.connect(self._refresh_later.start)
        session.document.changed.connect(self._on_changed)
        session.focus.draft_changed.connect(self.show_object)
        session.measure.model_changed.connect(self._on_model)
        self._on_project()

    def refresh(self) -> None:
        """Show everything as it is now."""
        self._show_model()
        self.show_object()
        self._show_image()

    def show_object(self) -> None:
        """The numbers of the draft, or of the selected object; called every frame of a drag."""
        if not self.isVisible() or self.is_folded():
            return
        annotation = self._subject()
        measured = self._agreement.of(annotation.id) if annotation is not None else None
        self._figures.setVisible(measured is not None)
        self._track.setVisible(measured is not None)
        self._empty.setVisible(measured is None)
        self.set_note(self._note(annotation))
        if annotation is None or measured is None:
            self._empty.set_text(self._why_empty(annotation))
            return
        dragged = self._session.focus.draft is not None
        track = self._tracks.setdefault(annotation.id, [])
        if not track and not dragged:
            track.append(measured.iou)
        self._show_numbers(measured, track, dragged=dragged)

    def _show_numbers(self, measured: Agreement, track: list[float], *, dragged: bool) -> None:
        before = track[-1] if dragged and track else track[-2] if len(track) > 1 else measured.iou
        self._iou.show_value(measured.iou, change=measured.iou - before)
        self._dice.show_value(measured.dice)
        self._boundary.show_value(measured.boundary)
        self._sparkline.show_values([*track, measured.iou] if dragged else track)

    def _make_widgets(self) -> None:
        self.model = QLabel(self)
        self.model.setObjectName("quiet")
        self.model.setTextFormat(Qt.TextFormat.RichText)
        self.model.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.model.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.model.linkActivated.connect(lambda _: self.model_asked.emit())
        self.help_button = tool_button("help-circle-outline", "What do IoU and Dice mean?", self)
        self.help_button.setCheckable(True)
        self.header.addWidget(self.help_button)
        self.explanation = QLabel(_EXPLANATION, self, wordWrap=True)
        self.explanation.hide()
        self.explanation.setObjectName("quiet")
        self.help_button.toggled.connect(self.explanation.setVisible)
        self._figures = QWidget(self)
        row = QHBoxLayout(self._figures)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self._iou, self._dice, self._boundary = Figure("IoU"), Figure("Dice"), Figure("boundary")
        for figure in (self._iou, self._dice, self._boundary):
            row.addWidget(figure, 1)
        self._sparkline = Sparkline(self)
        self._track = Yields(self._sparkline, self)
        self._empty = EmptyState("", parent=self)
        self.image_line = QLabel(self, wordWrap=True)
        self.image_line.setObjectName("quiet")
        self.image_line.setTextFormat(Qt.TextFormat.RichText)
        self.image_line.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.image_line.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.image_line.linkActivated.connect(self._follow)
        numbers = QVBoxLayout()
        numbers.setSpacing(0)
        numbers.addWidget(self._figures)
        numbers.addWidget(self._track)
        self.body.addWidget(self.model)
        self.body.addWidget(self.explanation)
        self.body.addLayout(numbers)
        self.body.addWidget(self._empty)
        self.body.addWidget(self.image_line)
        self.body.addStretch(1)

    def _subject(self) -> Annotation | None:
        """The annotation that the numbers are of: the draft, else the only selected one."""
        session = self._session
        if session.focus.draft is not None:
            return session.focus.draft
        if len(session.focus.selection) != 1:
            return None
        return session.document.annotations.get(next(iter(session.focus.selection)))

    def _note(self, annotation: Annotation | None) -> str:
        if annotation is None:
            chosen = len(self._session.focus.selection)
            return f"{chosen} selected" if chosen > 1 else ""
        category = self._session.document.categories.get(annotation.category_id)
        name = category.name if category is not None else ""
        return f"{name}, edited now" if self._session.focus.draft is not None else name

    def _why_empty(self, annotation: Annotation | None) -> str:
        if not self._session.document.candidates:
            model = self._session.measure.model
            if model is not None:
                return f"{model.name} has no predictions on this image: run it in Pre-annotate."
            return "Run a model, accept a proposal (Q) or import results, to measure against them."
        if annotation is not None:
            return "This object has no prediction that it could be measured against."
        return "Select one object to see its agreement."

    def _show_image(self) -> None:
        if not self.isVisible() or self.is_folded():
            return
        found = self._agreement.of_image()
        self.image_line.setVisible(bool(found.pairs or found.extra))
        matched, missed, extra = len(found.pairs), len(found.missed), len(found.extra)
        if self._session.measure.model is None:
            # only what was accepted is measured, so nothing can be missed or extra
            parts = [_link("matched", f"{matched:,} measured")]
            if missed:
                parts.append(_link("missed", f"{missed:,} by hand"))
        else:
            wired = self.isSignalConnected(QMetaMethod.fromSignal(self.extra_clicked))
            told = _link("extra", f"{extra:,} extra") if wired else f"{extra:,} extra"
            parts = [_link("matched", f"{matched:,} matched"), _link("missed", f"{missed:,} missed"), told]
        if matched:
            parts.append(f"mean{UNBROKEN}{found.mean_iou:.2f}")
        self.image_line.setText("image: " + " · ".join(parts))

    def _follow(self, what: str) -> None:
        found = self._agreement.of_image()
        if what == "extra":
            self.extra_clicked.emit(found.extra)
        else:
            self._session.focus.select(found.pairs if what == "matched" else found.missed)

    def _on_changed(self, changed: Changed) -> None:
        """Add a point to the track of the selected object where this edit changed it."""
        subject = self._subject()
        ids = {c.record.id for c in changed.changes if isinstance(c.record, Annotation)}
        if subject is not None and subject.id in ids and subject.id in self._tracks:
            measured = self._agreement.of(subject.id)
            track = self._tracks[subject.id]
            if measured is not None and (not track or abs(track[-1] - measured.iou) > 1e-9):
                track.append(measured.iou)
                del track[:-_KEPT]
        self._refresh_later.start()

    def _on_project(self) -> None:
        self._tracks.clear()
        self._refresh_later.start()

    def _on_model(self) -> None:
        self._tracks.clear()
        self._refresh_later.start()

    def _show_model(self) -> None:
        """What is measured against: the model whose predictions are shown, chosen in their card."""
        models, chosen = self._session.document.models, self._session.measure.model
        self.model.setVisible(len(models) > 1)
        name = titles(models).get(chosen.id, chosen.name) if chosen is not None else ACCEPTED
        self.model.setText(f"against {_link('model', escape(name))}")
        full = full_title(chosen) if chosen is not None else name
        self.model.setToolTip(f"{full}. Another one is chosen in the Predictions card.")

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was hidden."""
        super().showEvent(event)
        self._refresh_later.start()

    def changeEvent(self, event: QEvent) -> None:
        """Links carry their colour."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_image_later"):
            self._image_later.start()
            self._refresh_later.start()


def _link(target: str, text: str) -> str:
    """A part of the line that selects what it counts."""
    return f'<a href="{target}" style="color: {theme.colors().text}; text-decoration: none">{text}</a>'
