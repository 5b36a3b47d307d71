"""A data set in a format: fitted shapes, photos where they belong, and never a half of it on the disk."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from msgspec import Struct
from msgspec.structs import replace
from PIL import Image as PillowImage

from labeler.core.files import amount, atomic_write
from labeler.core.full_disk import why
from labeler.core.photos.images import read_header, read_pixels
from labeler.core.photos.patience import is_folder, is_there, patiently
from labeler.core.records import Annotation, Image
from labeler.errors import ExportStoppedError, FormatError, ImageError
from labeler.formats.door import tried
from labeler.formats.fitting import fitted
from labeler.formats.image_paths import folded, is_clean, last_part
from labeler.formats.report import FieldNote, Ledger, Report
from labeler.formats.spec import Dataset, FormatSpec, Part, PhotosAre, Target
from labeler.formats.write_options import FOR_OTHERS, Writing

MANIFEST = ".labeler-export"
"""The file in a folder that names what an export wrote there, so that the next one leaves nothing behind."""
RENAMED = "Has another name in the data set, since two photos had one."
UNREADABLE = "Its photo cannot be read, so it is not in the data set; its labels are."
_STEP = 64
"""Photos between two questions whether to stop."""


class Wanted(Struct, frozen=True, eq=False):
    """What is to be written, where and how."""

    dataset: Dataset
    """All of it; images have the names that labels files have for them."""
    out: Path
    """A file, or a folder: that of a `folder` format, or one for a file and photos beside it."""
    files: Mapping[int, Path] = {}
    """The photo of each image, by id."""
    parts: Mapping[int, str] = {}
    """The part of each image, by id; "" where it is not there."""
    writing: Writing = FOR_OTHERS
    photos: PhotosAre = "left"
    straighten: bool = False
    """Whether photos that are turned by EXIF are written turned; only where they are copied or linked."""
    over: bool = False
    """Whether what is there may be written over."""
    should_stop: Callable[[], bool] = lambda: False


class Written(Struct, frozen=True, eq=False):
    """What came of it."""

    files: tuple[Path, ...]
    """Each file, or the one folder."""
    report: Report


def losses(
    spec: FormatSpec, dataset: Dataset, writing: Writing = FOR_OTHERS, photos: PhotosAre = "copied"
) -> Report:
    """What a format cannot hold of a data set, told before anything is written."""
    ledger = Ledger()
    _, notes, totals = fitted(dataset, spec.holds, writing)
    ledger.extend((*notes, *_alone(spec, photos)))
    return ledger.report(spec.title, totals, done="written")


def _alone(spec: FormatSpec, photos: PhotosAre) -> tuple[FieldNote, ...]:
    """What is to be known of a data set whose photos stay behind."""
    return (FieldNote("told", "file", None, "", spec.alone),) if spec.alone and photos == "left" else ()


def write_data_set(spec: FormatSpec, wanted: Wanted) -> Written:
    """Write a data set in a format, whole or not at all; gives its files, and what was lost.

    Raises FormatError, one sentence, where the format or the disk does not take it, and ExportStoppedError
    when stopped; what was there is then as it was.
    """
    if spec.write is None:
        raise FormatError(f"{spec.title} is only read, not written.")
    ledger = Ledger()
    dataset, notes, totals = fitted(wanted.dataset, spec.holds, wanted.writing)
    ledger.extend(notes)
    is_folder_wanted = spec.folder or wanted.photos != "left"
    if is_folder_wanted and wanted.out.suffix.lower() in spec.suffixes and not is_folder(wanted.out):
        raise FormatError(
            f"“{wanted.out.name}” is the name of a file; {spec.title} with photos is a folder: give one."
        )
    with _beside(wanted.out) as draft:
        try:
            files = (
                _folder(spec, dataset, wanted, draft, ledger)
                if is_folder_wanted
                else _files(spec, dataset, wanted, draft, ledger)
            )
        except OSError as error:
            raise FormatError(f"“{wanted.out}” cannot be written: {why(error, wanted.out)}.") from error
    ledger.extend(_alone(spec, wanted.photos))
    return Written(files, ledger.report(wanted.out.name, totals, done="written"))


class _beside:  # noqa: N801 - a context manager, used as a function
    """A new folder beside a path, gone at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made: Path | None = None

    def __enter__(self) -> Path:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._made = Path(tempfile.mkdtemp(prefix=".labeler-", suffix=".part", dir=self._path.parent))
        except OSError as error:
            raise FormatError(f"“{self._path}” cannot be written: {why(error, self._path)}.") from error
        return self._made

    def __exit__(self, *_: object) -> None:
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)


