"""The frame of the window: what is on the screen first, while all that works is still being imported."""

from PySide6.QtCore import QSize, QTimer, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QMainWindow, QStackedWidget

from labeler.gui.toolkit.notify import Notifier, Toast
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window import screen_fit
from labeler.gui.window.bars.top_bar import TopBar
from labeler.gui.window.dialogs.welcome import WelcomePage

SMALLEST = QSize(800, 560)


class Frame(QMainWindow):
    """The top bar and the welcome page; `MainWindow` puts all else into it.

    What that needs, numpy and OpenCV and Qt's larger classes, takes 250 ms to import: the frame is on the
    screen before, so nothing here may import any of it.
    """

    appeared = Signal()
    """Once, when the first paint has reached the screen."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.notifier = Notifier(self)
        self._has_appeared = False
        self.setWindowTitle("Labeler")
        self.setMinimumSize(SMALLEST)
        self.top = TopBar()
        self.setMenuWidget(self.top)
        self.welcome = WelcomePage(settings.recent)
        self.welcome_toast = Toast(self.welcome)
        self.welcome_toast.follow(self.notifier)
        self.center = QStackedWidget()
        self.center.addWidget(self.welcome)
        self.setCentralWidget(self.center)
        screen_fit.place_first(self, settings.geometry, screen_fit.room_for(self))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Say it when the window can be seen for the first time."""
        super().paintEvent(event)
        if not self._has_appeared:
            self._has_appeared = True
            screen_fit.keep_on_screen(self, screen_fit.room_for(self))
            QTimer.singleShot(0, self.appeared.emit)
