"""All that works on an open project, built in one place: each gets what it needs as it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMainWindow

from labeler.core.records import Box
from labeler.gui.canvas.view import Canvas
from labeler.gui.children.client import ChildClient, close_together
from labeler.gui.children.host_client import HostClient
from labeler.gui.children.predict_client import PredictClient
from labeler.gui.evaluation.desk import EvaluationDesk
from labeler.gui.evaluation.effort_desk import EffortDesk
from labeler.gui.exchange.arrivals import Arrivals
from labeler.gui.exchange.desk import LabelsDesk
from labeler.gui.exchange.exporter import Exporter
from labeler.gui.exchange.labelme_keeper import LabelmeKeeper
from labeler.gui.exchange.undecided import UndecidedOffers
from labeler.gui.images.photo_desk import PhotoDesk
from labeler.gui.labelling.clipboard import Clipboard
from labeler.gui.predictions.auto_confidence import AutoConfidence
from labeler.gui.predictions.batch import Batch
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.agreements import SetAgreements
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.guarantees import Guarantees
from labeler.gui.review.queue import ReviewQueue
from labeler.gui.review.second_look import SecondLook
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.notify import OF_IMAGE, Notifier
from labeler.gui.toolkit.settings import Settings
from labeler.gui.training.click_learner import ClickLearner
from labeler.gui.training.desk import TrainingDesk
from labeler.gui.training.learner import Learner, sweep_old_rounds
from labeler.gui.window.follow_up import FollowUp
from labeler.gui.window.project_opener import ProjectOpener
from labeler.gui.window.verdicts import Verdicts

if TYPE_CHECKING:
    from labeler.registry import Registry


class Workbench(QObject):
    """The features of one window, joined to each other; what shows them is made by others from it.

    What a feature keeps of a project, it forgets by itself when another is open.
    """

    shows = Signal(str)
    """The name of a panel that is of use now."""
    toggles = Signal(str)
    """The name of a panel that a person wants to see, or no longer."""
    opened = Signal(str)
    """What images something has made the order, in words."""
    wants_models = Signal()
    """A model was asked for and none is at hand, or a person wants to choose one."""
    plugins_found = Signal(object)
    """The `Registry` of the plugins, looked up anew."""
    model_made = Signal()
    """A run has put a model among those at hand."""

    def __init__(self, window: QMainWindow, settings: Settings, notifier: Notifier) -> None:
        super().__init__(window)
        self._window, self.settings, self.notifier = window, settings, notifier
        self._courier = Courier(self)
        self.session = session = Session(self)
        # before anybody else hears of another project, and has something to say about it
        session.project_changed.connect(notifier.leave_project)
        self.host = HostClient(self, model=settings.model)
        self._build_predictions()
        self._build_training()
        self.canvas = Canvas(
            session,
            self.host,
            self.predictions,
            take_over=self.reviewing.take_over,
            reject=self.verdicts.reject_at,
            step_elsewhere=self.verdicts.next_item,
            leave_elsewhere=self.verdicts.end_review,
        )
        self._build_exchange()
        self._connect()

    # --- building ---------------------------------------------------------------------------------

    def _build_predictions(self) -> None:
        session = self.session
        self.predictions = Predictions(session, self, remembered=self.settings.filters)
        self.auto_confidence = AutoConfidence(session, self.predictions, self)
        self.auto_confidence.set_on(self.settings.auto_confidence)
        self.reviewing = Reviewing(session, self.predictions, self)
        self.agreements = SetAgreements(session, self.predictions, self)
        self.queue = ReviewQueue(session, self.predictions, self.reviewing, self.agreements, self)
        self.guarantees = Guarantees(session, self.predictions, self.reviewing, self)
        self.second_look = SecondLook(session, self.predictions, self.reviewing, self)
        self.verdicts = Verdicts(session, self.predictions, self.reviewing, self.queue, self)
        self.jobs = PredictClient(self)
        self.batch = Batch(session, self.jobs, self)

    def _build_training(self) -> None:
        session = self.session
        self.training = TrainingDesk(session, self)
        self.learner = Learner(session, self.training, self.batch, self)
        self.click_learner = ClickLearner(session, self.learner, self)
        self.evaluation = EvaluationDesk(session, self.predictions, self)
        self.effort = EffortDesk(session, self)
        self.follow_up = FollowUp(
            session, self.batch, self.queue, self, training=self.training, evaluation=self.evaluation
        )
        run_in_pool(sweep_old_rounds, courier=self._courier, done=_ignore, failed=_ignore)

    def _build_exchange(self) -> None:
        session, window, notifier, settings = self.session, self._window, self.notifier, self.settings
        self.clipboard = Clipboard(session, self)
        self.opener = ProjectOpener(session, notifier, window)
        self.photo_desk = PhotoDesk(session, notifier, window)
        self.offers = UndecidedOffers(session, notifier, settings, window)
        self.exporter = Exporter(window, session=session, notifier=notifier, settings=settings)
        self.labels_desk = LabelsDesk(session, notifier, window, open_folder=self.opener.open)
        self.upkeep = LabelmeKeeper(session, notifier, take=self.labels_desk.take, parent=window)
        self.arrivals = Arrivals(
            session,
            notifier,
            self.labels_desk,
            open_project=lambda path, read_only: self.opener.open(path, read_only=read_only),
        )

    def _connect(self) -> None:
        session, notifier, canvas = self.session, self.notifier, self.canvas
        session.told.connect(notifier.error)
        session.history.stepped.connect(self._tell_step)
        session.place.pixels_changed.connect(self._encode_open)
        self.host.failed.connect(self._tell_host_trouble)
        self.verdicts.look_at.connect(canvas.look_at)
        canvas.progress.changed.connect(lambda: self.labels_desk.hold(canvas.progress.is_dragging))
        self.evaluation.look_at.connect(canvas.look_at)
        self.second_look.shown.connect(self._look_twice)
        self.second_look.changed.connect(self._mark_doubts)
        session.place.image_changed.connect(self._mark_doubts)
        self.batch.stored.connect(self.take_stored)
        self.batch.stored.connect(lambda _: self.evaluation.take_stored())
        self.batch.stored.connect(lambda _: self.shows.emit("Predictions"))
        self.learner.predicted.connect(self.take_stored)
        self.click_learner.learnt.connect(self.follow_up.use_learnt)
        self.training.finished.connect(lambda _: self.model_made.emit())
        self.training.list.changed.connect(self.evaluation.plan.look)
        self.follow_up.shows.connect(self.shows)
        self.auto_confidence.changed.connect(self._keep_auto)
        self.auto_confidence.told.connect(lambda text: notifier.info(text, key="threshold"))
        self.learner.hinted.connect(lambda text: notifier.info(text, key="look-alikes"))
        self.learner.switched.connect(lambda on: self.auto_confidence.set_on(True) if on else None)
        self.clipboard.told.connect(lambda text: notifier.info(text, key="copied"))
        self.reviewing.told.connect(lambda text: notifier.info(text, key="accepted"))
        self.guarantees.drawn.connect(self.opened)
        for teller in (self.training, self.follow_up):
            teller.told.connect(lambda text: notifier.info(text, key="training"))

    # --- what passes between features -------------------------------------------------------------

    def take_stored(self, image_ids: tuple[int, ...]) -> None:
        """Images have other candidates now: filter, measure and queue them anew."""
        self.predictions.refresh(image_ids)
        self.agreements.touch(image_ids)
        self.queue.refresh()
        self.guarantees.outdate()
        self.second_look.touch(image_ids)

    def _look_twice(self, box: Box, candidate_id: int) -> None:
        """Bring a doubtful label into sight; what may be missing is selected, so that Enter accepts it."""
        if candidate_id:
            self.predictions.select([candidate_id])
        self.canvas.look_at(box)

    def _mark_doubts(self) -> None:
        """A quiet dot on each label of the open image that is worth a second look."""
        self.canvas.picture.mark(self.second_look.on_open_image())

    def _keep_auto(self) -> None:
        self.settings.auto_confidence = self.auto_confidence.is_on
        self.settings.save()

    def take_mapping(self) -> None:
        """Candidates have other categories now: filter, measure and queue them anew."""
        self.predictions.refresh()
        self.agreements.measure_anew()
        self.queue.refresh()
        self.guarantees.outdate()

    def set_registry(self, registry: Registry) -> None:
        """Offer the trainers and detectors of these plugins, and open models by them."""
        self.training.set_registry(registry)
        self.follow_up.set_registry(registry)
        self.plugins_found.emit(registry)

    def look_ahead(self, count: int) -> None:
        """Have the neighbours' embeddings computed in the background, nearest first."""
        session = self.session
        paths = map(session.place.image_path, session.place.neighbours(count))
        self.host.look_ahead([(str(path), path) for path in paths])

    def _encode_open(self) -> None:
        """Have the open image's embedding computed, and then those of the images that come next."""
        session, image = self.session, self.session.place.image
        if image is None or session.place.pixels is None:
            return
        path = session.place.image_path(image)
        self.host.open_image(str(path), path)  # not the id: another project has an image of that id too
        self.canvas.prompt_desk.ask_again()
        self.look_ahead(self.settings.look_ahead)

    def _tell_step(self, label: str, is_undo: bool) -> None:
        """What an undo or a redo did, which may be nothing that can be seen here, and the way back."""
        session = self.session
        text, action = (f"Took back: {label}", "Redo") if is_undo else (f"Done again: {label}", "Undo")
        self.notifier.info(
            text, action=action, run=session.history.redo if is_undo else session.history.undo, key="step"
        )

    def _tell_host_trouble(self, sentence: str) -> None:
        phase = self.host.state.phase
        if phase not in ("ready", "encoding"):
            action, run = ("Restart", self.host.restart) if phase == "stopped" else ("", None)
            self.notifier.error(sentence, action=action, run=run, key="host", lasting=True)
        elif not self.photo_desk.tells_missing:  # which it says itself, with what can be done
            self.notifier.error(sentence, key=OF_IMAGE)

    def close(self) -> None:
        """End what is under way and write what is to be kept: the window goes away.

        All children are told before anything is waited for, and have ended while the writer finished.
        """
        self.batch.close()
        self.training.close()
        self.learner.close()
        self.click_learner.close()
        self.evaluation.close()
        self.effort.close()
        clients = self.findChildren(ChildClient)
        for client in clients:
            client.drop()
        self.session.shut_down()
        close_together(clients)


def _ignore(_: object) -> None:
    """Nobody waits for it."""
