"""Starts the application: Qt, fonts, theme, crash log, and the window."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import QThreadPool, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from labeler import __version__, paths
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.garbage import Collector
from labeler.gui.toolkit.settings import flush_settings, load_settings
from labeler.gui.window.frame import Frame
from labeler.programs import tidy_library_path

if TYPE_CHECKING:
    from labeler.gui.window.main_window import MainWindow

_log = logging.getLogger(__name__)
_QT_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}

_LAST_MS = 10_000
"""So long a job that is still at work may take when the window is closed."""


def has_display() -> bool:
    """Whether a window can be seen: a screen on Linux, always elsewhere."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def make_application() -> QApplication:
    """The one QApplication, with name, icon and fonts; the running one if there is one."""
    running = QApplication.instance()
    app = running if isinstance(running, QApplication) else QApplication(sys.argv[:1])
    app.setApplicationName("labeler")
    app.setApplicationDisplayName("Labeler")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("labeler")
    app.setWindowIcon(QIcon(str(paths.resources() / "icons" / "labeler.svg")))
    theme.load_fonts()
    return app


def make_window() -> MainWindow:
    """The main window with the saved settings, ready to work; not yet shown."""
    return furnish(_make_frame())


def furnish(frame: Frame) -> MainWindow:
    """Put all that works into a frame; its import takes longer than the frame needs to be on the screen."""
    from labeler.gui.window.main_window import MainWindow  # noqa: PLC0415

    tidy_library_path()  # OpenCV is imported by now; a file manager that is asked for is started with it
    return MainWindow(frame)


def run(path: Path | None, *, read_only: bool = False, is_demo: bool = False) -> int:
    """Show the window until it is closed; gives the exit code. The demo's photos come with a guide."""
    frame = _make_frame()
    _catch_crashes(frame)
    if said := paths.unwritable():
        frame.notifier.error(said, key="home", lasting=True)

    def begin() -> None:
        with _quick_imports():
            window = furnish(frame)
        if path is not None and is_demo:
            window.open_demo(path)
        elif path is not None:
            window.open(path, read_only=read_only)
        window.start_host()

    frame.appeared.connect(begin)
    frame.show()
    try:
        code = QApplication.exec()
    finally:
        flush_settings()
    _leave_what_hangs(code)
    return code


def _leave_what_hangs(code: int) -> None:
    """End the program without a job of the pool that a silent disk holds: Qt would wait for it for ever."""
    if not QThreadPool.globalInstance().waitForDone(_LAST_MS):
        _log.warning("the program ends without a job that has not come back for %s s", _LAST_MS / 1000)
        logging.shutdown()
        os._exit(code)


@contextmanager
def _quick_imports() -> Iterator[None]:
    """What is imported within is there sooner, by 80 of 470 ms.

    Python looks for no garbage, as imports leave none; and numpy's BLAS, which the window has no use for,
    starts no threads. Models run in children, which do not inherit that.
    """
    threads = "OPENBLAS_NUM_THREADS"
    chosen = threads in os.environ
    os.environ.setdefault(threads, "1")
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
        if not chosen:
            os.environ.pop(threads, None)


def log_qt() -> None:
    """What Qt says goes to the log from now on; what is so off the screen is no warning."""

    def log(kind: QtMsgType, _: object, text: str) -> None:
        level = logging.DEBUG if "propagateSizeHints" in text else _QT_LEVELS[kind]
        _log.log(level, "Qt: %s", text)

    qInstallMessageHandler(log)


def _make_frame() -> Frame:
    app = make_application()
    settings = load_settings()
    settings.hand_to_children()
    theme.apply(app, settings.theme)
    frame = Frame(settings)
    Collector(frame)
    return frame


def _catch_crashes(frame: Frame) -> None:
    """Whatever goes wrong is in the log and told in a sentence; the window lives on."""
    try:
        # kept open for the life of the process: the interpreter writes to it when it dies
        crash_log = (paths.log_dir() / "crash.log").open("a", encoding="utf-8")
        faulthandler.enable(crash_log)
    except OSError as error:
        _log.info("no crash log: %s", error)

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            frame.close()
            return
        _log.error("unexpected", exc_info=(kind, error, trace))
        frame.notifier.error(
            f"Something unexpected went wrong ({kind.__name__}: {error}). Your labels are safe; "
            f"what happened is in {paths.log_dir() / 'labeler.log'}.",
            key="crash",
            lasting=True,
        )

    sys.excepthook = tell
    threading.excepthook = lambda args: (
        tell(args.exc_type, args.exc_value, args.exc_traceback) if args.exc_value is not None else None
    )
    log_qt()
