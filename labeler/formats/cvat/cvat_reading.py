"""CVAT's XML 1.1, for images and for videos, of tasks, projects and jobs, as records.

Format: see `cvat_shapes`. What of an object only CVAT says (hidden, who made it, group, z-order, track, that
it was a turned box or an ellipse) stays in `extra` under “cvat”; tags, points and lines stay with the image.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import msgspec
from msgspec import Struct

from labeler.core.records import Annotation, Image
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats.cvat.cvat_labels import KEY, LabelTable
from labeler.formats.cvat.cvat_shapes import (
    AREAS,
    OTHERS,
    CvatShape,
    MaskReader,
    box_of,
    cuboid_of,
    ellipse_of,
    polygon_of,
    skeleton_of,
)
from labeler.formats.cvat.cvat_tracks import TrackReader, photos_of
from labeler.formats.cvat.xml_stream import elements
from labeler.formats.gates import RefusalError
from labeler.formats.report import FieldNote, Verdict
from labeler.formats.spec import Dataset, Reading, Source

_STEP = 4096
_HEAD = 1 << 16
_SHAPE_KEYS = frozenset(
    "label xtl ytl xbr ybr points cx cy rx ry rotation rle left top width height frame outside keyframe"
    " occluded source z_order group_id".split(" ")
)
TOLD: Mapping[object, str] = {
    "turned box": "Is a turned box, taken as its outline; it is written as one while that is a rectangle.",
    "ellipse": "Is an ellipse, taken as its outline; it is written as one while that has its form.",
    "cuboid": "Is a cuboid, taken as the outline around it; it is written as one while that is as it was.",
    "skeleton": "Is a skeleton, taken as the box around its points, which are kept.",
}
TAG = "Is a tag of the whole image, which is kept but not shown."
NO_AREA = "Is a line or points, which have no area; kept with the image but not shown."


def is_cvat(path: Path) -> bool:
    """Whether a file begins as CVAT's XML does."""
    with path.open("rb") as file:
        head = file.read(_HEAD).replace(b"\0", b"")  # whatever the width of its characters
    return b"<annotations" in head and any(
        mark in head for mark in (b"<image ", b"<track ", b"<meta", b"<version")
    )


def read(source: Source) -> Reading:
    """The records of a file. Raises FormatError, one sentence, and ImportStoppedError when stopped."""
    reader = _Reader(source)
    reader.take(source.path)
    return reader.reading()


class _Draft(Struct):
    """An image while its file is read."""

    name: str
    width: int = 0
    height: int = 0
    facts: dict[str, Any] = {}
    objects: int = 0


