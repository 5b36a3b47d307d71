"""Makes `decoder.onnx` from the npm package's: `python cut_decoder.py package/dist/sam.onnx decoder.onnx`.

The original chooses one of its four masks and upscales it to the image inside the graph, which costs
more than the decoding at 4k. The cut ends right before: all four masks, small, and their predicted IoUs.
"""

import sys

from onnx.utils import extract_model

INPUTS = ["image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input"]
OUTPUTS = ["/Reshape_9_output_0", "/iou_prediction_head/layers.2/Gemm_output_0"]


def main(source: str, target: str) -> None:
    """Cut `source` and write `target`."""
    extract_model(source, target, INPUTS, OUTPUTS)


if __name__ == "__main__":
    main(*sys.argv[1:])
