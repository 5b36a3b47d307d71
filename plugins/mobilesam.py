"""MobileSAM (Zhang et al. 2023) on ONNX Runtime: the promptable model that comes with the app."""

from labeler.api import Plugin
from labeler.models.sam.mobile_sam import SPEC

plugin = Plugin(api=1, name="MobileSAM", version="1.0", models=(SPEC,))
