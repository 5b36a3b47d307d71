"""The Model menu: which promptable model is used, and what plugins there are."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from labeler.formats.spec import FormatSpec, come_from
from labeler.gui.toolkit.courier import Courier, run_in_pool

if TYPE_CHECKING:
    from labeler.gui.models.downloads import Downloads
    from labeler.models.protocols import ModelSpec
    from labeler.registry import Registry

_one_at_a_time = threading.Lock()
"""Held while plugins are imported: what is imported twice at once may be taken for broken."""


class ModelMenu(QObject):
    """Looks plugins and installed files up on a thread, since a stranger's import may take its time."""

    chosen = Signal(str, object)
    """The name and `ModelSpec` of a promptable model that a person picked."""
    current = Signal(object)
    """The `ModelSpec` of the one in use, once it was looked up."""
    detector_chosen = Signal(object)
    """The `ModelSpec` of a detector that a person picked in the model dialog."""
    found = Signal(object)
    """The `Registry`, whenever plugins and files were looked up."""

    def __init__(self, menu: QMenu, window: QWidget, *, current: str) -> None:
        super().__init__(window)
        self._window = window
        self._current = current
        self._registry: Registry | None = None
        self._downloads: Downloads | None = None
        menu.addSeparator()
        self._use = menu.addMenu("Model of the SAM tools")
        self._group = QActionGroup(self)
        menu.addAction("Plugins…", self.show_plugins)
        self._courier = Courier(self)
        come_from(_formats_now)

    def look_up(self) -> None:
        """Find plugins and installed files; `found` follows."""
        run_in_pool(
            _discovered, courier=self._courier, done=lambda seen: self._take(*seen), failed=self._give_up
        )

    def stop(self) -> None:
        """End downloads that are under way: the window goes away."""
        if self._downloads is not None:
            self._downloads.stop()

    def _take(self, registry: Registry, segmenters: dict[str, ModelSpec]) -> None:
        self._registry = registry
        self._use.clear()
        for name, spec in segmenters.items():
            self._add(name, spec)
        if self._current in segmenters:
            self.current.emit(segmenters[self._current])
        self.found.emit(registry)

    def _add(self, name: str, spec: ModelSpec) -> None:
        action = self._use.addAction(spec.title, lambda: self._choose(name, spec))
        action.setCheckable(True)
        action.setChecked(name == self._current)
        action.setToolTip(f"{spec.title}, {spec.licence}" if spec.licence else spec.title)
        self._group.addAction(action)

    def _choose(self, name: str, spec: ModelSpec) -> None:
        self._current = name
        self.chosen.emit(name, spec)

    def _give_up(self, error: Exception) -> None:
        # discover() lists every plugin that fails; nothing else can go wrong that a person could mend
        raise error

    def show_models(self) -> None:
        """List what there is and what can be had; download, take in, remove, use."""
        from labeler.gui.models.dialog import ModelsDialog  # noqa: PLC0415 - with urllib and ssl, 60 ms
        from labeler.gui.models.downloads import Downloads  # noqa: PLC0415

        if self._registry is None:
            return
        if self._downloads is None:
            self._downloads = Downloads(self)
        dialog = ModelsDialog(
            self._registry, self._window, downloads=self._downloads, in_use=(self._current,)
        )
        dialog.changed.connect(self.look_up)
        dialog.use.connect(self._use_any)
        dialog.exec()

    def _use_any(self, spec: ModelSpec) -> None:
        if spec.task != "segmenter":
            self.detector_chosen.emit(spec)
            return
        # a file's model is known by its path, which is where its weights are
        known = self._registry is not None and any(one.id == spec.id for one in self._registry.models)
        self._choose(spec.id if known or not spec.weights else str(spec.weights[0].path), spec)

    def show_plugins(self) -> None:
        """List the plugins that work and those that were left out, with the reason."""
        from labeler.gui.models.plugins_dialog import PluginsDialog  # noqa: PLC0415 - 30 ms that a start need not pay

        if self._registry is not None:
            PluginsDialog(self._registry, self._window).exec()


def _discovered() -> tuple[Registry, dict[str, ModelSpec]]:
    """On a pool thread: what `labeler.registry` finds, which it costs 30 ms to import."""
    from labeler.registry import discover  # noqa: PLC0415

    with _one_at_a_time:
        registry = discover()
    come_from(lambda: registry.formats)
    return registry, registry.at_hand("segmenter")


def _formats_now() -> tuple[FormatSpec, ...]:
    """The formats, for a file that comes before the plugins were looked up; never asked on the GUI thread."""
    from labeler.registry import discover  # noqa: PLC0415

    with _one_at_a_time:
        return discover().formats
