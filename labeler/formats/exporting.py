"""An open project as a COCO file; `exchange` takes files in."""

from pathlib import Path

from msgspec.structs import replace

from labeler.core.records import Image
from labeler.formats.coco import Dataset
from labeler.formats.coco_writing import exported_ids, write_coco
from labeler.formats.exchange import TOP_LEVEL, Project
from labeler.formats.json_text import no_collection
from labeler.formats.placing import header_of
from labeler.formats.report import Report


@no_collection()
def export_coco(
    project: Project, *, polygons: bool = False, reviewed_only: bool = False
) -> tuple[bytes, Report]:
    """The project as a COCO file, and what could not be written.

    Sizes are as displayed, ids and file names those of the file that an item came from, where there is one.
    With `reviewed_only` only reviewed images and their annotations.
    """
    images, categories = project.images(), project.categories()
    image_ids, category_ids = exported_ids(images), exported_ids(categories)
    kept = [
        replace(_sized(image, project.root), file_id=image_ids[image.id])
        for image in images
        if image.reviewed or not reviewed_only
    ]
    shown = {image.id for image in kept}
    dataset = Dataset(
        images=tuple(kept),
        categories=tuple(replace(c, file_id=category_ids[c.id]) for c in categories),
        annotations=tuple(a for a in project.all_annotations() if a.image_id in shown),
        extra=project.meta(TOP_LEVEL).encode(),
    )
    return write_coco(dataset, polygons=polygons, with_facts=True)


def _sized(image: Image, root: Path) -> Image:
    """The image with its displayed size, looked up in its file where the project does not know it yet."""
    if image.width:
        return image
    header = header_of(root / image.path)
    return replace(image, width=header.width, height=header.height) if header else image
