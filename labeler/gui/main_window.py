"""The window: wires panels, canvas, session and model process together, and decides nothing itself."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer
from PySide6.QtGui import QActionGroup, QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenuBar,
    QStackedWidget,
    QWidget,
)

from labeler.errors import ProjectLockedError
from labeler.gui import theme
from labeler.gui.actions import ACTIONS, TOOLS, make_actions
from labeler.gui.canvas.view import Canvas
from labeler.gui.commands import Commands
from labeler.gui.dialogs.welcome import WelcomePage
from labeler.gui.display_card import DisplayCard
from labeler.gui.docks import COLUMN, add_dock, dock_actions
from labeler.gui.host_client import HostClient
from labeler.gui.model_menu import ModelMenu
from labeler.gui.notify import Notifier, Toast
from labeler.gui.options_bar import OptionsBar
from labeler.gui.panels.agreement import AgreementPanel
from labeler.gui.panels.annotations import AnnotationsPanel
from labeler.gui.panels.categories import CategoriesPanel
from labeler.gui.panels.common import ElidedLabel
from labeler.gui.panels.film_strip import FilmStrip
from labeler.gui.panels.history import HistoryPanel
from labeler.gui.panels.images import ImagesPanel
from labeler.gui.project_link import READ_ONLY, SAVED, SAVING
from labeler.gui.session import Changed, Session
from labeler.gui.settings import Settings
from labeler.gui.status_line import StatusLine
from labeler.gui.tool_column import ToolColumn
from labeler.models.api import ModelSpec
from labeler.project.snapshots import DamagedProjectError

SMALLEST = QSize(800, 560)
STRIP_FROM = 620
"""Window height below which the film strip hides, so that nothing is cut off."""


class MainWindow(QMainWindow):
    """One window, one project."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.notifier = Notifier(self)
        self.session = Session(self)
        self.host = HostClient(self, model=settings.model)
        self.setWindowTitle("Labeler")
        self.setMinimumSize(SMALLEST)
        self.resize(1440, 900)
        self.setAcceptDrops(True)
        self.canvas = Canvas(self.session, self.host)
        self.display_card = DisplayCard(self.canvas)
        self.commands = Commands(
            self,
            session=self.session,
            canvas=self.canvas,
            host=self.host,
            display=self.display_card,
            notifier=self.notifier,
            settings=settings,
        )
        self.actions_by_id = make_actions((*TOOLS, *ACTIONS), self.commands.handlers(), self)
        self.addActions(list(self.actions_by_id.values()))
        self._build_center()
        self._build_docks()
        self._build_menus()
        self.status_line = StatusLine(self)
        self.setStatusBar(self.status_line)
        self._connect()
        self._restore_layout()
        self._show_tool()
        self._show_project()

    # --- building ---------------------------------------------------------------------------------

    def _build_center(self) -> None:
        self.options_bar = OptionsBar(self.canvas)
        self.toast = Toast(self.canvas)
        self.tools = ToolColumn(self.actions_by_id)
        work = QWidget()
        row = QHBoxLayout(work)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.tools)
        row.addWidget(self.canvas, 1)
        self.welcome = WelcomePage(self.settings.recent)
        self.center = QStackedWidget()
        self.center.addWidget(self.welcome)
        self.center.addWidget(work)
        self.setCentralWidget(self.center)
        self._welcome_toast = Toast(self.welcome)

    def _build_docks(self) -> None:
        right, bottom = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
        self.setCorner(Qt.Corner.BottomRightCorner, bottom)
        self.setCorner(Qt.Corner.BottomLeftCorner, bottom)
        self.film_strip = FilmStrip(self.session)
        self.images_panel = ImagesPanel(self.session)
        self.categories_panel = CategoriesPanel(self.session)
        self.annotations_panel = AnnotationsPanel(self.session)
        self.agreement_panel = AgreementPanel(self.session)
        self.history_panel = HistoryPanel(self.session)
        left = Qt.DockWidgetArea.LeftDockWidgetArea
        panels = (
            ("Categories", self.categories_panel, right),
            ("Objects", self.annotations_panel, right),
            ("Agreement", self.agreement_panel, right),
            ("Images", self.images_panel, left),
            ("History", self.history_panel, left),
        )
        self.docks = {
            name: add_dock(
                self,
                name,
                panel,
                area,
                margins=(4, 0, 8, 0) if area is right else (8, 0, 4, 0),
                grows=name not in ("Categories", "Agreement"),
            )
            for name, panel, area in panels
        }
        strip = add_dock(self, "Film strip", self.film_strip, bottom, margins=(8, 0, 8, 4), grows=False)
        self.docks["Film strip"] = strip
        for name, dock in self.docks.items():
            dock.toggleViewAction().triggered.connect(
                lambda shown, name=name: self._remember_dock(name, shown=shown)
            )
        self.resizeDocks([self.docks["Objects"]], [COLUMN], Qt.Orientation.Horizontal)

    def _build_menus(self) -> None:
        bar, actions = QMenuBar(), self.actions_by_id
        self._build_top(bar)
        menus = {name: bar.addMenu(name) for name in ("Project", "Edit", "View", "Model", "Help")}
        for spec in ACTIONS:
            home = {"Images": "View", "Tools": "Edit"}.get(spec.group, spec.group)
            menus[home].addAction(actions[spec.id])
            if spec.id in ("open-project", "export", "redo", "select-all", "go-to", "zoom-out", "display"):
                menus[home].addSeparator()
        self._recent_menu = menus["Project"].addMenu("Recent")
        self._recent_menu.aboutToShow.connect(self._fill_recent)
        menus["View"].addSeparator()
        menus["View"].addActions(dock_actions(self.docks))
        self.model_menu = ModelMenu(menus["Model"], self, current=self.settings.model)
        self.model_menu.chosen.connect(self._use_model)
        self.model_menu.current.connect(lambda spec: self.session.use_segmenter(spec.title))
        themes = menus["View"].addMenu("Theme")
        group = QActionGroup(self)
        schemes: tuple[theme.Scheme, ...] = ("system", "dark", "light")
        for scheme in schemes:
            action = themes.addAction(scheme.capitalize(), partial(self.set_theme, scheme))
            action.setCheckable(True)
            action.setChecked(self.settings.theme == scheme)
            group.addAction(action)

    def _build_top(self, bar: QMenuBar) -> None:
        """The app's name, the menus, and at the right where one is and whether all is saved."""
        top = QFrame()
        top.setObjectName("top")
        row = QHBoxLayout(top)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(8)
        name = QLabel("Labeler")
        name.setFont(theme.ui_font(13, weight=theme.DEMIBOLD))
        self.where = ElidedLabel(mode=Qt.TextElideMode.ElideMiddle)
        self.where.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.saved = QLabel()
        self.saved.setTextFormat(Qt.TextFormat.RichText)
        row.addWidget(name)
        row.addWidget(bar)
        row.addWidget(self.where, 1)
        row.addSpacing(8)
        row.addWidget(self.saved)
        self.setMenuWidget(top)

    def _connect(self) -> None:
        session, host, canvas = self.session, self.host, self.canvas
        session.project_changed.connect(self._show_project)
        session.image_changed.connect(self._show_image)
        session.images_changed.connect(lambda _: self._show_place())
        session.order_changed.connect(self._show_place)
        session.pixels_changed.connect(self._show_image)
        session.changed.connect(self._show_refused)
        session.saved_changed.connect(self._show_saved)
        session.history_changed.connect(self._show_history)
        session.told.connect(lambda text: self.notifier.error(text, key="session"))
        session.refused.connect(self._show_refusal)
        host.state_changed.connect(self.status_line.show_host)
        host.failed.connect(self._show_host_trouble)
        session.pixels_changed.connect(self._encode_open)
        session.pixels_changed.connect(self._show_problem)
        canvas.pointer_moved.connect(self.status_line.show_pointer)
        canvas.zoom_changed.connect(self.status_line.show_zoom)
        canvas.tool_changed.connect(self._show_tool)
        self.notifier.told.connect(self.toast.show_message)
        self.notifier.told.connect(self._welcome_toast.show_message)
        self.notifier.taken_back.connect(self.toast.take_back)
        self.notifier.taken_back.connect(self._welcome_toast.take_back)
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

    def _use_model(self, spec: ModelSpec) -> None:
        """Prompt another model from now on; what it proposes is kept under its name."""
        self.settings.model = spec.id
        self.settings.save()
        self.host.use(spec.id)
        self.session.use_segmenter(spec.title)

    def _show_refusal(self, error: Exception) -> None:
        if isinstance(error, ProjectLockedError):
            self.commands.offer_locked(error)
        elif isinstance(error, DamagedProjectError) and error.snapshot is not None:
            snapshot = error.snapshot
            self.notifier.error(
                str(error),
                action="Restore the snapshot",
                run=lambda: self.commands.restore_snapshot(error.path, snapshot),
                key="open",
            )
        else:
            self.notifier.error(str(error), key="open")

    # --- showing ----------------------------------------------------------------------------------

    def _show_project(self) -> None:
        is_open = self.session.project is not None
        self.center.setCurrentIndex(1 if is_open else 0)
        for name, dock in self.docks.items():
            wanted = is_open and name not in self.settings.closed_docks
            dock.setVisible(wanted)
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
        if is_open:
            path = self.session.root
            self.settings.remember(
                path if (path / "labels.labeler").exists() else self.session.project or path
            )
            self.settings.save()
            self.canvas.setFocus()
        else:
            self.welcome.set_recent(self.settings.recent)
        self._show_image()
        self._show_saved(self.session.saved)
        self._show_history()
        self._fit_strip()

    def _show_image(self) -> None:
        image = self.session.image
        self.status_line.show_note(image.note if image else "")
        self.actions_by_id["reviewed"].setChecked(bool(image and image.reviewed))
        self._show_place()

    def _show_problem(self) -> None:
        """Why the open image cannot be shown, for as long as it is open."""
        if self.session.problem:
            self.notifier.error(self.session.problem, key="image")
        else:
            self.notifier.take_back("image")

    def _show_refused(self, changed: Changed) -> None:
        """A menu entry that ticked itself shows again what is."""
        if changed.by == "refused":
            self._show_image()

    def _show_place(self) -> None:
        session, image = self.session, self.session.image
        if session.project is None:
            self.setWindowTitle("Labeler")
            self.where.setText("")
            return
        name = session.root.name or str(session.root)
        if image is None:
            self.where.setText(f"{name} · no images")
        else:
            place = session.place(image.id)
            total = len(session.order)
            self.where.setText(
                f"{name} · {Path(image.path).name} · "
                + (f"{place + 1:,} of {total:,}" if place is not None else f"not among the {total:,} shown")
            )
        self.actions_by_id["reviewed"].setChecked(bool(image and image.reviewed))
        self.setWindowTitle(f"{name} – Labeler")

    def _show_saved(self, state: str) -> None:
        colors = theme.colors()
        text, color, tip = {
            SAVED: ("Saved", colors.good, "Every edit is on disk"),
            SAVING: ("Saving", colors.middling, "The last edit is being written"),
            READ_ONLY: ("Read-only", colors.middling, "Nothing can be changed"),
        }.get(state, ("Not saved", colors.bad, state))
        self.saved.setText(f'<span style="color:{color}">●</span> {text}')
        self.saved.setToolTip(tip)
        if state not in (SAVED, SAVING, READ_ONLY):
            self.notifier.error(state, key="saved")

    def _show_history(self) -> None:
        self.actions_by_id["undo"].setEnabled(self.session.can_undo)
        self.actions_by_id["redo"].setEnabled(self.session.can_redo)

    def _show_tool(self) -> None:
        action = self.actions_by_id.get(self.canvas.tool)
        if action is not None:
            action.setChecked(True)

    def _show_host_trouble(self, sentence: str) -> None:
        stopped = self.host.state.phase == "stopped"
        action, run = ("Restart", self.host.restart) if stopped else ("", None)
        self.notifier.error(sentence, action=action, run=run, key="host")

    def _encode_open(self) -> None:
        """Have the open image's embedding computed, and then those of the images that come next."""
        session, image = self.session, self.session.image
        if image is None or session.pixels is None:
            return
        self.host.open_image(str(image.id), session.image_path(image))
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

    def _remember_dock(self, name: str, *, shown: bool) -> None:
        closed = [other for other in self.settings.closed_docks if other != name]
        self.settings.closed_docks = closed if shown else [*closed, name]
        self.settings.save()

    def _restore_layout(self) -> None:
        if self.settings.geometry:
            self.restoreGeometry(QByteArray.fromBase64(self.settings.geometry.encode()))
        if self.settings.layout:
            self.restoreState(QByteArray.fromBase64(self.settings.layout.encode()))

    def _fit_strip(self) -> None:
        strip = self.docks["Film strip"]
        wanted = self.session.project is not None and "Film strip" not in self.settings.closed_docks
        strip.setVisible(wanted and self.height() >= STRIP_FROM)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The film strip is the first to go when the window is low."""
        super().resizeEvent(event)
        self._fit_strip()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Everything is on disk before the window is gone."""
        if self.session.project is not None:
            self.settings.geometry = bytes(self.saveGeometry().toBase64().data()).decode()
            self.settings.layout = bytes(self.saveState().toBase64().data()).decode()
            self.settings.save()
        self.film_strip.stop()
        self.session.shut_down()
        self.host.close()
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
