"""YOLO as formats: detection, segmentation and poses, which are read by one reader and written apart.

    images/train/a.jpg   the photos
    labels/train/a.txt   a line an object, see `yolo_lines`
    data.yaml            the parts and the names of the classes

What is written is what ultralytics trains from: its reader refuses a file that has boxes and outlines.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from labeler.core.records import Mask
from labeler.formats.report import FieldNote
from labeler.formats.spec import FormatSpec, Holds, Part, Target
from labeler.formats.yolo.label_texts import head_of, some_files
from labeler.formats.yolo.shares import BadLineError
from labeler.formats.yolo.yolo_lines import label_line, pose_lengths, split_line, understood
from labeler.formats.yolo.yolo_poses import KEYS, NO_POSES, Poses, pose_line, pose_settings, poses_of
from labeler.formats.yolo.yolo_reading import read
from labeler.formats.yolo.yolo_settings import MEANS, NAME_FILES, is_darknet, is_yaml_of_a_set

WHOLE = "train"
"""The part of photos that are not parted: ultralytics wants one to train on."""
_LOOKED_AT = 5
"""Label files with text that decide what a folder is."""
_LINES = 50

LEFT = (
    "The photos are not in the folder: to train from it, put them where data.yaml says, or export them along."
)
NO_KEY = "data.yaml has no key for the part “{}”; it stands under “rest”, which ultralytics leaves alone."


def sniff(path: Path) -> bool:
    """Whether a folder, a data.yaml, an obj.data or a label file is of a YOLO data set."""
    if path.is_dir():
        return _is_data_set(path)
    ending = path.suffix.lower()
    if ending in (".yaml", ".yml"):
        return is_yaml_of_a_set(head_of(path))
    if ending == ".data":
        return is_darknet(head_of(path))
    return ending == ".txt" and path.name.lower() not in NAME_FILES and bool(_are_labels(head_of(path)))


def _is_data_set(folder: Path) -> bool:
    """What the first label files with text say; where all are empty, what a data.yaml says."""
    said = [
        known
        for path in some_files(folder, ".txt")
        if path.name.lower() not in NAME_FILES and (known := _are_labels(head_of(path))) is not None
    ][:_LOOKED_AT]
    if said:
        return any(said)
    return any(
        is_yaml_of_a_set(head_of(path)) for path in some_files(folder, ".yaml", most=5, looks=200)
    ) or any(is_darknet(head_of(path)) for path in some_files(folder, ".data", most=5, looks=200))


def _are_labels(text: str) -> bool | None:
    """Whether the lines of a text are labels; None where there are none, or they are paths or words."""
    lines = [line for line in text.splitlines()[:_LINES] if line.strip()]
    if not lines:
        return None
    good = 0
    for line in lines:
        try:
            taken = split_line(line, {})
            understood(taken, pose_lengths([taken], None), None)
            good += 1
        except BadLineError:
            continue
    if good * 2 >= len(lines):
        return True
    return False if any(len(line.split()) > 3 for line in lines) else None


def write(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    """Label files and a data.yaml; gives what is to be known of them."""
    return _written(parts, target, None)


def write_poses(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    """As `write`, with the keypoints of each object behind its box, and what they are in data.yaml."""
    return _written(parts, target, poses_of(parts))


def _written(parts: Sequence[Part], target: Target, poses: Poses | None) -> list[FieldNote]:
    """Label files and a data.yaml, whose paths are relative to it, so that it may be moved.

    Without a part of that kind `val` is what is trained on, since ultralytics wants one.
    """
    categories = parts[0].dataset.categories
    number_of = {category.id: number for number, category in enumerate(categories)}
    settings, notes = _settings([part.name or WHOLE for part in parts if part.dataset.images])
    for part in parts:
        folder = target.path / "labels" / (part.name or WHOLE)
        notes += _write_labels(part, number_of, folder, poses if poses and poses.count else None)
    if poses is not None and poses.count:
        settings |= pose_settings(poses, number_of)
    elif poses is not None:
        notes.append(FieldNote("told", "file", None, "", NO_POSES))
    names = {number: category.name for number, category in enumerate(categories)}
    (target.path / "data.yaml").write_text(_yaml({**settings, "names": names}), "utf-8", newline="\n")
    return notes


def _write_labels(
    part: Part, number_of: dict[int, int], folder: Path, poses: Poses | None
) -> list[FieldNote]:
    """The label files of a part, in a folder that is made; gives what of their poses is lost."""
    notes: list[FieldNote] = []
    lines: dict[int, list[str]] = {image.id: [] for image in part.dataset.images}
    names = {image.id: image.path for image in part.dataset.images}
    sizes = {image.id: (image.width, image.height) for image in part.dataset.images}
    for one in part.dataset.annotations:
        assert not isinstance(one.shape, Mask), "shapes are made such as `holds` says"
        number, size = number_of[one.category_id], sizes[one.image_id]
        if poses is None:
            line = label_line(number, one.shape, size)
        else:
            line, told = pose_line(number, one, size, poses)
            at = f"labels/{folder.name}/{_stem(names[one.image_id])}.txt:{len(lines[one.image_id]) + 1}"
            notes += [FieldNote("told", "annotations", None, "keypoints", sentence, at) for sentence in told]
        lines[one.image_id].append(f"{line}\n")
    folder.mkdir(parents=True, exist_ok=True)
    for image in part.dataset.images:
        (folder / f"{_stem(image.path)}.txt").write_text("".join(lines[image.id]), "utf-8", newline="\n")
    return notes


def _spelled(name: str) -> str:
    """As `data.yaml` has a name and gives it back: on one line, with single blanks."""
    return " ".join(name.split())


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _settings(names: Sequence[str]) -> tuple[dict[str, object], list[FieldNote]]:
    """What data.yaml says of the parts: one folder, or a list of some."""
    found = {key: [name for name in names if name.lower() in same] for key, same in MEANS.items()}
    rest = [name for name in names if not any(name in same for same in found.values())]
    if not found["train"]:
        found["train"], rest = rest or [*found["val"], *found["test"]] or [WHOLE], []
    found["val"] = found["val"] or found["train"]
    notes = [FieldNote("told", "file", None, "", NO_KEY.format(name)) for name in rest]
    folders = {key: [f"images/{name}" for name in same] for key, same in {**found, "rest": rest}.items()}
    return {key: same[0] if len(same) == 1 else same for key, same in folders.items() if same}, notes


def _yaml(content: dict[str, object]) -> str:
    import yaml  # noqa: PLC0415 - only few need it, and it takes a while to import

    return str(yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=1 << 20))


def _photo(part: str, name: str) -> str:
    return f"images/{part or WHOLE}/{name}"


yolo = FormatSpec(
    "yolo",
    "YOLO",
    (".yaml", ".yml", ".data", ".txt"),
    sniff,
    read,
    write,
    Holds(("box",), spelled=_spelled),
    folder=True,
    photo=_photo,
    summary="boxes; ultralytics, darknet, Roboflow and most trainers of detectors",
    alone=LEFT,
)
"""Detection; read are all kinds of lines."""

yolo_seg = FormatSpec(
    "yolo-seg",
    "YOLO segmentation",
    yolo.suffixes,
    lambda _: False,  # `yolo` reads it too
    read,
    write,
    Holds(("polygons",), spelled=_spelled),
    folder=True,
    photo=_photo,
    summary="outlines of one ring; ultralytics' segmentation",
    alone=LEFT,
)
"""Segmentation."""

yolo_pose = replace(
    yolo_seg,
    id="yolo-pose",
    title="YOLO poses",
    write=write_poses,
    holds=Holds(("box",), keys=KEYS, spelled=_spelled),
    summary="boxes with their keypoints; ultralytics' poses",
)
"""Poses."""