def part_path(out: Path, name: str) -> Path:
    """The file of a part: `labels-train.json` of `labels.json`."""
    return out.with_name(f"{out.stem}-{name}{out.suffix}") if name else out


def _parts(dataset: Dataset, wanted: Wanted) -> list[Part]:
    """The parts of a data set, by name; one named "" where nothing is parted."""
    name_of = {image.id: wanted.parts.get(image.id, "") for image in dataset.images}
    images: dict[str, list[Image]] = {}
    for image in dataset.images:
        images.setdefault(name_of[image.id], []).append(image)
    annotations: dict[str, list[Annotation]] = {}
    for one in dataset.annotations:
        annotations.setdefault(name_of.get(one.image_id, ""), []).append(one)
    return [
        Part(name, replace(dataset, images=tuple(images[name]), annotations=tuple(annotations.get(name, ()))))
        for name in sorted(images)
    ] or [Part("", dataset)]


def _files(
    spec: FormatSpec, dataset: Dataset, wanted: Wanted, draft: Path, ledger: Ledger
) -> tuple[Path, ...]:
    """Single files, one for each part, moved into place once all are written."""
    made: list[tuple[Path, Path]] = []
    for part in _parts(dataset, wanted):
        path = part_path(wanted.out, part.name)
        target = Target(
            draft / path.name,
            where={image.id: image.path for image in part.dataset.images},
            writing=wanted.writing,
        )
        _write(spec, [part], target, path, ledger)
        made.append((target.path, path))
    for source, path in made:
        source.replace(path)
    return tuple(path for _, path in made)


def _folder(
    spec: FormatSpec, dataset: Dataset, wanted: Wanted, draft: Path, ledger: Ledger
) -> tuple[Path, ...]:
    """A folder with the files of the format, and the photos where they are copied or linked."""
    names = _names(dataset.images, ledger)
    named = replace(dataset, images=tuple(replace(one, path=names[one.id]) for one in dataset.images))
    place = spec.photo if spec.folder else _photo_beside
    places = {one.id: place(wanted.parts.get(one.id, ""), names[one.id]) for one in named.images}
    if wanted.photos == "left":
        where = {one.id: _left(one, wanted, places) for one in named.images}
    else:
        where = places
        _bring_photos(named.images, places, wanted, draft, ledger)
    parts = _parts(named, wanted)
    if spec.folder:
        _write(spec, parts, Target(draft, wanted.photos, where, wanted.writing), wanted.out, ledger)
    else:
        for part in parts:
            inside = (
                spec.inside(part.name)
                if spec.inside
                else part_path(Path(f"labels{spec.suffixes[0]}"), part.name)
            )
            path = draft / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            own = {one.id: where[one.id] for one in part.dataset.images}
            _write(spec, [part], Target(path, wanted.photos, own, wanted.writing), wanted.out, ledger)
    _move(draft, wanted)
    return (wanted.out,)


def _write(spec: FormatSpec, parts: Sequence[Part], target: Target, path: Path, ledger: Ledger) -> None:
    write = spec.write
    assert write is not None, "a format that is only read was refused"
    notes = tried(spec, path, lambda: tuple(write(parts, target) or ()), doing="written")
    ledger.extend(notes)


def _photo_beside(part: str, name: str) -> str:
    return f"images/{part}/{name}" if part else f"images/{name}"


def _names(images: Sequence[Image], ledger: Ledger) -> dict[int, str]:
    """A file name for each image that no other has, without its ending either, in any case of letters."""
    taken: set[str] = set()
    names: dict[int, str] = {}
    for index, image in enumerate(images):
        parts = [
            part for part in PurePosixPath(image.path.replace("\\", "/")).parts if part not in ("/", "..")
        ]
        plain = _tidy(last_part(image.path))
        tries = [plain, *(_tidy("_".join(parts[-count:])) for count in range(2, len(parts) + 1))]
        tries = [name for name in tries if _key(name) not in taken] or [_numbered(plain, taken)]
        if tries[0] != plain:
            ledger.note("told", "images", index, "", RENAMED)
        names[image.id] = tries[0]
        taken.add(_key(tries[0]))
    return names


