"""A model outside of the app: what run.py finds by numpy, onnxruntime and Pillow is what the app finds."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from pycocotools import mask as coco_mask

from labeler import cli, paths
from labeler.cli.predict import run_model
from labeler.core.filtering import Filter
from labeler.errors import ModelError
from labeler.models.portable import export_model
from labeler.models.protocols import ModelSpec
from labeler.registry import discover
from tests.training.shapes import make_run

ALONE = """
import runpy, sys

class Refused:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("labeler", "cv2", "torch", "ultralytics", "msgspec", "onnx"):
            raise ImportError(f"{name} was not to be needed")

sys.meta_path.insert(0, Refused())
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])  # as Python does for a program
runpy.run_path(sys.argv[0], run_name="__main__")
"""
COUNT = 20


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for the module: ultralytics keeps the one that it was imported with."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        for kind in ("DATA", "CACHE", "CONFIG", "LOG"):
            patch.setenv(f"LABELER_{kind}_DIR", str(folder / kind.lower()))
        yield folder


@pytest.fixture
def many(shared) -> list[Path]:
    """Twenty photos, some of them upright."""
    return sorted((shared / "data/coco-mini/images").iterdir())[:COUNT]


@pytest.fixture
def small(many, tmp_path) -> list[Path]:
    """The same photos, smaller, for models that have seen little and find hundreds of objects on a photo."""
    folder = tmp_path / "small"
    folder.mkdir()
    for path in many:
        with Picture.open(path) as photo:
            photo.convert("RGB").resize((photo.width // 3, photo.height // 3)).save(
                folder / f"{path.stem}.png"
            )
    return sorted(folder.iterdir())


@pytest.fixture
def lossless(many, tmp_path) -> list[Path]:
    """The same photos as PNG: decoders of JPEG differ by a grey level, and ragged masks then by a pixel."""
    folder = tmp_path / "lossless"
    folder.mkdir()
    for path in many:
        with Picture.open(path) as photo:
            photo.convert("RGB").save(folder / f"{path.stem}.png", compress_level=1)
    return sorted(folder.iterdir())


def run_alone(folder: Path, photos: list[Path], *, within: Path) -> list[dict]:
    """What run.py finds in a process that has none of the app's libraries."""
    out = within / "alone.json"
    command = [sys.executable, "-c", ALONE, str(folder / "run.py"), str(out), *map(str, photos)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text("utf-8"))


def same(alone: list[dict], ours: list[dict], photos: list[Path]) -> int:
    """Check that both are one, pair by pair and image by image; gives how many there are."""
    for number in range(1, len(photos) + 1):
        theirs = [one for one in alone if one["image_id"] == number]
        wanted = [one for one in ours if one["image_id"] == number]
        assert len(theirs) == len(wanted), photos[number - 1].name
        for one in wanted:
            nearest = max(theirs, key=lambda other: overlap(one, other))
            theirs.remove(nearest)
            assert nearest["category_id"] == one["category_id"]
            assert nearest["score"] == pytest.approx(one["score"], abs=1e-3)
            if "segmentation" in one:
                # of a mask under a thousand pixels one that lies on the edge is more than that
                assert overlap(one, nearest) >= 0.999 or pixels_apart(one, nearest) <= 1
            else:
                np.testing.assert_allclose(nearest["bbox"], one["bbox"], atol=0.5)
    return len(ours)


def overlap(one: dict, other: dict) -> float:
    """IoU of masks where there are some, else of boxes; 0 of a mask and a box."""
    if ("segmentation" in one) != ("segmentation" in other):
        return 0.0
    shapes = [packed(found) for found in (one, other)]
    return float(coco_mask.iou(shapes[:1], shapes[1:], [0])[0, 0])


def pixels_apart(one: dict, other: dict) -> int:
    """How many pixels one of two masks has and the other has not."""
    both = float(sum(coco_mask.area(packed(found)) for found in (one, other)))
    iou = overlap(one, other)
    return round(both - 2 * both * iou / (1 + iou))


def packed(found: dict) -> object:
    shape = found.get("segmentation")
    if shape is None:
        return found["bbox"]
    return coco_mask.frPyObjects(shape, *shape["size"]) if isinstance(shape["counts"], list) else shape


def found_by(model: Path | str, photos: list[Path]) -> list[dict]:
    """What `labeler predict` finds, as it stands."""
    return run_model(str(model), photos, None, Filter())[1]


