"""One start of a window in a process of its own; prints what it saw as JSON, times of the monotonic clock.

`python -m tests.benchmarks.startup_child bare` shows an empty QMainWindow; with a folder instead of `bare` it
is `labeler FOLDER`, through its command line.
"""

import json
import sys
import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication, QMainWindow

HEAVY = ("torch", "torchvision", "ultralytics", "matplotlib", "onnxruntime", "segment_anything")


class Paints(QObject):
    """Calls back with each widget that is about to be painted."""

    def __init__(self, parent: QObject, call: Callable[[QObject], None]) -> None:
        super().__init__(parent)
        self._call = call

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Paint:
            self._call(watched)
        return False


def bare() -> int:
    def finish() -> None:
        print(json.dumps({"window": time.monotonic(), "window cpu": time.process_time()}))
        app.quit()

    app = QApplication([])
    window = QMainWindow()
    window.resize(1440, 900)
    paints = Paints(window, lambda _: QTimer.singleShot(0, finish))
    window.installEventFilter(paints)
    window.show()
    return app.exec()


def labeler(folder: str) -> int:
    from labeler.__main__ import main
    from labeler.gui.window.main_window import MainWindow

    build, start_host = MainWindow.__init__, MainWindow.start_host

    def building(window: MainWindow, *arguments: object) -> None:
        build(window, *arguments)
        window.watch = Watch(window)

    def starting(window: MainWindow) -> None:
        window.watch.furnished()
        start_host(window)

    MainWindow.__init__ = building  # type: ignore[method-assign]
    MainWindow.start_host = starting  # type: ignore[method-assign]
    sys.argv = ["labeler", folder]
    return main()


class Watch:
    """Notes when the window, its photo and its thumbnails are painted first, and then closes it."""

    def __init__(self, window) -> None:
        self._window = window
        self._seen: dict[str, float] = {}
        self._thumbnails: list[int] = []
        self._paints = Paints(window, self._look)
        window.appeared.connect(lambda: self._note("window"))

    def furnished(self) -> None:
        """The rest of the window is there; it works from now on."""
        window = self._window
        self._note("furnished")
        self._strip = window.panels.film_strip.viewport()
        window.panels.film_strip._thumbnails.ready.connect(self._thumbnails.append)
        for widget in (window.canvas, self._strip):
            widget.installEventFilter(self._paints)

    def _look(self, widget: QObject) -> None:
        window, found = self._window, []
        if widget is window.canvas and window.session.pixels is not None:
            found.append("image")
        if widget is self._strip and 0 < len(window.session.images) <= len(self._thumbnails):
            found.append("strip")
        for what in found:
            # once this paint and those that belong to it are done
            QTimer.singleShot(0, lambda what=what: self._note(what))

    def _note(self, what: str) -> None:
        self._seen.setdefault(what, time.monotonic())
        self._seen.setdefault(f"{what} cpu", time.process_time())
        if self._seen.keys() >= {"window", "image", "strip"} and self._window.isVisible():
            heavy = [name for name in HEAVY if name in sys.modules]
            print(json.dumps({**self._seen, "heavy": heavy}))
            self._window.close()
            QApplication.quit()


if __name__ == "__main__":
    sys.exit(bare() if sys.argv[1] == "bare" else labeler(sys.argv[1]))
