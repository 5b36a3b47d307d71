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
    from labeler.gui import app

    make_frame, furnish = app._make_frame, app.furnish
    watches: list[Watch] = []

    def making() -> app.Frame:
        frame = make_frame()
        watches.append(Watch(frame))
        return frame

    def furnishing(frame: app.Frame) -> object:
        window = furnish(frame)
        watches[0].furnished(window)
        return window

    app._make_frame, app.furnish = making, furnishing  # type: ignore[assignment]
    sys.argv = ["labeler", folder]
    return main()


class Watch:
    """Notes when the window, its photo and its thumbnails are painted first, and then closes it."""

    def __init__(self, frame) -> None:
        self._frame = frame
        self._seen: dict[str, float] = {}
        self._thumbnails: list[int] = []
        self._paints = Paints(frame, self._look)
        frame.appeared.connect(lambda: self._note("window"))

    def furnished(self, window) -> None:
        """The rest of the window is there; it works from now on."""
        from labeler.gui.images.film_strip import FilmStrip

        self._window = window
        self._note("furnished")
        self._strip = window.panels[FilmStrip].viewport()
        window.panels[FilmStrip]._thumbnails.ready.connect(self._thumbnails.append)
        for widget in (window.canvas, self._strip):
            widget.installEventFilter(self._paints)

    def _look(self, widget: QObject) -> None:
        window, found = self._window, []
        if widget is window.canvas and window.session.place.pixels is not None:
            found.append("image")
        if widget is self._strip and 0 < len(window.session.document.images) <= len(self._thumbnails):
            found.append("strip")
        for what in found:
            # once this paint and those that belong to it are done
            QTimer.singleShot(0, lambda what=what: self._note(what))

    def _note(self, what: str) -> None:
        self._seen.setdefault(what, time.monotonic())
        self._seen.setdefault(f"{what} cpu", time.process_time())
        if self._seen.keys() >= {"window", "image", "strip"} and self._frame.isVisible():
            heavy = [name for name in HEAVY if name in sys.modules]
            print(json.dumps({**self._seen, "heavy": heavy}))
            self._frame.close()
            QApplication.quit()


if __name__ == "__main__":
    sys.exit(bare() if sys.argv[1] == "bare" else labeler(sys.argv[1]))
