"""A model leaves the app: its network in a form that others run, what it finds, and a program that runs it.

    model.onnx       the network (or model.torchscript, or model.xml and model.bin of OpenVINO)
    labels.json      title, classes and settings, the thresholds by which objects are kept among them
    run.py           beside an ONNX network: what the app does around it, by numpy, onnxruntime and Pillow

Imports torch when something is written, so it is for a child or the command line's own process.
"""

import importlib.util
import secrets
import shutil
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from labeler import paths
from labeler.core.filtering import Filter
from labeler.errors import ModelError
from labeler.models.onnx_export import onnx_bytes
from labeler.models.protocols import ModelSpec, Portable

Form: TypeAlias = Literal["onnx", "torchscript", "openvino"]
FORMS: tuple[Form, ...] = get_args(Form)


def export_model(spec: ModelSpec, form: Form, out: Path) -> tuple[Path, ...]:
    """Write a model to the folder `out`, which is not there yet or empty; gives its files.

    All is there at the end, or nothing. Raises ModelError with one sentence where the model stays, the folder
    is taken or cannot be written, or what the form needs is not installed.
    """
    if spec.portable is None:
        raise ModelError(
            f"{spec.title} cannot be exported: of it only the app itself knows how it is run; export a model "
            "of YOLO, U-Net, Faster R-CNN, Mask R-CNN or the localizer."
        )
    if form == "openvino" and importlib.util.find_spec("openvino") is None:
        raise ModelError("OpenVINO is not installed: `uv sync --extra openvino` installs it.")
    _check_free(out)
    portable = spec.portable()
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        _write(portable, spec, form, part)
        if out.is_dir():
            out.rmdir()  # an empty one; on Windows a folder does not take its place
        part.rename(out)
    except OSError as error:
        raise ModelError(f"{spec.title} cannot be written to {out} ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tuple(sorted(out.iterdir()))


def _check_free(out: Path) -> None:
    try:
        is_taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise ModelError(f"The folder {out} cannot be read ({error.strerror or error}).") from error
    if is_taken:
        raise ModelError(f"{out} is there already and not an empty folder; choose a new one.")


def _write(portable: Portable, spec: ModelSpec, form: Form, folder: Path) -> None:
    labels = _labels(portable, spec)
    (folder / "labels.json").write_bytes(msgspec.json.format(msgspec.json.encode(labels)) + b"\n")
    if form == "torchscript":
        _write_torchscript(portable, folder / "model.torchscript")
        return
    about = {name: str(value) for name, value in portable.metadata.items()}
    network = onnx_bytes(
        portable.module, portable.example, outputs=portable.outputs, free=portable.free, about=about
    )
    (folder / "model.onnx").write_bytes(network)
    if form == "onnx":
        shutil.copyfile(paths.resources() / "runners" / portable.runner, folder / "run.py")
        return
    import openvino  # noqa: PLC0415 - an extra

    converted = openvino.convert_model(folder / "model.onnx")
    openvino.save_model(converted, folder / "model.xml", compress_to_fp16=False)
    (folder / "model.onnx").unlink()


def _labels(portable: Portable, spec: ModelSpec) -> dict[str, Any]:
    usual = Filter()
    return {
        "title": spec.title,
        "licence": spec.licence,
        "classes": portable.classes,
        "confidence": usual.confidence,
        "iou": usual.iou,
        "most": usual.top_k,
        **portable.settings,
    }


def _write_torchscript(portable: Portable, path: Path) -> None:
    import io  # noqa: PLC0415
    import warnings  # noqa: PLC0415

    import torch  # noqa: PLC0415  # heavy: in a child only

    written = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of tracing, and that there will be another way
        traced = torch.jit.trace(portable.module, (torch.from_numpy(portable.example),), check_trace=False)
        torch.jit.save(traced, written)
    path.write_bytes(written.getvalue())
