"""Cityscapes' pictures: NAME_gtFine_labelIds.png of categories, NAME_gtFine_instanceIds.png of objects.

The number of an object is its category's times 1000 and a count; a number below 1000 is a whole category, or
for what has objects a group in which none could be told apart. The numbers are those of the official table,
github.com/mcordts/cityscapesScripts, helpers/labels.py; the first four are no objects but the car that took
the photo, its border and what was left out.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from labeler.formats.masks.class_tables import ClassTable

_NAMES = (
    "unlabeled,ego vehicle,rectification border,out of roi,static,dynamic,ground,road,sidewalk,parking,"
    "rail track,building,wall,fence,guard rail,bridge,tunnel,pole,polegroup,traffic light,traffic sign,"
    "vegetation,terrain,sky,person,rider,car,truck,bus,caravan,trailer,train,motorcycle,bicycle"
).split(",")
_NOTHING = 4
"""Numbers below this are no category."""
_THINGS = 24
"""Numbers from this on are categories that have objects."""
_EACH = 1000

TABLE = ClassTable(
    tuple(_NAMES[_NOTHING:]),
    {number: name if number >= _NOTHING else None for number, name in enumerate(_NAMES)},
)


def are_label_ids(names: Sequence[str]) -> bool:
    """Whether masks are Cityscapes' pictures of categories, by their names."""
    return bool(names) and all(PurePosixPath(name).stem.endswith("_labelIds") for name in names)


def is_of_instances(name: str) -> bool:
    """Whether a picture is Cityscapes' picture of objects, by its name."""
    return PurePosixPath(name).stem.endswith("_instanceIds")


def meaning(number: int) -> tuple[str, bool] | None:
    """The category of an object's number and whether it is a group; None for what is no object."""
    category = number // _EACH if number >= _EACH else number
    name = TABLE.numbers.get(category, f"class {category}")
    return None if name is None else (name, _THINGS <= number < _EACH)