def _tidy(name: str) -> str:
    """A name as every system takes it."""
    clean = "".join("_" if one in '<>:"/\\|?*' or not one.isprintable() else one for one in name)
    return clean.strip(". ")[-200:] or "image"


def _key(name: str) -> str:
    return folded(name.rpartition(".")[0] or name).casefold()


def _numbered(name: str, taken: set[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    number = 2
    while _key(f"{stem or name}-{number}{dot}{suffix}") in taken:
        number += 1
    return f"{stem or name}-{number}{dot}{suffix if stem else ''}"


def _left(image: Image, wanted: Wanted, places: Mapping[int, str]) -> str:
    """How files of a folder name a photo that stays where it is: from the folder, or in full."""
    path = wanted.files.get(image.id)
    if path is None:
        return places[image.id]
    try:
        return Path(os.path.relpath(path, wanted.out)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _bring_photos(
    images: Sequence[Image], places: Mapping[int, str], wanted: Wanted, draft: Path, ledger: Ledger
) -> None:
    """Copy or link the photos into the draft; one that cannot be read is told of."""
    if wanted.photos == "copied":
        _check_room([wanted.files[one.id] for one in images if one.id in wanted.files], wanted.out)
    for index, image in enumerate(images):
        if index % _STEP == 0 and wanted.should_stop():
            raise ExportStoppedError("Nothing was exported: it was stopped.")
        path, to = wanted.files.get(image.id), draft / places[image.id]
        to.parent.mkdir(parents=True, exist_ok=True)
        if path is None or not _is_brought(path, to, wanted):
            ledger.note("told", "images", index, "", UNREADABLE)


def _is_brought(path: Path, to: Path, wanted: Wanted) -> bool:
    """Whether a photo could be copied or linked."""
    try:
        if not is_there(path):
            return False
        if not (wanted.straighten and _straightened(path, to)):
            _brought(path, to, wanted.photos)
    except ImageError:
        return False
    return True


def _brought(path: Path, to: Path, photos: PhotosAre) -> None:
    if photos == "copied":
        patiently(path, lambda: shutil.copyfile(path, to))
        return
    try:
        to.symlink_to(path.resolve())
    except OSError as error:
        sentence = f"Links to photos cannot be made there ({error.strerror or error}); copy them."
        raise FormatError(sentence) from error


def _straightened(path: Path, to: Path) -> bool:
    """Write a turned photo as it is displayed; False where it is not turned."""
    if read_header(path).turn == 1:
        return False
    try:
        PillowImage.fromarray(read_pixels(path).rgb).save(to, quality=95)
    except ValueError as error:  # an ending that Pillow does not write
        raise ImageError(f"“{to.name}” cannot be written straightened.") from error
    return True


def _check_room(paths: Sequence[Path], out: Path) -> None:
    """Raises FormatError where the photos are more than the disk has room for."""
    need = 0
    for path in paths:
        with suppress(OSError, ImageError):
            need += patiently(path, path.stat).st_size
    free = shutil.disk_usage(out.parent).free
    if need > free:
        raise FormatError(
            f"“{out}” cannot be written: the photos take {amount(need)}, of which {amount(free)} are free."
        )


def _move(draft: Path, wanted: Wanted) -> None:
    """Put a folder that was written into its place, leaving what else is there."""
    out = wanted.out
    there = out.is_dir() and any(out.iterdir())
    if there and not wanted.over:
        raise FormatError(f"“{out}” is there already and is not empty.")
    made = sorted(path.relative_to(draft).as_posix() for path in draft.rglob("*") if not path.is_dir())
    atomic_write(draft / MANIFEST, json.dumps(made, ensure_ascii=False, indent=0).encode())
    if not there:
        if out.is_dir():
            out.rmdir()
        draft.chmod(0o755)
        draft.replace(out)
        return
    before = _written_before(out)
    for name in [*made, MANIFEST]:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).replace(out / name)
    for name in before - set(made):
        with suppress(OSError):
            (out / name).unlink()


def _written_before(out: Path) -> set[str]:
    """What an earlier export wrote in a folder; only names below it."""
    try:
        names = json.loads((out / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return set()
    known = names if isinstance(names, list) else []
    return {name for name in known if isinstance(name, str) and is_clean(name)}
