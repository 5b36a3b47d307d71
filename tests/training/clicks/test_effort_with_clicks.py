"""What is learnt from the masks that are done answers the simulated person on later images."""

from pathlib import Path

import numpy as np

from labeler.core.geometry import rasterise
from labeler.core.records import Annotation, Category, Image, Part, Polygons, Proposal
from labeler.errors import LabelerError
from labeler.models.protocols import Embedding, ModelSpec
from labeler.training.effort.effort_course import EffortCourse, Tools
from labeler.training.effort.relearner import LabelledPhoto

SIZE = (100, 200)
LEFT, RIGHT = (np.array([(x, 10.0), (x + 60, 10.0), (x + 60, 80.0), (x, 80.0)]) for x in (10.0, 110.0))


def photo(number: int) -> LabelledPhoto:
    both = (LEFT, RIGHT)
    annotations = tuple(
        Annotation(number * 10 + place, number, 1, Polygons((Part(ring),))) for place, ring in enumerate(both)
    )
    image = Image(number, f"{number}.png", SIZE[1], SIZE[0])
    return LabelledPhoto(image, Path(f"{number}.png"), annotations)


class Knows:
    """Offers the whole object in the box, or nothing."""

    def __init__(self, *, knows: bool) -> None:
        self._knows = knows

    def embed(self, image, *, threads=0, interrupt=None):
        raise NotImplementedError

    def segment(self, embedding, prompt, *, threads=0, limit=3):
        if not self._knows:
            return ()
        ring = LEFT if prompt.box.x0 < 100 else RIGHT
        mask = rasterise(Polygons((Part(ring),)), size=SIZE)
        return (Proposal(mask, 0.9, np.zeros((256, 256), dtype=np.float32)),)


class Teacher:
    def __init__(self, error: str = "") -> None:
        self.asked: list[int] = []
        self._error = error

    def learnt(self, photos) -> ModelSpec:
        self.asked.append(len(photos))
        if self._error:
            raise LabelerError(self._error)
        return ModelSpec("taught", "Taught", "segmenter", lambda: Knows(knows=True))


def labelled(teacher: Teacher) -> tuple[list[int], EffortCourse]:
    """Actions by SAM on each of 8 images, with learning after every second."""
    tools = Tools(
        Knows(knows=False),
        lambda _: Embedding({}, SIZE),
        clicks=teacher,  # type: ignore[arg-type]
    )
    course = EffortCourse(tools, [Category(1, "block", "#ff0000")], as_masks=True, every=2)
    return [course.label(photo(number)).sam.actions for number in range(1, 9)], course


def test_it_is_asked_from_enough_masks_on_and_used_on_the_images_after(tmp_path) -> None:
    teacher = Teacher()
    actions, course = labelled(teacher)
    # after 4 images there are only 8 masks, and after the last one nothing is left to use it on
    assert teacher.asked == [6]
    assert len(set(actions[:6])) == 1
    assert actions[6] == actions[7] < actions[0]
    assert course.complaints == []


def test_what_cannot_be_learnt_is_said_and_nothing_changes() -> None:
    actions, course = labelled(Teacher("It does not work."))
    assert len(set(actions)) == 1
    assert course.complaints[0] == "After 6 images nothing was learnt. It does not work."
