"""The user's choices: each is kept at once, and those who use it are told."""

import shutil
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from labeler import paths
from labeler.gui.courier import Courier, run_in_pool
from labeler.gui.settings import Settings

_THEMES = (("As the system", "system"), ("Dark", "dark"), ("Light", "light"))
_MOST_THREADS = 64


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
        self.setMinimumWidth(440)
        self._make_fields()
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(10)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("&Theme", self.theme)
        form.addRow("&Wheel", self.wheel)
        form.addRow("Model t&hreads", self.threads)
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

    def _make_fields(self) -> None:
        settings = self._settings
        self.theme = QComboBox(self)
        for text, value in _THEMES:
            self.theme.addItem(text, value)
        self.theme.setCurrentIndex(self.theme.findData(settings.theme))
        self.theme.currentIndexChanged.connect(lambda: self._set("theme", self.theme.currentData()))
        self.wheel = QComboBox(self)
        self.wheel.addItem("Zooms at the pointer", True)
        self.wheel.addItem("Pans; Ctrl+wheel zooms (trackpads)", False)
        self.wheel.setCurrentIndex(self.wheel.findData(settings.wheel_zoom))
        self.wheel.currentIndexChanged.connect(lambda: self._set("wheel_zoom", self.wheel.currentData()))
        self.threads = QSpinBox(self, minimum=0, maximum=_MOST_THREADS)
        self.threads.setSpecialValueText("One per core")
        self.threads.setToolTip("Takes effect when the model process starts again")
        self.threads.setValue(settings.threads)
        self.threads.valueChanged.connect(lambda value: self._set("threads", value))
        self.cache = QDoubleSpinBox(self, minimum=0.5, maximum=1000.0, singleStep=0.5, decimals=1)
        self.cache.setSuffix(" GB at most")
        self.cache.setToolTip(
            "What is kept of images that a model has seen; the least recently used goes first"
        )
        self.cache.setValue(settings.cache_gb)
        self.cache.valueChanged.connect(lambda value: self._set("cache_gb", value))

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
