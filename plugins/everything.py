"""Everything on an image, as objects without a class: the embedded MobileSAM over a grid of points.

It needs no download.
"""

from functools import partial

from labeler.api import Plugin
from labeler.core.records import Candidate
from labeler.errors import ModelError
from labeler.models.point_grid import LABEL, Grid, everything
from labeler.models.protocols import ModelSpec, Rgb, Segmenter
from labeler.models.threads import all_threads
from labeler.registry import discover


class Everything:
    """A detector out of the promptable model that comes with the app."""

    def __init__(self, grid: Grid) -> None:
        segmenter = discover(safe_mode=True).model("mobilesam").load()
        if not isinstance(segmenter, Segmenter):
            raise ModelError(
                "The embedded MobileSAM is no promptable model; install Labeler again to restore it."
            )
        self._segmenter = segmenter
        self._grid = grid

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:  # noqa: ARG002 - it reads none
        """Masks before NMS, best first; `text` is not read."""
        return everything(self._segmenter, image, self._grid, together=all_threads())


def _spec(model_id: str, title: str, grid: Grid) -> ModelSpec:
    return ModelSpec(
        id=model_id,
        title=title,
        task="detector",
        load=partial(Everything, grid),
        categories=(LABEL,),
        licence="Apache-2.0",
        version=f"MobileSAM, {grid.side} x {grid.side} points",
    )


plugin = Plugin(
    api=1,
    name="Everything",
    version="1.0",
    models=(
        _spec("everything", "Everything (MobileSAM)", Grid()),
        _spec("everything-fine", "Everything, small things too (MobileSAM)", Grid(side=32)),
    ),
)
