"""The window: wires panels, canvas, session and model process together, and decides nothing itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QActionGroup,
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QKeyEvent,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QWidget,
)

from labeler import paths
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.docks import dock_actions
from labeler.gui.toolkit.notify import OF_IMAGE, Notifier, Toast
from labeler.gui.toolkit.settings import Settings, flush_settings
from labeler.gui.window import screen_fit
from labeler.gui.window.actions import ACTIONS, TOOLS, make_actions
from labeler.gui.window.dialogs.welcome import WelcomePage
from labeler.gui.window.top_bar import TopBar

if TYPE_CHECKING:
    from labeler.gui.session.session import Changed
    from labeler.models.protocols import ModelSpec

HOMES = {"Tools": "Edit", "Predictions": "Model", "Training": "Model"}
"""The menus of the groups of actions that have none of their own name."""
SMALLEST = QSize(800, 560)
SEPARATED = (
    "open-project",
    "export",
    "redo",
    "select-all",
    "go-to",
    "zoom-out",
    "display",
    "predict-all",
    "review",
    "evaluate",
)
"""The actions that a line in the menu follows."""


class MainWindow(QMainWindow):
    """One window, one project.

    It is built in two steps, so that it is on the screen in half the time: the frame, which is the top bar
    and the welcome page, and what `furnish` puts into it. Until then nothing else of it may be called.
    """

    appeared = Signal()
    """Once, when the first paint has reached the screen."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.notifier = Notifier(self)
        self._furnished = self._has_appeared = False
        self.setWindowTitle("Labeler")
        self.setMinimumSize(SMALLEST)
        self.top = TopBar()
        self.where = self.top.where
        self.setMenuWidget(self.top)
        self.welcome = WelcomePage(settings.recent)
        self._welcome_toast = Toast(self.welcome)
        self._welcome_toast.follow(self.notifier)
        self.center = QStackedWidget()
        self.center.addWidget(self.welcome)
        self.setCentralWidget(self.center)
        screen_fit.place_first(self, settings.geometry, screen_fit.room_for(self))

    # --- building ---------------------------------------------------------------------------------

    def furnish(self) -> None:
        """Build all that works with a project; to be called once, before anything else."""
        from labeler.gui.window import furniture  # noqa: PLC0415 - its text says why

        self.session = furniture.Session(self)
        # before anybody else hears of another project, and has something to say about it
        self.session.project_changed.connect(self.notifier.leave_project)
        self.host = furniture.HostClient(self, model=self.settings.model)
        self.desk = furniture.PredictionDesk(self.session, self)
        self.desk.predictions.remember_in(self.settings.filters)
        self.loop = furniture.Loop(self.session, self.desk, self)
        self.canvas = furniture.Canvas(self.session, self.host, self.desk.predictions)
        self.display_card = furniture.DisplayCard(self.canvas)
        self.commands = furniture.Commands(
            self,
            session=self.session,
            canvas=self.canvas,
            host=self.host,
            display=self.display_card,
            notifier=self.notifier,
            settings=self.settings,
        )
        handlers = self.commands.handlers() | self.desk.handlers() | self.loop.handlers()
        self.keys = furniture.Keys(self, session=self.session, canvas=self.canvas, notifier=self.notifier)
        handlers = self.keys.guarded(handlers | self.keys.handlers())
        self.actions_by_id = make_actions((*TOOLS, *ACTIONS), handlers, self)
        self.keys.use_actions(self.actions_by_id)
        self.addActions(list(self.actions_by_id.values()))
        self.photo_desk = furniture.PhotoDesk(self.session, self.notifier, self)
        self.options_bar = furniture.OptionsBar(self.canvas)
        self.hidden_sign = furniture.HiddenSign(
            self.canvas, self.session, self.actions_by_id["hide-annotations"]
        )
        self.toast = Toast(self.canvas)
        self.tools = furniture.ToolColumn(self.actions_by_id)
        self.saved = furniture.SavedLabel()
        self.top.add(self.saved)
        self.status_line = furniture.StatusLine(self)
        self.setStatusBar(self.status_line)
        self._build_work()
        self.panels = furniture.PanelDocks(self, self.session, self.desk, self.loop, self.settings)
        self.photo_desk.offer_in(self.panels.images)
        self.resuming = furniture.Resuming(self.session, self.canvas, self.panels.images, self.settings, self)
        self.model_menu = furniture.ModelMenu(self.top.menus["Model"], self, current=self.settings.model)
        self._fill_menus()
        self._connect()
        self._furnished = True
        if self.settings.layout:
            self.restoreState(QByteArray.fromBase64(self.settings.layout.encode()))
        self.setAcceptDrops(True)
        self._show_tool()
        self._show_project()

    def _build_work(self) -> None:
        work = QWidget()
        row = QHBoxLayout(work)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.tools)
        row.addWidget(self.canvas, 1)
        self.center.addWidget(work)

    def _fill_menus(self) -> None:
        menus, actions = self.top.menus, self.actions_by_id
        for spec in ACTIONS:
            home = HOMES.get(spec.group, spec.group)
            menus[home].addAction(actions[spec.id])
            if spec.id in SEPARATED:
                menus[home].addSeparator()
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

    def _connect(self) -> None:
        session, host, canvas = self.session, self.host, self.canvas
        session.project_changed.connect(self._show_project)
        session.image_changed.connect(self._show_image)
        session.images_changed.connect(lambda _: self._show_place())
        session.order_changed.connect(self._show_place)
        session.pixels_changed.connect(self._show_image)
        session.changed.connect(self._show_refused)
        session.saved_changed.connect(self._show_saved)
        session.told.connect(self.notifier.error)
        session.refused.connect(self.commands.show_refusal)
        host.state_changed.connect(self.status_line.show_host)
        host.failed.connect(self._show_host_trouble)
        session.pixels_changed.connect(self._encode_open)
        canvas.pointer_moved.connect(self.status_line.show_pointer)
        canvas.zoom_changed.connect(self.status_line.show_zoom)
        canvas.tool_changed.connect(self._show_tool)
        self.panels.categories.view.clicked.connect(self.keys.go_on)
        self.model_menu.current.connect(lambda spec: session.use_segmenter(spec.title))
        self.model_menu.chosen.connect(self._use_model)
        self.desk.wants_models.connect(self.model_menu.show_models)
        self.desk.look_at.connect(canvas.look_at)
        self.desk.queue.changed.connect(self._show_review)
        self.panels.agreement.extra_clicked.connect(self.desk.show)
        canvas.step_elsewhere = self.desk.next_item
        canvas.leave_elsewhere = self.desk.end_review
        self.commands.review_on = self.desk.image_done
        canvas.use_acceptance(self.desk.reviewing.accept_to_edit)
        self.desk.told.connect(self._tell_run)
        self.desk.reviewing.told.connect(lambda text: self.notifier.info(text, key="accepted"))
        self.panels.run.mapped.connect(lambda: self.notifier.take_back("batch"))
        self.model_menu.found.connect(self.panels.run.set_registry)
        self.model_menu.found.connect(self.loop.set_registry)
        self.loop.model_made.connect(self.model_menu.look_up)
        self.loop.told.connect(lambda text: self.notifier.info(text, key="training"))
        self.loop.learner.changed.connect(
            lambda: self.actions_by_id["learn"].setChecked(self.loop.learner.is_on)
        )
        self.panels.told.connect(lambda text: self.notifier.info(text, key="evaluation"))
        self.panels.opened.connect(self._tell_opened)
        self.model_menu.detector_chosen.connect(self.panels.use_detector)
        self.toast.follow(self.notifier)
        images = self.panels.images
        images.narrowed_changed.connect(lambda: self.top.show_narrowed(images.narrowed))
        self.top.all_wanted.connect(images.clear_filter)
        self.commands.setting_changed.connect(self.apply_setting)
        self.welcome.open_folder.connect(self.commands.open_folder)
        self.welcome.open_project.connect(self.commands.open_project)
        self.welcome.open_path.connect(self.open)
        self.welcome.demo.connect(self.commands.open_demo)
        self.welcome.forgotten.connect(self._forget)

    # --- opening ----------------------------------------------------------------------------------

    def open(self, path: Path, *, read_only: bool = False) -> None:
        """Open a folder, image or project; a COCO file is imported into the open project."""
        self.commands.open(path, read_only=read_only)

    def start_host(self) -> None:
        """Start the model process, after the first paint so that the window is there at once."""
        QTimer.singleShot(0, self.host.start)
        QTimer.singleShot(0, self.model_menu.look_up)

    def _use_model(self, name: str, spec: ModelSpec) -> None:
        """Prompt another model from now on; what it proposes is kept under its title."""
        self.settings.model = name
        self.settings.save()
        self.host.use(name)
        self.session.use_segmenter(spec.title)

    # --- showing ----------------------------------------------------------------------------------

    def _show_project(self) -> None:
        project, is_open = self.session.project, self.session.project is not None
        self.center.setCurrentIndex(1 if is_open else 0)
        self.panels.show()
        self.saved.setVisible(is_open)
        self.statusBar().setVisible(is_open)
        for spec in (*TOOLS, *ACTIONS):
            if spec.group not in ("Help",) and spec.id not in (
                "open-folder",
                "open-project",
                "quit",
                "settings",
            ):
                self.actions_by_id[spec.id].setEnabled(is_open)
        if project is not None:
            self.settings.remember(_known_as(project, self.session.root))
            self.settings.save()
            self.canvas.setFocus()
        else:
            self.welcome.set_recent(self.settings.recent)
        self._show_image()
        self._show_saved(self.session.saved)
        self.keys.show_history()

    def _show_image(self) -> None:
        image = self.session.image
        self.status_line.show_note(image.note if image else "")
        self.actions_by_id["reviewed"].setChecked(bool(image and image.reviewed))
        self._show_place()

    def _show_refused(self, changed: Changed) -> None:
        """A menu entry that ticked itself shows again what is."""
        if changed.by == "refused":
            self._show_image()

    def _show_place(self) -> None:
        session, image = self.session, self.session.image
        name = "" if session.project is None else session.root.name or str(session.root)
        place = session.place(image.id) if image else None
        self.top.show_place(name, image.path if image else "", place, len(session.order))
        self.actions_by_id["reviewed"].setChecked(bool(image and image.reviewed))
        self.setWindowTitle(f"{name} – Labeler" if name else "Labeler")

    def _show_saved(self, state: str) -> None:
        self.saved.show_state(state, read_only=self.session.read_only)
        if self.saved.trouble:
            self.notifier.error(self.saved.trouble, key="saved")
        elif state == "saved":
            self.notifier.take_back("saved")

    def _tell_run(self, sentence: str, has_new_classes: bool) -> None:
        action, run = ("Classes…", self.panels.run.show_classes) if has_new_classes else ("", None)
        self.notifier.info(sentence, action=action, run=run, key="batch")

    def _tell_opened(self, what: str) -> None:
        """Only these images are walked now; the images panel shows it too, where it is open."""
        run = self.panels.images.clear_filter
        self.notifier.info(what, action="Show all images", run=run, key="opened")

    def _show_review(self) -> None:
        self.actions_by_id["review"].setChecked(self.desk.queue.active)

    def _show_tool(self) -> None:
        action = self.actions_by_id.get(self.canvas.tool)
        if action is not None:
            action.setChecked(True)

    def _show_host_trouble(self, sentence: str) -> None:
        phase = self.host.state.phase
        if phase not in ("ready", "encoding"):
            action, run = ("Restart", self.host.restart) if phase == "stopped" else ("", None)
            self.notifier.error(sentence, action=action, run=run, key="host", lasting=True)
        elif not self.photo_desk.tells_missing:  # which it says itself, with what can be done
            self.notifier.error(sentence, key=OF_IMAGE)

    def _encode_open(self) -> None:
        """Have the open image's embedding computed, and then those of the images that come next."""
        session, image = self.session, self.session.image
        if image is None or session.pixels is None:
            return
        path = session.image_path(image)
        self.host.open_image(str(path), path)  # not the id: another project has an image of that id too
        self.canvas.ask_again()
        self.commands.look_ahead(self.settings.look_ahead)

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
            self.host.restart()

    def set_theme(self, scheme: theme.Scheme) -> None:
        """Put a colour scheme in force and remember it."""
        self.settings.theme = scheme
        self.settings.save()
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, scheme)
        for spec in (*TOOLS, *ACTIONS):
            if spec.icon:
                self.actions_by_id[spec.id].setIcon(theme.icon(spec.icon))
        self._show_saved(self.session.saved)

    # --- layout -----------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The film strip is the first to go when the window is low."""
        super().resizeEvent(event)
        if self._furnished:
            self.panels.fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Say it when the window can be seen for the first time."""
        super().paintEvent(event)
        if not self._has_appeared:
            self._has_appeared = True
            screen_fit.keep_on_screen(self, screen_fit.room_for(self))
            QTimer.singleShot(0, self.appeared.emit)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the canvas has no use for: Enter accepts, Backspace rejects predictions, Esc ends a review."""
        desk = self.desk
        acts = {
            Qt.Key.Key_Return: desk.accept,
            Qt.Key.Key_Enter: desk.accept,
            Qt.Key.Key_Backspace: desk.reject,
            Qt.Key.Key_Escape: desk.end_review,
        }
        act = acts.get(Qt.Key(event.key()))
        if not self.keys.press_first(event) and (act is None or not act()):
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Everything is on disk before the window is gone."""
        if not self._furnished:
            event.accept()
            return
        if not self.keys.may_close():
            event.ignore()
            return
        if self.session.project is not None:
            self.resuming.keep()
            self.settings.geometry = bytes(self.saveGeometry().toBase64().data()).decode()
            self.settings.layout = bytes(self.saveState().toBase64().data()).decode()
            self.settings.save()
        self.panels.stop()
        self.loop.close()
        self.desk.close()
        self.session.shut_down()
        self.model_menu.stop()
        self.host.close()
        flush_settings()
        event.accept()

    # --- drag and drop --------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Folders, images, projects and COCO files may be dropped anywhere on the window."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the first thing that was dropped."""
        local = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if local:
            event.acceptProposedAction()
            self.open(local[0])


def _known_as(project: Path, root: Path) -> Path:
    """What a project is called among the recent ones: its folder, where that alone leads to it again.

    So it does where the project is the folder's own, and where it had to be kept in our data folder under
    a name that says nothing to anybody.
    """
    is_own = project.name == "labels.labeler" and project.parent.resolve() == root
    return root if is_own or paths.data_dir() in project.parents else project
