"""The window: wires what is seen to the workbench, and decides nothing itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QEvent, QMimeData, QObject, Qt, QTimer
from PySide6.QtGui import QActionGroup, QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QWidget

from labeler import paths
from labeler.gui.canvas.view import Canvas
from labeler.gui.evaluation.panel import EvaluationPanel
from labeler.gui.evaluation.scopes import EvaluationRequest
from labeler.gui.images.film_strip import FilmStrip
from labeler.gui.images.panel import ImagesPanel
from labeler.gui.labelling.categories_panel import CategoriesPanel
from labeler.gui.labelling.objects_panel import AnnotationsPanel
from labeler.gui.models.menu import ModelMenu
from labeler.gui.predictions.run_panel import RunPanel
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.docks import dock_actions
from labeler.gui.toolkit.notify import Toast
from labeler.gui.toolkit.settings import flush_settings
from labeler.gui.window.action_set import ActionSet
from labeler.gui.window.bars.display_card import DisplayCard
from labeler.gui.window.bars.drop_sign import DropSign
from labeler.gui.window.bars.hidden_sign import HiddenSign
from labeler.gui.window.bars.options_bar import OptionsBar
from labeler.gui.window.bars.status_line import SavedLabel, StatusLine
from labeler.gui.window.bars.tool_column import ToolColumn
from labeler.gui.window.commands import Commands
from labeler.gui.window.demo import demo_photos
from labeler.gui.window.frame import Frame
from labeler.gui.window.keys import Keys
from labeler.gui.window.naming import Naming
from labeler.gui.window.object_acts import ObjectActs
from labeler.gui.window.panel_docks import PanelDocks
from labeler.gui.window.place_keeper import PlaceKeeper
from labeler.gui.window.review_layout import ReviewLayout
from labeler.gui.window.shaping.reshape_card import ReshapeCard
from labeler.gui.window.shaping.shape_acts import ShapeActs
from labeler.gui.window.shaping.shape_menu import OBJECT_MENU
from labeler.gui.window.workbench import Workbench

if TYPE_CHECKING:
    from labeler.gui.window.demo.guide_card import GuideCard
    from labeler.models.protocols import ModelSpec


class MainWindow(QObject):
    """One window, one project: all that works, put into a frame that is on the screen already."""

    frame: Frame
    bench: Workbench
    session: Session
    canvas: Canvas
    display: DisplayCard
    commands: Commands
    keys: Keys
    naming: Naming
    objects: ObjectActs
    shapes: ShapeActs
    reshaping: ReshapeCard
    panels: PanelDocks
    model_menu: ModelMenu
    """What the table of actions acts on."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.frame, self.settings, self.notifier = frame, frame.settings, frame.notifier
        self.bench = bench = Workbench(frame, self.settings, self.notifier)
        session, canvas = bench.session, bench.canvas
        self.session, self.canvas = session, canvas
        self.display = DisplayCard(canvas)
        self.commands = Commands(frame, bench)
        self.keys = Keys(
            frame, session=session, canvas=canvas, notifier=self.notifier, verdicts=bench.verdicts
        )
        self.naming = Naming(frame, session=session, canvas=canvas, keys=self.keys, settings=self.settings)
        self.objects = ObjectActs(frame, session=session, canvas=canvas, notifier=self.notifier)
        self.shapes = ShapeActs(session, self.notifier, self)
        self.reshaping = ReshapeCard(canvas, session, self.shapes)
        self.panels = PanelDocks(frame, bench)
        self.model_menu = ModelMenu(frame.top.menus["Model"], frame, current=self.settings.model)
        self.actions = ActionSet(self)
        canvas.menu_asked.connect(partial(self.objects.offer, self.actions))
        canvas.predicted_menu_asked.connect(partial(self.objects.offer_predicted, self.actions))
        self.panels[AnnotationsPanel].fill_menu = lambda menu: self.actions.put(menu, OBJECT_MENU)
        self.options_bar = OptionsBar(canvas)
        self.hidden_sign = HiddenSign(canvas, session)
        self.toast = Toast(canvas)
        self.drop_sign = DropSign(frame)
        self.tools = ToolColumn(self.actions.by_id)
        self.saved = SavedLabel()
        self.status_line = StatusLine(frame)
        self.place_keeper = PlaceKeeper(session, canvas, self.panels[ImagesPanel], self.settings, self)
        self.review_layout = ReviewLayout(frame, self.panels, bench.queue)
        self.guide: GuideCard | None = None
        self._guide_on = False
        self._build()
        self._fill_menus()
        self._connect_session()
        self._connect_parts()
        if self.settings.layout:
            frame.restoreState(QByteArray.fromBase64(self.settings.layout.encode()))
        frame.setAcceptDrops(True)
        frame.installEventFilter(self)
        self._show_project()

    # --- building ---------------------------------------------------------------------------------

    def _build(self) -> None:
        self.frame.top.add(self.saved)
        self.frame.setStatusBar(self.status_line)
        work = QWidget()
        row = QHBoxLayout(work)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.tools)
        row.addWidget(self.canvas, 1)
        self.frame.center.addWidget(work)

    def _fill_menus(self) -> None:
        menus = self.frame.top.menus
        self.actions.fill(menus)
        self._recent_menu = menus["Project"].addMenu("Recent")
        self._recent_menu.aboutToShow.connect(self._fill_recent)
        menus["View"].addSeparator()
        menus["View"].addMenu("Panels").addActions(dock_actions(self.panels.docks))
        themes = menus["View"].addMenu("Theme")
        group = QActionGroup(self)
        schemes: tuple[theme.Scheme, ...] = ("system", "dark", "light")
        for scheme in schemes:
            action = themes.addAction(scheme.capitalize(), partial(self.set_theme, scheme))
            action.setCheckable(True)
            action.setChecked(self.settings.theme == scheme)
            group.addAction(action)

    def _connect_session(self) -> None:
        session, host, canvas = self.session, self.bench.host, self.canvas
        session.project_changed.connect(self._take_project)
        session.place.image_changed.connect(self._show_image)
        session.document.images_changed.connect(lambda _: self._show_place())
        session.place.order_changed.connect(self._show_place)
        session.place.pixels_changed.connect(self._show_image)
        session.saved_changed.connect(self._show_saved)
        host.state_changed.connect(self.status_line.show_host)
        self.status_line.checkup_wanted.connect(self.commands.show_checkup)
        learner = self.bench.learner
        learner.changed.connect(
            lambda: self.status_line.show_learning(learner.told, learner.why, is_on=learner.is_on)
        )
        canvas.pointer_moved.connect(self.status_line.show_pointer)
        canvas.sight.zoom_changed.connect(self.status_line.show_zoom)

    def _connect_parts(self) -> None:
        bench, panels, menu, welcome = self.bench, self.panels, self.model_menu, self.frame.welcome
        self.toast.follow(self.notifier)
        panels[CategoriesPanel].view.clicked.connect(self.keys.go_on)
        panels[CategoriesPanel].move_asked.connect(self.naming.ask_for_all)
        panels[CategoriesPanel].empty_asked.connect(self.objects.delete_all)
        images = panels[ImagesPanel]
        images.narrowed_changed.connect(lambda: self.frame.top.show_narrowed(images.narrowed))
        self.frame.top.all_wanted.connect(images.clear_filter)
        bench.opened.connect(self._tell_opened)
        bench.follow_up.judges.connect(self._judge)
        for ended in (bench.effort.found, bench.effort.failed):
            ended.connect(self.commands.tell_effort)
        bench.wants_models.connect(menu.show_models)
        bench.model_made.connect(menu.look_up)
        menu.found.connect(bench.set_registry)
        menu.found.connect(lambda _: self._suit_learnt())
        menu.current.connect(lambda spec: self.session.use_segmenter(spec.title))
        menu.chosen.connect(self._use_model)
        menu.learnt_changed.connect(lambda gain, used: self.status_line.show_learnt(gain, is_used=used))
        self.status_line.switch_wanted.connect(menu.switch_learnt)
        bench.follow_up.prompts.connect(menu.use)
        bench.follow_up.learnt.connect(self._take_learnt)
        menu.detector_chosen.connect(self._use_detector)
        self.commands.setting_changed.connect(self.apply_setting)
        welcome.open_folder.connect(self.commands.open_folder)
        welcome.open_project.connect(self.commands.open_project)
        welcome.open_path.connect(self.open)
        welcome.demo.connect(lambda: self.open_demo(demo_photos.make_demo_folder()))
        welcome.forgotten.connect(self._forget)

    # --- opening ----------------------------------------------------------------------------------

    def open(self, path: Path, *, read_only: bool = False) -> None:
        """Open a folder, image or project; labels are imported into the open project."""
        self.commands.open(path, read_only=read_only)

    def open_demo(self, photos: Path) -> None:
        """Open the demo's photos, and guide through the job unless a person has closed the guide once."""
        self.open(photos)
        self._guide_on = not self.settings.guide_closed
        self._guide()

    def show_guide(self) -> None:
        """Guide through the job on the demo's photos, which are open."""
        self.settings.guide_closed = False
        self.settings.save()
        self._guide_on = True
        self._guide()

    def _guide(self) -> None:
        """Show the card, once there is a photo for it to stand on."""
        if self._guide_on and self.session.project is not None and self.has_demo:
            from labeler.gui.window.demo.guide_card import GuideCard  # noqa: PLC0415 - for who wants it

            self._guide_on = False
            if self.guide is not None:
                self.guide.remove()
            self.guide = GuideCard(self)

    @property
    def has_demo(self) -> bool:
        """Whether the demo's photos are open."""
        return demo_photos.are_in({image.path for image in self.session.document.images})

    def start_host(self) -> None:
        """Start the model process, after the first paint so that the window is there at once."""
        QTimer.singleShot(0, self.bench.host.start)
        QTimer.singleShot(0, self.model_menu.look_up)

    def _use_model(self, name: str, spec: ModelSpec) -> None:
        """Prompt another model from now on; what it proposes is kept under its title."""
        self.settings.model = name
        self.settings.save()
        self.bench.host.use(name)
        self.session.use_segmenter(spec.title)

    def _take_learnt(self, spec: ModelSpec) -> None:
        """What was learnt from this project's objects answers in it, and only in it."""
        if self.session.project is not None and spec.weights:
            self.settings.keep_clicks(str(self.session.project), str(spec.weights[0].path))
            self.model_menu.take_learnt(spec)

    def _suit_learnt(self) -> None:
        """What was learnt in the open project is used, and what was in others is not."""
        if self.session.project is not None:
            self.model_menu.suit_learnt(self.settings.clicks, str(self.session.project))

    def _use_detector(self, spec: ModelSpec) -> None:
        """Have a detector that was picked elsewhere run next, and show where it is run."""
        self.panels.open("Pre-annotate")
        self.panels[RunPanel].choose(spec)

    def _judge(self, request: EvaluationRequest) -> None:
        self.panels.open("Evaluation")
        self.panels[EvaluationPanel].judge(request)

    def _take_project(self) -> None:
        """All that another project, or none, sets in motion in the window, in this order.

        The workbench has taken back by then what was said of the last one, and each feature and panel has
        forgotten what was of it.
        """
        self.bench.follow_up.forget()
        self.place_keeper.resume()
        self._suit_learnt()
        if self.session.project is not None:
            self.settings.remember(_known_as(self.session.project, self.session.root))
            self.settings.save()
        self._show_project()
        self._guide()

    # --- showing ----------------------------------------------------------------------------------

    def _show_project(self) -> None:
        is_open = self.session.project is not None
        self.frame.center.setCurrentIndex(1 if is_open else 0)
        self.panels.show()
        self.saved.setVisible(is_open)
        self.status_line.setVisible(is_open)
        if is_open:
            self.canvas.setFocus()
        else:
            self.frame.welcome.set_recent(self.settings.recent)
        self._show_image()
        self._show_saved(self.session.saved)

    def _show_image(self) -> None:
        image = self.session.place.image
        self.status_line.show_note(image.note if image else "")
        self._show_place()

    def _show_place(self) -> None:
        session, image = self.session, self.session.place.image
        name = "" if session.project is None else session.root.name or str(session.root)
        place = session.place.position(image.id) if image else None
        self.frame.top.show_place(name, image.path if image else "", place, len(session.place.order))
        self.frame.setWindowTitle(f"{name} – Labeler" if name else "Labeler")

    def _show_saved(self, state: str) -> None:
        self.saved.show_state(state, read_only=self.session.read_only)
        if self.saved.trouble:
            self.notifier.error(self.saved.trouble, key="saved")
        elif state == "saved":
            self.notifier.take_back("saved")

    def _tell_opened(self, what: str) -> None:
        """Only these images are walked now; the images panel shows it too, where it is open."""
        run = self.panels[ImagesPanel].clear_filter
        self.notifier.info(what, action="Show all images", run=run, key="opened")

    def _fill_recent(self) -> None:
        self._recent_menu.clear()
        for name in self.settings.recent:
            path = Path(name)
            action = self._recent_menu.addAction(name, partial(self.open, path))
            action.setEnabled(path.exists())

    def _forget(self, path: Path) -> None:
        self.settings.recent = [name for name in self.settings.recent if Path(name) != path]
        self.settings.save()

    def apply_setting(self, name: str) -> None:
        """Put one setting into force after it was changed."""
        if name == "theme":
            self.set_theme(self.settings.theme)
        elif name == "wheel_zoom":
            self.canvas.set_options(wheel_zoom=self.settings.wheel_zoom)
        elif name in ("threads", "cache_gb"):
            self.settings.hand_to_children()
            self.bench.host.restart()

    def set_theme(self, scheme: theme.Scheme) -> None:
        """Put a colour scheme in force and remember it."""
        self.settings.theme = scheme
        self.settings.save()
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, scheme)
        self.actions.show_icons()
        self._show_saved(self.session.saved)

    # --- what comes to the frame ------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Answer what comes to the frame: its size, keys that nothing in it took, files, its end."""
        match event.type():
            case QEvent.Type.Resize:
                self.panels.fit()
            case QEvent.Type.KeyPress if isinstance(event, QKeyEvent):
                return self._press(event)
            case QEvent.Type.DragEnter if isinstance(event, QDragEnterEvent):
                return self._drag_in(event)
            case QEvent.Type.DragLeave:
                self.drop_sign.hide()
            case QEvent.Type.Drop if isinstance(event, QDropEvent):
                return self._drop(event)
            case QEvent.Type.Close if isinstance(event, QCloseEvent):
                return not self._close(event)
            case _:
                pass
        return super().eventFilter(watched, event)

    def _press(self, event: QKeyEvent) -> bool:
        """What the canvas has no use for: Enter accepts, Backspace rejects predictions, Esc ends a review."""
        verdicts, key = self.bench.verdicts, Qt.Key(event.key())
        if key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            return False  # the focus goes on
        acts = {
            Qt.Key.Key_Return: verdicts.accept,
            Qt.Key.Key_Enter: verdicts.accept,
            Qt.Key.Key_Backspace: verdicts.reject,
            Qt.Key.Key_Escape: verdicts.end_review,
        }
        act = acts.get(key)
        return self.keys.press_first(event) or (act is not None and act())

    def _drag_in(self, event: QDragEnterEvent) -> bool:
        """Folders, images, projects, labels and zips may be dropped anywhere on the window."""
        local = _files(event.mimeData())
        if local:
            event.acceptProposedAction()
            self.drop_sign.show_for(local)
        return bool(local)

    def _drop(self, event: QDropEvent) -> bool:
        """Open what was dropped."""
        self.drop_sign.hide()
        local = _files(event.mimeData())
        if local:
            event.acceptProposedAction()
            self.bench.arrivals.open_all(local)
        return bool(local)

    def _close(self, event: QCloseEvent) -> bool:
        """Everything is on disk before the window is gone; False where it stays."""
        if not self.keys.may_close():
            event.ignore()
            return False
        if self.session.project is not None:
            self.place_keeper.keep()
            self.settings.geometry = bytes(self.frame.saveGeometry().toBase64().data()).decode()
            self.settings.layout = bytes(self.frame.saveState().toBase64().data()).decode()
            self.settings.save()
        self.panels[FilmStrip].stop()
        self.model_menu.stop()
        self.bench.close()
        flush_settings()
        return True


def _files(dragged: QMimeData) -> list[Path]:
    """The files and folders that are dragged."""
    return [Path(url.toLocalFile()) for url in dragged.urls() if url.isLocalFile()]


def _known_as(project: Path, root: Path) -> Path:
    """What a project is called among the recent ones: its folder, where that alone leads to it again.

    So it does where the project is the folder's own, and where it had to be kept in our data folder under
    a name that says nothing to anybody.
    """
    is_own = project.name == "labels.labeler" and project.parent.resolve() == root
    return root if is_own or paths.data_dir() in project.parents else project
