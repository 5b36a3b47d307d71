"""The labels formats that come with the app; each is a room of `labeler/formats`, its entry stands here."""

from labeler.api import Plugin
from labeler.formats.coco.coco_format import coco
from labeler.formats.cvat.cvat_format import cvat
from labeler.formats.labelme.labelme_format import labelme
from labeler.formats.masks.masks_format import masks, masks_instance
from labeler.formats.voc.voc_format import voc
from labeler.formats.yolo.yolo_format import yolo, yolo_seg

plugin = Plugin(
    api=1,
    name="Labels formats",
    version="1",
    formats=(coco, cvat, labelme, masks, masks_instance, voc, yolo, yolo_seg),
)
