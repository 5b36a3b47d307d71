"""Every panel of the window, in one table: the docks, their menu and their keys are made from it.

A new panel is a file of its own, and an entry here.
"""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct
from PySide6.QtWidgets import QWidget

from labeler.gui.evaluation.panel import EvaluationPanel
from labeler.gui.images.film_strip import FilmStrip
from labeler.gui.images.panel import ImagesPanel
from labeler.gui.labelling.agreement_panel import AgreementPanel
from labeler.gui.labelling.categories_panel import CategoriesPanel
from labeler.gui.labelling.history_panel import HistoryPanel
from labeler.gui.labelling.objects_panel import AnnotationsPanel
from labeler.gui.predictions.explorer_panel import ExplorerPanel
from labeler.gui.predictions.panel import PredictionsPanel
from labeler.gui.predictions.run_panel import RunPanel
from labeler.gui.review.panel import ReviewPanel
from labeler.gui.review.set_agreement_panel import SetAgreementPanel
from labeler.gui.training.panel import TrainingPanel
from labeler.gui.window.workbench import Workbench


class Panel(Struct, frozen=True):
    """A panel and its dock."""

    title: str
    """Shown in the menu of panels, and what the place of its dock is remembered by."""
    kind: type[QWidget]
    area: Literal["right", "left", "bench", "strip"]
    """Right are a person's words, left the models'; both are columns of cards.

    On the bench are the wide ones under the photo, one at a time, and below them is the strip of photos.
    """
    make: Callable[[Workbench], QWidget]
    closed: bool = False
    """Whether it is closed until a person opens it."""
    hugs: bool = False
    """Whether it takes the height that it needs; the others take what is left."""
    late: bool = False
    """Whether it is made when it is first seen, so that a start need not pay for it."""
    comfort: int | None = None
    """Height that it is content with in its column, in pixels; None for what is usual of its kind."""
    folds_last: bool = False
    """Whether the others of its column are folded first where it is too low for all."""


def _run(bench: Workbench) -> RunPanel:
    predictions, notifier = bench.predictions, bench.notifier
    panel = RunPanel(
        bench.session,
        bench.batch,
        wanted=lambda: predictions.filter,
        remembered=bench.settings.detectors,
    )

    def tell(sentence: str, has_new_classes: bool) -> None:
        action, run = ("Classes…", panel.show_classes) if has_new_classes else ("", None)
        notifier.info(sentence, action=action, run=run, key="batch")

    panel.told.connect(tell)
    panel.wants_models.connect(bench.wants_models)
    panel.mapped.connect(bench.take_mapping)
    panel.mapped.connect(lambda: notifier.take_back("batch"))
    bench.plugins_found.connect(panel.set_registry)
    return panel


def _agreement(bench: Workbench) -> AgreementPanel:
    panel = AgreementPanel(bench.session, bench.predictions.agreement)
    panel.model_asked.connect(lambda: bench.shows.emit("Predictions"))
    panel.extra_clicked.connect(bench.verdicts.show)
    return panel


def _predictions(bench: Workbench) -> PredictionsPanel:
    panel = PredictionsPanel(bench.session, bench.predictions, auto=bench.auto_confidence)
    panel.run_asked.connect(lambda: bench.shows.emit("Pre-annotate"))
    return panel


def _set_agreement(bench: Workbench) -> SetAgreementPanel:
    panel = SetAgreementPanel(bench.session, bench.agreements)
    panel.opened.connect(lambda _, what: bench.opened.emit(what))
    return panel


def _review(bench: Workbench) -> ReviewPanel:
    return ReviewPanel(
        bench.session,
        bench.reviewing,
        bench.queue,
        guarantees=bench.guarantees,
        looks=bench.second_look,
    )


def _images(bench: Workbench) -> ImagesPanel:
    planner = bench.training.planner
    panel = ImagesPanel(bench.session, worst_first=bench.agreements.worst_first)
    planner.changed.connect(lambda: panel.mark_validation(planner.validation or frozenset()))
    bench.photo_desk.offer_in(panel)
    return panel


def _training(bench: Workbench) -> TrainingPanel:
    panel = TrainingPanel(bench.session, bench.training, bench.learner)
    panel.add_close("Close (Ctrl+T)").connect(lambda: bench.toggles.emit("Training"))
    return panel


def _evaluation(bench: Workbench) -> EvaluationPanel:
    panel = EvaluationPanel(bench.session, bench.evaluation)
    panel.opened.connect(lambda _, what: bench.opened.emit(what))
    panel.run_asked.connect(lambda: bench.shows.emit("Pre-annotate"))
    panel.told.connect(lambda text: bench.notifier.info(text, key="evaluation"))
    panel.add_close("Close (Ctrl+Shift+E)").connect(lambda: bench.toggles.emit("Evaluation"))
    return panel


PANELS = (
    Panel(
        "Categories",
        CategoriesPanel,
        "right",
        lambda bench: CategoriesPanel(bench.session),
        hugs=True,
        comfort=150,
    ),
    Panel(
        "Objects",
        AnnotationsPanel,
        "right",
        lambda bench: AnnotationsPanel(bench.session, bench.predictions.agreement),
        comfort=132,
        folds_last=True,
    ),
    Panel("Agreement", AgreementPanel, "right", _agreement, hugs=True),
    Panel("Pre-annotate", RunPanel, "left", _run, closed=True, hugs=True),
    Panel("Predictions", PredictionsPanel, "left", _predictions, closed=True, hugs=True),
    Panel(
        "Review",
        ReviewPanel,
        "left",
        _review,
        closed=True,
        hugs=True,
    ),
    Panel("Set agreement", SetAgreementPanel, "left", _set_agreement, closed=True, comfort=280),
    Panel("Images", ImagesPanel, "left", _images, closed=True, comfort=200),
    Panel(
        "History",
        HistoryPanel,
        "left",
        lambda bench: HistoryPanel(bench.session),
        closed=True,
        comfort=200,
    ),
    Panel(
        "IoU explorer",
        ExplorerPanel,
        "left",
        lambda bench: ExplorerPanel(bench.session, bench.canvas.comparison),
        closed=True,
        hugs=True,
    ),
    Panel("Film strip", FilmStrip, "strip", lambda bench: FilmStrip(bench.session), hugs=True),
    Panel("Training", TrainingPanel, "bench", _training, closed=True, late=True),
    Panel("Evaluation", EvaluationPanel, "bench", _evaluation, closed=True, late=True),
)
"""In the order of the menu, whose first nine have Alt and a digit as keys."""
