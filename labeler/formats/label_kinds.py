"""What a JSON file is that is no COCO annotations file, or one without objects: one sentence for a person."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from labeler.formats.gates import BAD_JSON, OBJECT, Fields, Kind

_LIST: Kind[list[Raw]] = Kind(list[Raw], "a list")

_OF_FILE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("shapes", "imagePath"), "It is a labelme file; read it as “labelme”"),
    (("_via_img_metadata",), "It is a project of the VGG Image Annotator; read it as “via”"),
    (("___objects___",), "It is SuperAnnotate's own format; read it as “superannotate”"),
    (("instances", "metadata"), "It is SuperAnnotate's own format; read it as “superannotate”"),
    (("annotations", "image"), "It is a file of Segment Anything (SA-1B); read it as “sa-1b”"),
    (("objects", "size"), "It is a Supervisely annotation; read it as “supervisely”"),
    (("assets",), "It is a VoTT file; export it as COCO there"),
    (("project", "config", "file", "metadata"), "It is a project of the VGG Image Annotator 3"),
    (("type", "features"), "It is GeoJSON"),
)
_OF_ITEM: tuple[tuple[tuple[str, ...], str], ...] = (
    (("image_id", "score"), "It is a list of results; import it as results of a model (--results)"),
    (("image_id", "caption"), "It is a list of captions, which have no place in an image"),
    (("data", "annotations"), "It is Label Studio's own format; read it as “label-studio”"),
    (("data", "completions"), "It is Label Studio's own format; read it as “label-studio”"),
    (("image", "annotations"), "It is a Create ML file; read it as “createml”"),
    (("shapes", "imagePath"), "It is a list of labelme files; read it as “labelme”"),
)


def what_is(data: bytes) -> str:
    """A sentence, after a blank, that names the kind of a JSON text; "" where it is not known."""
    try:
        top = msgspec.json.decode(data, type=Raw)
        if OBJECT.matches(top):
            return _of_object(OBJECT.read(top, ""))
        if _LIST.matches(top):
            items = _LIST.read(top, "")
            first = OBJECT.read(items[0], "") if items and OBJECT.matches(items[0]) else {}
            return _sentence(first, _OF_ITEM) or " It is a list without images and categories."
    except BAD_JSON:
        return ""
    return ""


def _of_object(fields: Fields) -> str:
    if said := _sentence(fields, _OF_FILE):
        return said
    for raw in list(fields.values())[:3]:
        if OBJECT.matches(raw) and {"filename", "regions"} <= OBJECT.read(raw, "").keys():
            return " It is the VGG Image Annotator's own format; read it as “via”."
        if OBJECT.matches(raw) and "instances" in OBJECT.read(raw, ""):
            return " It is SuperAnnotate's own format; read it as “superannotate”."
    return ""


def _sentence(fields: Fields, kinds: Sequence[tuple[tuple[str, ...], str]]) -> str:
    return next((f" {what}." for keys, what in kinds if all(key in fields for key in keys)), "")


def why_no_object(fields: Fields) -> str:
    """What an annotation without any geometry is; "" where nothing tells."""
    if "segments_info" in fields:
        return (
            "Is panoptic: its masks are in the PNG that it names, and that is not beside the file, where "
            "it is read."
        )
    if "caption" in fields:
        return "Is a caption, which has no place in the image."
    if "keypoints" in fields:
        return "Has only keypoints, without a box or an outline."
    if "bbox" not in fields and "segmentation" not in fields:
        return "Is a label of the whole image, without a box or an outline."
    return ""
