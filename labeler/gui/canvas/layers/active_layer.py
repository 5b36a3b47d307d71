"""The active layer: what is selected, dragged or proposed, painted live in every frame."""

from collections.abc import Iterator, Sequence

import numpy as np
from PySide6.QtCore import QObject, QPointF, QRectF, QVariantAnimation, Signal
from PySide6.QtGui import QPainter

from labeler.core.colors import rgb
from labeler.core.measures.overlap import Agreement
from labeler.core.records import Annotation, Box, Candidate, Polygons
from labeler.gui.canvas.handles import handle_points
from labeler.gui.canvas.layers import ink
from labeler.gui.canvas.layers.drawing import AMONG, COMPARED, PREVIEW, PROPOSAL, REFERENCE, SELECTED, Rgb
from labeler.gui.canvas.layers.sprite import Sprite, SpriteJob, rough_bounds
from labeler.gui.canvas.layers.tags import CROWDED, HEIGHT, Tag, TagPictures, arranged
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.scene import Scene
from labeler.gui.canvas.stage import Stage
from labeler.gui.canvas.tools.base import Tool
from labeler.gui.canvas.tools.select import SelectTool
from labeler.gui.canvas.viewport import Viewport
from labeler.gui.toolkit import theme

_FADE = 80
"""Milliseconds in which a proposal comes up: the one motion there is."""
_MOST_RIMS = 200
"""So many selected shapes are parted by dark rims: past that they would cost a frame."""
_CROWDED_VERTICES = 7.0
"""Widget pixels: where vertices lie closer than this on average, only the hovered one is shown."""


