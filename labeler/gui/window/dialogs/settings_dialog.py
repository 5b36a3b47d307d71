"""The user's choices: each is kept at once, and those who use it are told."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from labeler import paths
from labeler.gui.toolkit.cards import Choice
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.settings import Settings

_THEMES = (("As the system", "system"), ("Dark", "dark"), ("Light", "light"))
_WHEEL = (("Zooms at the pointer", True), ("Pans; Ctrl+wheel zooms (trackpads)", False))
_FINISHED = (
    ("Asks for its category", "always"),
    ("Asks where there is no category yet", "new"),
    ("Takes the current category", "never"),
)
_VIEW = (("Fits the window", False), ("Keeps zoom and place", True))
_THREADS = (("One per core", 0), *((str(count), count) for count in (1, 2, 4, 6, 8, 12, 16)))
_AHEAD = (("None", 0), *((f"The next {count} images", count) for count in (2, 4, 8, 16, 32)))
_CACHE = tuple((f"At most {size:g} GB", size) for size in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0))


class SettingsDialog(QDialog):
    """Theme, wheel, threads and the cache of image embeddings."""

    changed = Signal(str)
    """The name of the field of `Settings` that has a new value."""

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._courier = Courier(self)
        self._cache = paths.cache_dir() / "embeddings"
        self.setWindowTitle("Settings")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(440)
        self._make_fields()
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(10)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("&Theme", self.theme)
        form.addRow("&Wheel", self.wheel)
        form.addRow("&Finished shape", self.finished_shape)
        form.addRow("&Next image", self.view)
        form.addRow("Model t&hreads", self.threads)
        form.addRow("&Encode ahead", self.ahead)
        form.addRow("Embedding &cache", self.cache)
        form.addRow("", self._cache_row())
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(16)
        layout.addLayout(form)
        layout.addWidget(buttons)
        self.finished.connect(settings.save)
        self._measure()

    def _choice(self, field: str, name: str, items: Sequence[tuple[str, object]]) -> Choice:
        """A choice for a field of the settings, which shows what is set."""
        box = Choice(name, items, self)
        value = getattr(self._settings, field)
        if box.findData(value) < 0:
            box.addItem(f"{value:g}" if isinstance(value, float) else str(value), value)
        box.choose(value)
        box.currentIndexChanged.connect(lambda: self._set(field, box.currentData()))
        return box

    def _make_fields(self) -> None:
        self.theme = self._choice("theme", "Theme", _THEMES)
        self.wheel = self._choice("wheel_zoom", "What the wheel does", _WHEEL)
        self.finished_shape = self._choice("ask_category", "What a finished shape does", _FINISHED)
        self.view = self._choice("keep_view", "View of the next image", _VIEW)
        self.threads = self._choice("threads", "Threads of the model process", _THREADS)
        self.threads.setToolTip("Takes effect when the model process starts again")
        self.ahead = self._choice("look_ahead", "Images encoded ahead", _AHEAD)
        self.cache = self._choice("cache_gb", "Size of the embedding cache", _CACHE)
        self.cache.setToolTip("What models keep of images they have seen; the least recently used goes first")

    def _cache_row(self) -> QHBoxLayout:
        self.used = QLabel("…", self)
        self.used.setObjectName("quiet")
        self.clear_button = QPushButton("Clear", self)
        self.clear_button.setAutoDefault(False)
        self.clear_button.setAccessibleName("Clear the embedding cache")
        self.clear_button.clicked.connect(self._clear)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.used, 1)
        row.addWidget(self.clear_button)
        return row

    def _set(self, field: str, value: object) -> None:
        setattr(self._settings, field, value)
        self.changed.emit(field)

    def _measure(self) -> None:
        folder = self._cache
        run_in_pool(
            lambda: size_of(folder), courier=self._courier, done=self._show_size, failed=self._show_trouble
        )

    def _clear(self) -> None:
        folder = self._cache
        self.clear_button.setEnabled(False)
        run_in_pool(
            lambda: emptied(folder), courier=self._courier, done=self._show_size, failed=self._show_trouble
        )

    def _show_size(self, size: int) -> None:
        self.used.setText(f"{size / 1e9:.1f} GB in use" if size >= 1e8 else f"{size / 1e6:.1f} MB in use")
        self.clear_button.setEnabled(size > 0)

    def _show_trouble(self, error: Exception) -> None:
        self.used.setText(f"The cache cannot be read: {error}.")


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder and below; 0 where there is none."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            # the model process makes room while we count
            continue
    return total


def emptied(folder: Path) -> int:
    """Delete a folder of things that can be made again; gives the bytes that could not be deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    return size_of(folder)