class _Reader:
    """Takes the elements of a file in order."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._labels = LabelTable()
        self._masks = MaskReader()
        self._tracks = TrackReader()
        self._images: list[_Draft] = []
        self._known: dict[tuple[str, str], int] = {}
        self._frames: dict[int, int] = {}
        self._annotations: list[Annotation] = []
        self._places: list[str] = []
        self._notes: list[FieldNote] = []
        self._size = (0, 0)
        self._start, self._step = 0, 1
        self._task: str | None = None

    def take(self, path: Path) -> None:
        """Read the file."""
        depth = 0
        for count, (event, element) in enumerate(elements(path, encoding=self._source.encoding)):
            if count == 0 and element.tag != "annotations":
                raise FormatError(f"“{path}” is no file of CVAT: it begins with <{element.tag[:40]}>.")
            if count % _STEP == 0 and self._source.should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            if event == "start":
                depth += element.tag == "track"
                continue
            depth -= element.tag == "track"
            if depth or element.tag not in ("image", "track", "meta"):
                continue
            if element.tag == "image":
                self._image(element)
            elif element.tag == "track":
                self._track(element)
            else:
                self._meta(element)
            element.clear()

    def _note(
        self, verdict: Verdict, sentence: str, at: str, *, field: str = "", kind: str = "annotations"
    ) -> None:
        self._notes.append(FieldNote(verdict, kind, None, field, sentence, at))

    def _meta(self, meta: Element) -> None:
        self._labels.declare(meta)
        self._size = (_count(meta, ".//original_size/width"), _count(meta, ".//original_size/height"))
        self._start = _count(meta, ".//start_frame")
        _, _, step = (meta.findtext(".//frame_filter") or "").partition("step=")
        self._step = max(int(step) if step.isdigit() and len(step) < 9 else 1, 1)

    def _image(self, element: Element) -> None:
        name, subset = element.get("name", ""), element.get("subset", "")
        if not name.strip():
            said = f"Is an image without a name, so its {len(element)} objects are left out."
            self._note("refused", said, f"image {len(self._images) + 1}", field="name", kind="images")
            return
        place = self._known.get((subset, name))
        if place is None:
            place = self._known[subset, name] = len(self._images)
            width, height = (_side(element.get(key, "")) for key in ("width", "height"))
            kept = ("id", "subset", "task_id")
            facts: dict[str, Any] = {key: element.attrib[key] for key in kept if key in element.attrib}
            self._images.append(_Draft(name, width, height, facts))
        else:
            self._note(
                "repaired",
                "Is there twice; the objects of both are taken, so check that both are this photo.",
                name,
                kind="images",
            )
        for child in element:
            self._child(child, place)

    def _child(self, child: Element, place: int, track: Element | None = None) -> None:
        """Take an object, or keep what is none with its image."""
        draft = self._images[place]
        draft.objects += 1
        if child.tag in AREAS:
            try:
                self._object(child, place, track)
            except RefusalError as refusal:
                self._note("refused", refusal.sentence, _at(draft, child), field=refusal.field)
        elif child.tag in OTHERS or child.tag == "tag":
            kept: dict[str, Any] = {"tag": child.tag, **child.attrib}
            if track is not None:
                kept |= {"label": track.get("label", ""), "track_id": track.get("id", "")}
            if own := [[one.get("name", ""), one.text or ""] for one in child.iter("attribute")]:
                kept["attributes"] = own
            draft.facts.setdefault("others", []).append(kept)
            self._note("told", TAG if child.tag == "tag" else NO_AREA, _at(draft, child), kind="images")
        else:
            self._note("refused", "Is no shape that is known.", _at(draft, child))

    def _object(self, child: Element, place: int, track: Element | None) -> None:
        given = child.attrib
        label = (given if track is None else track.attrib).get("label", "")
        if not label.strip():
            raise RefusalError("label", "Has no label.")
        category = self._labels.id_of(label)
        found = self._shape(child, label)
        facts = {**_facts(given), **found.facts}
        if track is not None:
            facts |= _facts(track.attrib) | {"keyframe": given.get("keyframe") != "0"}
            facts["track_id"] = facts.pop("id", "")
        extra: dict[str, object] = {}
        if found.keypoints:
            extra["keypoints"] = found.keypoints
            extra["num_keypoints"] = sum(seen > 0 for seen in found.keypoints[2::3])
        if facts:
            extra[KEY] = facts
        attributes = {
            one.get("name", ""): self._labels.typed(label, one.get("name", ""), one.text or "")
            for one in child.iterfind("attribute")
        }
        draft = self._images[place]
        if (was := found.facts.get("shape")) in TOLD:
            self._note("told", TOLD[was], _at(draft, child))
        self._places.append(f"{child.tag} {draft.objects}")
        self._annotations.append(
            Annotation(
                len(self._annotations) + 1,
                place + 1,
                category,
                found.shape,
                source="import",
                attributes=attributes,
                extra=msgspec.json.encode(extra) if extra else b"",
            )
        )

    def _shape(self, child: Element, label: str) -> CvatShape:
        if child.tag == "box":
            return box_of(child.attrib)
        if child.tag == "polygon":
            return polygon_of(child.attrib)
        if child.tag == "mask":
            return CvatShape(self._masks.mask(child.attrib))
        if child.tag == "ellipse":
            return ellipse_of(child.attrib)
        if child.tag == "cuboid":
            return cuboid_of(child.attrib)
        return skeleton_of(child, self._labels.points.setdefault(label, []))

    def _track(self, track: Element) -> None:
        self._task = self._task if self._task is not None else track.get("task_id")
        if track.get("task_id") != self._task:  # both have a frame 0, and nothing says which photos are whose
            said = "Is of another task than those before; export each by itself."
            self._note("refused", said, f"track {track.get('id', self._tracks.count)}", field="task_id")
            return
        try:
            for frame, element in self._tracks.positions(track, self._step):
                if frame not in self._frames:
                    self._frames[frame] = len(self._images)
                    facts = {"id": str(frame)}
                    self._images.append(_Draft(f"frame {frame}", *self._size, facts))
                self._child(element, self._frames[frame], track)
        except RefusalError as refusal:
            at = f"track {track.get('id', self._tracks.count)}"
            self._note("refused", refusal.sentence, at, field=refusal.field)

    def reading(self) -> Reading:
        """What was read."""
        if self._frames:
            self._name_frames()
        if self._labels.undeclared:
            one = min(self._labels.undeclared)
            said = f"Has labels that its meta does not declare, as “{one}”; they are added."
            self._notes.append(FieldNote("repaired", "file", None, "labels", said))
        images = tuple(self._named())
        paths = [image.path for image in images]
        annotations, places = tuple(self._annotations), self._places
        return Reading(
            Dataset(images, self._labels.categories(), annotations),
            tuple(self._notes),
            lambda place: f"{paths[annotations[place].image_id - 1]}, {places[place]}",
        )

    def _name_frames(self) -> None:
        names, sentence = photos_of(
            sorted(self._frames),
            start=self._start,
            step=self._step,
            find=self._source.find,
            photos=self._source.photos(),
        )
        for frame, place in self._frames.items():
            self._images[place].name = names[frame]
        tracks = "Its tracks are taken as single objects on its frames, which keep the track's number."
        self._notes += [FieldNote("told", "file", None, "track", said) for said in (tracks, sentence)]

    def _named(self) -> Iterator[Image]:
        """The images by path: in a project two subsets may have the same names."""
        twice = len({draft.name for draft in self._images}) < len(self._images)
        for number, draft in enumerate(self._images, 1):
            name, subset = draft.name, draft.facts.get("subset", "")
            if subset and twice:
                name = self._source.find(f"images/{subset}/{name}") or f"{subset}/{name}"
            extra = msgspec.json.encode({KEY: draft.facts}) if draft.facts else b""
            yield Image(number, name, draft.width, draft.height, extra=extra)


def _facts(given: Mapping[str, str]) -> dict[str, object]:
    """What is kept of an element's attributes beside its label and its numbers."""
    facts: dict[str, object] = {}
    if given.get("occluded", "0") not in ("0", ""):
        facts["occluded"] = True
    if (source := given.get("source", "manual")) not in ("manual", ""):
        facts["source"] = source
    for name in ("z_order", "group_id"):
        if (text := given.get(name, "0")) not in ("0", ""):
            with suppress(ValueError):
                facts[name] = int(text)
    if len(given) > 2:
        facts |= {
            name: text for name, text in given.items() if name not in _SHAPE_KEYS and name not in _CORNERS
        }
    return facts


_CORNERS = frozenset(
    f"{axis}{corner}{face}" for axis in "xy" for corner in ("tl", "bl", "tr", "br") for face in "12"
)


def _at(draft: _Draft, child: Element) -> str:
    return f"{draft.name}, {child.tag[:40]} {draft.objects}"


def _side(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 8 else 0


def _count(meta: Element, path: str) -> int:
    return _side((meta.findtext(path) or "").strip())