class ActiveLayer(QObject):
    """Paints everything that the overlay leaves out."""

    faded = Signal()
    """A step of the fade: paint again."""

    def __init__(self, stage: Stage, prompt_desk: PromptDesk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stage, self._prompt_desk = stage, prompt_desk
        self._selected, self._reference, self._proposed = Sprite(), Sprite(), Sprite()
        self._measured: tuple[Annotation, Agreement | None] | None = None
        self._pictures = TagPictures()
        self.tagged: list[QRectF] = []
        """Where tags stand since it was painted last, widget pixels."""
        self._tags: dict[int, tuple[tuple[int, Viewport, tuple[int, int]], list[Tag]]] = {}
        self._fade = QVariantAnimation(self)
        self._fade.setDuration(_FADE)
        self._fade.setStartValue(0.0)
        self._fade.setEndValue(1.0)
        self._fade.valueChanged.connect(self.faded)
        prompt_desk.arrived.connect(self._fade.start)

    def forget_measure(self) -> None:
        """The agreement of the selected annotation may be another one now."""
        self._measured = None

    def paint(
        self, painter: QPainter, tool: Tool, size: tuple[int, int], ratio: float, taken: Sequence[QRectF]
    ) -> None:
        """Paint for a widget of this size (width, height) with `ratio` device pixels to a pixel.

        No tag goes under what floats on the rectangles `taken`.
        """
        stage, self.tagged = self._stage, []
        if stage.options.annotations:
            self._selected.paint(painter, self._selected_jobs(tool), stage.view, size, ratio)
            if tool.brushwork is not None and tool.brushwork.picture is not None:
                tool.brushwork.picture.paint(painter, stage.view, size, ratio)
            self._reference.paint(painter, self._reference_jobs(), stage.view, size, ratio)
        if tool.brushwork is None or not tool.brushwork.makes_one:  # a proposal that is painted on is its
            self._paint_proposal(painter, size, ratio)
        if stage.options.annotations:
            handles = self._paint_handles(painter, tool)
            if stage.options.tags:
                self._paint_tags(painter, tool, size, [*taken, *handles])
        self._paint_prompts(painter)
        tool.paint(painter)

    # --- what is selected -------------------------------------------------------------------------

    def _selected_jobs(self, tool: Tool) -> list[SpriteJob]:
        stage, jobs = self._stage, []
        active = stage.active()
        # the areas of a comparison are to be seen in their own colours
        several = 1 < len(active) <= _MOST_RIMS and not stage.drafts  # while they are dragged: plainly
        look = AMONG if several else SELECTED
        if stage.comparison.is_shown:
            look = COMPARED
        painted = tool.brushwork.target_id if tool.brushwork is not None else None
        for annotation in active:
            if annotation.id != painted:
                jobs.append(SpriteJob(annotation.shape, stage.scene.color(annotation.category_id), look))
        return jobs

    def _reference_jobs(self) -> list[SpriteJob]:
        reference = self.reference()
        if reference is None:
            return []
        return [
            SpriteJob(reference.shape, _lightened(self._stage.scene.color(reference.category_id)), REFERENCE)
        ]

    def reference(self) -> Candidate | None:
        """What the one selected annotation is measured against, where it differs from it."""
        stage, annotation = self._stage, self._sole()
        reference = stage.predictions.agreement.reference(annotation) if annotation is not None else None
        measured = self._agreement()
        same = measured is not None and measured.iou > 0.9999
        return None if same else reference

    def _sole(self) -> Annotation | None:
        """The one selected annotation; without one the prediction that a drag is about to make one."""
        focus, known = self._stage.session.focus, self._stage.session.document.annotations
        if len(focus.selection) == 1:
            return known.get(next(iter(focus.selection)))
        return focus.draft if focus.draft is not None and focus.draft.id not in known else None

    def _agreement(self) -> Agreement | None:
        """Of the one selected annotation, or its draft, worked out once for each change of it."""
        annotation = self._sole()
        if annotation is None:
            return None
        if self._measured is None or self._measured[0] is not annotation:
            self._measured = (annotation, self._stage.predictions.agreement.of(annotation.id))
        return self._measured[1]

    def _paint_handles(self, painter: QPainter, tool: Tool) -> list[QRectF]:
        """Frames, handles and vertices; gives the rectangles that tags leave free."""
        stage, taken = self._stage, []
        active = stage.active()
        for annotation in active:
            if isinstance(annotation.shape, Polygons) and len(active) == 1:
                if isinstance(tool, SelectTool):
                    self._paint_vertices(painter, annotation, annotation.shape, tool)
                continue
            box = rough_bounds(annotation.shape)
            corners = stage.view.to_screen([(box.x0, box.y0), (box.x1, box.y1)])
            rect = QRectF(*corners[0], *(corners[1] - corners[0]))
            if len(active) <= CROWDED:
                ink.paint_frame(painter, rect)
            if tool.shows_handles and len(active) == 1 and stage.editable(annotation.id):
                taken += self._paint_eight(painter, box)
        predicted = self._predicted_box() if tool.shows_handles else None
        if predicted is not None:
            taken += self._paint_eight(painter, predicted)
        return taken

    def _paint_eight(self, painter: QPainter, box: Box) -> list[QRectF]:
        centers = [self._stage.view.point_on_screen(*point) for point in handle_points(box)]
        ink.paint_handles(painter, centers)
        half = ink.HANDLE / 2 + 1
        return [QRectF(x - half, y - half, 2 * half, 2 * half) for x, y in centers]

    def _predicted_box(self) -> Box | None:
        """Of the one prediction that the mouse is on, else that is selected, where that is a box."""
        stage, predictions = self._stage, self._stage.predictions
        if stage.drafts or not stage.options.predictions or predictions.walk is not None:
            return None
        chosen = predictions.selection if len(predictions.selection) == 1 else ()
        key = stage.aimed if stage.aimed is not None else next(iter(chosen), None)
        found = predictions.candidates.get(key) if key in predictions.kept else None
        return found.shape if found is not None and isinstance(found.shape, Box) else None

    def _paint_vertices(
        self, painter: QPainter, annotation: Annotation, shape: Polygons, tool: SelectTool
    ) -> None:
        color = _hex(self._stage.scene.color(annotation.category_id))
        for part_at, part in enumerate(shape.parts):
            for ring_at, ring in enumerate((part.outer, *part.holes)):
                points = self._stage.view.to_screen(ring)
                around = float(np.hypot(*(points - np.roll(points, 1, axis=0)).T).sum())
                hovered = None
                if tool.hovered and (tool.hovered.part, tool.hovered.ring) == (part_at, ring_at):
                    hovered = tool.hovered.index
                if around / len(points) >= _CROWDED_VERTICES:
                    ink.paint_vertices(painter, [(x, y) for x, y in points.tolist()], color, hovered)
                elif hovered is not None and hovered < len(points):
                    ink.paint_vertices(painter, [tuple(points[hovered].tolist())], color, 0)

    # --- what is proposed -------------------------------------------------------------------------

    def _paint_proposal(self, painter: QPainter, size: tuple[int, int], ratio: float) -> None:
        prompt_desk, category = self._prompt_desk, self._stage.session.focus.category
        color = rgb(category.color if category is not None else theme.PROPOSAL)
        jobs = []
        if prompt_desk.current is not None:
            jobs.append(SpriteJob(prompt_desk.current.mask, color, PROPOSAL))
        elif prompt_desk.preview is not None and not prompt_desk.pending:
            jobs.append(SpriteJob(prompt_desk.preview.mask, color, PREVIEW))
        fading = self._fade.state() == QVariantAnimation.State.Running
        painter.setOpacity(float(self._fade.currentValue()) if fading else 1.0)
        self._proposed.paint(painter, jobs, self._stage.view, size, ratio)
        painter.setOpacity(1.0)

    def _paint_prompts(self, painter: QPainter) -> None:
        view, prompt_desk = self._stage.view, self._prompt_desk
        if prompt_desk.box is not None:
            box = prompt_desk.box
            corner = view.point_on_screen(box.x0, box.y0)
            ink.paint_prompt_box(painter, QRectF(*corner, box.width * view.scale, box.height * view.scale))
        for point in prompt_desk.points:
            ink.paint_prompt_point(painter, *view.point_on_screen(point.x, point.y), positive=point.positive)

    # --- tags -------------------------------------------------------------------------------------

    def _paint_tags(self, painter: QPainter, tool: Tool, size: tuple[int, int], taken: list[QRectF]) -> None:
        tags = [*self._selected_tags(tool), *self._chosen_tags()]
        tags += self._scene_tags(self._stage.scene, size)
        if self._stage.options.predictions:
            tags += self._scene_tags(self._stage.layer.kept, size)
        ratio = painter.device().devicePixelRatio()
        pictures = [self._pictures.of(tag, ratio) for tag in tags]
        widths = [picture.width() / ratio for picture in pictures]
        for at, (x, y) in arranged(tags, widths, size, taken):
            painter.drawImage(QPointF(round(x), round(y)), pictures[at])
            self.tagged.append(QRectF(round(x), round(y), widths[at], HEIGHT))

    def _selected_tags(self, tool: Tool) -> Iterator[Tag]:
        active = self._stage.active()
        for annotation in active[:CROWDED]:
            measured = self._agreement() if len(active) == 1 else None
            yield Tag(
                self._told(annotation),
                _hex(self._stage.scene.color(annotation.category_id)),
                self._frame(annotation),
                note=f"IoU {measured.iou:.2f}" if measured else "",
                note_color=theme.agreement_color(measured.iou, on_photo=True) if measured else "#ffffff",
                handles=tool.shows_handles and len(active) == 1,
                forced=len(active) == 1,
            )

    def _chosen_tags(self) -> Iterator[Tag]:
        """Of the selected predictions."""
        predictions = self._stage.predictions
        for key in sorted(predictions.selection)[:CROWDED]:
            yield self._candidate_tag(predictions.candidates[key])

    def _candidate_tag(self, candidate: Candidate) -> Tag:
        predictions = self._stage.predictions
        confidence = predictions.filtered.confidences.get(candidate.id, candidate.confidence)
        text = f"{predictions.name_of(candidate)} {confidence:.2f}"
        color = _hex(self._stage.scene.color(candidate.category_id))
        return Tag(text, color, self._frame(candidate), dot=False)

    def _scene_tags(self, scene: Scene, size: tuple[int, int]) -> list[Tag]:
        """A tag for each painted entry in sight, none where there are too many."""
        key = (scene.version, self._stage.view, size)
        known = self._tags.get(id(scene))
        if known is None or known[0] != key:
            known = (key, self._made_tags(scene, size))
            self._tags[id(scene)] = known
        return known[1]

    def _made_tags(self, scene: Scene, size: tuple[int, int]) -> list[Tag]:
        extent = self._stage.view.extent((0, 0, *size))
        if len(scene.seen(extent)) > CROWDED:
            return []
        places = scene.painted(extent)
        tags = []
        for place in places.tolist():
            entry = scene.entries[place]
            if isinstance(entry, Candidate):
                tags.append(self._candidate_tag(entry))
                continue
            x0, y0, x1, y1 = scene.boxes[place].tolist()
            frame = (*self._stage.view.point_on_screen(x0, y0), *self._stage.view.point_on_screen(x1, y1))
            tags.append(Tag(self._told(entry), _hex(scene.color(entry.category_id)), frame))
        return tags

    def _told(self, annotation: Annotation) -> str:
        locked = annotation.id in self._stage.session.veil.locked
        return f"{self._stage.name_of(annotation)} · locked" if locked else self._stage.name_of(annotation)

    def _frame(self, annotation: Annotation | Candidate) -> tuple[float, float, float, float]:
        box, view = rough_bounds(annotation.shape), self._stage.view
        return (*view.point_on_screen(box.x0, box.y0), *view.point_on_screen(box.x1, box.y1))


def _hex(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _lightened(color: Rgb) -> Rgb:
    """Half way to white, to stand out from the solid line of the same category."""
    r, g, b = ((channel + 255) // 2 for channel in color)
    return r, g, b