def opened(path: Path) -> ModelSpec:
    return discover(safe_mode=True).open_file(path)


# --- the same predictions -----------------------------------------------------------------------------
def test_runners_are_short() -> None:
    runners = sorted((paths.resources() / "runners").glob("*.py"))
    assert runners
    for path in runners:
        assert len(path.read_text("utf-8").splitlines()) < 80, path.name


def test_yolo_finds_the_same_outside(many, tmp_path, capsys) -> None:
    out = tmp_path / "left" / "yolo11n"
    assert cli.run(["models", "export", "yolo11n", "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(out / name) for name in ("labels.json", "model.onnx", "run.py")
    ]
    about = json.loads((out / "labels.json").read_text("utf-8"))
    assert (about["classes"][0], about["side"], about["licence"]) == ("person", 640, "AGPL-3.0")
    assert same(run_alone(out, many, within=tmp_path), found_by("yolo11n", many), many) > COUNT


def test_masks_of_yolo_are_the_same_outside(lossless, tmp_path) -> None:
    model, out = masks_of_yolo(tmp_path / "yolo11n-seg.pt"), tmp_path / "left"
    export_model(opened(model), "onnx", out)
    alone, ours = run_alone(out, lossless, within=tmp_path), found_by(model, lossless)
    assert same(alone, ours, lossless) > COUNT
    assert sum("segmentation" in one for one in ours) > COUNT
    for one in ours:
        near = max((other for other in alone if is_near(one, other)), key=lambda other: overlap(one, other))
        np.testing.assert_allclose(near["bbox"], one["bbox"], atol=0.5)


def is_near(one: dict, other: dict) -> bool:
    """Whether two results are of one image, category and confidence."""
    same_kind = all(one[key] == other[key] for key in ("image_id", "category_id"))
    return same_kind and abs(one["score"] - other["score"]) <= 1e-3


def masks_of_yolo(path: Path) -> Path:
    """YOLO11n-seg that finds the boxes of YOLO11n, and masks as its untaught prototypes have them."""
    from labeler.models.ultralytics_home import import_ultralytics, load_checkpoint

    package = import_ultralytics()
    import torch

    torch.manual_seed(0)
    model = package.YOLO("yolo11n-seg.yaml")
    taught = load_checkpoint(discover(safe_mode=True).resolve("yolo11n").weights[0].path)
    model.model.load(taught, verbose=False)
    model.model.names = taught.names
    for branch in model.model.model[-1].cv4:
        torch.nn.init.normal_(branch[-1].weight, std=3)
    model.save(str(path))
    return path


@pytest.mark.parametrize(("images", "seams"), [("tiles", True), ("resize", False), ("tiles", False)])
def test_a_u_net_finds_the_same_outside(images, seams, small, tmp_path) -> None:
    quick = {"epochs": 3, "size": 128, "width": 8, "depth": 2, "batch": 4, "rate": 0.01}
    run = make_run(tmp_path / "run", "unet", images=8, **quick, seams=seams)
    spec = run.spec
    discover(safe_mode=True).trainer("unet").train(run, lambda _: None, lambda: False)
    recipe = {"tiles": False, "resize": True}[images]
    model = remade(run.path / "weights.safetensors", whole=recipe)
    out = tmp_path / "left"
    export_model(opened(model), "onnx", out)
    assert json.loads((out / "labels.json").read_text("utf-8"))["title"] == spec.name
    assert same(run_alone(out, small, within=tmp_path), found_by(model, small), small) > COUNT


def remade(path: Path, *, whole: bool) -> Path:
    """The U-Net in a file, as one that scales images down, or cuts them into tiles."""
    from msgspec import structs

    from labeler.models.files import made
    from labeler.training.unet import pixel_model

    model = pixel_model.load(made.read(path))
    model.recipe = structs.replace(model.recipe, whole=whole, tile=96)
    pixel_model.save(path, model, made.read(path).title)
    return path


def test_a_localizer_finds_the_same_outside(many, tmp_path) -> None:
    run = make_run(tmp_path / "run", "localizer", images=8, epochs=2, batch=4, size=96)
    discover(safe_mode=True).trainer("localizer").train(run, lambda _: None, lambda: False)
    model, out = run.path / "weights.safetensors", tmp_path / "left"
    export_model(opened(model), "onnx", out)
    about = json.loads((out / "labels.json").read_text("utf-8"))
    (out / "labels.json").write_text(json.dumps(about | {"confidence": 0.0}), "utf-8")
    ours = run_model(str(model), many, None, Filter(confidence=0.0))[1]
    assert same(run_alone(out, many, within=tmp_path), ours, many) == COUNT


@pytest.mark.parametrize("kind", ["fasterrcnn_mobilenet_v3_large_320_fpn", "maskrcnn_mobilenet_v3_large_fpn"])
def test_two_stages_find_the_same_outside(kind, small, tmp_path) -> None:
    model, out = two_stages(kind, small, tmp_path / "weights.safetensors"), tmp_path / "left"
    export_model(opened(model), "onnx", out)
    # untaught anchors lie in a grid and are equally sure, and rounding decides which of two suppresses the
    # other: all are compared before suppression
    about = json.loads((out / "labels.json").read_text("utf-8"))
    (out / "labels.json").write_text(json.dumps(about | {"iou": 1.0, "most": 10_000}), "utf-8")
    alone = run_alone(out, small[:2], within=tmp_path)
    ours = run_model(str(model), small[:2], None, Filter(iou=1.0, top_k=10_000))[1]
    found = sum(any(is_same(one, other) for other in alone) for one in ours)
    assert found >= 0.99 * max(len(ours), len(alone))
    assert found > COUNT
    assert any("segmentation" in one for one in ours) == kind.startswith("mask")


def is_same(one: dict, other: dict) -> bool:
    """Whether two results are of one image and category, and as like as is asked for."""
    if any(one[key] != other[key] for key in ("image_id", "category_id")):
        return False
    if abs(one["score"] - other["score"]) > 1e-3 or ("segmentation" in one) != ("segmentation" in other):
        return False
    if "segmentation" in one:
        return overlap(one, other) >= 0.999
    return bool(np.abs(np.array(one["bbox"]) - other["bbox"]).max() <= 0.5)


def two_stages(builder: str, photos: list[Path], path: Path) -> Path:
    """A network of random weights that has seen photos, sure of a few things on each."""
    import torch

    from labeler.core.photos.images import read_pixels
    from labeler.models import torchvision_models
    from labeler.models.files import made

    torch.manual_seed(0)
    model = torchvision_models.build(builder, 3, side=128)
    predictor, logits = model.roi_heads.box_predictor, []
    predictor.register_forward_hook(lambda *found: logits.append(found[2][0]))
    tensors = [torch.from_numpy(read_pixels(path).rgb.copy()).permute(2, 0, 1) / 255 for path in photos[:6]]
    with torch.no_grad():
        model.backbone.train()  # the statistics of its norms
        for one in tensors:
            model.backbone(model.transform([one])[0].tensors)
        model.eval()
        predictor.cls_score.weight *= 40
        model(tensors)
        spread = (logits[0][:, 1:] - logits[0][:, :1]).flatten().sort().values
        predictor.cls_score.bias[0] += spread[-60]
    trainer = {"f": "faster-rcnn", "m": "mask-rcnn"}[builder[0]]
    config = {"builder": builder, "side": 128}
    made.save(
        path, made.arrays_of(model), maker=trainer, categories=("a", "b"), config=config, title="Two stages"
    )
    return path


def test_instant_finds_the_same_outside(lossless, tmp_path) -> None:
    """With masks and without: a head that knows COCO's classes, and one of weights by chance."""
    for masks, photos in ((True, lossless[: COUNT // 2]), (False, lossless)):
        model, out = (
            instant_head_of(tmp_path / f"{masks}.safetensors", masks=masks),
            tmp_path / f"left-{masks}",
        )
        export_model(opened(model), "onnx", out)
        names = {"labels.json", "model.onnx", "run.py"}
        drawing = {"encoder.onnx", "decoder.onnx", "sam.py"} if masks else set()
        assert {path.name for path in out.iterdir()} == names | drawing
        ours = found_by(model, photos)
        assert same(run_alone(out, photos, within=tmp_path), ours, photos) > COUNT
        assert any("segmentation" in one for one in ours) == masks


def instant_head_of(path: Path, *, masks: bool) -> Path:
    """A head that has learnt a little beside what it has from the detector."""
    from labeler.models.detector_eyes import DetectorEyes
    from labeler.training.instant import head as instant_head

    eyes, random = DetectorEyes(), np.random.default_rng(2)
    names = (*eyes.layers.names, "thing")
    config = instant_head.Config(width=8, eyes=eyes.fingerprint, masks=masks, slope=0.9, shift=0.2)
    chance = {
        name: random.normal(size=shape, scale=0.02).astype(np.float32)
        for name, shape in instant_head.shapes_of(config, len(names)).items()
    }
    for level in range(3):
        chance[f"category{level}.bias"][-1] = -4
    weights = chance | instant_head.coco_weights(names, eyes.layers)
    instant_head.save(instant_head.Head(weights, names, config), path, "My things")
    return path


# --- other forms --------------------------------------------------------------------------------------
# torch says that there will be another form; what this one gives is checked as long as it is offered
@pytest.mark.filterwarnings("ignore:.torch.jit.load. is:FutureWarning")
def test_torchscript_is_the_same_network_at_any_size(tmp_path) -> None:
    import torch

    spec = discover(safe_mode=True).resolve("yolo11n")
    files = export_model(spec, "torchscript", tmp_path / "left")
    assert [path.name for path in files] == ["labels.json", "model.torchscript"]
    frame = torch.rand((1, 3, 320, 416), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = torch.jit.load(files[1])(frame)
        wanted = spec.portable().module(frame)
    wanted = wanted[0] if isinstance(wanted, tuple | list) else wanted
    found = found[0] if isinstance(found, tuple | list) else found
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=1e-2)


def test_openvino_is_written_where_it_is_installed(tmp_path) -> None:
    openvino = pytest.importorskip("openvino")
    files = export_model(discover(safe_mode=True).resolve("yolo11n"), "openvino", tmp_path / "left")
    assert [path.name for path in files] == ["labels.json", "model.bin", "model.xml"]
    network = openvino.compile_model(files[2], "CPU")
    assert network(np.zeros((1, 3, 320, 416), np.float32))[0].shape == (1, 84, 2730)


# --- what cannot be -----------------------------------------------------------------------------------
def test_without_openvino_the_command_that_installs_it_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(ModelError, match="OpenVINO is not installed: `uv sync --extra openvino`"):
        export_model(ModelSpec("a", "A", "detector", dict, portable=lambda: None), "openvino", tmp_path / "a")


def test_a_model_that_stays_says_so(tmp_path, capsys) -> None:
    out = tmp_path / "left"
    assert cli.run(["models", "export", "everything", "--out", str(out)]) == 1
    assert "cannot be exported: of it only the app itself knows how it is run" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("form", ["torchscript", "openvino"])
def test_what_has_a_sam_in_it_leaves_as_onnx_alone(form, tmp_path, capsys) -> None:
    pytest.importorskip("openvino" if form == "openvino" else "torch")
    out = tmp_path / "left"
    assert cli.run(["models", "export", "mobilesam", "--to", form, "--out", str(out)]) == 1
    assert "MobileSAM can be exported as ONNX only, since " in capsys.readouterr().err
    assert not out.exists()


def test_what_an_exporter_raises_is_one_sentence(tmp_path) -> None:
    def fails() -> None:
        raise RuntimeError("Unsupported: adaptive pooling\nand much more")

    spec = ModelSpec("a", "A", "detector", dict, portable=fails)
    with pytest.raises(
        ModelError, match=r"A could not be exported as onnx \(RuntimeError: Unsupported: adap"
    ):
        export_model(spec, "onnx", tmp_path / "left")


def test_nothing_is_written_over_and_nothing_half(tmp_path, capsys) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.run(["models", "export", "yolo11n", "--out", str(tmp_path)]) == 1
    assert "is there already and not an empty folder" in capsys.readouterr().err

    def fails() -> None:
        raise ModelError("It does not work.")

    spec = ModelSpec("a", "A", "detector", dict, portable=fails)
    with pytest.raises(ModelError, match="It does not work"):
        export_model(spec, "onnx", tmp_path / "left")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    monkeypatch.setattr("labeler.models.portable._contents", lambda *_: {"model.onnx": b"much"})
    spec = ModelSpec("a", "A", "detector", dict, portable=lambda: None)
    with pytest.raises(ModelError, match=r"A cannot be written to .*left \(No space left on device\)"):
        export_model(spec, "onnx", tmp_path / "left")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["export", "yolo11n"], ["list", "--out", "x"], ["export", "a", "b", "--out", "x"]]
)
def test_what_makes_no_sense_is_a_usage_error(words) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.run(["models", *words])
    assert raised.value.code == 2
