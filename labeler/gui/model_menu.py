"""The Model menu: which promptable model is used, and what plugins there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from labeler.gui.courier import Courier, run_in_pool

if TYPE_CHECKING:
    from labeler.models.api import ModelSpec
    from labeler.plugins import Registry


class ModelMenu(QObject):
    """Looks plugins up on a thread, since importing a stranger's one may take its time."""

    chosen = Signal(object)
    """The `ModelSpec` of a promptable model that a person picked."""
    current = Signal(object)
    """The `ModelSpec` of the one in use, once plugins were looked up."""
    found = Signal(object)
    """The `Registry`, once plugins were looked up."""

    def __init__(self, menu: QMenu, window: QWidget, *, current: str) -> None:
        super().__init__(window)
        self._window = window
        self._current = current
        self._registry: Registry | None = None
        menu.addSeparator()
        self._use = menu.addMenu("Use")
        self._group = QActionGroup(self)
        menu.addAction("Plugins…", self.show_plugins)
        self._courier = Courier(self)

    def look_up(self) -> None:
        """Find the plugins; `found` follows."""
        run_in_pool(_discovered, courier=self._courier, done=self._take, failed=self._give_up)

    def _take(self, registry: Registry) -> None:
        self._registry = registry
        self._use.clear()
        for spec in registry.models:
            if spec.task == "segmenter":
                self._add(spec)
            if spec.id == self._current:
                self.current.emit(spec)
        self.found.emit(registry)

    def _add(self, spec: ModelSpec) -> None:
        action = self._use.addAction(spec.title, lambda: self.chosen.emit(spec))
        action.setCheckable(True)
        action.setChecked(spec.id == self._current)
        action.setToolTip(f"{spec.title}, {spec.licence}" if spec.licence else spec.title)
        self._group.addAction(action)

    def _give_up(self, error: Exception) -> None:
        # discover() lists every plugin that fails; nothing else can go wrong that a person could mend
        raise error

    def show_plugins(self) -> None:
        """List the plugins that work and those that were left out, with the reason."""
        from labeler.gui.dialogs.plugins import PluginsDialog  # noqa: PLC0415 - 30 ms that a start need not pay

        if self._registry is not None:
            PluginsDialog(self._registry, self._window).exec()


def _discovered() -> Registry:
    """On a pool thread: what `labeler.plugins` finds, which it costs 30 ms to import."""
    from labeler.plugins import discover  # noqa: PLC0415

    return discover()
