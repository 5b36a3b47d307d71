"""The labels formats that come with the app; each is a room of `labeler/formats`, its entry stands here."""

from labeler.api import Plugin
from labeler.formats.coco.coco_format import coco
from labeler.formats.cvat.cvat_format import cvat
from labeler.formats.datumaro.datumaro_format import datumaro
from labeler.formats.dota.dota_format import dota, yolo_obb
from labeler.formats.label_studio.label_studio_format import label_studio
from labeler.formats.labelme.labelme_format import labelme
from labeler.formats.masks.masks_format import masks, masks_instance
from labeler.formats.only_read.createml_format import createml
from labeler.formats.only_read.segment_anything_format import segment_anything
from labeler.formats.only_read.superannotate_format import superannotate
from labeler.formats.only_read.supervisely_format import supervisely
from labeler.formats.only_read.via_format import via
from labeler.formats.panoptic_set.panoptic_format import panoptic
from labeler.formats.tables.csv_format import csv_boxes
from labeler.formats.tables.open_images import open_images
from labeler.formats.voc.voc_format import voc, voc_masks
from labeler.formats.yolo.yolo_format import yolo, yolo_pose, yolo_seg

plugin = Plugin(
    api=1,
    name="Labels formats",
    version="1",
    formats=(
        coco,
        createml,
        csv_boxes,
        cvat,
        datumaro,
        dota,
        label_studio,
        labelme,
        masks,
        masks_instance,
        open_images,
        panoptic,
        segment_anything,
        superannotate,
        supervisely,
        via,
        voc,
        voc_masks,
        yolo,
        yolo_obb,
        yolo_pose,
        yolo_seg,
    ),
)
