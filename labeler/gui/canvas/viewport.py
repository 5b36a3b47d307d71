"""Where the image lies in the view: pure arithmetic between image and screen coordinates."""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

SMALLEST, LARGEST = 0.005, 64.0
CRISP = 4.0
"""From this scale on, pixels of the image are shown as squares."""

Rect = tuple[int, int, int, int]
"""Half-open x0, y0, x1, y1 in whole pixels of a buffer or a widget."""


class Viewport(Struct, frozen=True):
    """`screen = image * scale + offset`, both x right and y down, in any one kind of screen pixels."""

    scale: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)

    def to_screen(self, points: ArrayLike) -> NDArray[np.float64]:
        """Image points (..., 2) as x, y on the screen."""
        return np.asarray(points, dtype=np.float64) * self.scale + self.offset

    def to_image(self, points: ArrayLike) -> NDArray[np.float64]:
        """Screen points (..., 2) as x, y in the image."""
        return (np.asarray(points, dtype=np.float64) - self.offset) / self.scale

    def point_on_screen(self, x: float, y: float) -> tuple[float, float]:
        """One image point on the screen."""
        return x * self.scale + self.offset[0], y * self.scale + self.offset[1]

    def point_in_image(self, x: float, y: float) -> tuple[float, float]:
        """One screen point in the image."""
        return (x - self.offset[0]) / self.scale, (y - self.offset[1]) / self.scale

    def zoomed(self, factor: float, *, at: tuple[float, float]) -> "Viewport":
        """The scale times `factor`, within limits; at the screen point `at` the image stays put."""
        scale = min(max(self.scale * factor, SMALLEST), LARGEST)
        x, y = self.point_in_image(*at)
        return Viewport(scale, (at[0] - x * scale, at[1] - y * scale))

    def panned(self, dx: float, dy: float) -> "Viewport":
        """The image moved by that many screen pixels."""
        return Viewport(self.scale, (self.offset[0] + dx, self.offset[1] + dy))

    def magnified(self, ratio: float) -> "Viewport":
        """The same view in pixels that are `ratio` to a pixel: a widget's view in device pixels."""
        return Viewport(self.scale * ratio, (self.offset[0] * ratio, self.offset[1] * ratio))

    def snapped(self, ratio: float) -> "Viewport":
        """The offset on whole device pixels, so that a pan moves what is painted by whole pixels."""
        x, y = (round(value * ratio) / ratio for value in self.offset)
        return Viewport(self.scale, (x, y))

    def extent(self, rect: Rect) -> tuple[float, float, float, float]:
        """The image box x0, y0, x1, y1 that a screen rectangle shows."""
        return (*self.point_in_image(*rect[:2]), *self.point_in_image(*rect[2:]))

    def within_reach(
        self, image: tuple[int, int], view: tuple[int, int], *, keep: float = 48.0
    ) -> "Viewport":
        """The view moved as little as needed to keep `keep` screen pixels of the image in sight.

        `image` and `view` are (width, height).
        """
        x, y = (
            min(max(offset, keep - size * self.scale), room - keep)
            for offset, size, room in zip(self.offset, image, view, strict=True)
        )
        return Viewport(self.scale, (x, y))


def fitted(image: tuple[int, int], view: tuple[int, int], *, margin: float = 12.0) -> Viewport:
    """The whole image in the middle of the view; `image` and `view` are (width, height).

    Images much smaller than the view are not blown up past four times.
    """
    scale = min(max(room - 2 * margin, 1.0) / max(size, 1) for size, room in zip(image, view, strict=True))
    scale = min(max(scale, SMALLEST), CRISP)
    x, y = ((room - size * scale) / 2 for size, room in zip(image, view, strict=True))
    return Viewport(scale, (x, y))


def united(a: Rect | None, b: Rect | None) -> Rect | None:
    """The smallest rectangle around both; None stands for nothing."""
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def clipped(rect: Rect, size: tuple[int, int]) -> Rect | None:
    """The part of a rectangle within (0, 0) to `size` (width, height); None where nothing is left."""
    x0, y0, x1, y1 = max(rect[0], 0), max(rect[1], 0), min(rect[2], size[0]), min(rect[3], size[1])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def looking_at(
    box: tuple[float, float, float, float],
    image: tuple[int, int],
    view: tuple[int, int],
    *,
    part: float = 0.45,
) -> Viewport:
    """An image box (x0, y0, x1, y1) in the middle of the view, filling about `part` of it.

    `image` and `view` are (width, height). Never further away than the whole image, nor nearer than four
    times, so that the surroundings are seen too.
    """
    whole = fitted(image, view).scale
    near = min(view[0] * part / max(box[2] - box[0], 1.0), view[1] * part / max(box[3] - box[1], 1.0))
    scale = min(max(near, whole), max(CRISP, whole))
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return Viewport(scale, (view[0] / 2 - x * scale, view[1] / 2 - y * scale))
