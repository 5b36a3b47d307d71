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
        print(json.dumps({"window": time.monotonic()}))
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
    from labeler.gui.main_window import MainWindow

    show = MainWindow.start_host

    def watched(window: MainWindow) -> None:
        _watch(window)
        show(window)

    MainWindow.start_host = watched  # type: ignore[method-assign]
    sys.argv = ["labeler", folder]
    return main()


def _watch(window) -> None:
    """Note when the window, its photo and its thumbnails are painted first, and then close it."""
    seen: dict[str, float] = {}
    thumbnails: list[int] = []

    def note(what: str) -> None:
        seen.setdefault(what, time.monotonic())
        if len(seen) == 3 and window.isVisible():
            heavy = [name for name in HEAVY if name in sys.modules]
            print(json.dumps({**seen, "heavy": heavy}))
            window.close()
            QApplication.quit()

    def look(widget: QObject) -> None:
        found = ["window"]
        if widget is window.canvas and window.session.pixels is not None:
            found.append("image")
        if widget is strip and 0 < len(window.session.images) <= len(thumbnails):
            found.append("strip")
        for what in found:
            # once this paint and those that belong to it are done
            QTimer.singleShot(0, lambda what=what: note(what))

    strip = window.film_strip.viewport()
    paints = Paints(window, look)
    window.film_strip._thumbnails.ready.connect(thumbnails.append)
    for widget in (window.canvas, strip, window.welcome):
        widget.installEventFilter(paints)


if __name__ == "__main__":
    sys.exit(bare() if sys.argv[1] == "bare" else labeler(sys.argv[1]))
