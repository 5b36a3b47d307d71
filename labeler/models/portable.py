"""A model leaves the app: its network in a form that others run, what it finds, and a program that runs it.

    model.onnx       the network (or model.torchscript, or model.xml and model.bin of OpenVINO)
    encoder.onnx ... those of a SAM, where it answers prompts or draws the masks
    labels.json      title, classes and settings, the thresholds by which objects are kept among them
    run.py           beside an ONNX network: what the app does around it, by numpy, onnxruntime and Pillow

Imports torch when something is written, so it is for a child or the command line's own process.
"""

import importlib.util
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from labeler import paths
from labeler.core.filtering import Filter
from labeler.errors import ModelError
from labeler.models.files.opener import first_line
from labeler.models.onnx_export import onnx_bytes
from labeler.models.protocols import Form, ModelSpec, Portable

FORMS: tuple[Form, ...] = get_args(Form)


def export_model(spec: ModelSpec, form: Form, out: Path) -> tuple[Path, ...]:
    """Write a model to the folder `out`, which is not there yet or empty; gives its files.

    All is there at the end, or nothing. Raises ModelError with one sentence where the model stays, the folder
    is taken or cannot be written, or what the form needs is not installed.
    """
    if spec.portable is None:
        raise ModelError(
            f"{spec.title} cannot be exported: of it only the app itself knows how it is run; export a model "
            "of YOLO, U-Net, Faster R-CNN, Mask R-CNN, the localizer, instant, clicks or MobileSAM."
        )
    if form == "openvino" and importlib.util.find_spec("openvino") is None:
        raise ModelError("OpenVINO is not installed: `uv sync --extra openvino` installs it.")
    _check_free(out)
    contents = _made(spec, spec.portable, form)
    try:
        _put(contents, out)
    except OSError as error:
        raise ModelError(f"{spec.title} cannot be written to {out} ({error.strerror or error}).") from error
    return tuple(out / name for name in sorted(contents))


def _check_free(out: Path) -> None:
    try:
        is_taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise ModelError(f"The folder {out} cannot be read ({error.strerror or error}).") from error
    if is_taken:
        raise ModelError(f"{out} is there already and not an empty folder; choose a new one.")


def _put(contents: Mapping[str, bytes], out: Path) -> None:
    """Write the files beside their folder's place, and move them into it as one."""
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        for name, content in contents.items():
            (part / name).write_bytes(content)
        if out.is_dir():
            out.rmdir()  # an empty one; on Windows a folder does not take its place
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _made(spec: ModelSpec, portable: Callable[[], Portable], form: Form) -> dict[str, bytes]:
    """As `_contents`; whatever a library raises where it cannot do it is a ModelError."""
    try:
        return _contents(portable(), spec, form)
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # exporters touch much of torch
        raise ModelError(f"{spec.title} could not be exported as {form} ({first_line(error)}).") from error


def _contents(portable: Portable, spec: ModelSpec, form: Form) -> dict[str, bytes]:
    """The files by their names; nothing is written where they go, for this takes a while."""
    if portable.beside and form != "onnx":
        raise ModelError(
            f"{spec.title} can be exported as ONNX only, since MobileSAM's networks in it are ONNX files."
        )
    found = {"labels.json": msgspec.json.format(msgspec.json.encode(_labels(portable, spec))) + b"\n"}
    if form == "onnx":
        runner = paths.resources() / "runners" / portable.runner
        found |= {"run.py": runner.read_bytes(), **portable.beside}
    if portable.module is None or portable.example is None:
        return found
    if form == "torchscript":
        return found | {"model.torchscript": _torchscript(portable)}
    about = {name: str(value) for name, value in portable.metadata.items()} | {"title": spec.title}
    network = onnx_bytes(
        portable.module, portable.example, outputs=portable.outputs, free=portable.free, about=about
    )
    if form == "openvino":
        return found | _openvino(network)
    return found | {"model.onnx": network}


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


def _openvino(network: bytes) -> dict[str, bytes]:
    """An ONNX network as OpenVINO's two files."""
    import tempfile  # noqa: PLC0415 - for this form only

    import openvino  # noqa: PLC0415 - an extra

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(network)
        openvino.save_model(
            openvino.convert_model(folder / "model.onnx"), folder / "model.xml", compress_to_fp16=False
        )
        return {one: (folder / one).read_bytes() for one in ("model.xml", "model.bin")}


def _torchscript(portable: Portable) -> bytes:
    import io  # noqa: PLC0415 - for this form only
    import warnings  # noqa: PLC0415

    import torch  # noqa: PLC0415  # heavy: in a child only

    written = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of tracing, and that there will be another way
        traced = torch.jit.trace(portable.module, (torch.from_numpy(portable.example),), check_trace=False)
        torch.jit.save(traced, written)
    return written.getvalue()
