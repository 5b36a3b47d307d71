"""The Model menu: which promptable model is used, and what plugins there are."""

from __future__ import annotations

import threading
from collections.abc import Mapping
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

PLAIN = "mobilesam"
"""The model that comes with the app, which nothing was learnt by."""

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
    learnt_changed = Signal(str, bool)
    """What the last model that has learnt here has gained, "" for none, and whether it is in use."""
    found = Signal(object)
    """The `Registry`, whenever plugins and files were looked up."""

    def __init__(self, menu: QMenu, window: QWidget, *, current: str) -> None:
        super().__init__(window)
        self._window = window
        self._current = current
        self._registry: Registry | None = None
        self._segmenters: dict[str, ModelSpec] = {}
        self._learnt = ""
        """The name of the last model in use that has learnt here."""
        self._is_off = False
        """Whether a person went back from it."""
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
        self._segmenters = segmenters
        if self._current in segmenters:
            self.current.emit(segmenters[self._current])
            self._tell_learnt(segmenters[self._current])
        self.found.emit(registry)

    def _add(self, name: str, spec: ModelSpec) -> None:
        action = self._use.addAction(spec.title, lambda: self._choose(name, spec))
        action.setData(name)
        action.setCheckable(True)
        action.setChecked(name == self._current)
        action.setToolTip(f"{spec.title}, {spec.licence}" if spec.licence else spec.title)
        self._group.addAction(action)

    def _choose(self, name: str, spec: ModelSpec) -> None:
        self._current = name
        self._segmenters[name] = spec
        self.chosen.emit(name, spec)
        self._tell_learnt(spec)

    def _tell_learnt(self, spec: ModelSpec) -> None:
        if spec.note:
            self._learnt = self._current
        known = self._segmenters.get(self._learnt)
        self.learnt_changed.emit(known.note if known is not None else "", bool(spec.note))

    def switch_learnt(self) -> None:
        """From a model that has learnt here to MobileSAM as it comes, or back to it."""
        self._is_off = self._current == self._learnt
        other = PLAIN if self._is_off else self._learnt
        spec = self._segmenters.get(other)
        if spec is not None:
            self._choose(other, spec)
            self._check()

    def take_learnt(self, spec: ModelSpec) -> None:
        """Use what was learnt on the way, unless a person has switched that off or chosen another model."""
        before, self._learnt = self._learnt, str(spec.weights[0].path)
        self._segmenters[self._learnt] = spec
        if self._current in (PLAIN, before) and not self._is_off:
            self.use(spec)
        else:
            self._tell_learnt(self._segmenters.get(self._current, spec))

    def suit_learnt(self, learnt: Mapping[str, str], project: str) -> None:
        """Another project is open: what was `learnt` in it is used, and what was in others is not.

        `learnt` has the files of what was learnt, by project.
        """
        here = learnt.get(project, "")
        own, plain = self._segmenters.get(here), self._segmenters.get(PLAIN)
        if own is not None and self._current == PLAIN and not self._is_off:
            self.use(own)
        elif plain is not None and self._current in set(learnt.values()) - {here}:
            self._learnt = ""
            self.use(plain)

    def _check(self) -> None:
        """Tick the one in use in the menu."""
        for action in self._group.actions():
            action.setChecked(action.data() == self._current)

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
        self.use(spec)

    def use(self, spec: ModelSpec) -> None:
        """Use a promptable model from now on, one of a plugin or in a file."""
        # a file's model is known by its path, which is where its weights are
        known = self._registry is not None and any(one.id == spec.id for one in self._registry.models)
        self._choose(spec.id if known or not spec.weights else str(spec.weights[0].path), spec)
        self._check()

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
